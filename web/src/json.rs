//! Reads what `JSON.parse` made into the types of `wire`. Only what those need: objects, arrays, text,
//! numbers that count something, truth, and nothing.
//!
//! Any other reader of serde's words an error for each thing that doesn't fit, and that alone would double
//! the download: here it doesn't fit, or it does.

use js_sys::{Array, Object, Reflect};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::fmt;
use wasm_bindgen::{JsCast, JsValue};

/// The value as a `T`, if it fits.
pub fn read<'de, T: Deserialize<'de>>(value: &JsValue) -> Option<T> {
    T::deserialize(Value(value.clone())).ok()
}

struct Value(JsValue);

/// The value doesn't fit.
#[derive(Debug)]
struct Unfit;

impl Value {
    /// A whole number from 0 on that a float holds exactly.
    fn count(&self) -> Result<u64, Unfit> {
        let number = self.0.as_f64().unwrap_or(-1.0);
        let count = number as u64;
        if count as f64 == number && count < 1 << 53 { Ok(count) } else { Err(Unfit) }
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if let Some(text) = self.0.as_string() {
            visitor.visit_string(text)
        } else if let Some(truth) = self.0.as_bool() {
            visitor.visit_bool(truth)
        } else if Array::is_array(&self.0) {
            let items = Array::from(&self.0).into_iter().map(Value);
            visitor.visit_seq(SeqDeserializer::new(items))
        } else if let Some(object) = self.0.dyn_ref::<Object>() {
            let pairs = Object::entries(object).into_iter().map(|pair| {
                let pair: Array = pair.unchecked_into();
                (Value(pair.get(0)), Value(pair.get(1)))
            });
            visitor.visit_map(MapDeserializer::new(pairs))
        } else {
            visitor.visit_u64(self.count()?)
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Asks for the fields that are known, so that others may be there.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        if !self.0.is_object() {
            return Err(Unfit);
        }
        let pairs = fields.iter().filter_map(|field| {
            let value = Reflect::get(&self.0, &(*field).into()).ok()?;
            (!value.is_undefined()).then_some((*field, Value(value)))
        });
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let word = self.0.as_string().ok_or(Unfit)?;
        visitor.visit_enum(word.into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl IntoDeserializer<'_, Unfit> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value doesn't fit")
    }
}

impl std::error::Error for Unfit {}

/// Each without a look at the words, so that they are left out of the program.
impl Error for Unfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn missing_field(_: &'static str) -> Self {
        Self
    }
    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}
