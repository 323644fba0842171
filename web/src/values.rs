//! JavaScript's values: reading and making plain objects.

use crate::answers::Json;
use crate::lists::list_of;
use js_sys::{Array, Date, Object};
use std::collections::BTreeMap;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// Anything that has fields.
    #[wasm_bindgen(js_name = Object)]
    type Fields;

    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> Fields;

    #[wasm_bindgen(method, structural, indexing_getter)]
    fn field(this: &Fields, name: &str) -> JsValue;

    #[wasm_bindgen(method, structural, indexing_setter)]
    fn set_field(this: &Fields, name: &str, value: &JsValue);

    #[wasm_bindgen(method, structural, indexing_getter)]
    fn item(this: &Fields, place: u32) -> JsValue;
}

/// A plain object of those fields that have a value.
pub fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Fields::new();
    for (name, value) in fields {
        if !value.is_undefined() {
            object.set_field(name, value);
        }
    }
    object.into()
}

/// Gives an object one more field.
pub fn set(object: &JsValue, name: &str, value: &JsValue) {
    object.unchecked_ref::<Fields>().set_field(name, value);
}

/// Of a number that a float holds exactly.
pub fn number(count: u64) -> JsValue {
    JsValue::from_f64(count as f64)
}

impl Json for JsValue {
    fn get(&self, name: &str) -> Option<Self> {
        // They alone have no fields, not even missing ones.
        if self.is_null_or_undefined() {
            return None;
        }
        let field = self.unchecked_ref::<Fields>().field(name);
        (!field.is_null_or_undefined()).then_some(field)
    }

    fn text(&self) -> Option<String> {
        self.as_string()
    }

    fn count(&self) -> Option<u64> {
        let number = self.as_f64()?;
        let count = number as u64;
        (count as f64 == number && count < 1 << 53).then_some(count)
    }

    fn truth(&self) -> Option<bool> {
        self.as_bool()
    }

    fn items(&self) -> Option<Vec<Self>> {
        let count = self.count_at("length")? as u32;
        let items = self.unchecked_ref::<Fields>();
        Some(list_of((0..count).map(|place| items.item(place))))
    }

    fn texts(&self) -> Option<BTreeMap<String, String>> {
        let text = |pair: JsValue| {
            let pair = Array::from(&pair);
            Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
        };
        Object::entries(self.unchecked_ref()).iter().map(text).collect()
    }

    fn parse_time(text: &str) -> Option<u64> {
        let time = Date::parse(text);
        (time > 0.0).then_some(time as u64)
    }
}
