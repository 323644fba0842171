//! Handles one request: applies its fault and forwards it.

use crate::Proxy;
use crate::body::{self, Body, Error, RequestBody, UpstreamConnection};
use crate::rules::{Call, CallKind, Fault};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;

/// `content-length` of a truncated response whose body is empty.
const LENGTH_OF_EMPTY_BODY: HeaderValue = HeaderValue::from_static("64");

/// Handles a request. After an error the caller closes the connection; after `reset` is notified, it resets it.
pub async fn handle(
    proxy: Arc<Proxy>,
    request: Request<Incoming>,
    reset: Arc<Notify>,
) -> Result<Response<Body>, Error> {
    let call = Call::of(request.method(), request.uri());
    let fault = proxy.next_fault(call);
    let guard = proxy.log.start(call, fault.as_ref(), &proxy.link);
    proxy.link.delay().await;

    let (head, incoming) = request.into_parts();
    let body = RequestBody {
        body: incoming,
        fault: fault.clone(),
        link: proxy.link.clone(),
        byte_counter: guard.byte_counter(),
        reset: reset.clone(),
    };
    if let Some(Fault::Delay(seconds)) = &fault {
        sleep(Duration::from_secs_f64(*seconds)).await;
    }
    let outcome = match &fault {
        Some(Fault::Down(seconds)) => {
            let (link, outage) = (proxy.link.clone(), Duration::from_secs_f64(*seconds));
            link.go_down();
            tokio::spawn(async move {
                sleep(outage).await;
                link.go_up();
            });
            pending().await
        }
        Some(Fault::NoResponse) => match body.drain().await {
            Ok(()) => pending().await,
            Err(error) => Err(error),
        },
        Some(fault) if fault.is_error_response() => body.drain().await.map(|()| error_response(call, fault)),
        _ => match forward(&proxy, Request::from_parts(head, body.into_body())).await {
            Ok((response, connection)) => modify(fault.as_ref(), response, connection),
            Err(error) => Err(error),
        },
    };
    match &outcome {
        Ok(response) => guard.answered(response.status().as_u16()),
        // The guard's drop sets this outcome; all other errors come from faults or the server.
        Err(error) if error.downcast_ref::<hyper::Error>().is_some_and(client_is_gone) => {}
        Err(_) => guard.disconnected(),
    }
    outcome
}

fn client_is_gone(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_body_write_aborted() || error.is_user()
}

/// Sends a request to the server on a new connection.
async fn forward(
    proxy: &Proxy,
    mut request: Request<Body>,
) -> Result<(Response<Incoming>, UpstreamConnection), Error> {
    request.headers_mut().remove(header::CONNECTION);
    let stream = TcpStream::connect(proxy.upstream()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = UpstreamConnection(tokio::spawn(connection).abort_handle());
    let response = sender.send_request(request).await?;
    Ok((response, connection))
}

/// Applies the fault to the server's response.
fn modify(
    fault: Option<&Fault>,
    response: Response<Incoming>,
    connection: UpstreamConnection,
) -> Result<Response<Body>, Error> {
    let (mut head, incoming) = response.into_parts();
    head.headers.remove(header::CONNECTION);
    let max_bytes = match fault {
        Some(Fault::LostResponse) => return Err("closed by a fault".into()),
        Some(Fault::Truncated) => {
            let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            let half = length.and_then(|length| length.parse::<u64>().ok()).unwrap_or(0) / 2;
            if half == 0 {
                head.headers.insert(header::CONTENT_LENGTH, LENGTH_OF_EMPTY_BODY);
            }
            Some(half)
        }
        Some(Fault::WithoutHeaders(names)) => {
            for name in names.iter().filter_map(|name| name.parse::<HeaderName>().ok()) {
                head.headers.remove(name);
            }
            None
        }
        _ => None,
    };
    Ok(Response::from_parts(head, body::response_body(incoming, connection, max_bytes)))
}

/// The error response of a server or gateway that did nothing.
fn error_response(call: Call, fault: &Fault) -> Response<Body> {
    let (status, code, message) = match fault {
        Fault::SlowDown | Fault::RetryAfter(_) | Fault::RetryAfterDate(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
        }
        Fault::Expired => (StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"),
        Fault::BadGateway => (StatusCode::BAD_GATEWAY, "BadGateway", "Bad Gateway"),
        Fault::Html(status) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::FORBIDDEN);
            (status, "Blocked", "The request was blocked by the security policy.")
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error."),
    };
    let is_gateway = matches!(fault, Fault::BadGateway | Fault::Html(_));
    let (kind, text) = if call.kind == CallKind::Part && !is_gateway {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        ("application/xml", format!("{xml}<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
    } else {
        ("text/html", format!("<html><body><h1>{status}</h1><p>{message}</p></body></html>"))
    };
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let retry_after = match fault {
        Fault::RetryAfter(value) => Some(value.clone()),
        Fault::RetryAfterDate(seconds) => Some(http_date(*seconds)),
        _ => None,
    };
    if let Some(value) = retry_after.and_then(|value| value.parse().ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// The HTTP date so many seconds from now.
fn http_date(seconds: i64) -> String {
    let offset = Duration::from_secs(seconds.unsigned_abs());
    let now = SystemTime::now();
    let time = if seconds < 0 { now.checked_sub(offset) } else { now.checked_add(offset) };
    httpdate::fmt_http_date(time.unwrap_or(now))
}
