//! The table of supported settings in docs/mediaconvert.md, made from the types that parse them.

use super::Settings;
use super::no_effect::{NO_EFFECT, NoEffect};
use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserialize as _, Deserializer, forward_to_deserialize_any};
use std::fmt::Write as _;

/// Settings that are read, but whose effect isn't quite that on AWS: the end of the path, and the difference.
const NEAR: &[(&str, &str)] = &[
    ("audioSelectors.*.selectorType", "the members decide, not the type"),
    ("audioSelectors.*.tracks[]", "several tracks become the channels of one"),
    ("audioSelectorGroups.*.audioSelectorNames[]", "exactly one"),
    ("videoSelector.pid", "ignored where the container has no PIDs"),
    ("inputClippings[].endTimecode", "the first frame that isn't in the clip"),
    ("imageInserterInput", "PNG and BMP"),
    ("hlsGroupSettings.directoryStructure", "segments are in a folder of the modifier's name"),
    ("hlsGroupSettings.programDateTime", "the time of the job, not of a timecode"),
    ("hlsSettings.iFrameOnlyManifest", "named like the output with _iframe; not of encrypted segments"),
    ("segmentLength", "a segment ends at the first key frame at or after it"),
    ("encryption.encryptionMethod", "AES128"),
    ("abrSettings.maxRenditions", "rungs of a fixed ladder, never above the source"),
    ("qvbrSettings.qvbrQualityLevel", "a constant rate factor with `maxBitrate` as its cap"),
    ("qualityTuningLevel", "MULTI_PASS_HQ is a slower preset of one pass"),
    ("parControl", "outputs have square pixels"),
    ("parNumerator", "equal to parDenominator"),
    ("parDenominator", "equal to parNumerator"),
    ("sceneChangeDetect", "TRANSITION_DETECTION is as ENABLED"),
    ("deinterlacer.mode", "ADAPTIVE is as DEINTERLACE"),
    ("deinterlacer.control", "of the first output that has a deinterlacer, for all"),
    ("colorSpaceConversion", "8-bit outputs of HDR sources are always SDR"),
    ("colorCorrector.brightness", "by ffmpeg's eq"),
    ("colorCorrector.contrast", "by ffmpeg's eq"),
    ("colorCorrector.saturation", "by ffmpeg's eq"),
    ("audioNormalizationSettings.targetLkfs", "in one pass"),
    ("burninDestinationSettings.fontSize", "in the fonts of this machine"),
    ("sourceSettings.sourceType", "EMBEDDED and NULL_SOURCE only where no output uses them"),
    ("crop.x", "even, like the other sides"),
    ("position.x", "even, like the other sides"),
];

/// Collects the paths of all members by asking the types for them.
struct Tracer<'a> {
    path: String,
    rows: &'a mut Vec<(String, Vec<&'static str>)>,
}

impl Tracer<'_> {
    fn below(&mut self, step: &str) -> Tracer<'_> {
        let dot = if self.path.is_empty() || step.starts_with('[') { "" } else { "." };
        Tracer { path: format!("{}{dot}{step}", self.path), rows: self.rows }
    }

    fn leaf(&mut self, values: &[&'static str]) {
        self.rows.push((self.path.clone(), values.to_vec()));
    }
}

macro_rules! leaves {
    ($($method:ident $visit:ident $value:expr),*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            self.leaf(&[]);
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    leaves!(
        deserialize_string visit_str "text", deserialize_str visit_str "text", deserialize_u32 visit_u32 2,
        deserialize_u64 visit_u64 2, deserialize_i32 visit_i32 2, deserialize_f64 visit_f64 2.0
    );

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Members { tracer: self, names: fields.iter(), name: "" })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Members { tracer: self, names: ["*"].iter(), name: "" })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Element(Some(self)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.leaf(variants);
        visitor.visit_enum(FirstVariant(variants[0]))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        panic!("{} has a type that the tracer doesn't know", self.path)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i64 u8 u16 f32 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct Members<'a> {
    tracer: Tracer<'a>,
    names: std::slice::Iter<'static, &'static str>,
    name: &'static str,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.name = name;
        let key: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.tracer.below(self.name))
    }
}

struct Element<'a>(Option<Tracer<'a>>);

impl<'de> SeqAccess<'de> for Element<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|mut tracer| seed.deserialize(tracer.below("[]"))).transpose()
    }
}

struct FirstVariant(&'static str);

impl<'de> EnumAccess<'de> for FirstVariant {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for FirstVariant {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        unreachable!("enums of settings are units")
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        unreachable!("enums of settings are units")
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        unreachable!("enums of settings are units")
    }
}

/// Returns the tables in Markdown.
fn tables() -> String {
    let mut rows = vec![];
    Settings::deserialize(Tracer { path: String::new(), rows: &mut rows }).unwrap();
    let mut text = String::from("| setting | values | support |\n| --- | --- | --- |\n");
    for (path, values) in &rows {
        let is_suffix =
            |end: &str| path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let near = NEAR.iter().find(|(end, _)| is_suffix(end));
        let support = near.map_or("as AWS".to_owned(), |(_, note)| format!("near: {note}"));
        let _ = writeln!(text, "| `{path}` | {} | {support} |", values.join(", "));
    }
    text += "\nAccepted without an effect; other values than the listed ones give the job a warning, or are refused:\n\n\
             | setting | values | others |\n| --- | --- | --- |\n";
    for (path, effect) in NO_EFFECT {
        let (values, others) = match effect {
            NoEffect::Silent => (&["any"][..], ""),
            NoEffect::Warn(values) => (*values, "warning"),
            NoEffect::Only(values) => (*values, "refused"),
        };
        let _ = writeln!(text, "| `{path}` | {} | {others} |", values.join(", "));
    }
    text
}

/// Set `UPDATE_DOCS` to write the tables into the document.
#[test]
fn document_has_the_table_of_settings() {
    const START: &str = "<!-- settings -->\n";
    const END: &str = "<!-- end of settings -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/mediaconvert.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (before, rest) = document.split_once(START).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{START}{}{END}{after}", tables())).unwrap();
    } else {
        assert!(found == tables(), "docs/mediaconvert.md is older than the settings: run with UPDATE_DOCS=1");
    }
}
