// Makes what wasm-bindgen has made as small as it gets: `node shrink.mjs engine_bg.wasm engine.js uploader.wasm`
// writes the last one, and the glue anew in its place.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import binaryen from "binaryen";

const [made, glue, shrunk] = process.argv.slice(2);

/** What rustc makes of the wasm target today: more than these, and browsers of today would refuse the module. */
const FEATURES = ["BulkMemory", "BulkMemoryOpt", "Multivalue", "MutableGlobals", "NontrappingFPToInt", "ReferenceTypes", "SignExt"];

/** How the standard library words a panic. Nobody would read the words; and nothing else here formats anything. */
const WORDING = [
  /^<?(core|alloc|std|__rustc)\[|as core\[\w+\]::(fmt|panic)::/,
  /\bfmt::|panic(king)?::|panic_|_fail(ed)?(_inner)?\b|handle_error|capacity_overflow|rust_(begin_unwind|panic)|rust_end_short/,
];

/** Functions that word a panic become the trap that they end in. */
function withoutWords(wasm) {
  binaryen.setDebugInfo(true);
  const module = binaryen.readBinary(wasm);
  module.setFeatures(FEATURES.reduce((all, feature) => all | binaryen.Features[feature], binaryen.Features.MVP));
  for (let at = 0; at < module.getNumFunctions(); at++) {
    const { name } = binaryen.getFunctionInfo(module.getFunctionByIndex(at));
    if (WORDING.every((part) => part.test(name))) binaryen.Function(module.getFunction(name)).body = module.unreachable();
  }
  return module.emitBinary();
}

/** Optimizes; answers the short names that wasm and glue shall know each other by. */
function optimize(wasm) {
  const tool = join(dirname(createRequire(import.meta.url).resolve("binaryen/package.json")), "bin/wasm-opt");
  const options = [
    ...["-Oz", "-Oz"],
    // Functions stay apart: what looks alike compresses better than what is merged.
    ...["--one-caller-inline-max-function-size", "0"],
    ...["--minify-imports-and-exports-and-modules", "--strip-debug", "--strip-producers", "--strip-target-features"],
  ];
  const names = execFileSync(process.execPath, [tool, "-", ...options, "-o", shrunk], { input: wasm, encoding: "utf8" });
  return JSON.parse(names);
}

/** Calls everything by its short name. */
function renamed(text, { imports, exports }) {
  const short = new Map([...imports, ...exports].map((names) => names.slice(-2)));
  const [[module]] = imports;
  return text
    .replaceAll(`"${module}": import0`, "a: import0")
    .replace(/(?<=wasm\.)\w+|\b__wb\w+(?=: function)/g, (name) => short.get(name) ?? name);
}

const text = renamed(readFileSync(glue, "utf8"), optimize(withoutWords(readFileSync(made))));
// What can't be compiled, or doesn't fit the glue, must not get any further.
for (const { name } of WebAssembly.Module.imports(await WebAssembly.compile(readFileSync(shrunk)))) {
  if (!text.includes(` ${name}: function`)) throw new Error(`The glue lacks what the wasm calls ${name}.`);
}
writeFileSync(glue, text);
