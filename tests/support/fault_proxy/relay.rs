//! One request: what is done to it, forwarding included.

use crate::Proxy;
use crate::body::{self, Body, Error, Hold, Upward};
use crate::rules::{Call, Fault, Kind};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;

/// What is announced of a body that has no half to break off after.
const EMPTY_ANNOUNCED: HeaderValue = HeaderValue::from_static("64");

/// Answers a request, or fails to: then the connection is to be closed. `reset` is told when it is to be reset.
pub async fn relay(
    proxy: Arc<Proxy>,
    request: Request<Incoming>,
    reset: Arc<Notify>,
) -> Result<Response<Body>, Error> {
    let call = Call::of(request.method(), request.uri());
    let fault = proxy.strike(call);
    let entry = proxy.log.enter(call, fault.as_ref(), &proxy.line);
    proxy.line.latency().await;

    let (head, incoming) = request.into_parts();
    let (line, meter) = (proxy.line.clone(), entry.meter());
    let upward = Upward { body: incoming, fault: fault.clone(), line, meter, reset: reset.clone() };
    let outcome = match &fault {
        Some(Fault::Dead(seconds)) => {
            let (line, span) = (proxy.line.clone(), Duration::from_secs_f64(*seconds));
            line.die();
            tokio::spawn(async move {
                sleep(span).await;
                line.revive();
            });
            pending().await
        }
        Some(Fault::Silence) => match upward.drain().await {
            Ok(()) => pending().await,
            Err(error) => Err(error),
        },
        Some(Fault::SlowDown | Fault::InternalError | Fault::BadGateway | Fault::Expired) => {
            upward.drain().await.map(|()| refusal(call, fault.as_ref()))
        }
        _ => {
            let answer = forward(&proxy, Request::from_parts(head, upward.into_body())).await;
            match answer {
                Ok((answer, hold)) => after(fault.as_ref(), answer, hold).await,
                Err(error) => Err(error),
            }
        }
    };
    match &outcome {
        Ok(answer) => entry.answered(answer.status().as_u16()),
        // The guard knows whether the browser has gone; everything else is our doing.
        Err(error) if error.downcast_ref::<hyper::Error>().is_some_and(is_gone) => {}
        Err(_) => entry.cut(),
    }
    outcome
}

fn is_gone(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_body_write_aborted() || error.is_user()
}

/// Sends a request to the server, on a connection of its own.
async fn forward(proxy: &Proxy, mut request: Request<Body>) -> Result<(Response<Incoming>, Hold), Error> {
    request.headers_mut().remove(header::CONNECTION);
    let stream = TcpStream::connect(proxy.upstream()).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let hold = Hold(tokio::spawn(connection).abort_handle());
    let answer = sender.send_request(request).await?;
    Ok((answer, hold))
}

/// What becomes of the server's answer.
async fn after(
    fault: Option<&Fault>,
    answer: Response<Incoming>,
    hold: Hold,
) -> Result<Response<Body>, Error> {
    let (mut head, incoming) = answer.into_parts();
    head.headers.remove(header::CONNECTION);
    let at_most = match fault {
        Some(Fault::Lost) => return Err("hung up on purpose".into()),
        Some(Fault::Truncated) => {
            let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            let half = length.and_then(|length| length.parse::<u64>().ok()).unwrap_or(0) / 2;
            if half == 0 {
                head.headers.insert(header::CONTENT_LENGTH, EMPTY_ANNOUNCED);
            }
            Some(half)
        }
        Some(Fault::Without(names)) => {
            for name in names.iter().filter_map(|name| name.parse::<HeaderName>().ok()) {
                head.headers.remove(name);
            }
            None
        }
        _ => None,
    };
    Ok(Response::from_parts(head, body::downward(incoming, hold, at_most)))
}

/// The answer of a server that does nothing.
fn refusal(call: Call, fault: Option<&Fault>) -> Response<Body> {
    let (status, code, sentence) = match fault {
        Some(Fault::SlowDown) => {
            (StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
        }
        Some(Fault::Expired) => (StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"),
        Some(Fault::BadGateway) => (StatusCode::BAD_GATEWAY, "BadGateway", "Bad Gateway"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error."),
    };
    let (kind, text) = if call.kind == Kind::Part && status != StatusCode::BAD_GATEWAY {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        ("application/xml", format!("{xml}<Error><Code>{code}</Code><Message>{sentence}</Message></Error>"))
    } else {
        ("text/html", format!("<html><body><h1>{status}</h1><p>{sentence}</p></body></html>"))
    };
    let mut answer = Response::new(body::full(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
