//! The sink as a process, for tests in other languages.
//!
//! Invariant: the first line on standard output is JSON with the bound addresses, printed when the
//! ports are open.

use clap::Parser;
use otlp_sink::{Mode, Options, Sink};
use std::{
    error::Error,
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

/// Receives OTLP over gRPC and HTTP, and appends it to a file, as one line of JSON for each record.
#[derive(Parser)]
struct Arguments {
    /// Address for gRPC.
    #[arg(long, default_value = "127.0.0.1:0")]
    grpc: SocketAddr,
    /// Address for HTTP (`/v1/traces`, `/v1/metrics`).
    #[arg(long, default_value = "127.0.0.1:0")]
    http: SocketAddr,
    /// Address for gRPC, HTTP on any path, and Zipkin's JSON, with or without TLS.
    #[arg(long)]
    any: Vec<SocketAddr>,
    /// File to which records are appended.
    #[arg(long)]
    out: PathBuf,
    /// Use TLS on both ports; the authority's certificate is written to this folder as `ca.pem`.
    #[arg(long)]
    tls_dir: Option<PathBuf>,
    /// Additional name for the certificate, besides `localhost` and the loopback addresses.
    #[arg(long, requires = "tls_dir")]
    tls_name: Vec<String>,
    /// Response to requests.
    #[arg(long, value_enum, default_value = "accept")]
    mode: Mode,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let sink = Sink::start(Options {
        grpc: arguments.grpc,
        http: arguments.http,
        any: arguments.any,
        tls: arguments.tls_dir.as_ref().map(|_| arguments.tls_name),
        out: Some(arguments.out),
        mode: arguments.mode,
    })?;
    if let (Some(directory), Some(ca_pem)) = (&arguments.tls_dir, sink.ca_pem()) {
        fs::create_dir_all(directory)?;
        fs::File::create(directory.join("ca.pem"))?.write_all(ca_pem.as_bytes())?;
    }
    let addresses = serde_json::json!({
        "grpc": sink.grpc().to_string(),
        "http": sink.http().to_string(),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{addresses}")?;
    out.flush()?;
    drop(out);
    sink.join();
    Ok(())
}
