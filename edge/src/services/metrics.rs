//! Metrics in CloudWatch's embedded metric format: lines on stdout that CloudWatch turns into metrics without a call or
//! a permission. Namespace `Greloupis`, dimension `Application`.

use crate::clock;
use serde_json::{Map, Value, json};
use std::io::Write;

const NAMESPACE: &str = "Greloupis";
const DIMENSION: &str = "Application";

/// A metric; the variant's name is the metric's name in CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    UploadsOpened,
    UploadsCompleted,
    /// The size of a completed upload.
    UploadedBytes(u64),
    JobsStarted,
    JobsSucceeded,
    JobsFailed,
    CallbacksFailed,
    /// From the object's creation until the video is ready.
    SecondsFromObjectToReady(f64),
    /// The number of differences that one run of the reconciler repaired.
    ReconcilerRepairs(u64),
}

impl Metric {
    /// Name, unit, value.
    fn parts(self) -> (&'static str, &'static str, Value) {
        match self {
            Self::UploadsOpened => ("UploadsOpened", "Count", 1.into()),
            Self::UploadsCompleted => ("UploadsCompleted", "Count", 1.into()),
            Self::UploadedBytes(bytes) => ("UploadedBytes", "Bytes", bytes.into()),
            Self::JobsStarted => ("JobsStarted", "Count", 1.into()),
            Self::JobsSucceeded => ("JobsSucceeded", "Count", 1.into()),
            Self::JobsFailed => ("JobsFailed", "Count", 1.into()),
            Self::CallbacksFailed => ("CallbacksFailed", "Count", 1.into()),
            Self::SecondsFromObjectToReady(seconds) => {
                ("SecondsFromObjectToReady", "Seconds", seconds.into())
            }
            Self::ReconcilerRepairs(count) => ("ReconcilerRepairs", "Count", count.into()),
        }
    }
}

pub struct Metrics {
    application: String,
    enabled: bool,
}

impl Metrics {
    /// `enabled` in Lambda only: elsewhere nothing reads these lines.
    pub fn new(application: &str, enabled: bool) -> Self {
        Self { application: application.into(), enabled }
    }

    /// Writes one line with values of the same moment, each metric at most once.
    pub fn record(&self, metrics: &[Metric]) {
        let Some(line) = self.line(metrics, clock::now_ms()) else { return };
        // In one write, so that no other line gets into it. A failure to write metrics is ignored.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }

    /// The line, with a newline at its end. `None`: there is nothing to write.
    fn line(&self, metrics: &[Metric], now_ms: u64) -> Option<String> {
        if metrics.is_empty() || !self.enabled {
            return None;
        }
        let mut record = Map::from_iter([(DIMENSION.to_owned(), Value::from(&*self.application))]);
        let mut definitions = Vec::with_capacity(metrics.len());
        for metric in metrics {
            let (name, unit, value) = metric.parts();
            // CloudWatch drops a line with a value that isn't a number, such as NaN.
            if value.is_number() && record.insert(name.into(), value).is_none() {
                definitions.push(json!({ "Name": name, "Unit": unit }));
            }
        }
        if definitions.is_empty() {
            return None;
        }
        let directive =
            json!({ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions });
        record.insert("_aws".into(), json!({ "Timestamp": now_ms, "CloudWatchMetrics": [directive] }));
        Some(format!("{}\n", Value::Object(record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Checks a line against the format's published schema and this module's units.
    fn check(line: &str) -> Value {
        assert!(line.ends_with('\n') && line.trim_end().lines().count() == 1, "{line:?}");
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["_aws"]["Timestamp"].is_u64());
        let directives = record["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!(directives.len(), 1);
        for directive in directives {
            let namespace = directive["Namespace"].as_str().unwrap();
            assert!((1..=1024).contains(&namespace.len()), "{namespace}");
            for dimensions in directive["Dimensions"].as_array().unwrap() {
                let dimensions = dimensions.as_array().unwrap();
                assert!((1..=30).contains(&dimensions.len()));
                for dimension in dimensions {
                    let value = record[dimension.as_str().unwrap()].as_str().unwrap();
                    assert!((1..=1024).contains(&value.len()));
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            let mut names = BTreeSet::new();
            for metric in metrics {
                let name = metric["Name"].as_str().unwrap();
                assert!(names.insert(name), "{name} is defined twice");
                assert!(record[name].is_number(), "{name} isn't a number at the top");
                assert!(["Count", "Bytes", "Seconds"].contains(&metric["Unit"].as_str().unwrap()));
            }
        }
        record
    }

    const ALL: [Metric; 9] = [
        Metric::UploadsOpened,
        Metric::UploadsCompleted,
        Metric::UploadedBytes(u64::MAX),
        Metric::JobsStarted,
        Metric::JobsSucceeded,
        Metric::JobsFailed,
        Metric::CallbacksFailed,
        Metric::SecondsFromObjectToReady(12.5),
        Metric::ReconcilerRepairs(0),
    ];

    #[test]
    fn record_conforms_to_cloudwatchs_schema() {
        let metrics = Metrics::new("VOD: \"quoted\"", true);
        for one in ALL {
            check(&metrics.line(&[one], 1).unwrap());
        }
        let record = check(&metrics.line(&ALL, 1_795_460_000_250).unwrap());
        assert_eq!(record["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len(), ALL.len());
        assert_eq!(record["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Greloupis");
        assert_eq!(record["_aws"]["Timestamp"], 1_795_460_000_250_u64);
        assert_eq!(
            (&record["Application"], &record["UploadsOpened"]),
            (&json!("VOD: \"quoted\""), &json!(1))
        );
        assert_eq!(record["SecondsFromObjectToReady"], 12.5);
    }

    #[test]
    fn line_without_metrics_is_not_written() {
        assert_eq!(Metrics::new("VOD", false).line(&ALL, 1), None);
        assert_eq!(Metrics::new("VOD", true).line(&[], 1), None);
        assert_eq!(Metrics::new("VOD", true).line(&[Metric::SecondsFromObjectToReady(f64::NAN)], 1), None);
    }
}
