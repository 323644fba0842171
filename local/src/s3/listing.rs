//! One page of a bucket's keys in byte order, with common prefixes up to a delimiter. Pure: a function
//! passed in finds the keys.

/// The parameters of one page.
pub struct Query<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    /// The first key that may be listed.
    pub from: String,
    /// The maximum number of entries, including prefixes.
    pub max: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub objects: Vec<T>,
    /// Common prefixes: each ends with the delimiter and replaces all keys that begin with it.
    pub prefixes: Vec<String>,
    /// The first key of the next page; `None` after the last page.
    pub next: Option<String>,
}

/// Lists one page. `seek` returns the first key at or after its argument.
pub fn page<T, E>(
    query: Query<'_>,
    mut seek: impl FnMut(&str) -> Result<Option<(String, T)>, E>,
) -> Result<Page<T>, E> {
    let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), next: None };
    if query.max == 0 {
        return Ok(page);
    }
    let mut from = query.from.max(query.prefix.to_owned());
    while let Some((key, object)) = seek(&from)? {
        let Some(rest) = key.strip_prefix(query.prefix) else { break };
        if page.objects.len() + page.prefixes.len() == query.max {
            page.next = Some(from);
            break;
        }
        let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty());
        let common_end = delimiter.and_then(|d| Some(query.prefix.len() + rest.find(d)? + d.len()));
        if let Some(end) = common_end {
            let common = key[..end].to_owned();
            let after = after_prefix(&common);
            page.prefixes.push(common);
            match after {
                Some(next) => from = next,
                None => break,
            }
        } else {
            page.objects.push(object);
            from = just_after(&key);
        }
    }
    Ok(page)
}

/// Returns the first key after `key`.
pub fn just_after(key: &str) -> String {
    format!("{key}\0")
}

/// Returns the first key that `ListObjects` may list after `marker`. A marker that is a common prefix stands for all
/// its keys.
pub fn after_marker(marker: &str, prefix: &str, delimiter: Option<&str>) -> String {
    if marker.is_empty() {
        return String::new();
    }
    let is_common_prefix = delimiter.filter(|delimiter| !delimiter.is_empty()).is_some_and(|delimiter| {
        marker
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.find(delimiter).map(|at| at + delimiter.len()) == Some(rest.len()))
    });
    let after = if is_common_prefix { after_prefix(marker) } else { None };
    after.unwrap_or_else(|| just_after(marker))
}

/// Returns the first key after all keys that begin with `prefix`; `None` if there can't be one.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut key = prefix.to_owned();
    while let Some(last) = key.pop() {
        if last < char::MAX {
            // A range of `char` skips the surrogates.
            key.extend((last..=char::MAX).nth(1));
            return Some(key);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    fn list(keys: &BTreeSet<String>, query: Query<'_>) -> Page<String> {
        let found = page(query, |from| {
            let key = keys.range(from.to_owned()..).next();
            Ok::<_, Infallible>(key.map(|key| (key.clone(), key.clone())))
        });
        found.unwrap_or_else(|never| match never {})
    }

    fn all_pages(
        keys: &BTreeSet<String>,
        prefix: &str,
        delimiter: Option<&str>,
        max: usize,
    ) -> [Vec<String>; 2] {
        let (mut objects, mut prefixes, mut from) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = list(keys, Query { prefix, delimiter, from, max });
            assert!(page.objects.len() + page.prefixes.len() <= max);
            objects.extend(page.objects);
            prefixes.extend(page.prefixes);
            match page.next {
                Some(next) => from = next,
                None => return [objects, prefixes],
            }
        }
    }

    #[test]
    fn keys_with_delimiter_become_common_prefixes() {
        let keys = ["a", "b/1", "b/2/3", "c", "b0"].map(String::from).into();
        assert_eq!(all_pages(&keys, "", Some("/"), 1), [vec!["a", "b0", "c"], vec!["b/"]]);
        assert_eq!(all_pages(&keys, "b/", Some("/"), 1000), [vec!["b/1"], vec!["b/2/"]]);
    }

    #[test]
    fn marker_that_is_a_common_prefix_skips_its_keys() {
        assert_eq!(after_marker("", "", Some("/")), "");
        assert_eq!(after_marker("a", "", Some("/")), "a\0");
        assert_eq!(after_marker("b/", "", Some("/")), "b0");
        assert_eq!(after_marker("b/", "", None), "b/\0");
        assert_eq!(after_marker("b/c/", "b/", Some("/")), "b/c0");
        assert_eq!(after_marker("b/1", "", Some("/")), "b/1\0");
    }

    #[test]
    fn prefix_has_successor_unless_all_chars_are_max() {
        assert_eq!(after_prefix("a/").as_deref(), Some("a0"));
        assert_eq!(after_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
    }

    proptest! {
        #[test]
        fn pages_equal_a_full_scan(
            keys in prop::collection::btree_set("[ab/\u{10ffff}]{1,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in prop::option::of("/|a/|\u{10ffff}"),
            max in 1_usize..5,
        ) {
            let (mut objects, mut prefixes) = (Vec::new(), BTreeSet::new());
            for key in &keys {
                let Some(rest) = key.strip_prefix(&prefix) else { continue };
                match delimiter.as_deref().and_then(|d| Some(rest.find(d)? + d.len())) {
                    Some(end) => drop(prefixes.insert(key[..prefix.len() + end].to_owned())),
                    None => objects.push(key.clone()),
                }
            }
            let expected = [objects, prefixes.into_iter().collect()];
            prop_assert_eq!(all_pages(&keys, &prefix, delimiter.as_deref(), max), expected);
        }
    }
}
