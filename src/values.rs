//! Validated values.
//!
//! Invariant: a value of one of these types follows its rule; the error text is the complete rule.

mod cloud;
mod kubernetes;
mod machine;
mod schedule;

pub use cloud::{
    AwsHosts, CONNECTION_STRING, Cloud, USER_DATA_LIMIT, has_place, in_partition, in_place,
    is_in_console,
};
pub use kubernetes::{DnsName, LabelKey, is_label_value};
pub use machine::{AddressRange, CloudName, Peer, SshKey};
pub use schedule::Schedule;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use chroma_otel_init::variable::is_name;
use serde::{Deserialize, Serialize};

// Patterns are for editors that read the schema. They reject the values that parsing rejects by their
// form; `tests/cli/schema.rs` compares the two.

/// A release of Chroma.
pub const VERSION_PATTERN: &str = r"^v?[0-9]+\.[0-9]+\.[0-9]+$";
/// An IP address, of either kind.
pub const ADDRESS_PATTERN: &str = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F.]*:[0-9a-fA-F:.]+)$";
/// An address for which [`is_private`] is true.
pub const PRIVATE_ADDRESS_PATTERN: &str = r"^(127\.|10\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|[fF][cCdD][0-9a-fA-F]{2}:|[0:]*:0*1$)";
/// An origin of a browser's request, or all of them.
pub const ORIGIN_PATTERN: &str = r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$";

/// A name that DNS, Compose and Kubernetes accept: RFC 1123 label, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsLabel(String);

impl DnsLabel {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
}

impl FromStr for DnsLabel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edge = |c: Option<char>| c.is_some_and(|c| c != '-');
        if text.len() <= 63
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().last())
        {
            Ok(Self(text.to_owned()))
        } else {
            Err("lower-case letters, digits and `-`, at most 63, no `-` at either end".to_owned())
        }
    }
}

impl fmt::Display for DnsLabel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A release, as three numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release(String);

impl Release {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^[0-9]+\.[0-9]+\.[0-9]+$";

    /// Returns the release as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let is_sound = text.split('.').count() == 3 && text.split('.').all(is_number);
        let rule = "three numbers, such as `1.2.3`; `latest` changes without notice";
        is_sound
            .then(|| Self(text.to_owned()))
            .ok_or(rule.to_owned())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The name of a network of Docker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkName(String);

impl NetworkName {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$";
}

impl FromStr for NetworkName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let is_sound = text.len() <= 128
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(inner)
            && text != "default"; // Compose's name for the project's own network
        let rule = "the name of an existing network of Docker, as in `docker network ls`";
        is_sound.then(|| Self(text.to_owned())).ok_or(rule)
    }
}

/// An amount of memory, in bytes. Written `2GiB`, `512MiB`, `2g`, `512m` (all powers of 1,024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Memory(u64);

/// The maximum: 16 TiB, the largest volume of any cloud.
const MOST_MEMORY: u64 = 1 << 44;

impl Memory {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^[0-9]+ *([mM]([iI][bB]?)?|[gG]([iI][bB]?)?)$";

    /// Creates an amount in mebibytes.
    pub const fn mebibytes(amount: u64) -> Self {
        Self(amount << 20)
    }

    /// Returns the amount in whole mebibytes.
    pub const fn as_mebibytes(self) -> u64 {
        self.0 >> 20
    }

    /// Returns twice the amount, up to the maximum.
    pub fn twice(self) -> Self {
        Self((self.0 * 2).min(MOST_MEMORY))
    }

    /// Returns the amount in the unit of `text`, such as `2GiB` for `1GiB`; in mebibytes if it is not a
    /// whole number of that unit.
    pub fn in_unit_of(self, text: &str) -> String {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let mebibytes = self.as_mebibytes();
        if !unit.trim().to_ascii_lowercase().starts_with('g') {
            format!("{mebibytes}{unit}")
        } else if mebibytes.is_multiple_of(1024) {
            format!("{}{unit}", mebibytes / 1024)
        } else {
            format!("{mebibytes}MiB")
        }
    }

