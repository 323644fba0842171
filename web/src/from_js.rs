//! Deserializes plain values of JavaScript: what `JSON.parse` and structured clones yield.
//!
//! serde-wasm-bindgen would do, too, but its errors describe every kind of value, and the formatting of floats alone is a
//! tenth of the wasm module. Here an error has no text: the callers have their own.

use js_sys::{Array, Object};
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use std::fmt::{self, Display};
use wasm_bindgen::JsValue;

/// A value isn't of the expected type.
#[derive(Debug)]
pub struct TypeMismatch;

/// Deserializes a value. Fields that are `undefined` are missing, and numbers are integers.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T, TypeMismatch> {
    T::deserialize(Value(value))
}

impl Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value isn't of the expected type")
    }
}

impl std::error::Error for TypeMismatch {}

impl de::Error for TypeMismatch {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// A value with its kind found out, once for all types.
enum Content {
    Null,
    Bool(bool),
    Integer(u64),
    Text(String),
    List(Vec<Value>),
    Fields(Vec<(String, Value)>),
}

struct Value(JsValue);

impl Value {
    fn content(self) -> Result<Content, TypeMismatch> {
        let Self(value) = self;
        Ok(if let Some(flag) = value.as_bool() {
            Content::Bool(flag)
        } else if let Some(number) = value.as_f64() {
            // The cast saturates and drops fractions, so that other numbers are changed by it.
            let integer = number as u64;
            if integer as f64 != number {
                return Err(TypeMismatch);
            }
            Content::Integer(integer)
        } else if let Some(text) = value.as_string() {
            Content::Text(text)
        } else if value.is_null_or_undefined() {
            Content::Null
        } else if Array::is_array(&value) {
            Content::List(Array::from(&value).iter().map(Value).collect())
        } else {
            let field = |pair: JsValue| {
                let pair = Array::from(&pair);
                let (name, value) = (pair.get(0).as_string()?, pair.get(1));
                (!value.is_undefined()).then_some((name, Value(value)))
            };
            Content::Fields(Object::entries(&Object::from(value)).iter().filter_map(field).collect())
        })
    }
}

impl IntoDeserializer<'_, TypeMismatch> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for Value {
    type Error = TypeMismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        match self.content()? {
            Content::Null => visitor.visit_unit(),
            Content::Bool(flag) => visitor.visit_bool(flag),
            Content::Integer(number) => visitor.visit_u64(number),
            Content::Text(text) => visitor.visit_string(text),
            Content::List(values) => visitor.visit_seq(SeqDeserializer::new(values.into_iter())),
            Content::Fields(fields) => visitor.visit_map(MapDeserializer::new(fields.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        if self.0.is_null_or_undefined() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeMismatch> {
        visitor.visit_unit()
    }

    /// Enums without content, as their names.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeMismatch> {
        let name = self.0.as_string().ok_or(TypeMismatch)?;
        visitor.visit_enum(StrDeserializer::new(&name))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier
    }
}

/// Run by `cargo xtask test wasm`.
#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use super::*;
    use js_sys::{JSON, Reflect};
    use serde::Deserialize;
    use std::collections::BTreeMap;
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_browser);

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Open,
        Closed,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        part_size: u64,
        percent: u8,
        kind: Kind,
        name: Option<String>,
        #[serde(default)]
        numbers: Vec<u32>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    }

    fn parse(json: &str) -> Result<Reply, TypeMismatch> {
        from_js(JSON::parse(json).unwrap())
    }

    #[wasm_bindgen_test]
    fn object_is_read_by_its_fields_names() {
        let reply = parse(
            r#"{"partSize":9007199254740991,"percent":255,"kind":"closed","name":"é","numbers":[1,2],
                "headers":{"a":"b"},"unknown":[{"x":-0.5}]}"#,
        );
        assert_eq!(
            reply.unwrap(),
            Reply {
                part_size: (1 << 53) - 1,
                percent: 255,
                kind: Kind::Closed,
                name: Some("é".into()),
                numbers: vec![1, 2],
                headers: [("a".into(), "b".into())].into(),
            }
        );
    }

    #[wasm_bindgen_test]
    fn missing_null_and_undefined_fields_take_their_defaults() {
        let value = JSON::parse(r#"{"partSize":0,"percent":0,"kind":"open","name":null}"#).unwrap();
        Reflect::set(&value, &"numbers".into(), &JsValue::UNDEFINED).unwrap();
        let reply: Reply = from_js(value).unwrap();
        assert_eq!((reply.name, reply.numbers, reply.headers), (None, Vec::new(), BTreeMap::new()));
    }

    #[wasm_bindgen_test]
    fn value_of_another_type_is_a_mismatch() {
        let with = |field: &str| format!(r#"{{"partSize":1,"percent":2,"kind":"open",{field}}}"#);
        assert!(parse(&with(r#""name":"x""#)).is_ok());
        for json in ["null", "1", "\"text\"", "[]", "[[]]", "{}", "true"].map(String::from).into_iter().chain(
            [
                r#""partSize":1.5"#,
                r#""partSize":-1"#,
                r#""partSize":1e300"#,
                r#""partSize":"1""#,
                r#""percent":256"#,
                r#""kind":"other""#,
                r#""kind":{"open":null}"#,
                r#""name":5"#,
                r#""numbers":{}"#,
                r#""numbers":[null]"#,
                r#""headers":[]"#,
                r#""headers":{"a":1}"#,
            ]
            .map(with),
        ) {
            assert!(parse(&json).is_err(), "{json}");
        }
    }
}
