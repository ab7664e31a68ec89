//! The host of an endpoint: a name or an address, local or not.
//!
//! Invariant: an accepted host can be dialled unchanged, and be written into a URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; an error is the reason, as a relative clause.
pub(crate) fn authority_parts(authority: &str) -> Result<(Host, Option<u16>), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("whose `[` is never closed")?;
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| "which has no IPv6 address between `[` and `]`")?;
        let host = Host {
            text: address.to_string(),
            address: Some(IpAddr::V6(address)),
        };
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err("which has text between `]` and the port".to_owned()),
        }
    } else if authority.matches(':').count() > 1 {
        return Err("which has more than one `:` (an IPv6 address needs `[` and `]`)".to_owned());
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (named_host(host)?, Some(port)),
            None => (named_host(authority)?, None),
        }
    };
    Ok((host, port.map(port_number).transpose()?))
}

fn port_number(text: &str) -> Result<u16, String> {
    let only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| only_digits && *port != 0)
        .ok_or_else(|| "whose port is not a number from 1 to 65535".to_owned())
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name in lower case, or the address in its canonical form.
    pub(crate) text: String,
    address: Option<IpAddr>,
}

/// Parses a DNS name or an IPv4 address.
fn named_host(text: &str) -> Result<Host, String> {
    if text.is_empty() {
        return Err("which has no host".to_owned());
    }
    let text = text.to_ascii_lowercase();
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        let address: Ipv4Addr = text
            .parse()
            .map_err(|_| "whose host is neither a name nor an IPv4 address")?;
        return Ok(Host {
            text,
            address: Some(IpAddr::V4(address)),
        });
    }
    let name = text.strip_suffix('.').unwrap_or(&text);
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("whose host is not a valid name".to_owned());
    }
    Ok(Host {
        text,
        address: None,
    })
}

/// RFC 1035, with the underscore that Compose allows in service names.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Host {
    /// Returns true for an IPv6 address, which is written in brackets.
    pub(crate) fn is_ipv6(&self) -> bool {
        matches!(self.address, Some(IpAddr::V6(_)))
    }

    /// Returns true if connections to it stay on this machine or a private network, as far as the
    /// text shows.
    pub(crate) fn is_local(&self) -> bool {
        const SUFFIXES: [&str; 4] = [".localhost", ".local", ".internal", ".svc"];
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(v4)) => {
                v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
            }
            Some(IpAddr::V6(v6)) => {
                v6.is_loopback()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    || v6.is_unspecified()
            }
            None => {
                let name = self.text.strip_suffix('.').unwrap_or(&self.text);
                !name.contains('.') || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            }
        }
    }
}