    /// Returns the amount as a Kubernetes quantity: `2Gi`, `512Mi`.
    pub fn quantity(self) -> String {
        match self.as_mebibytes() {
            whole if whole % 1024 == 0 => format!("{}Gi", whole / 1024),
            mebibytes => format!("{mebibytes}Mi"),
        }
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = || "a whole number with `MiB` or `GiB`, such as `2GiB`".to_owned();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
            "m" | "mi" | "mib" => 20,
            "g" | "gi" | "gib" => 30,
            _ => return Err(rule()),
        };
        let amount: u64 = digits.trim().parse().map_err(|_| rule())?;
        match amount.checked_mul(1 << shift) {
            Some(bytes) if (1 << 20..=MOST_MEMORY).contains(&bytes) => Ok(Self(bytes)),
            _ => Err("between 1 MiB and 16 TiB".to_owned()),
        }
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> Self {
        memory.to_string()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_mebibytes() {
            whole if whole % 1024 == 0 => write!(out, "{}g", whole / 1024),
            mebibytes => write!(out, "{mebibytes}m"),
        }
    }
}

/// The folder of the images' build context, as a path from the deployment's folder: inside it, such
/// as `image`, or above it, such as `../image`, if several deployments share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextFolder(String);

impl ContextFolder {
    /// Pattern in the schema.
    pub const PATTERN: &'static str =
        r"^(\.\./)*[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$";

    /// Returns the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if it is outside the deployment's folder.
    pub fn is_shared(&self) -> bool {
        self.0.starts_with("../")
    }
}

impl fmt::Display for ContextFolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ContextFolder {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Compose, HCL and a shell read such a path unchanged.
        let is_name = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(plain)
        };
        let below = text.trim_start_matches("../");
        if below.split('/').all(is_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a relative path of plain names, such as `image` or `../image`")
        }
    }
}

/// An image's repository, without tag and digest: `chromadb/chroma`, `registry.local:5000/chroma`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRepository(String);

impl ImageRepository {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^([a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]+)?/)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*$";

    /// Returns the place of an image of Docker Hub in this registry, which mirrors it. An image of
    /// another registry stays there.
    pub fn mirror_of(&self, image: &str) -> String {
        match image.split_once('/') {
            None => format!("{}/library/{image}", self.0),
            Some((host, _)) if host.contains(['.', ':']) => image.to_owned(),
            Some(_) => format!("{}/{image}", self.0),
        }
    }

    /// Returns the repository with a tag, as a deployment pins it.
    pub fn tag(&self, tag: impl fmt::Display) -> String {
        format!("{}:{tag}", self.0)
    }
}

impl fmt::Display for ImageRepository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ImageRepository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The grammar of github.com/distribution/reference, with a few more restrictions.
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        };
        let host = |text: &str| match text.split_once(':') {
            Some((name, port)) => part(name) && port.parse::<u16>().is_ok_and(|port| port != 0),
            None => part(text),
        };
        let sound = match text.split_once('/') {
            Some((first, rest)) => host(first) && rest.split('/').all(part),
            None => part(text),
        };
        if sound && text.len() <= 255 {
            Ok(Self(text.to_owned()))
        } else {
            Err("an image's repository in lower case without tag, such as `registry.example:5000/chroma`; the version is the tag".to_owned())
        }
    }
}

/// A name of an environment variable: POSIX letters, digits and `_`; not longer than a key of a
/// ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableName(String);

impl VariableName {
    /// Returns true if the name suggests a secret, whose value is then written to no file.
    pub fn is_secret(&self) -> bool {
        let name = self.0.to_ascii_uppercase();
        // The location of a secret, or the way it is checked, is not secret.
        if ["_HEADER", "_FILE", "_PROVIDER"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            return false;
        }
        ["KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "HEADERS"]
            .iter()
            .any(|word| name.contains(word))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sound = is_name(text) && text.len() <= 253;
        sound
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| "letters, digits and `_`, no digit first, at most 253".to_owned())
    }
}

