//! The README tells the truth about what code can check.

use wire::ErrorCode;

#[test]
fn every_error_code_is_listed() {
    let readme = include_str!("../../README.md");
    for code in ErrorCode::ALL {
        let (word, title) = (code.as_str(), code.title());
        let again = if code.retryable() { "yes" } else { "no" };
        let row = format!("| `{word}` | {title} | {again} |");
        assert!(readme.contains(&row), "the README lacks the row: {row}");
    }
}
