//! Values of a machine in a cloud.

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
            let address: std::net::Ipv4Addr = text.parse().map_err(|_| rule())?;
            return Err(format!("a range, for this address alone `{address}/32`"));
        };
        let address: std::net::Ipv4Addr = address.parse().map_err(|_| rule())?;
        let length: u32 = length.parse().map_err(|_| rule())?;
        if !(8..=32).contains(&length) {
            return Err("a range of /8 or narrower: Chroma has no authentication, and every client can read and delete everything".to_owned());
        }
        let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
        if u32::from(address) & host_bits != 0 {
            let network = std::net::Ipv4Addr::from(u32::from(address) & !host_bits);
            return Err(format!(
                "the range by its first address, `{network}/{length}`"
            ));
        }
        Ok(Self(format!("{address}/{length}")))
    }
}

/// Clients that may connect to Chroma.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A range of addresses.
    Range(AddressRange),
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
            Self::SecurityGroup(id) | Self::PrefixList(id) => id.as_str(),
        }
    }

    /// Pattern in the schema.
    pub const PATTERN: &'static str =
        r"^((sg|pl)-[A-Za-z0-9._:/@+=-]+|[0-9]{1,3}(\.[0-9]{1,3}){3}/([89]|[12][0-9]|3[0-2]))$";
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