/// Text for a person or an attribute: one line, printable, not blank, at most 255 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^.*\S.*$";

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sound = !text.trim().is_empty()
            && text.chars().count() <= 255
            && !text.chars().any(char::is_control);
        sound
            .then(|| Self(text.trim().to_owned()))
            .ok_or_else(|| "one line of printable text, at most 255 characters".to_owned())
    }
}

/// Returns true if an address reaches only this machine or a private network (RFC 1918, RFC 4193,
/// RFC 6598, which Tailscale uses, loopback).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            v4.is_loopback() || v4.is_private() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_uses_powers_of_1024() {
        for (text, mebibytes, shown) in [
            ("2GiB", 2048, "2g"),
            ("512m", 512, "512m"),
            ("1536 MiB", 1536, "1536m"),
            ("4g", 4096, "4g"),
        ] {
            let memory: Memory = text.parse().expect(text);
            assert_eq!(memory.as_mebibytes(), mebibytes, "{text}");
            assert_eq!(memory.to_string(), shown, "{text}");
        }
        for text in [
            "",
            "2",
            "2GB",
            "-1g",
            "1.5g",
            "0g",
            "99999999999999g",
            "g",
            "２g",
        ] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_follow_their_grammars() {
        for good in ["a", "chroma", "chroma-2", "0a"] {
            assert!(good.parse::<DnsLabel>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", &"a".repeat(64)] {
            assert!(bad.parse::<DnsLabel>().is_err(), "{bad}");
        }
        for good in [
            "chromadb/chroma",
            "chroma",
            "r.example:5000/a/b-c",
            "localhost:5000/chroma",
        ] {
            assert!(good.parse::<ImageRepository>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a:1",
            "a@sha256:0",
            "A/b",
            "a//b",
            "/a",
            "a/",
            "a b",
            "r:0/a",
            "a/b:latest",
        ] {
            assert!(bad.parse::<ImageRepository>().is_err(), "{bad}");
        }
        for (name, secret) in [
            ("A_TOKEN", true),
            ("api_key", true),
            ("CHROMA_PORT", false),
            ("CHROMA_AUTH_TOKEN_TRANSPORT_HEADER", false),
        ] {
            let name: VariableName = name.parse().expect(name);
            assert_eq!(name.is_secret(), secret);
        }
        for bad in ["", "1A", "A-B", "A B", "Ä", &"A".repeat(254)] {
            assert!(bad.parse::<VariableName>().is_err(), "{bad}");
        }
        for good in ["10.0.0.0/8", "10.1.2.3/32", "192.168.0.0/16", "sg-0123"] {
            assert!(good.parse::<Peer>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "0.0.0.0/0",
            "10.0.0.0",
            "10.0.0.1/8",
            "10.0.0.0/7",
            "10.0.0.0/33",
            "::/0",
            "sg-0 1",
            "all",
        ] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
        for bad in ["", "a b", "$a", "a'b", "-a", "é", "a\n"] {
            assert!(bad.parse::<CloudName>().is_err(), "{bad}");
        }
        for good in ["ssh-ed25519 AAAAC3Nz+/= who@where", "ssh-rsa AAAAB3"] {
            assert!(good.parse::<SshKey>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "AAAA",
            "ssh-ed25519",
            "ssh-dss AAAA",
            "ssh-rsa A$A",
            "ssh-rsa AAAA\nssh-rsa AAAA",
        ] {
            assert!(bad.parse::<SshKey>().is_err(), "{bad}");
        }
        for bad in ["", "  ", "a\nb", "a\u{7}", &"a".repeat(256)] {
            assert!(bad.parse::<Line>().is_err(), "{bad:?}");
        }
    }
}
