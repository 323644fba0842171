//! Compares the documents with the code: codes, variables, parameters, resources, metrics, links and paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use wire::ErrorCode;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The text of a file, by its path from the repository's root.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust source of a folder, without its tests.
fn rust_files(folder: &str) -> String {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let sources = names.filter(|name| name.ends_with(".rs") && name != "tests.rs");
    sources.map(|name| read(&format!("{folder}/{name}"))).collect()
}

/// All documents, by their paths from the repository's root.
fn documents() -> Vec<String> {
    let folders = [
        "",
        "docs/",
        "docs/decisions/",
        "docs/embedding/",
        "web/",
        "tests/",
        "tests/fixtures/keys/",
        "fuzz/",
    ];
    let mut found = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                found.push(format!("{folder}{name}"));
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "{found:?}");
    found
}

/// A document without its fenced code blocks.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The part of a document from the heading `title` to the next heading of its level or above.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let level = title.bytes().take_while(|b| *b == b'#').count();
    let start = text.find(&format!("\n{title}\n")).unwrap_or_else(|| panic!("no heading {title}"));
    let rest = &text[start + title.len() + 2..];
    let is_end = |line: &str| {
        let hashes = line.bytes().take_while(|b| *b == b'#').count();
        (1..=level).contains(&hashes) && line.as_bytes().get(hashes) == Some(&b' ')
    };
    let end = rest.lines().scan(0, |at, line| {
        let start = *at;
        *at += line.len() + 1;
        Some((start, line))
    });
    let end = end.filter(|(_, line)| is_end(line)).map(|(at, _)| at).next().unwrap_or(rest.len());
    &rest[..end]
}

/// The text between backticks, line by line.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('"').skip(1).step_by(2))
}

fn is_variable(name: &str) -> bool {
    name.contains('_') && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A top-level section of the template: its entries' names, each with its lines.
fn template_entries<'a>(template: &'a str, section: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut entries: Vec<(&str, Vec<&str>)> = Vec::new();
    let lines = template.lines().skip_while(|line| *line != format!("{section}:")).skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        let is_entry = line.starts_with("  ") && line[2..].starts_with(|c: char| c.is_ascii_alphabetic());
        match (is_entry, entries.last_mut()) {
            (true, _) => entries.push((line[2..].split(':').next().unwrap(), vec![line])),
            (false, Some((_, lines))) => lines.push(line),
            (false, None) => {}
        }
    }
    assert!(entries.len() > 3, "{section}: {entries:?}");
    entries
}

#[test]
fn readme_has_at_most_150_lines_and_both_commands() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    for command in ["cargo xtask up", "cargo xtask test"] {
        assert!(readme.contains(command), "{command}");
    }
}

#[test]
fn error_code_table_lists_every_code() {
    let api = read("docs/api.md");
    let table = section(&api, "### Error codes");
    let edge = read("edge/src/api/error.rs");
    for code in ErrorCode::ALL {
        let (word, title, status) = (code.as_str(), code.title(), status(&edge, *code));
        let retryable = if code.retryable() { "yes" } else { "no" };
        let row = format!("| `{word}` | {status} | {title} | {retryable} |");
        assert!(table.contains(&row), "docs/api.md lacks the row: {row}");
    }
    assert_eq!(table.lines().filter(|line| line.starts_with("| `")).count(), ErrorCode::ALL.len());
}

/// The status of a code in the edge's source: `(StatusCode::NOT_FOUND, Code::BadUpload)`.
fn status(edge: &str, code: ErrorCode) -> u16 {
    let name = edge.split("StatusCode::").find_map(|rest| {
        let (name, rest) = rest.split_once(", Code::")?;
        (rest.split(')').next() == Some(&format!("{code:?}"))).then_some(name)
    });
    let name = name.unwrap_or_else(|| panic!("edge/src/api/error.rs has no status of {code:?}"));
    let reason = |status: &http::StatusCode| status.canonical_reason().unwrap_or_default().to_uppercase();
    let mut statuses = (400..600).filter_map(|status| http::StatusCode::from_u16(status).ok());
    statuses.find(|status| reason(status).replace(' ', "_") == name).unwrap().as_u16()
}

