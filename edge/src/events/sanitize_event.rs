//! Sanitizes API Gateway and ALB events: `lambda_http` panics on some malformed hosts, paths and queries.

use lambda_http::LambdaEvent;
use lambda_http::http::{HeaderMap, HeaderValue, header};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

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

/// Replaces what `lambda_http` would panic on. Other kinds of events stay as they are.
pub fn sanitize_event(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    match &mut event.payload {
        LambdaRequest::ApiGatewayV1(request) => {
            sanitize_headers(&mut request.headers);
            sanitize_path(request.path.as_mut());
        }
        LambdaRequest::ApiGatewayV2(request) => {
            sanitize_headers(&mut request.headers);
            sanitize_path(request.raw_path.as_mut());
            if let Some(query) = &mut request.raw_query_string {
                *query = utf8_percent_encode(query, NOT_IN_QUERY).to_string();
            }
        }
        LambdaRequest::Alb(request) => {
            sanitize_headers(&mut request.headers);
            sanitize_path(request.path.as_mut());
        }
        _ => {}
    }
    event
}

/// `lambda_http` builds a URL from these two headers and panics if it is invalid. The edge reads neither.
fn sanitize_headers(headers: &mut HeaderMap) {
    headers.insert(header::HOST, HeaderValue::from_static("edge"));
    headers.remove("x-forwarded-proto");
}

fn sanitize_path(path: Option<&mut String>) {
    if let Some(path) = path.filter(|path| !path.starts_with('/')) {
        path.insert(0, '/');
    }
}
