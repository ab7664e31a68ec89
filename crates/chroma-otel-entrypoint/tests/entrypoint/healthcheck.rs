//! The health check against small servers that answer as Chroma's versions do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use crate::run::{code, entrypoint, finish, stderr};

const READY: &str = r#"{"is_executor_ready":true,"is_log_client_ready":true}"#;

/// Serves pages (path, status, body) until the test ends; any other path is a 404.
pub(crate) fn serve(pages: &[(&str, &str, &str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let pages: Vec<_> = pages
        .iter()
        .map(|&(path, status, body)| (path.to_owned(), answer(status, body)))
        .collect();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut question = [0; 1024];
            let count = stream.read(&mut question).unwrap_or_default();
            let question = String::from_utf8_lossy(&question[..count]).into_owned();
            let asked = question.split(' ').nth(1).unwrap_or_default();
            let found = pages.iter().find(|(path, _)| path == asked);
            let answer =
                found.map_or_else(|| answer("404 Not Found", ""), |(_, text)| text.clone());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Returns exit code and message for Chroma of this version (or an unknown one) at the address.
fn check(version: Option<&str>, address: SocketAddr) -> (i32, String) {
    let mut command = entrypoint(&["healthcheck"]);
    command.env("CHROMA_PORT", address.port().to_string());
    if let Some(version) = version {
        command.env("CHROMA_VERSION", version);
    }
    let output = finish(&mut command);
    (code(&output), stderr(&output))
}

#[test]
fn every_version_has_its_page() {
    for (version, path, body) in [
        ("0.4.24", "/api/v1/heartbeat", "{}"),
        ("0.6.3", "/api/v2/heartbeat", "{}"),
        ("1.0.0", "/api/v2/healthcheck", READY),
        ("1.5.9", "/api/v2/healthcheck", READY),
    ] {
        let address = serve(&[(path, "200 OK", body)]);
        assert_eq!(
            check(Some(version), address),
            (0, String::new()),
            "{version}"
        );
        assert_eq!(
            check(None, address),
            (0, String::new()),
            "{version} unnamed"
        );
    }
}

#[test]
fn other_answers_are_reported() {
    for (status, body) in [
        ("503 Service Unavailable", ""),
        ("500 Internal Server Error", READY),
        ("301 Moved Permanently", ""),
        (
            "200 OK",
            r#"{"is_executor_ready":true,"is_log_client_ready":false}"#,
        ),
    ] {
        // The older page is healthy, and must not be used instead of the newer one.
        let address = serve(&[
            ("/api/v2/healthcheck", status, body),
            ("/api/v2/heartbeat", "200 OK", "{}"),
        ]);
        for version in [Some("1.5.9"), None] {
            let (code, said) = check(version, address);
            assert_eq!(code, 1, "{status}");
            let asked = format!("GET http://{address}/api/v2/healthcheck: answered");
            assert!(said.contains(&asked), "{said}");
            assert!(said.contains(&status[..3]), "{said}");
        }
    }
}

#[test]
fn a_missing_server_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let (code, said) = check(Some("1.5.9"), address);
    assert_eq!(code, 1);
    assert!(said.contains("connection refused"), "{said}");
}

#[test]
fn a_server_that_never_answers_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let (code, said) = check(Some("1.5.9"), address);
    assert_eq!(code, 1);
    assert!(said.contains("no answer within 2 s"), "{said}");
}

#[test]
fn a_server_that_sends_slowly_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else {
            return;
        };
        while stream.write_all(b"H").is_ok() {
            thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let (code, said) = check(Some("1.5.9"), address);
    assert_eq!(code, 1);
    assert!(said.contains("no answer within 2 s"), "{said}");
}

#[test]
fn any_page_can_be_requested() {
    let address = serve(&[("/", "200 OK", "Server available")]);
    let url = format!("http://localhost:{}/", address.port());
    let output = finish(&mut entrypoint(&["healthcheck", "--url", &url]));
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let missing = format!("--url={url}none");
    let output = finish(&mut entrypoint(&["healthcheck", &missing]));
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("404"), "{}", stderr(&output));
}

#[test]
fn slow_name_resolution_times_out() {
    // A name server that never answers, visible only to one process: both need root.
    let server = std::net::UdpSocket::bind("127.77.0.1:53");
    let possible = std::process::Command::new("unshare")
        .args(["--mount", "true"])
        .status();
    if server.is_err() || !possible.is_ok_and(|status| status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: name server: port 53 and `unshare --mount` are not possible here"
        );
        return;
    }
    let script = "echo nameserver 127.77.0.1 >\"$1\" && mount --bind \"$1\" /etc/resolv.conf \
        && shift && exec \"$@\"";
    let file = std::env::temp_dir().join(format!("chroma-otel-resolver-{}", std::process::id()));
    let before = std::time::Instant::now();
    let output = finish(
        std::process::Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(&file)
            .arg(env!("CARGO_BIN_EXE_chroma-otel-entrypoint"))
            .args(["healthcheck", "--url", "http://chroma.example:8000/"]),
    );
    let _ = std::fs::remove_file(file);
    assert_eq!(code(&output), 1);
    let said = stderr(&output);
    assert!(said.contains("no answer within 2 s"), "{said}");
    // The resolver itself sends two queries, with five seconds for each.
    assert!(before.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn messages_omit_invalid_urls_and_queries() {
    for arguments in [
        &["healthcheck", "--url", "http://user:s3cret@h/x"][..],
        &["healthcheck", "--url=https://h/x?key=s3cret"],
        &["healthcheck", "http://user:s3cret@h/x"],
        &["healthcheck", "--url", "http://127.0.0.1:1/x?key=s3cret"],
        &["--health-url", "http://user:s3cret@h/x", "--", "true"],
    ] {
        let output = finish(&mut entrypoint(arguments));
        let said = stderr(&output);
        assert!(!said.contains("s3cret"), "{said}");
        assert!(said.contains("chroma-otel-entrypoint: error: "), "{said}");
        assert_ne!(code(&output), 0, "{said}");
    }
}
