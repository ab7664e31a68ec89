//! A temporary certificate authority, and a listener with TLS.
//!
//! Invariant: the keys are only in memory.

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::{error::Error, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// Returns an acceptor for `localhost`, loopback and `names`, and the PEM of its authority.
pub(crate) fn authority(
    names: Vec<String>,
) -> Result<(TlsAcceptor, String), Box<dyn Error + Send + Sync>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, "otlp-sink test authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let mut all_names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    all_names.extend(names);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(all_names)?.signed_by(&key, &authority)?;

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der())?,
        )?;
    let mut config = config;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), authority.pem()))
}

/// Connections whose handshake succeeded, if there is one.
#[derive(Debug)]
pub(crate) struct Listener {
    ready: mpsc::Receiver<(Connection, Peer)>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// True if the connection uses TLS.
    pub(crate) tls: bool,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        *stream.remote_addr()
    }
}

/// A connection with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Connection = Box<dyn Stream>;

/// First byte of a TLS handshake record.
const HANDSHAKE: u8 = 0x16;

/// Accepts connections from `tcp`. Each handshake is a separate task, so that one that never ends
/// does not block the others. `either` also accepts connections without TLS.
pub(crate) fn listener(tcp: TcpListener, acceptor: Option<TlsAcceptor>, either: bool) -> Listener {
    let (accepted, ready) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            let _ = stream.set_nodelay(true);
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            tokio::spawn(async move {
                let opening = timeout(Duration::from_secs(10), open(stream, acceptor, either));
                if let Ok(Ok(opened)) = opening.await {
                    let _ = accepted.send(opened).await;
                }
            });
        }
    });
    Listener { ready }
}

async fn open(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    either: bool,
) -> io::Result<(Connection, Peer)> {
    let plain = Peer { tls: false };
    let Some(acceptor) = acceptor else {
        return Ok((Box::new(stream), plain));
    };
    let mut first = [0];
    if either && stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        return Ok((Box::new(stream), plain));
    }
    let stream = acceptor.accept(stream).await?;
    Ok((Box::new(stream), Peer { tls: true }))
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    /// Never called: a placeholder for the address of a peer.
    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer { tls: false })
    }
}
