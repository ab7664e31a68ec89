//! An OTLP receiver for tests: takes traces and metrics over gRPC and HTTP, with or without TLS,
//! and remembers every span, every metric's name and kind, and the headers they came with.
//!
//! ```
//! use std::time::Duration;
//! let sink = otlp_sink::Sink::start(otlp_sink::Options::default())?;
//! // … point an exporter at http://{sink.grpc()} or http://{sink.http()}/v1/traces …
//! assert!(sink.wait_for(1, Duration::from_millis(1)).is_err(), "nobody has sent anything");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Invariant: what is answered with success has been recorded before, and nothing else has.

mod receive;
mod record;
mod tls;
mod zipkin;

pub use record::{Attributes, Event, Metric, Span, Target};

use axum::Router;
use receive::Inbox;
use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::oneshot};

/// How to start a sink.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen for gRPC; port 0 for any free one.
    pub grpc: SocketAddr,
    /// Where to listen for HTTP; port 0 for any free one.
    pub http: SocketAddr,
    /// Where to listen for all at once: gRPC, OTLP over HTTP on any path, and Zipkin's JSON; with TLS, or
    /// without where the sender begins without it.
    pub any: Vec<SocketAddr>,
    /// TLS on both, with a fresh authority and a certificate for `localhost`, the loopback
    /// addresses and these names.
    pub tls: Option<Vec<String>>,
    /// A file that every record is appended to at once, a line of JSON each.
    pub out: Option<PathBuf>,
    /// How to answer at first.
    pub mode: Mode,
}

impl Default for Options {
    /// Free ports on loopback, no TLS, no file, everything accepted.
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            grpc: any,
            http: any,
            any: Vec::new(),
            tls: None,
            out: None,
            mode: Mode::Accept,
        }
    }
}

/// How requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// With success.
    Accept,
    /// "Try again later": gRPC `UNAVAILABLE`, HTTP 503. Nothing is recorded.
    Unavailable,
    /// Never. Nothing is recorded.
    Hang,
    /// "Never send this again": gRPC `INVALID_ARGUMENT`, HTTP 400. Nothing is recorded.
    Reject,
}

/// A running sink, on a thread of its own; dropping it closes the ports.
#[derive(Debug)]
pub struct Sink {
    inbox: Arc<Inbox>,
    grpc: SocketAddr,
    http: SocketAddr,
    ca_pem: Option<String>,
    _stop: oneshot::Sender<Infallible>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sink {
    /// Starts listening; the ports are open on return.
    ///
    /// # Errors
    /// An address that cannot be listened on, a file that cannot be opened.
    pub fn start(options: Options) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::new(options.mode, options.out.as_deref())?);
        let (tls, ca_pem) = match options.tls {
            Some(names) => {
                let (acceptor, ca_pem) = tls::authority(names).map_err(io::Error::other)?;
                (Some(acceptor), Some(ca_pem))
            }
            None => (None, None),
        };
        let (stop, stopped) = oneshot::channel();
        let (bound, binding) = mpsc::channel();
        let shared = Arc::clone(&inbox);
        let thread = thread::Builder::new()
            .name("otlp-sink".to_owned())
            .spawn(move || {
                let doors = (options.grpc, options.http, options.any);
                let serving = serve(doors, tls, shared, &bound, stopped);
                let result = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .and_then(|runtime| runtime.block_on(serving));
                if let Err(error) = result {
                    let _ = bound.send(Err(error));
                }
            })?;
        let (grpc, http) = binding.recv().map_err(io::Error::other)??;
        Ok(Self {
            inbox,
            grpc,
            http,
            ca_pem,
            _stop: stop,
            thread: Some(thread),
        })
    }

    /// The address that gRPC came to listen on.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// The address that HTTP came to listen on; traces are posted to `/v1/traces`.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The certificate to trust, if the sink was started with TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// How to answer from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.inbox.set_mode(mode);
    }

    /// All spans so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.inbox.spans()
    }

    /// All metrics so far, one for each time a name was sent.
    pub fn metrics(&self) -> Vec<Metric> {
        self.inbox.metrics()
    }

    /// How many requests have come in, answered or not.
    pub fn requests(&self) -> usize {
        self.inbox.requests()
    }

    /// Waits until there are at least `count` spans.
    ///
    /// # Errors
    /// The spans that did arrive, when `patience` was over first.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<Span>, Vec<Span>> {
        self.inbox.wait_for(count, Instant::now() + patience)
    }

    /// Waits for the sink to end by itself, which it does not.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    (grpc, http, any): (SocketAddr, SocketAddr, Vec<SocketAddr>),
    tls: Option<tokio_rustls::TlsAcceptor>,
    inbox: Arc<Inbox>,
    bound: &mpsc::Sender<io::Result<(SocketAddr, SocketAddr)>>,
    stopped: oneshot::Receiver<Infallible>,
) -> io::Result<()> {
    let grpc = TcpListener::bind(grpc).await?;
    let http = TcpListener::bind(http).await?;
    let addresses = (grpc.local_addr()?, http.local_addr()?);
    for address in any {
        let listener = tls::listener(TcpListener::bind(address).await?, tls.clone(), true);
        serving(listener, receive::any(Arc::clone(&inbox)));
    }
    for (listener, routes) in [
        (grpc, receive::grpc(Arc::clone(&inbox))),
        (http, receive::http(inbox)),
    ] {
        let listener = tls::listener(listener, tls.clone(), false);
        serving(listener, routes);
    }
    let _ = bound.send(Ok(addresses));
    let _ = stopped.await;
    Ok(())
}

fn serving(listener: tls::Listener, routes: Router) {
    let service = routes.into_make_service_with_connect_info::<tls::Peer>();
    tokio::spawn(async move { axum::serve(listener, service).await });
}
