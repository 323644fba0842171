//! One HTTP request by `XMLHttpRequest`, the only thing in a browser that reports upload progress; it works
//! in workers too. Knows nothing of uploads. What an answer means is said in `error.rs`.

use crate::error::Failure;
use js_sys::Promise;
use std::pin::Pin;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

/// What to send.
pub struct Request<'a> {
    pub method: &'static str,
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: Body<'a>,
}

pub enum Body<'a> {
    None,
    Text(&'a str),
    /// Read and sent by the browser itself, piece by piece: it is never in this memory.
    Blob(&'a Blob),
}

/// An answer, whatever its status.
pub struct Answer {
    pub status: u16,
    pub text: String,
    xhr: XmlHttpRequest,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header; absent where CORS hides it.
    pub fn header(&self, name: &str) -> Option<String> {
        self.xhr.get_response_header(name).ok().flatten()
    }

    /// The wait asked for by `Retry-After`, in milliseconds; 0 for none. A date there is not looked at.
    pub fn wish_ms(&self) -> u32 {
        let seconds = self.header("retry-after").and_then(|s| s.trim().parse::<u32>().ok());
        seconds.unwrap_or(0).saturating_mul(1_000)
    }
}

type Listener = Closure<dyn FnMut(ProgressEvent)>;

/// A request in flight; dropping it aborts it.
struct Flight {
    xhr: XmlHttpRequest,
    _progress: Option<Listener>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.xhr.set_onloadend(None);
        if let Ok(upload) = self.xhr.upload() {
            upload.set_onprogress(None);
        }
        // Aborting one that has ended would wipe the headers of its answer.
        if self.xhr.ready_state() != XmlHttpRequest::DONE {
            let _ = self.xhr.abort();
        }
    }
}

/// A request under way. Boxed, so that all who wait for one share one piece of code.
pub type Sending = Pin<Box<dyn Future<Output = Result<Answer, Failure>>>>;

/// Sends a request; what is returned waits for its answer. `progress` is told how many bytes of the body were
/// handed to the network. Dropping the future aborts the request.
pub fn send(request: Request<'_>, progress: Option<Box<dyn FnMut(u64)>>) -> Sending {
    let started = start(request, progress);
    Box::pin(async move {
        // The only ways to fail before sending: a URL or header that isn't one.
        let (flight, ended) = started.map_err(|_| Failure::bad_answer())?;
        // `loadend` comes after success, error, timeout and abort alike; the promise is never rejected.
        let _ = JsFuture::from(ended).await;
        let xhr = flight.xhr.clone();
        match xhr.status() {
            Ok(0) | Err(_) => Err(Failure::network()),
            Ok(status) => {
                Ok(Answer { status, text: xhr.response_text().ok().flatten().unwrap_or_default(), xhr })
            }
        }
    })
}

fn start(request: Request<'_>, progress: Option<Box<dyn FnMut(u64)>>) -> Result<(Flight, Promise), JsValue> {
    let xhr = XmlHttpRequest::new()?;
    xhr.open_with_async(request.method, request.url, true)?;
    for (name, value) in request.headers {
        xhr.set_request_header(name, value)?;
    }
    let listener = progress.map(|mut told| {
        let listener: Listener = Closure::new(move |event: ProgressEvent| told(event.loaded() as u64));
        listener
    });
    if let Some(listener) = &listener {
        use wasm_bindgen::JsCast;
        xhr.upload()?.set_onprogress(Some(listener.as_ref().unchecked_ref()));
    }
    let ended = Promise::new(&mut |resolve, _| xhr.set_onloadend(Some(&resolve)));
    match request.body {
        Body::None => xhr.send()?,
        Body::Text(text) => xhr.send_with_opt_str(Some(text))?,
        Body::Blob(blob) => xhr.send_with_opt_blob(Some(blob))?,
    }
    Ok((Flight { xhr, _progress: listener }, ended))
}
