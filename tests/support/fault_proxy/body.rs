//! Bodies on their way through: counted, slowed, spoiled, and never held whole.

use crate::line::{Line, span};
use crate::log::Meter;
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

/// A request's body between the browser and whoever takes it.
pub struct Upward {
    pub body: Incoming,
    pub fault: Option<Fault>,
    pub line: Arc<Line>,
    pub meter: Meter,
    /// Told to reset the browser's connection.
    pub reset: Arc<Notify>,
}

impl Upward {
    /// For the server.
    pub fn into_body(self) -> Body {
        if self.body.is_end_stream() {
            return empty();
        }
        let frames = try_unfold((self, 0), |(mut upward, seen)| async move {
            let chunk = upward.next(seen).await?;
            Ok(chunk.map(|chunk| {
                let seen = seen + chunk.len() as u64;
                (Frame::data(chunk), (upward, seen))
            }))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    /// For nobody: taken whole and thrown away.
    pub async fn drain(mut self) -> Result<(), Error> {
        let mut seen = 0;
        while let Some(chunk) = self.next(seen).await? {
            seen += chunk.len() as u64;
        }
        Ok(())
    }

    async fn next(&mut self, seen: u64) -> Result<Option<Bytes>, Error> {
        let chunk = loop {
            match self.body.frame().await.transpose()? {
                None => return Ok(None),
                Some(frame) => {
                    // Trailers are of no use to anybody here.
                    if let Ok(chunk) = frame.into_data() {
                        break chunk;
                    }
                }
            }
        };
        self.meter.received(chunk.len());
        self.line.carry(chunk.len()).await;
        let end = seen + chunk.len() as u64;
        match self.fault {
            Some(Fault::Reset(after)) if end > after => {
                self.reset.notify_one();
                pending().await
            }
            Some(Fault::Stall(after)) if end > after => pending().await,
            Some(Fault::Drip(rate)) => sleep(span(chunk.len(), rate)).await,
            Some(Fault::Flip) if seen == 0 && !chunk.is_empty() => {
                let mut spoiled = chunk.to_vec();
                spoiled[0] ^= 1;
                return Ok(Some(spoiled.into()));
            }
            _ => {}
        }
        Ok(Some(chunk))
    }
}

/// Ends the connection to the server when it is dropped.
pub struct Hold(pub AbortHandle);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer's body between the server and the browser; with `at_most`, it breaks off after so many bytes.
pub fn downward(body: Incoming, hold: Hold, at_most: Option<u64>) -> Body {
    if at_most.is_none() && body.is_end_stream() {
        return empty();
    }
    let frames = unfold(Some((body, hold, at_most)), |state| async {
        let (mut body, hold, left) = state?;
        if left == Some(0) {
            // What came before shall arrive before the connection ends.
            sleep(Duration::from_millis(50)).await;
            return Some((Err("cut off on purpose".into()), None));
        }
        let mut chunk = match body.frame().await? {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Some((Err(error.into()), None)),
        };
        if let Some(left) = left {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let left = left.map(|left| left - chunk.len() as u64);
        Some((Ok(Frame::data(chunk)), Some((body, hold, left))))
    });
    StreamBody::new(frames).boxed_unsync()
}
