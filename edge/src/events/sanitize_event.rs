//! Sanitizes API Gateway and ALB events: `lambda_http` panics on some malformed hosts, paths, queries and bodies, and
//! doesn't know base paths.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use lambda_http::LambdaEvent;
use lambda_http::http::{HeaderMap, HeaderValue, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::collections::HashMap;

/// First segments of the router's paths.
const ROUTES: [&str; 4] = ["api", "uploads", "videos", "events"];

/// ASCII characters that aren't allowed in a URL's query.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A body that no call takes, in place of one that can't be decoded.
const INVALID_BODY: &str = "invalid base64";

/// Replaces what `lambda_http` would panic on, and reduces paths to those of the router: `base_path` (such as `/v1`, or
/// empty), a custom domain's base path and the stage are removed. Other kinds of events stay as they are.
pub fn sanitize_event(mut event: LambdaEvent<LambdaRequest>, base_path: &str) -> LambdaEvent<LambdaRequest> {
    match &mut event.payload {
        LambdaRequest::ApiGatewayV1(request) => {
            sanitize_headers(&mut request.headers);
            sanitize_body(&mut request.body, &mut request.is_base64_encoded);
            let resource = request.resource.as_deref();
            let route = resource.and_then(|resource| expand(resource, &request.path_parameters));
            // Without a stage, `lambda_http` takes the path as it is.
            let stage = request.request_context.stage.take();
            sanitize_path(request.path.as_mut(), base_path, route, stage);
        }
        LambdaRequest::ApiGatewayV2(request) => {
            sanitize_headers(&mut request.headers);
            sanitize_body(&mut request.body, &mut request.is_base64_encoded);
            let resource = request.route_key.as_deref().and_then(|key| key.split_once(' '));
            let route = resource.and_then(|(_, resource)| expand(resource, &request.path_parameters));
            let stage = request.request_context.stage.take();
            sanitize_path(request.raw_path.as_mut(), base_path, route, stage);
            if let Some(query) = &mut request.raw_query_string {
                *query = utf8_percent_encode(query, NOT_IN_QUERY).to_string();
            }
        }
        LambdaRequest::Alb(request) => {
            sanitize_headers(&mut request.headers);
            sanitize_body(&mut request.body, &mut request.is_base64_encoded);
            sanitize_path(request.path.as_mut(), base_path, None, None);
        }
        _ => {}
    }
    event
}

/// The path of a resource such as `/api/{proxy+}` with its parameters filled in.
fn expand(resource: &str, parameters: &HashMap<String, String>) -> Option<String> {
    let segments = resource.split('/').map(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            None => Some(segment),
            Some(name) => parameters.get(name.trim_end_matches('+')).map(String::as_str),
        }
    });
    segments.collect::<Option<Vec<&str>>>().map(|segments| segments.join("/"))
}

/// `lambda_http` builds a URL from these two headers and panics if it is invalid. The edge reads neither.
fn sanitize_headers(headers: &mut HeaderMap) {
    headers.insert(header::HOST, HeaderValue::from_static("edge"));
    headers.remove("x-forwarded-proto");
}

/// `lambda_http` panics on a body that isn't the base64 that it should be.
fn sanitize_body(body: &mut Option<String>, is_base64: &mut bool) {
    if *is_base64 && body.as_ref().is_some_and(|body| BASE64.decode(body).is_err()) {
        (*body, *is_base64) = (Some(INVALID_BODY.into()), false);
    }
}

/// `route` is the path that the gateway has matched, without what is in front of it.
fn sanitize_path(path: Option<&mut String>, base_path: &str, route: Option<String>, stage: Option<String>) {
    let Some(path) = path else { return };
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    let is_below = |path: &str| path.starts_with('/');
    if let Some(rest) = path.strip_prefix(base_path).filter(|rest| !base_path.is_empty() && is_below(rest)) {
        *path = rest.into();
    } else if let Some(route) = route.filter(|route| is_below(route) && path.ends_with(route.as_str())) {
        *path = route;
    }
    let stage = stage.map(|stage| format!("/{stage}"));
    let rest = stage.and_then(|stage| path.strip_prefix(stage.as_str()));
    // A stage can have a route's name: it is removed only in front of a route.
    let is_route = |rest: &&str| rest.split('/').nth(1).is_some_and(|segment| ROUTES.contains(&segment));
    if let Some(rest) = rest.filter(|rest| is_below(rest)).filter(is_route) {
        *path = rest.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(path: &str, base_path: &str, route: Option<&str>, stage: Option<&str>) -> String {
        let mut path = path.to_owned();
        sanitize_path(Some(&mut path), base_path, route.map(str::to_owned), stage.map(str::to_owned));
        path
    }

    #[test]
    fn prefix_of_a_path_is_removed() {
        for (path, base_path, route, stage, expected) in [
            ("/api/videos", "", None, None, "/api/videos"),
            ("videos", "", None, None, "/videos"),
            // The base path of a setting, and of a custom domain.
            ("/v1/api/videos", "/v1", None, None, "/api/videos"),
            ("/v1x/videos", "/v1", None, None, "/v1x/videos"),
            ("/videos/v1", "/v1", None, None, "/videos/v1"),
            ("/v1/api/videos", "", Some("/api/videos"), Some("prod"), "/api/videos"),
            ("/v1/api/videos", "/v1", Some("/api/videos"), Some("prod"), "/api/videos"),
            ("/api/videos", "", Some("/other"), None, "/api/videos"),
            // A stage, also one with a route's name.
            ("/prod/videos/a", "", None, Some("prod"), "/videos/a"),
            ("/product/videos", "", None, Some("prod"), "/product/videos"),
            ("/videos/a", "", None, Some("videos"), "/videos/a"),
            ("/videos", "", None, Some("videos"), "/videos"),
            ("/videos/videos/a", "", None, Some("videos"), "/videos/a"),
            ("/api/videos/a", "", Some("/api/videos/a"), Some("api"), "/videos/a"),
            ("/api/uploads", "", None, Some("uploads"), "/api/uploads"),
        ] {
            assert_eq!(
                routed(path, base_path, route, stage),
                expected,
                "{path} {base_path} {route:?} {stage:?}"
            );
        }
    }

    #[test]
    fn resource_is_expanded_with_its_parameters() {
        let parameters =
            HashMap::from([("proxy", "videos/a"), ("id", "b")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        for (resource, expected) in [
            ("/{proxy+}", Some("/videos/a")),
            ("/api/{proxy+}", Some("/api/videos/a")),
            ("/videos/{id}", Some("/videos/b")),
            ("/videos", Some("/videos")),
            ("/{unknown}", None),
        ] {
            assert_eq!(expand(resource, &parameters).as_deref(), expected);
        }
    }
}
