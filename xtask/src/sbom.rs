//! The crates in the Lambda's zip and in the npm package: a bill of materials in CycloneDX's JSON, and the licences of the
//! crates.

use crate::process::{cargo, output};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub const SBOM: &str = "sbom.cdx.json";
pub const NOTICES: &str = "THIRD_PARTY_NOTICES.txt";
/// Beginnings of the names of files that state a licence.
const LICENCE_FILES: [&str; 5] = ["license", "licence", "copying", "notice", "unlicense"];

/// Writes both files for a crate and target into a folder, which must exist; returns their paths. `purl` is the package URL of
/// what is shipped, without its version.
pub fn write(package: &str, purl: &str, target: &str, folder: &Path) -> Result<[PathBuf; 2]> {
    let printed =
        output(cargo().args(["metadata", "--format-version=1", "--locked", "--filter-platform", target]))?;
    let metadata: Value = serde_json::from_str(&printed).context("cargo metadata printed no JSON")?;
    let (own, linked) = linked_packages(&metadata, package)?;
    let files = [folder.join(SBOM), folder.join(NOTICES)];
    let contents = [format!("{:#}\n", bill_of_materials(own, purl, &linked)), notices(&linked)?];
    for (file, content) in files.iter().zip(contents) {
        fs::write(file, content).with_context(|| format!("{} can't be written", file.display()))?;
    }
    Ok(files)
}

/// The package itself, and all that it is linked with: its normal dependencies and theirs, of other authors, by name.
fn linked_packages<'a>(metadata: &'a Value, package: &str) -> Result<(&'a Value, Vec<&'a Value>)> {
    let packages: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).map(|package| (text(package, "id"), package)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).map(|node| (text(node, "id"), node)).collect();
    let own = packages
        .values()
        .find(|found| found["source"].is_null() && text(found, "name") == package)
        .with_context(|| format!("there is no package {package}"))?;
    let (mut found, mut open) = (BTreeSet::new(), vec![text(own, "id")]);
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let dependencies = nodes.get(id).into_iter().flat_map(|node| list(&node["deps"]));
            let is_normal =
                |dependency: &&Value| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            open.extend(dependencies.filter(is_normal).map(|dependency| text(dependency, "pkg")));
        }
    }
    let linked =
        found.into_iter().filter_map(|id| packages.get(id)).filter(|package| !package["source"].is_null());
    let mut linked: Vec<&Value> = linked.copied().collect();
    linked.sort_by_key(|package| (text(package, "name"), text(package, "version")));
    ensure!(!linked.is_empty(), "{package} has no dependencies");
    Ok((own, linked))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn bill_of_materials(own: &Value, purl: &str, linked: &[&Value]) -> Value {
    let component = |package: &&Value| {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let url = format!("pkg:cargo/{name}@{version}");
        json!({
            "type": "library", "bom-ref": url, "name": name, "version": version, "purl": url,
            // Old manifests separate alternatives with a slash.
            "licenses": [{ "expression": text(package, "license").replace('/', " OR ") }],
        })
    };
    let version = text(own, "version");
    let name = purl.split_once('/').map_or(purl, |(_, name)| name).replace("%40", "@");
    let purl = format!("{purl}@{version}");
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "bom-ref": purl, "name": name, "version": version, "purl": purl },
        },
        "components": linked.iter().map(component).collect::<Vec<_>>(),
    })
}

/// Each licence text once, after the names of the crates that it is in.
fn notices(linked: &[&Value]) -> Result<String> {
    let mut crates: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in linked {
        let title =
            format!("{} {} ({})", text(package, "name"), text(package, "version"), text(package, "license"));
        let folder =
            Path::new(text(package, "manifest_path")).parent().context("a package without a folder")?;
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .with_context(|| format!("{} can't be read", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file() && is_licence(path))
            .collect();
        files.sort();
        for file in files {
            let licence = String::from_utf8_lossy(&fs::read(&file)?).trim().replace("\r\n", "\n");
            crates.entry(licence).or_default().push(title.clone());
        }
        if !crates.values().flatten().any(|listed| *listed == title) {
            crates.entry("(no licence text in the crate)".into()).or_default().push(title);
        }
    }
    let rule = "-".repeat(80);
    let sections =
        crates.into_iter().map(|(licence, titles)| format!("{}\n\n{licence}\n", titles.join("\n")));
    Ok(sections.collect::<Vec<_>>().join(&format!("\n{rule}\n\n")))
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    LICENCE_FILES.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linked_crates_are_listed_with_their_licences() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("sbom-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let written = |package, purl, target| -> Result<(Value, String)> {
            let [sbom, notices] = write(package, purl, target, &folder)?;
            Ok((serde_json::from_str(&fs::read_to_string(sbom)?)?, fs::read_to_string(notices)?))
        };
        let (sbom, notices) = written("edge", "pkg:generic/edge", "aarch64-unknown-linux-gnu")?;
        let (web, web_notices) = written("web", "pkg:npm/%40greloupis/uploader", "wasm32-unknown-unknown")?;
        fs::remove_dir_all(&folder)?;
        assert_eq!(web["metadata"]["component"]["name"], "@greloupis/uploader");
        let web: Vec<&str> = list(&web["components"]).map(|component| text(component, "name")).collect();
        assert!(web.contains(&"wasm-bindgen") && !web.contains(&"aws-lc-rs"), "{web:?}");
        assert!(web_notices.contains("wasm-bindgen "));
        assert_eq!(sbom["metadata"]["component"]["name"], "edge");
        let components: Vec<&Value> = list(&sbom["components"]).collect();
        let has = |name: &str| components.iter().any(|component| text(component, "name") == name);
        assert!(has("aws-lc-rs") && has("aws-lc-sys") && has("rusqlite"));
        // Crates of tests, of builds, and our own.
        assert!(!has("proptest") && !has("cc") && !has("wire") && !has("windows-sys"));
        let licences =
            |component: &&&Value| list(&component["licenses"]).all(|one| !text(one, "expression").is_empty());
        assert_eq!(components.iter().filter(licences).count(), components.len());
        assert!(notices.contains("aws-lc-sys ") && notices.contains("Permission is hereby granted"));
        Ok(())
    }
}
