//! The edge's answers: read or unreadable, whatever the JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use web::answers::{self, Json};

struct Parsed(Value);

impl Json for Parsed {
    fn get(&self, name: &str) -> Option<Self> {
        self.0.get(name).filter(|value| !value.is_null()).cloned().map(Self)
    }
    fn text(&self) -> Option<String> {
        self.0.as_str().map(String::from)
    }
    fn count(&self) -> Option<u64> {
        self.0.as_u64().filter(|count| *count <= 1 << 53)
    }
    fn truth(&self) -> Option<bool> {
        self.0.as_bool()
    }
    fn items(&self) -> Option<Vec<Self>> {
        Some(self.0.as_array()?.iter().cloned().map(Self).collect())
    }
    fn written(&self) -> String {
        self.0.to_string()
    }
    fn parse_time(text: &str) -> Option<u64> {
        Some(text.len() as u64)
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(json) = serde_json::from_slice(data).map(Parsed) else { return };
    // An opening has signed parts in it, so what opens can also be read as such.
    if let Some(opened) = answers::opened(&json) {
        assert_eq!(answers::signed(&json), Some(opened.tickets));
    }
    answers::signed(&json);
    answers::listed(&json);
    answers::completed(&json);
    answers::glance(&json);
    answers::problem(&json);
});
