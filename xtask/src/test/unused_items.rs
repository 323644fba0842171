//! Finds public items that nothing uses. rustc reports private ones, but not those that another crate could use.
//!
//! An item is used if its name occurs in any Rust file of the repository outside its definition. Comments, string
//! literals (except format arguments and names of functions in attributes), `use` declarations and headers of `impl`
//! blocks don't count; neither do variables with the name of a function. Unused items that share their name with used
//! ones are missed.

use crate::process::{read, root};
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders without sources of ours.
const SKIPPED_DIRS: [&str; 4] = ["target", "node_modules", "pkg", ".git"];

/// Fails with a list of the unused items.
pub fn check() -> Result<()> {
    let mut paths = Vec::new();
    collect_files(&root(), &mut paths)?;
    let mut files = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        files.push((name, read(&path)?));
    }
    let unused: String = unused_items(&files).iter().map(|item| format!("\n  {item}")).collect();
    ensure!(unused.is_empty(), "public items that nothing uses:{unused}");
    Ok(())
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !SKIPPED_DIRS.contains(&&*name) {
                collect_files(&path, files)?;
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The unused items of files, which are given by name and text, as `file:line: name`.
fn unused_items(files: &[(String, String)]) -> Vec<String> {
    let mut items = Vec::new();
    let mut uses: HashMap<&str, Uses> = HashMap::new();
    for (file, source) in files {
        let tokens = tokens(source);
        let text = |index: usize| tokens.get(index).map_or("", |token| token.text);
        let definitions = definitions(&tokens);
        let in_declaration = declarations(&tokens);
        for (index, token) in tokens.iter().enumerate() {
            if definitions.iter().any(|definition| definition.index == index) {
                continue;
            }
            let uses = uses.entry(token.text).or_default();
            if in_declaration[index] {
                uses.in_declarations = true;
                continue;
            }
            let previous = if index == 0 { "" } else { text(index - 1) };
            uses.elsewhere = true;
            uses.as_function |= !is_variable(previous, text(index + 1), text(index + 2));
        }
        for Definition { index, kind } in definitions {
            items.push((format!("{file}:{}: {}", tokens[index].line, text(index)), kind, text(index)));
        }
    }
    let is_unused = |kind: Kind, uses: &Uses| match kind {
        Kind::Function => !uses.as_function,
        // Its methods are called without its name.
        Kind::Trait => !uses.elsewhere && !uses.in_declarations,
        Kind::Other => !uses.elsewhere,
    };
    items.retain(|(_, kind, name)| uses.get(name).is_none_or(|uses| is_unused(*kind, uses)));
    items.into_iter().map(|(item, ..)| item).collect()
}

/// Whether a word is the name of a variable, a field or a definition rather than of a function.
fn is_variable(previous: &str, next: &str, after_next: &str) -> bool {
    ["let", "mut", "ref", "fn", "mod"].contains(&previous)
        // The body of a closure can begin with a call.
        || (previous == "|" && next != "(")
        || ["=", "?"].contains(&next)
        || (next == "." && previous != ".")
        || (next == ":" && after_next != ":")
}

/// The uses of a word.
#[derive(Default)]
struct Uses {
    /// In `use` declarations or headers of `impl` blocks.
    in_declarations: bool,
    elsewhere: bool,
    /// Elsewhere, and not as a variable.
    as_function: bool,
}

/// A word or a single other character.
#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

struct Definition {
    /// The position of the name in the tokens.
    index: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Function,
    Trait,
    Other,
}

/// Items with an unrestricted `pub`. Those exported by wasm-bindgen are left out, because JavaScript uses them.
fn definitions(tokens: &[Token]) -> Vec<Definition> {
    const MODIFIERS: [&str; 5] = ["async", "const", "unsafe", "extern", "\""];
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text);
    let exported = exported(tokens);
    let mut found = Vec::new();
    for start in (0..tokens.len()).filter(|start| text(*start) == "pub" && !exported[*start]) {
        if text(start + 1) == "const" && text(start + 3) == ":" {
            found.push(Definition { index: start + 2, kind: Kind::Other });
            continue;
        }
        let mut index = start + 1;
        while MODIFIERS.contains(&text(index)) {
            index += 1;
        }
        let kind = match text(index) {
            "fn" => Kind::Function,
            "trait" => Kind::Trait,
            "struct" | "enum" | "static" | "type" | "union" => Kind::Other,
            _ => continue,
        };
        let name = if text(index + 1) == "mut" { index + 2 } else { index + 1 };
        found.push(Definition { index: name, kind });
    }
    found
}

/// For each token, whether it belongs to an item with an attribute of wasm-bindgen.
fn exported(tokens: &[Token]) -> Vec<bool> {
    let mut marks = vec![false; tokens.len()];
    for start in 0..tokens.len() {
        if tokens[start].text == "wasm_bindgen" && start >= 2 && tokens[start - 1].text == "[" {
            let mut depth = 0;
            for index in start..tokens.len() {
                marks[index] = true;
                match tokens[index].text {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 0 && ["}", ";"].contains(&tokens[index].text) {
                    break;
                }
            }
        }
    }
    marks
}

/// For each token, whether it belongs to a `use` declaration or to the header of an `impl` block.
fn declarations(tokens: &[Token]) -> Vec<bool> {
    const STATEMENT_STARTS: [&str; 7] = ["}", ";", "{", "]", "pub", ")", "unsafe"];
    let mut end = "";
    let mut previous = "}";
    let mut marks = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        if end.is_empty() && STATEMENT_STARTS.contains(&previous) {
            end = match token.text {
                "use" => ";",
                "impl" => "{",
                _ => "",
            };
        }
        // A renamed import may be used by its new name.
        let is_renamed = tokens.get(index + 1).is_some_and(|next| next.text == "as");
        marks.push(!end.is_empty() && !is_renamed);
        if token.text == end {
            end = "";
        }
        previous = token.text;
    }
    marks
}

