//! Languages of captions: tags of BCP 47, found in file names, and their English names. Pure.

use std::fmt;

/// For each language its shortest code, its three-letter codes (ISO 639-2, 639-3) and its name.
const LANGUAGES: &str = include_str!("languages.txt");
/// The tag of an unknown language.
const UNKNOWN: &str = "und";
/// Words after the language in a file's name, such as `film.en.forced.srt`.
const KINDS: [&str; 4] = ["forced", "sdh", "cc", "default"];

/// A normalized tag: a language, and optionally script and region, as in `pt-BR`; or `und`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Language(String);

impl Language {
    /// The language of a tag with `-` or `_`, in any case. `None`: it isn't known.
    pub fn parse(tag: &str) -> Option<Self> {
        if tag.eq_ignore_ascii_case(UNKNOWN) {
            return Some(Self(UNKNOWN.into()));
        }
        let mut parts = tag.split(['-', '_']).peekable();
        let mut normalized = known(&parts.next()?.to_ascii_lowercase())?.0.to_owned();
        let is_letters = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
        if let Some(script) = parts.next_if(|part| part.len() == 4 && is_letters(part)) {
            let (first, rest) = script.split_at(1);
            normalized += &format!("-{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase());
        }
        let is_region = |part: &&str| {
            (part.len() == 2 && is_letters(part))
                || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
        };
        if let Some(region) = parts.next_if(is_region) {
            normalized += &format!("-{}", region.to_ascii_uppercase());
        }
        parts.next().is_none().then_some(Self(normalized))
    }

    /// The language in a file's name without its extension: the last part of `film.de` or `film.de.forced`, the end of
    /// `film_en-US`, or the name itself. `und` if there is none.
    pub fn from_file_stem(stem: &str) -> Self {
        let (rest, last) = stem.rsplit_once('.').unwrap_or(("", stem));
        let is_kind = KINDS.iter().any(|kind| last.eq_ignore_ascii_case(kind));
        let last = if is_kind { rest.rsplit('.').next().unwrap_or_default() } else { last };
        // The longest first: `pt_BR` before `BR`.
        let ends = last.match_indices(['-', '_', ' ']).map(|(at, _)| &last[at + 1..]);
        std::iter::once(last).chain(ends).find_map(Self::parse).unwrap_or_else(|| Self(UNKNOWN.into()))
    }

    /// Whether it is known.
    pub fn is_known(&self) -> bool {
        self.0 != UNKNOWN
    }

    /// Its English name, different for each tag: `German`, `Portuguese (BR)`.
    pub fn name(&self) -> String {
        let (language, rest) = self.0.split_once('-').unwrap_or((&self.0, ""));
        match (known(language), rest) {
            (None, _) => "Captions".into(),
            (Some((_, name)), "") => name.into(),
            (Some((_, name)), rest) => format!("{name} ({})", rest.replace('-', ", ")),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The shortest code and the name of the language with a code in lower case.
fn known(code: &str) -> Option<(&'static str, &'static str)> {
    LANGUAGES.lines().find_map(|line| {
        let (short, rest) = line.split_once(' ')?;
        let (long, name) = rest.split_once(' ')?;
        (short == code || long.split('/').any(|long| long == code)).then_some((short, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tag_is_normalized() {
        let parse = |tag| Language::parse(tag).map(|language| language.to_string());
        for (tag, normalized) in [
            ("DE", "de"),
            ("ger", "de"),
            ("deu", "de"),
            ("PT_br", "pt-BR"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("FIL", "fil"),
            ("UND", "und"),
        ] {
            assert_eq!(parse(tag).as_deref(), Some(normalized), "{tag}");
            assert_eq!(parse(normalized).as_deref(), Some(normalized));
        }
        for other in ["", "x", "hd", "film", "end", "de-", "de-x", "en-US-x", "d e", "dé", "und-US"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn language_is_found_in_a_file_name() {
        let find = |stem: &str| Language::from_file_stem(stem).to_string();
        for (stem, tag) in [
            ("film.de", "de"),
            ("film.2024.pt-br", "pt-BR"),
            ("film_en-US", "en-US"),
            ("film-pt_BR", "pt-BR"),
            ("my film fra", "fr"),
            ("pt-BR", "pt-BR"),
            ("film.en.FORCED", "en"),
            ("film.zh-Hant.sdh", "zh-Hant"),
            ("film", "und"),
            ("film_1080p", "und"),
            ("film.hd", "und"),
            ("the_end", "und"),
            ("", "und"),
            (".", "und"),
            ("film.", "und"),
            ("forced", "und"),
        ] {
            assert_eq!(find(stem), tag, "{stem}");
        }
    }

    #[test]
    fn names_are_english_and_different() {
        let name = |tag| Language::parse(tag).unwrap().name();
        assert_eq!(name("de"), "German");
        assert_eq!((name("pt"), name("pt-BR")), ("Portuguese".into(), "Portuguese (BR)".into()));
        assert_eq!(name("zh-Hant-TW"), "Chinese (Hant, TW)");
        assert_eq!(name("und"), "Captions");
        let names: Vec<&str> = LANGUAGES.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).collect();
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), different.len()), (192, 192));
        assert!(names.iter().all(|name| !name.contains('"')));
    }

    proptest! {
        #[test]
        fn found_language_is_a_plain_tag(stem in "\\PC{0,40}|[a-z]{2,3}([-_ .][a-zA-Z0-9]{2,4}){0,4}") {
            let found = Language::from_file_stem(&stem);
            prop_assert!(found.to_string().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            prop_assert_eq!(Language::parse(&found.to_string()), Some(found));
        }
    }
}
