//! A proxy that spoils what passes it, for tests of the uploader: it stands before the page's port of a whole
//! system, which then hands out URLs of the proxy (`UPLOAD_BASE_URL`, `CDN_BASE_URL`), so that everything a
//! browser does comes by. Bodies stream through; none is held.
//!
//! `fault_proxy [UPSTREAM [PORT]]` prints where it is and where it is told what to do:
//!
//! ```text
//! fault_proxy http://127.0.0.1:40001
//! control http://127.0.0.1:40002
//!
//! POST /rules     [{ "call": "part", "parts": "even", "each": 1, "fault": "slow-down" }]: see rules.rs
//! POST /line      { "bandwidth"?: bytes a second, "latencyMs"?, "still"?, "dead"? }
//! POST /upstream  { "url": "http://127.0.0.1:8080" }
//! GET  /log       { "parts": { "1": [{ "received", "fault", "outcome" }] }, "calls": {…}, "faulted": {…} }
//! POST /reset
//! ```

mod body;
mod control;
mod line;
mod log;
mod relay;
mod rules;
#[cfg(test)]
mod tests;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use line::Line;
use log::Log;
use rules::{Call, Fault, Rules};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

/// In bytes. Of what the kernel takes on its own, a browser believes that it was sent.
const RECEIVE_BUFFER: u32 = 128 * 1024;
/// In bytes, of one read.
const READ_BUFFER: usize = 32 * 1024;

/// What all connections share.
pub struct Proxy {
    start: Instant,
    upstream: Mutex<String>,
    rules: Mutex<Rules>,
    line: Arc<Line>,
    log: Log,
}

impl Proxy {
    fn new(upstream: &str) -> Self {
        let proxy = Self {
            start: Instant::now(),
            upstream: Mutex::default(),
            rules: Mutex::default(),
            line: Arc::new(Line::new()),
            log: Log::default(),
        };
        proxy.set_upstream(upstream);
        proxy
    }

    /// The server's `HOST:PORT`.
    fn upstream(&self) -> String {
        lock(&self.upstream).clone()
    }

    fn set_upstream(&self, url: &str) {
        *lock(&self.upstream) = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    }

    fn set_rules(&self, rules: Rules) {
        *lock(&self.rules) = rules;
    }

    fn strike(&self, call: Call) -> Option<Fault> {
        lock(&self.rules).strike(call, self.start.elapsed())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let proxy = Arc::new(Proxy::new(&args.next().unwrap_or_default()));
    let port: u16 = args.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let (listener, control) = (listen(port)?, listen(if port == 0 { 0 } else { port + 1 })?);
    writeln!(std::io::stdout(), "fault_proxy http://{}", listener.local_addr()?)?;
    writeln!(std::io::stdout(), "control http://{}", control.local_addr()?)?;
    tokio::select! {
        ended = axum::serve(control, control::router(proxy.clone())) => ended,
        ended = accept(listener, proxy) => ended,
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.listen(1024)
}

async fn accept(listener: TcpListener, proxy: Arc<Proxy>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        if proxy.line.is_dead() {
            reset(&stream);
        } else {
            tokio::spawn(serve(stream, proxy.clone()));
        }
    }
}

async fn serve(stream: TcpStream, proxy: Arc<Proxy>) {
    // Small answers would wait for company otherwise.
    let _ = stream.set_nodelay(true);
    let cut = proxy.line.cut();
    let asked = Arc::new(Notify::new());
    let service = {
        let asked = asked.clone();
        service_fn(move |request| relay::relay(proxy.clone(), request, asked.clone()))
    };
    let mut connection =
        http1::Builder::new().max_buf_size(READ_BUFFER).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A browser that leaves, or is left, is what this proxy is for.
        _ = &mut connection => return,
        () = cut => {}
        () = asked.notified() => {}
    }
    reset(connection.into_parts().io.inner());
}

/// So that closing resets, even with everything read.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