#[test]
fn configuration_lists_every_variable() {
    let document = read("docs/configuration.md");
    let listed: BTreeSet<&str> = code_spans(&document).collect();
    let source = rust_files("edge/src/config");
    let mut variables: BTreeSet<&str> = quoted(&source).filter(|name| is_variable(name)).collect();
    assert!(variables.len() > 20, "{variables:?}");
    let template = read("deploy/template.yaml");
    let environment = template.lines().map(str::trim).filter_map(|line| Some(line.split_once(": ")?.0));
    variables.extend(environment.filter(|name| is_variable(name)));
    let missing: Vec<_> = variables.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
}

#[test]
fn deployment_lists_every_parameter_with_its_default() {
    let deployment = read("docs/deployment.md");
    let table = section(&deployment, "## Parameters");
    let template = read("deploy/template.yaml");
    for (name, lines) in template_entries(&template, "Parameters") {
        if ["CodeBucket", "CodeKey", "Architecture", "Release"].contains(&name) {
            continue;
        }
        let default = lines.iter().find_map(|line| line.trim().strip_prefix("Default: "));
        let default = match default.map(|default| default.trim_matches('"')) {
            None => "required",
            Some("") => "–",
            Some(default) => default,
        };
        let row = format!("| `{name}` | {default} |");
        assert!(table.contains(&row), "docs/deployment.md lacks the row: {row}");
    }
}

#[test]
fn deployment_names_the_templates_resources() {
    let deployment = read("docs/deployment.md");
    let template = read("deploy/template.yaml");
    let resources: BTreeSet<&str> =
        template_entries(&template, "Resources").into_iter().map(|(name, _)| name).collect();
    let rows = |title| section(&deployment, title).lines().filter(|line| line.starts_with("| "));
    let all: BTreeSet<&str> =
        rows("## Resources").flat_map(|line| code_spans(line.split('|').nth(2).unwrap())).collect();
    assert_eq!(all, resources);
    let chapters: Vec<&str> = rows("## The original tutorial, chapter by chapter").skip(2).collect();
    assert_eq!(chapters.len(), 7);
    for (number, chapter) in (1..).zip(chapters) {
        assert!(chapter.starts_with(&format!("| {number}. ")), "{chapter}");
        let named: Vec<&str> = code_spans(chapter.split('|').nth(2).unwrap()).collect();
        assert!(!named.is_empty(), "{chapter}");
        for resource in named {
            assert!(resources.contains(resource), "chapter {number}: the template has no {resource}");
        }
    }
}

#[test]
fn operations_explains_every_alarm() {
    let operations = read("docs/operations.md");
    let explained: BTreeSet<&str> = section(&operations, "## Alarms")
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    let template = read("deploy/template.yaml");
    let alarms = template_entries(&template, "Resources").into_iter();
    let alarms = alarms.filter(|(_, lines)| lines.iter().any(|line| line.contains("AWS::CloudWatch::Alarm")));
    assert_eq!(explained, alarms.map(|(name, _)| name).collect());
}

/// Every relative link leads to a file, and its fragment to a heading of that file.
#[test]
fn links_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = prose(&read(&document));
        let folder = Path::new(&document).parent().unwrap().to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, fragment) = link.split_once('#').map_or((link, None), |(path, f)| (path, Some(f)));
            let target = if path.is_empty() { PathBuf::from(&document) } else { folder.join(path) };
            let found = root().join(&target);
            let good = match fragment {
                None => found.exists(),
                Some(fragment) => fs::read_to_string(&found).is_ok_and(|text| has_heading(&text, fragment)),
            };
            if !good {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Whether a heading of `text` has this anchor, as GitHub forms it.
fn has_heading(text: &str, anchor: &str) -> bool {
    prose(text).lines().filter(|line| line.starts_with('#')).any(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).eq(anchor.chars())
    })
}

