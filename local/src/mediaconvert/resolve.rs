//! Puts together a job's settings from its job template and presets, as MediaConvert does: what the job has itself
//! precedes. Pure.

use serde_json::Value;

/// Returns `base` with the members of `over`, which precede. Objects are merged, inputs one by one; other lists of
/// `over` replace those of `base`.
pub fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (name, value) in over {
                let below = base.remove(&name).unwrap_or(Value::Null);
                let merged = if name == "inputs" { merge_lists(below, value) } else { merge(below, value) };
                base.insert(name, merged);
            }
            Value::Object(base)
        }
        (base, Value::Null) => base,
        (_, over) => over,
    }
}

/// A job's input has the selectors of the template's input in the same place.
fn merge_lists(base: Value, over: Value) -> Value {
    let (Value::Array(base), Value::Array(over)) = (&base, &over) else { return merge(base, over) };
    let below = |index: usize| base.get(index).or_else(|| base.last()).cloned().unwrap_or(Value::Null);
    over.iter().enumerate().map(|(index, input)| merge(below(index), input.clone())).collect()
}

/// Replaces the presets of all outputs by their settings. `Err` names an output whose preset `find` doesn't know.
pub fn with_presets(mut settings: Value, find: impl Fn(&str) -> Option<Value>) -> Result<Value, String> {
    for (path, output) in outputs(&mut settings) {
        let Some(Value::String(name)) = output.as_object_mut().and_then(|output| output.remove("preset"))
        else {
            continue;
        };
        let preset = find(preset_name(&name));
        let preset = preset.ok_or_else(|| format!("{path}/preset: there is no preset {name:?}."))?;
        *output = merge(preset, output.take());
    }
    Ok(settings)
}

/// Returns the names of all presets that outputs have.
pub fn preset_names(settings: &Value) -> Vec<String> {
    let mut settings = settings.clone();
    let names = outputs(&mut settings)
        .into_iter()
        .filter_map(|(_, output)| output["preset"].as_str().map(preset_name).map(str::to_owned));
    names.collect()
}

/// Returns the name in an ARN, or the name itself.
pub fn preset_name(name_or_arn: &str) -> &str {
    let is_arn = name_or_arn.starts_with("arn:");
    name_or_arn.rsplit_once('/').filter(|_| is_arn).map_or(name_or_arn, |(_, name)| name)
}

/// Returns all outputs with their paths.
fn outputs(settings: &mut Value) -> Vec<(String, &mut Value)> {
    let mut list = vec![];
    let groups = settings.get_mut("outputGroups").and_then(Value::as_array_mut);
    for (group, value) in groups.into_iter().flatten().enumerate() {
        let outputs = value.get_mut("outputs").and_then(Value::as_array_mut);
        for (output, value) in outputs.into_iter().flatten().enumerate() {
            list.push((format!("/settings/outputGroups/{group}/outputs/{output}"), value));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn job_precedes_template_and_output_precedes_preset() {
        let template = json!({
            "inputs": [{"videoSelector": {"rotate": "AUTO"}, "timecodeSource": "ZEROBASED"}],
            "outputGroups": [{"outputs": [{"preset": "arn:aws:mediaconvert:r:0:presets/small", "nameModifier": "_s",
                                           "videoDescription": {"height": 240}}]}],
        });
        let job = json!({"inputs": [{"fileInput": "s3://b/a.mp4"}, {"fileInput": "s3://b/b.mp4", "timecodeSource": "EMBEDDED"}]});
        let merged = merge(template, job);
        assert_eq!(merged["inputs"][0]["videoSelector"]["rotate"], "AUTO");
        assert_eq!(
            merged["inputs"][1],
            json!({"fileInput": "s3://b/b.mp4", "timecodeSource": "EMBEDDED", "videoSelector": {"rotate": "AUTO"}})
        );
        assert_eq!(preset_names(&merged), ["small"]);
        let small = json!({"videoDescription": {"height": 360, "width": 640}, "containerSettings": {"container": "MP4"}});
        let resolved = with_presets(merged.clone(), |name| (name == "small").then(|| small.clone())).unwrap();
        let output = &resolved["outputGroups"][0]["outputs"][0];
        assert_eq!(output["videoDescription"], json!({"height": 240, "width": 640}));
        assert_eq!((&output["nameModifier"], output.get("preset")), (&json!("_s"), None));
        assert!(
            with_presets(merged, |_| None)
                .unwrap_err()
                .starts_with("/settings/outputGroups/0/outputs/0/preset:")
        );
    }
}
