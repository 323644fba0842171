//! Parsing of web origins, as browsers send them in the header `Origin`.

use axum::http::Uri;

/// Converts a URL such as `http://localhost:5173/` to its origin. `Err` is a sentence for the user.
pub fn parse(url: &str) -> Result<String, String> {
    let error = || format!("{url:?} is not an origin: it must be like http://localhost:5173, without a path");
    let uri: Uri = url.parse().map_err(|_| error())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(error()) };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(error()),
    };
    // `Uri` accepts a port that isn't a number below 65536, and then returns none.
    let suffix = authority.as_str().strip_prefix(authority.host()).ok_or_else(error)?;
    let port = match (suffix, authority.port_u16()) {
        ("", None) => String::new(),
        (_, Some(port)) if port == default_port => String::new(),
        (_, Some(port)) => format!(":{port}"),
        _ => return Err(error()),
    };
    let is_origin_only = uri.path() == "/" && uri.query().is_none() && !url.contains('#');
    // A `*` would be a pattern in the bucket's rule.
    if !is_origin_only || authority.host().is_empty() || authority.host().contains('*') {
        return Err(error());
    }
    Ok(format!("{scheme}://{}{port}", authority.host().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_without_a_path_becomes_the_origin_that_browsers_send() {
        for (url, origin) in [
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://LocalHost:5173/", "http://localhost:5173"),
            ("http://[::1]:5173", "http://[::1]:5173"),
            ("https://dev.example:443", "https://dev.example"),
            ("HTTP://dev.example:80/", "http://dev.example"),
        ] {
            assert_eq!(parse(url).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn anything_else_is_rejected_in_one_sentence() {
        for url in [
            "",
            "*",
            "localhost:5173",
            "http://*.example",
            "http://localhost:5173/app",
            "http://localhost:5173?x",
            "http://localhost:5173/#x",
            "http://localhost:99999",
            "http://localhost:",
            "http://user@localhost",
            "http://",
            "ftp://localhost",
            "null",
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.contains("http://localhost:5173, without a path"), "{url}: {error}");
        }
    }
}
