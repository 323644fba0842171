//! Parses settings without dropping a member silently. An error names the path of the member.

use super::Settings;
use super::no_effect::{NO_EFFECT, NoEffect, rule};
use edge::job::without_nulls;
use serde::Deserialize as _;
use serde_json::Value;

/// Maximum number of warnings of a job; more of them tell nothing new.
const MAX_WARNINGS: usize = 50;

impl Settings {
    /// Parses and validates settings in the API's JSON format. Returns them with warnings that name the members
    /// without effect. `Err` is a sentence that names the member's path.
    pub fn parse(settings: &Value) -> Result<(Self, Vec<String>), String> {
        let settings = &without_nulls(settings.clone());
        let mut ignored = vec![];
        let mut track = serde_path_to_error::Track::new();
        let parsed = {
            let deserializer = serde_path_to_error::Deserializer::new(settings, &mut track);
            let mut on_ignored = |path: serde_ignored::Path<'_>| ignored.push(components(&path));
            Self::deserialize(serde_ignored::Deserializer::new(deserializer, &mut on_ignored))
        };
        let parsed = parsed.map_err(|error| format!("/settings/{}: {error}.", track.path()))?;
        let mut warnings = vec![];
        for path in ignored {
            let value = path.iter().try_fold(settings, |value, part| match value {
                Value::Array(list) => list.get(part.parse::<usize>().ok()?),
                other => other.get(part),
            });
            check_ignored(value.unwrap_or(&Value::Null), &path, &mut warnings)?;
        }
        warnings.truncate(MAX_WARNINGS);
        parsed.validate()?;
        Ok((parsed, warnings))
    }
}

/// Returns the names and indexes of a path.
fn components(path: &serde_ignored::Path<'_>) -> Vec<String> {
    use serde_ignored::Path;
    match path {
        Path::Root => vec![],
        Path::Seq { parent, index } => [components(parent), vec![index.to_string()]].concat(),
        Path::Map { parent, key } => [components(parent), vec![key.clone()]].concat(),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            components(parent)
        }
    }
}

/// Adds the warnings for a member that no part of the model reads; `Err` if it can't be accepted.
fn check_ignored(value: &Value, path: &[String], warnings: &mut Vec<String>) -> Result<(), String> {
    let pointer = format!("/settings/{}", path.join("/"));
    let rule = rule(&names(path).join("."));
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or(String::new(), |number| number.to_string()),
        Value::Array(list) if list.is_empty() => return Ok(()),
        Value::Object(members) if members.is_empty() => return Ok(()),
        // A structure none of whose members is read, but some of which have rules.
        Value::Object(members) if rule.is_none() && has_rules_below(path) => {
            for (name, value) in members {
                check_ignored(value, &[path, std::slice::from_ref(name)].concat(), warnings)?;
            }
            return Ok(());
        }
        _ => "…".into(),
    };
    match rule {
        Some(NoEffect::Silent) => Ok(()),
        Some(NoEffect::Warn(usual) | NoEffect::Only(usual)) if usual.contains(&text.as_str()) => Ok(()),
        Some(NoEffect::Warn(_)) => {
            warnings.push(format!("{pointer}: it has no effect here."));
            Ok(())
        }
        Some(NoEffect::Only(allowed)) => {
            Err(format!("{pointer}: only {} is supported, not {text}.", allowed.join(" or ")))
        }
        None => Err(format!("{pointer}: it isn't supported.")),
    }
}

/// Whether members of the structure at this path have rules.
fn has_rules_below(path: &[String]) -> bool {
    let name = names(path).last().map(|name| format!("{name}."));
    name.is_some_and(|name| NO_EFFECT.iter().any(|(end, _)| end.starts_with(&name)))
}

/// Returns the path without indexes and without keys of maps of selectors, which are the caller's names.
fn names(path: &[String]) -> Vec<&str> {
    let is_index = |part: &&String| part.bytes().all(|c| c.is_ascii_digit());
    let mut names = vec![];
    let mut is_key = false;
    for part in path.iter().filter(|part| !is_index(part)) {
        if !is_key {
            names.push(part.as_str());
        }
        is_key = !is_key && (part.ends_with("Selectors") || part == "audioSelectorGroups");
    }
    names
}
