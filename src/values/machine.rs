//! Values of a machine in a cloud.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A cloud's name of a resource: an id, an ARN, a path. It contains no special character of a
/// shell, YAML or HCL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudName(String);

impl CloudName {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^[A-Za-z0-9/][A-Za-z0-9._:/@+=-]{0,511}$";

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CloudName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sound = (1..=512).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._:/@+=-".contains(c));
        sound
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| "an id or a name as the cloud shows it, letters first".to_owned())
    }
}

/// A public SSH key in the form of OpenSSH, `ssh-ed25519 AAAA… user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey(String);

impl SshKey {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^ssh-(rsa|ed25519) AAAA[A-Za-z0-9+/=]*( .*)?$";

    /// Returns the key as one line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SshKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split(' ');
        let kind = words
            .next()
            .is_some_and(|kind| ["ssh-rsa", "ssh-ed25519"].contains(&kind));
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let key = words
            .next()
            .is_some_and(|key| key.starts_with("AAAA") && key.chars().all(base64));
        (kind && key && !text.contains(char::is_control))
            .then(|| Self(text.to_owned()))
            .ok_or("the one line of a `.pub` file: `ssh-rsa AAAA…` or `ssh-ed25519 AAAA…`")
    }
}

/// A range of IPv4 addresses, `10.0.0.0/16`, never the whole world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange(String);

impl AddressRange {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/([89]|[12][0-9]|3[0-2])$";

    /// The rule for a text that is not a range.
    const RULE: &'static str = "a range such as `10.0.0.0/16`";

    /// Returns the range as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = || Self::RULE.to_owned();
        let Some((address, length)) = text.split_once('/') else {
            let address: Ipv4Addr = text.parse().map_err(|_| rule())?;
            return Err(format!("a range, for this address alone `{address}/32`"));
        };
        let address: Ipv4Addr = address.parse().map_err(|_| rule())?;
        let length: u32 = length.parse().map_err(|_| rule())?;
        if !(8..=32).contains(&length) {
            return Err(too_wide("/8"));
        }
        let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
        let network = Ipv4Addr::from(u32::from(address) & !host_bits);
        if network != address {
            return Err(not_first(network, length));
        }
        Ok(Self(format!("{address}/{length}")))
    }
}

/// Clients that may connect to Chroma.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A range of IPv4 addresses.
    Range(AddressRange),
    /// A range of IPv6 addresses, `fd00::/8` (AWS).
    Ipv6Range(String),
    /// A security group of AWS, `sg-…`.
    SecurityGroup(CloudName),
    /// A prefix list of AWS, `pl-…`.
    PrefixList(CloudName),
}

impl Peer {
    /// Returns the peer as in the spec.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Range(range) => range.as_str(),
            Self::Ipv6Range(range) => range,
            Self::SecurityGroup(id) | Self::PrefixList(id) => id.as_str(),
        }
    }

    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^((sg|pl)-[A-Za-z0-9._:/@+=-]+|[0-9]{1,3}(\.[0-9]{1,3}){3}/([89]|[12][0-9]|3[0-2])|[0-9A-Fa-f:]+/([89]|[1-9][0-9]|1[0-2][0-9]))$";
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("sg-") {
            return Ok(Self::SecurityGroup(text.parse()?));
        }
        if text.starts_with("pl-") {
            return Ok(Self::PrefixList(text.parse()?));
        }
        if text.contains(',') {
            return Err("several as a list: `[10.0.0.0/16, 10.1.0.0/16]`".to_owned());
        }
        if let Some((address, length)) = text.split_once('/')
            && let (Ok(address), Ok(length)) = (address.parse(), length.parse())
        {
            return ipv6_range(address, length).map(Self::Ipv6Range);
        }
        let range = text.parse().map_err(|rule: String| {
            if rule == AddressRange::RULE {
                format!("{rule}, or on aws the id of a security group or a prefix list")
            } else {
                rule
            }
        });
        Ok(Self::Range(range?))
    }
}

/// Private addresses are as many as a network has; others belong to a provider, which has at most a
/// /32 for its customers' networks.
fn ipv6_range(address: Ipv6Addr, length: u32) -> Result<String, String> {
    let widest = if address.is_unique_local() { 8 } else { 32 };
    if !(widest..=128).contains(&length) {
        return Err(too_wide("/32, or /8 of private addresses,"));
    }
    let host_bits = u128::MAX.checked_shr(length).unwrap_or(0);
    let network = Ipv6Addr::from(u128::from(address) & !host_bits);
    if network != address {
        return Err(not_first(network, length));
    }
    Ok(format!("{address}/{length}"))
}

fn too_wide(widest: &str) -> String {
    format!(
        "a range of {widest} or narrower: Chroma has no authentication, and every client can read and delete everything"
    )
}

fn not_first(network: impl Display, length: u32) -> String {
    format!("the range by its first address, `{network}/{length}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_ranges_of_both_families_in_canonical_form() {
        for (text, peer) in [
            (
                "10.0.0.0/16",
                Ok(Peer::Range(AddressRange("10.0.0.0/16".to_owned()))),
            ),
            ("fd00::/8", Ok(Peer::Ipv6Range("fd00::/8".to_owned()))),
            (
                "2A05:D014:0:0::/56",
                Ok(Peer::Ipv6Range("2a05:d014::/56".to_owned())),
            ),
            (
                "2a05:d014::1/128",
                Ok(Peer::Ipv6Range("2a05:d014::1/128".to_owned())),
            ),
            (
                "2a05:d014::1/64",
                Err("the range by its first address, `2a05:d014::/64`"),
            ),
            (
                "10.0.0.1/16",
                Err("the range by its first address, `10.0.0.0/16`"),
            ),
            ("0.0.0.0/0", Err("a range of /8 or narrower")),
            (
                "::/0",
                Err("a range of /32, or /8 of private addresses, or narrower"),
            ),
            ("2000::/3", Err("a range of /32")),
            ("fc00::/7", Err("a range of /32")),
            ("fd00::/129", Err("a range of /32")),
            ("fd00::", Err("a range such as `10.0.0.0/16`")),
        ] {
            match (text.parse::<Peer>(), peer) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
