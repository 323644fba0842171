//! Titles of videos. Pure.

use wire::MAX_TITLE_LENGTH;

/// A title without white space around it. `None`: it is empty, too long, or has control characters.
pub fn parse(text: &str) -> Option<String> {
    let title = text.trim();
    let fits = (1..=MAX_TITLE_LENGTH).contains(&title.chars().count());
    (fits && !title.chars().any(char::is_control)).then(|| title.to_owned())
}

/// The title of a file without one: its name without folders and extension. `None` for a name without visible characters.
pub fn from_file_name(name: &str) -> Option<String> {
    let file = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let visible = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    let stem = if stem.trim().is_empty() { visible(file) } else { visible(stem) };
    parse(&stem.trim().chars().take(MAX_TITLE_LENGTH).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn title_has_1_to_200_characters() {
        assert_eq!(parse("  My film \u{1f3ac} ").as_deref(), Some("My film \u{1f3ac}"));
        assert!(parse(&"\u{1f3ac}".repeat(200)).is_some());
        for bad in ["", " ", "a\nb", &"x".repeat(201)] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn default_title_is_the_stem_of_the_file_name() {
        for (name, title) in [
            ("My film.mp4", "My film"),
            ("a.b.mov", "a.b"),
            ("noext", "noext"),
            (".mp4", ".mp4"),
            ("inputs/sub/my film.mp4", "my film"),
            (" \u{7}x .webm", "x"),
        ] {
            assert_eq!(from_file_name(name).as_deref(), Some(title));
        }
        assert_eq!(from_file_name(""), None);
        assert_eq!(from_file_name(&format!("{}.mp4", "n".repeat(300))), Some("n".repeat(200)));
    }

    proptest! {
        #[test]
        fn default_title_is_a_valid_title(name in "\\PC{0,300}|[\u{0}-\u{20}./]{0,20}") {
            if let Some(title) = from_file_name(&name) {
                prop_assert_eq!(parse(&title), Some(title));
            }
        }
    }
}
