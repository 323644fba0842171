//! Requests as they come, made fit for `lambda_http`: it takes some of what a caller may write for impossible, and
//! panics.

use lambda_http::LambdaEvent;
use lambda_http::http::{HeaderMap, HeaderValue, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What no URL bears as it is.
const NOT_IN_URLS: &AsciiSet = &CONTROLS
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

pub fn tame(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    match &mut event.payload {
        LambdaRequest::ApiGatewayV1(request) => {
            tame_headers(&mut request.headers);
            tame_path(request.path.as_mut());
        }
        LambdaRequest::ApiGatewayV2(request) => {
            tame_headers(&mut request.headers);
            tame_path(request.raw_path.as_mut());
            if let Some(query) = &mut request.raw_query_string {
                *query = utf8_percent_encode(query, NOT_IN_URLS).to_string();
            }
        }
        LambdaRequest::Alb(request) => {
            tame_headers(&mut request.headers);
            tame_path(request.path.as_mut());
        }
        _ => {}
    }
    event
}

/// Of these a URL is made that must be one. Nobody here asks what is in them.
fn tame_headers(headers: &mut HeaderMap) {
    headers.insert(header::HOST, HeaderValue::from_static("edge"));
    headers.remove("x-forwarded-proto");
}

fn tame_path(path: Option<&mut String>) {
    if let Some(path) = path.filter(|path| !path.starts_with('/')) {
        path.insert(0, '/');
    }
}
