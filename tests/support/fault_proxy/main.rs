//! `fault_proxy`: an HTTP proxy that injects faults, for tests of the uploader. It runs in front of a system's page
//! port; the system hands out the proxy's URLs (`UPLOAD_BASE_URL`, `CDN_BASE_URL`), so all of the browser's
//! requests pass it. Bodies are streamed.
//!
//! `fault_proxy [UPSTREAM [PORT]]` prints its address and that of its control port:
//!
//! ```text
//! fault_proxy http://127.0.0.1:40001
//! control http://127.0.0.1:40002
//!
//! POST /rules     [{ "call": "part", "parts": "even", "each": 1, "fault": "slow-down" }]: see rules.rs
//! POST /link      { "bandwidth"?: bytes per second, "latencyMs"?, "stalled"?, "down"? }
//! POST /upstream  { "url": "http://127.0.0.1:8080" }
//! GET  /log       { "parts": { "1": [{ "received", "fault", "outcome" }] }, "calls": {…}, "faulted": {…} }
//! POST /reset
//! ```

mod body;
mod control;
mod forward;
mod link;
mod request_log;
mod rules;
#[cfg(test)]
mod tests;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use link::Link;
use request_log::RequestLog;
use rules::{Call, Fault, Rules};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

/// Kept small: bytes in the kernel's buffer count as sent for the browser.
const RECEIVE_BUFFER_BYTES: u32 = 128 * 1024;
const READ_BUFFER_BYTES: usize = 32 * 1024;

/// The state shared by all connections.
pub struct Proxy {
    start: Instant,
    upstream: Mutex<String>,
    rules: Mutex<Rules>,
    link: Arc<Link>,
    log: RequestLog,
}

impl Proxy {
    fn new(upstream: &str) -> Self {
        let proxy = Self {
            start: Instant::now(),
            upstream: Mutex::default(),
            rules: Mutex::default(),
            link: Arc::new(Link::new()),
            log: RequestLog::default(),
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

    fn next_fault(&self, call: Call) -> Option<Fault> {
        lock(&self.rules).next_fault(call, self.start.elapsed())
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
    // Accepted connections inherit it.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.listen(1024)
}

async fn accept(listener: TcpListener, proxy: Arc<Proxy>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        if proxy.link.is_down() {
            reset(&stream);
        } else {
            tokio::spawn(serve(stream, proxy.clone()));
        }
    }
}

async fn serve(stream: TcpStream, proxy: Arc<Proxy>) {
    // Without it, Nagle's algorithm delays small responses.
    let _ = stream.set_nodelay(true);
    let disconnected = proxy.link.disconnected();
    let reset_requested = Arc::new(Notify::new());
    let service = {
        let reset_requested = reset_requested.clone();
        service_fn(move |request| forward::handle(proxy.clone(), request, reset_requested.clone()))
    };
    let mut connection =
        http1::Builder::new().max_buf_size(READ_BUFFER_BYTES).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // Broken connections are expected: faults cause them.
        _ = &mut connection => return,
        () = disconnected => {}
        () = reset_requested.notified() => {}
    }
    reset(connection.into_parts().io.inner());
}

/// Makes closing the socket send RST instead of FIN.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
