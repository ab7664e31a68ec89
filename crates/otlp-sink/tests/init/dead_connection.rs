//! A connection that dies without being closed, as behind a NAT without its entry or a pod that
//! moved.
//!
//! Invariant: once the collector can be reached again, no span is lost.

use crate::{Ran, command, http_traces, over_grpc, ran, sink, subject::FLUSHED};
use otlp_sink::Mode;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A proxy whose first connection can be made to drop its data: the kernel still acknowledges it,
/// and no response is returned. Later connections work.
struct Proxy {
    address: SocketAddr,
    swallows: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Self {
            address: listener.local_addr().expect("bound"),
            swallows: Arc::default(),
            connections: Arc::default(),
        };
        let (swallows, connections) = (proxy.swallows.clone(), proxy.connections.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let first = connections.fetch_add(1, Ordering::SeqCst) == 0;
                let server = TcpStream::connect(target).expect("the sink listens");
                let swallows = first.then(|| swallows.clone());
                pipe(&client, &server, swallows.clone());
                pipe(&server, &client, swallows);
            }
        });
        proxy
    }

    fn swallow(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }
}

/// Copies from one connection to the other; drops the data once the switch is set.
fn pipe(from: &TcpStream, to: &TcpStream, swallows: Option<Arc<AtomicBool>>) {
    let (mut from, mut to) = (from.try_clone(), to.try_clone());
    thread::spawn(move || -> io::Result<()> {
        let (from, to) = (
            from.as_mut().expect("a socket"),
            to.as_mut().expect("a socket"),
        );
        let mut piece = [0; 16 * 1024];
        loop {
            let count = from.read(&mut piece)?;
            let dead = swallows
                .as_ref()
                .is_some_and(|swallows| swallows.load(Ordering::SeqCst));
            match count {
                0 if dead => return Ok(()),
                0 => return to.shutdown(Shutdown::Write),
                _ if dead => {}
                count => to.write_all(&piece[..count])?,
            }
        }
    });
}

/// Sends one span over a working connection, and eight more just before the program ends, after the
/// connection died.
fn nine_spans(scenario: &str, endpoint: &str, target: SocketAddr) -> (Ran, usize) {
    let proxy = Proxy::before(target);
    let endpoint = endpoint.replace(&target.to_string(), &proxy.address.to_string());
    let variables = [
        ("CHROMA_OTEL_COLLECTION_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let mut child = command(scenario, &variables)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the test binary can be run");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b".").expect("the process reads");
    wait_for_the_flush(&mut child);
    proxy.swallow();
    stdin.write_all(b"........").expect("the process reads");
    drop(stdin);
    let ran = ran(child);
    (ran, proxy.connections.load(Ordering::SeqCst))
}

/// Waits until the whole response to the first request has been received.
fn wait_for_the_flush(child: &mut Child) {
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while line.trim_end() != FLUSHED {
        line.clear();
        assert_ne!(output.read_line(&mut line).expect("UTF-8"), 0, "it ended");
    }
    // The process prints nothing until its next input: the buffer is empty.
    child.stdout = Some(output.into_inner());
}

#[test]
fn grpc_loses_no_span() {
    let sink = sink(Mode::Accept);
    let (ran, connections) = nine_spans("flushed steps", &over_grpc(&sink), sink.grpc());
    assert_eq!(ran.number("lost"), 0, "{}", ran.stderr);
    assert_eq!((sink.spans().len(), connections), (9, 2));
}

#[test]
fn http_loses_no_span() {
    for scenario in ["flushed steps", "plain http"] {
        let sink = sink(Mode::Accept);
        let (ran, _) = nine_spans(scenario, &http_traces(&sink), sink.http());
        assert_eq!(ran.number("lost"), 0, "{scenario}: {}", ran.stderr);
        assert_eq!(sink.spans().len(), 9, "{scenario}");
    }
}
