//! The values that carry a rule of Kubernetes'.
//!
//! Invariant: what is read here the API server takes as well, in every supported version.

use std::fmt;
use std::str::FromStr;

use super::DnsLabel;

/// A name that Kubernetes gives most of its things, and a host's: RFC 1123 subdomain, at most 253
/// characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName(String);

impl DnsName {
    /// The form in the schema.
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

/// A key of a label or an annotation: a name of at most 63 characters, a prefix before `/` if any
/// (Kubernetes: Labels and Selectors, Syntax and character set).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelKey(String);

impl LabelKey {
    /// The key as text.
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
            "letters, digits, `-`, `_` and `.`, at most 63, with a domain and `/` before them if you like"
                .to_owned()
        })
    }
}

/// Whether a text can be a label's value (Kubernetes: Labels and Selectors).
pub fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && edge(text.chars().next())
        && edge(text.chars().last())
}

/// When, as cron and Kubernetes' CronJob have it: five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(String);

impl Schedule {
    /// Once a day, in the night of most.
    pub const DEFAULT: &'static str = "17 3 * * *";
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^\s*\S+(\s+\S+){4}\s*$";
}

/// The least and the greatest number of each field: Sunday is 0, and 7 is none (robfig/cron, which
/// Kubernetes reads them with).
const FIELDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];

impl Default for Schedule {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let mut pairs = fields.iter().zip(FIELDS);
        let sound =
            fields.len() == FIELDS.len() && pairs.all(|(field, range)| is_cron_field(field, range));
        sound
            .then(|| Self(fields.join(" ")))
            .ok_or_else(|| "five fields of cron in numbers, such as `17 3 * * *`".to_owned())
    }
}

fn is_cron_field(field: &str, (least, most): (u32, u32)) -> bool {
    let number = |text: &str| {
        let digits = text.chars().all(|c| c.is_ascii_digit());
        let number: Option<u32> = text.parse().ok().filter(|_| digits);
        number.filter(|number| (least..=most).contains(number))
    };
    field.split(',').all(|part| {
        let (span, step) = part.split_once('/').unwrap_or((part, "1"));
        let spans = match span.split_once('-') {
            Some((first, last)) => number(first)
                .zip(number(last))
                .is_some_and(|(first, last)| first <= last),
            None => span == "*" || number(span).is_some(),
        };
        let steps = step.chars().all(|c| c.is_ascii_digit())
            && step.parse().is_ok_and(|step| (1..=most).contains(&step));
        spans && steps
    })
}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
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

    #[test]
    fn a_schedule_is_five_fields_within_their_ranges() {
        for (text, shown) in [
            ("17 3 * * *", "17 3 * * *"),
            (" */15  0-6/2 1,15 1-12 0 ", "*/15 0-6/2 1,15 1-12 0"),
        ] {
            assert_eq!(text.parse::<Schedule>().expect(text).to_string(), shown);
        }
        let default = Schedule::default();
        assert_eq!(default.to_string().parse(), Ok(default));
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "30-10 * * * *",
            "*/0 * * * *",
            "*/+5 * * * *",
            "+5 * * * *",
            "1, * * * *",
            "- * * * *",
            "@daily",
            "0 3 * * MON",
            "$(id) * * * *",
        ] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad}");
        }
    }
}