/// The tokens of a source without whitespace, comments and string literals.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let length = match string_length(rest) {
            Some(length) => {
                // `"` stands for the literal, so that `extern "C" fn` is recognized.
                tokens.push(Token { text: "\"", line });
                let is_attribute = tokens.iter().rev().nth(1).is_some_and(|previous| previous.text == "=");
                let words = words_in_string(&rest[..length], is_attribute);
                tokens.extend(words.into_iter().map(|text| Token { text, line }));
                length
            }
            None if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            None if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            None if rest.starts_with("'\"'") => 3,
            None if rest.starts_with("'\\\"'") => 4,
            None if is_word(first) => {
                let length = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
                tokens.push(Token { text: &rest[..length], line });
                length
            }
            None => {
                let length = first.len_utf8();
                if !first.is_whitespace() {
                    tokens.push(Token { text: &rest[..length], line });
                }
                length
            }
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The length of the string literal at the start of `rest`; `None` if there is none.
fn string_length(rest: &str) -> Option<usize> {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    let start = prefix + hashes;
    if prefix > 2 || !rest[start..].starts_with('"') || (hashes > 0 && !rest[..prefix].ends_with('r')) {
        return None;
    }
    let body = &rest[start + 1..];
    let end = if rest[..prefix].ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        body.find(&close).map(|at| at + close.len())
    } else {
        let mut is_escaped = false;
        let is_end = |char: char| {
            let ends = char == '"' && !is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            ends
        };
        body.find(is_end).map(|at| at + 1)
    };
    Some(end.map_or(rest.len(), |end| start + 1 + end))
}

/// The words of a string literal that may name items: format arguments, and in an attribute all.
fn words_in_string(literal: &str, is_attribute: bool) -> Vec<&str> {
    let is_name = |word: &&str| {
        is_attribute || literal[..word.as_ptr() as usize - literal.as_ptr() as usize].ends_with('{')
    };
    literal.split(|char| !is_word(char)).filter(|word| !word.is_empty()).filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use super::unused_items;

    /// The unused items of files, whose names are `0`, `1`, and so on.
    fn unused(files: &[&str]) -> Vec<String> {
        let named = files.iter().enumerate().map(|(index, text)| (index.to_string(), (*text).to_owned()));
        unused_items(&named.collect::<Vec<_>>())
    }

    #[test]
    fn unused_item_of_each_kind_is_found() {
        for item in [
            "pub fn dead() {}",
            "pub async fn dead() {}",
            "pub const fn dead() {}",
            "pub unsafe extern \"C\" fn dead() {}",
            "pub struct dead;",
            "pub enum dead {}",
            "pub trait dead {}",
            "pub const dead: u8 = 1;",
            "pub static mut dead: u8 = 1;",
            "pub type dead = u8;",
        ] {
            assert_eq!(unused(&[&format!("mod a;\n{item}\n")]), ["0:2: dead"], "{item}");
        }
    }

    #[test]
    fn used_item_is_not_found() {
        for text in [
            "fn a() { dead() }",
            "let a = b.dead;",
            "let a = b.dead().c();",
            "a.map(x::dead)",
            "a.map(dead)",
            "a.map(|b| dead(b))",
            "#[serde(with = \"x::dead\")]",
            "format!(\"a {dead}\")",
            "use x::dead as y;",
            "let a = r#\"\"//\"#; dead()",
        ] {
            assert_eq!(unused(&["pub fn dead() {}", text]), [""; 0], "{text}");
        }
        assert_eq!(unused(&["pub struct dead;", "fn a(b: dead) {}"]), [""; 0]);
    }

    #[test]
    fn mention_without_use_is_ignored() {
        for text in [
            "// dead",
            "/* dead */",
            "print(\"dead // \\\" dead\")",
            "print(r#\"\"dead\"\"#)",
            "let a = \"http://a\"; // dead",
            "use x::dead;",
            "pub use x::{a, dead};",
            "impl Display for dead {}",
        ] {
            assert_eq!(unused(&["pub struct dead;", text]), ["0:1: dead"], "{text}");
        }
    }

    #[test]
    fn variable_is_no_use_of_a_function() {
        for text in ["let dead = 1; dead.a()", "a(|dead| 1)", "let a = B { dead: 1 };", "fn dead() {}"] {
            assert_eq!(unused(&["pub fn dead() {}", text]), ["0:1: dead"], "{text}");
        }
    }

    #[test]
    fn trait_is_used_by_import_or_impl() {
        assert_eq!(unused(&["pub trait Ext {}", "use x::Ext;"]), [""; 0]);
        assert_eq!(unused(&["pub trait Ext {}", "impl Ext for u8 {}"]), [""; 0]);
    }

    #[test]
    fn private_restricted_and_exported_items_are_not_found() {
        for item in [
            "fn dead() {}",
            "pub(crate) fn dead() {}",
            "#[wasm_bindgen(js_name = x)]\npub fn dead() {}",
            "#[wasm_bindgen]\nimpl A { fn b() {} pub fn dead() {} }",
        ] {
            assert_eq!(unused(&[item]), [""; 0], "{item}");
        }
        assert_eq!(unused(&["#[wasm_bindgen]\nimpl A { fn b() {} }\npub fn dead() {}"]), ["0:3: dead"]);
    }
}