#[test]
fn faults_lists_every_case_of_the_browser_suite() {
    let document = read("docs/faults.md");
    let listed: BTreeSet<&str> = section(&document, "## In browsers")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .filter(|row| !["fault", "---"].contains(row))
        .collect();
    let suite = read("tests/e2e/faults.test.mjs");
    let cases: BTreeSet<&str> =
        suite.split("name: \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(cases.len() > 15);
    assert_eq!(listed, cases);
}

#[test]
fn faults_lists_every_reported_bug() {
    let document = read("docs/faults.md");
    let rows = section(&document, "## Reported by users of other uploaders").lines();
    let listed: Vec<&str> = rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let simulated = read("tests/simulation/tests/reported_bugs.rs");
    let in_browsers = ["memory", "worker"].map(|name| read(&format!("tests/e2e/{name}.test.mjs"))).concat();
    for report in &listed {
        let is_tested =
            simulated.contains(&format!("fn {report}_")) || in_browsers.contains(&format!("test(\"{report}"));
        assert!(is_tested, "no test of {report}");
    }
    for test in simulated.split("#[test]\nfn ").skip(1).map(|rest| rest.split('(').next().unwrap()) {
        assert!(listed.iter().any(|report| test.starts_with(report)), "docs/faults.md lacks {test}");
    }
}

#[test]
fn operations_lists_every_metric() {
    let operations = read("docs/operations.md");
    let listed: BTreeSet<&str> = code_spans(section(&operations, "## Metrics")).collect();
    let source = read("edge/src/services/metrics.rs");
    // Each metric has a line `("Name", "Unit", value)`.
    let names = source.split("#[cfg(test)]").next().unwrap().split("(\"").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once("\", \"")?;
        let unit = rest.split('"').next()?;
        (["Count", "Bytes", "Seconds"].contains(&unit) && !name.contains('"')).then_some(name)
    });
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() > 5, "{names:?}");
    assert!(names.is_subset(&listed), "docs/operations.md lacks {:?}", names.difference(&listed));
}

/// Paths between backticks that begin with a folder of this repository, in all documents but the changelog.
#[test]
fn paths_in_documents_exist() {
    let folders = ["deploy", "docs", "edge", "fuzz", "local", "tests", "web", "wire", "www", "xtask"];
    let mut missing = Vec::new();
    for document in documents().iter().filter(|document| *document != "CHANGELOG.md") {
        let text = prose(&read(document));
        for span in code_spans(&text) {
            let is_path = span.split_once('/').is_some_and(|(first, _)| folders.contains(&first))
                && span.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
            let exists = root().join(span).exists() || root().join(format!("{span}.rs")).exists();
            if is_path && !exists {
                missing.push(format!("{document}: {span}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Options, event types and error codes of `index.d.ts` are in the tables of the package's README.
#[test]
fn package_readme_lists_options_events_and_codes() {
    let readme = read("web/README.md");
    let types = read("web/js/index.d.ts");
    let block = |start: &str, end: &str| {
        let (_, rest) = types.split_once(start).unwrap_or_else(|| panic!("no {start}"));
        rest.split(end).next().unwrap().to_owned()
    };
    let options = block("export interface UploadOptions {", "\n}");
    let options = options.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split([':', '?']).next()?;
        name.bytes().all(|b| b.is_ascii_alphabetic()).then(|| name.to_owned())
    });
    let events = block("export type UploadEvent =", "\n\n");
    let events = events.split("type: \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let codes = block("readonly code:", ";");
    let codes = codes.split("| \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let lists: [(&str, Vec<String>); 3] = [
        ("## Options", options.collect()),
        ("## Events", events.collect()),
        ("## Error codes", codes.collect()),
    ];
    for (title, names) in lists {
        assert!(names.len() > 6, "{title}: {names:?}");
        let listed: BTreeSet<&str> = code_spans(section(&readme, title)).collect();
        let missing: Vec<_> = names.iter().filter(|name| !listed.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "web/README.md, {title} lacks {missing:?}");
    }
}
