//! An OTLP receiver for tests: accepts traces and metrics over gRPC and HTTP, with or without TLS,
//! and records every span, every metric's name and kind, and the headers of their requests.
//!
//! ```
//! use std::time::Duration;
//! let sink = otlp_sink::Sink::start(otlp_sink::Options::default())?;
//! // … point an exporter at http://{sink.grpc()} or http://{sink.http()}/v1/traces …
//! assert!(sink.wait_for(1, Duration::from_millis(1)).is_err(), "no spans were sent");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Invariant: a request is recorded before it is answered with success, and no other is recorded.

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

/// Options of a sink.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address for gRPC; port 0 selects a free port.
    pub grpc: SocketAddr,
    /// Address for HTTP; port 0 selects a free port.
    pub http: SocketAddr,
    /// Addresses that accept gRPC, OTLP over HTTP on any path, and Zipkin's JSON, with or without
    /// TLS.
    pub any: Vec<SocketAddr>,
    /// TLS on both, with a new authority and a certificate for `localhost`, the loopback addresses
    /// and these names.
    pub tls: Option<Vec<String>>,
    /// A file to which every record is appended at once, as one line of JSON.
    pub out: Option<PathBuf>,
    /// Initial mode.
    pub mode: Mode,
}

impl Default for Options {
    /// Returns the defaults: free ports on loopback, no TLS, no file, all requests accepted.
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

/// Response to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Success.
    Accept,
    /// "Try again later": gRPC `UNAVAILABLE`, HTTP 503. Nothing is recorded.
    Unavailable,
    /// No response. Nothing is recorded.
    Hang,
    /// "Never send this again": gRPC `INVALID_ARGUMENT`, HTTP 400. Nothing is recorded.
    Reject,
}

/// A running sink on a separate thread; dropping it closes the ports.
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
    /// An address cannot be used, or a file cannot be opened.
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

    /// Returns the address for gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Returns the address for HTTP; traces are posted to `/v1/traces`.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Returns the certificate to trust, if the sink was started with TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Sets the response to further requests.
    pub fn set_mode(&self, mode: Mode) {
        self.inbox.set_mode(mode);
    }

    /// Returns all spans so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<Span> {
        self.inbox.spans()
    }

    /// Returns all metrics so far, one entry for each time a name was sent.
    pub fn metrics(&self) -> Vec<Metric> {
        self.inbox.metrics()
    }

    /// Returns the number of requests, answered or not.
    pub fn requests(&self) -> usize {
        self.inbox.requests()
    }

    /// Waits until there are at least `count` spans.
    ///
    /// # Errors
    /// Returns the spans that have arrived within `patience`.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Result<Vec<Span>, Vec<Span>> {
        self.inbox.wait_for(count, Instant::now() + patience)
    }

    /// Waits for the end of the sink, which never ends by itself.
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
