//! `bindgen INPUT.wasm OUT_DIR`: runs wasm-bindgen for the target `web` and writes `bindings.js` and `bindings_bg.wasm`.

use std::env::args_os;
use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<_> = args_os().skip(1).collect();
    let [input, out_dir] = args.as_slice() else {
        eprintln!("usage: bindgen INPUT.wasm OUT_DIR");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(input).out_name("bindings").typescript(false);
    // The entry point passes the address of the wasm file, so that bundlers see it in one place only.
    bindgen.omit_default_module_path(true);
    match bindgen.web(true).and_then(|bindgen| bindgen.generate(out_dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-bindgen failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
