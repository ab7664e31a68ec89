//! `tracing.ca_file`: the private authorities of the backends' certificates.
//!
//! Invariant: only certificates are returned; a file with a private key is rejected.

use crate::input::resolve::reading::Reading;
use crate::spec::Tracing;
use crate::spec::kubernetes::CollectorMode;

const KEY: &str = "tracing.ca_file";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

impl Reading {
    /// Returns the certificates in the file, without the text around them.
    pub(super) fn authorities(&mut self) -> Option<String> {
        let text = match self.input.ca.take()? {
            Ok(text) => text,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        if text.contains("PRIVATE KEY-----") {
            self.wrong(
                KEY,
                "contains a private key",
                "name a file that contains only the authority's certificate",
            );
            return None;
        }
        let certificates = certificates(&text);
        if certificates.is_none() {
            self.wrong(
                KEY,
                format!("is not a file of certificates between `{BEGIN}` and `{END}`"),
                "convert it: `openssl x509 -inform der -in ca.cer -out ca.pem`",
            );
        }
        certificates
    }

    /// Rejects authorities that no connection uses.
    pub(super) fn check_authorities(&mut self, tracing: &Tracing, mode: CollectorMode) {
        if tracing.authorities.is_none() {
            return;
        }
        if mode == CollectorMode::None {
            let hint = "remove it: your own collector knows its backend";
            self.wrong(KEY, "has no effect: `collector.mode` is `none`", hint);
        } else if !tracing.uses_tls() {
            let hint = "remove it, or use an `https://` endpoint";
            self.wrong(KEY, "has no effect: no endpoint uses TLS", hint);
        }
    }
}

/// Returns the certificates of a PEM file; `None` if there are none, or if one is damaged.
fn certificates(text: &str) -> Option<String> {
    let blocks = text.split(BEGIN).skip(1).map(|rest| {
        let (body, _) = rest.split_once(END)?;
        let lines: Vec<&str> = body.split_whitespace().collect();
        let base64 = |c: u8| c.is_ascii_alphanumeric() || b"+/=".contains(&c);
        let sound = !lines.is_empty() && lines.iter().all(|line| line.bytes().all(base64));
        sound.then(|| format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
    });
    let blocks: Option<String> = blocks.collect();
    blocks.filter(|blocks| !blocks.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_certificates() {
        let one = format!("{BEGIN}\nMIIB+/=\nAAAA\n{END}\n");
        let text = format!("Subject: ours\r\n{}{one}trailer", one.replace('\n', "\r\n"));
        assert_eq!(certificates(&text), Some(one.repeat(2)));
        for wrong in [
            "",
            "MIIB",
            BEGIN,
            "-----BEGIN CERTIFICATE-----\n${x}\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(certificates(wrong), None, "{wrong}");
        }
    }
}
