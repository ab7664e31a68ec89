//! Validated values of Kubernetes.
//!
//! Invariant: the API server accepts every valid value, in every supported version.

use std::fmt;
use std::str::FromStr;

use super::DnsLabel;

/// A name of most Kubernetes resources, or of a host: RFC 1123 subdomain, at most 253 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName(String);

impl DnsName {
    /// Pattern in the schema.
    pub const PATTERN: &'static str =
        r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$";
}

impl FromStr for DnsName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.');
        let sound = text.len() <= 253 && parts.all(|part| part.parse::<DnsLabel>().is_ok());
        sound.then(|| Self(text.to_owned())).ok_or_else(|| {
            "lower-case letters, digits, `-` and `.`, at most 253, a letter or digit at either end"
                .to_owned()
        })
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A key of a label or an annotation: a name of at most 63 characters, with an optional prefix
/// before `/` (Kubernetes: Labels and Selectors, Syntax and character set).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelKey(String);

impl LabelKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabelKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, name) = match text.split_once('/') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, text),
        };
        let prefixed = prefix.is_none_or(|prefix| prefix.parse::<DnsName>().is_ok());
        let sound = prefixed && !name.is_empty() && is_label_value(name);
        sound.then(|| Self(text.to_owned())).ok_or_else(|| {
            "letters, digits, `-`, `_` and `.`, at most 63, optionally after a domain and `/`"
                .to_owned()
        })
    }
}

/// Returns true if a text can be a label's value (Kubernetes: Labels and Selectors).
pub fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && edge(text.chars().next())
        && edge(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_grammars() {
        for good in [
            "a",
            "chroma.example.com",
            "0",
            &"a.".repeat(126).as_str()[..251],
        ] {
            assert!(good.parse::<DnsName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A.b",
            "a_b",
            "*.example.com",
            &"a.".repeat(127),
        ] {
            assert!(bad.parse::<DnsName>().is_err(), "{bad}");
        }
        for good in ["a", "A_b.c", "example.com/team", "a/b"] {
            assert!(good.parse::<LabelKey>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a/b/c",
            "Example.com/a",
            "a b",
            "-a",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<LabelKey>().is_err(), "{bad}");
        }
        for (text, sound) in [
            ("", true),
            ("a_B-1.c", true),
            ("a b", false),
            ("a-", false),
            ("é", false),
            (&"a".repeat(63), true),
            (&"a".repeat(64), false),
        ] {
            assert_eq!(is_label_value(text), sound, "{text}");
        }
    }
}
