//! Streams request and response bodies, applying the link's limits and the request's fault. Bodies are never
//! buffered whole.

use crate::link::{Link, transmission_time};
use crate::request_log::ByteCounter;
use crate::rules::Fault;
use bytes::Bytes;
use futures_util::stream::{try_unfold, unfold};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Body = UnsyncBoxBody<Bytes, Error>;

pub fn empty() -> Body {
    Empty::new().map_err(never).boxed_unsync()
}

pub fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(never).boxed_unsync()
}

fn never(never: Infallible) -> Error {
    match never {}
}

/// A request's body, received from the browser.
pub struct RequestBody {
    pub body: Incoming,
    pub fault: Option<Fault>,
    pub link: Arc<Link>,
    pub byte_counter: ByteCounter,
    /// Notified to reset the browser's connection.
    pub reset: Arc<Notify>,
}

impl RequestBody {
    /// The body to forward to the server.
    pub fn into_body(self) -> Body {
        if self.body.is_end_stream() {
            return empty();
        }
        let frames = try_unfold((self, 0), |(mut body, received)| async move {
            let chunk = body.next_chunk(received).await?;
            Ok(chunk.map(|chunk| {
                let received = received + chunk.len() as u64;
                (Frame::data(chunk), (body, received))
            }))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    /// Receives the whole body and discards it.
    pub async fn drain(mut self) -> Result<(), Error> {
        let mut received = 0;
        while let Some(chunk) = self.next_chunk(received).await? {
            received += chunk.len() as u64;
        }
        Ok(())
    }

    async fn next_chunk(&mut self, received: u64) -> Result<Option<Bytes>, Error> {
        let chunk = loop {
            match self.body.frame().await.transpose()? {
                None => return Ok(None),
                Some(frame) => {
                    // Trailers are dropped.
                    if let Ok(chunk) = frame.into_data() {
                        break chunk;
                    }
                }
            }
        };
        self.byte_counter.add(chunk.len());
        self.link.transmit(chunk.len()).await;
        let end = received + chunk.len() as u64;
        match self.fault {
            Some(Fault::Reset(after)) if end > after => {
                self.reset.notify_one();
                pending().await
            }
            Some(Fault::Stall(after)) if end > after => pending().await,
            Some(Fault::Throttle(rate)) => sleep(transmission_time(chunk.len(), rate)).await,
            Some(Fault::FlipByte) if received == 0 && !chunk.is_empty() => {
                let mut changed = chunk.to_vec();
                changed[0] ^= 1;
                return Ok(Some(changed.into()));
            }
            _ => {}
        }
        Ok(Some(chunk))
    }
}

/// The connection to the server; dropping it ends it.
pub struct UpstreamConnection(pub AbortHandle);

impl Drop for UpstreamConnection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A response's body, forwarded to the browser; with `max_bytes`, the connection ends after so many.
pub fn response_body(body: Incoming, connection: UpstreamConnection, max_bytes: Option<u64>) -> Body {
    if max_bytes.is_none() && body.is_end_stream() {
        return empty();
    }
    let frames = unfold(Some((body, connection, max_bytes)), |state| async {
        let (mut body, connection, left) = state?;
        if left == Some(0) {
            // Lets the bytes before it arrive first.
            sleep(Duration::from_millis(50)).await;
            return Some((Err("truncated by a fault".into()), None));
        }
        let mut chunk = match body.frame().await? {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Some((Err(error.into()), None)),
        };
        if let Some(left) = left {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let left = left.map(|left| left - chunk.len() as u64);
        Some((Ok(Frame::data(chunk)), Some((body, connection, left))))
    });
    StreamBody::new(frames).boxed_unsync()
}
