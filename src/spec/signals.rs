//! What becomes of traces and metrics on their way out, and who sends them beside Chroma.
//!
//! Invariant: nothing here is a secret; a share is between 0 and 1, as text that YAML reads as a number.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The variable of the key that names are hashed with.
pub const NAMES_KEY: &str = "CHROMA_OTEL_NAMES_KEY";

/// Which traces the backend gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// The share that is kept; with `tail`, of what it does not keep.
    pub ratio: Ratio,
    /// What is kept whole, whatever the share: decided when a trace is complete. Absent: by the trace's
    /// id alone, at once.
    pub tail: Option<Tail>,
}

/// The traces that are kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Those with an answer of 500 or above.
    pub errors: bool,
    /// Those with a request that took longer.
    pub slower_than: Option<Period>,
}

/// A share of the traces: from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// In percent, as the collector's processors take it.
    pub fn percent(self) -> f64 {
        // Of 0.07 it is 7, and not 7.000000000000001.
        (self.0 * 1e8).round() / 1e6
    }
}

impl TryFrom<f64> for Ratio {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let sound = (0.0..=1.0).contains(&number);
        sound
            .then_some(Self(number))
            .ok_or("a share from 0 to 1, such as `0.1` for one trace in ten")
    }
}

/// A length of time, of a millisecond at least. Written `500ms`, `2s`, `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(Duration);

impl Period {
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^[0-9]+(ms|s|m)$";

    /// In milliseconds.
    pub fn as_millis(self) -> u128 {
        self.0.as_millis()
    }
}

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "a whole number with `ms`, `s` or `m`, from `1ms` to `60m`";
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| rule)?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            _ => None,
        };
        let millis = millis
            .filter(|millis| (1..=3_600_000).contains(millis))
            .ok_or(rule)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// What is taken out of spans before they leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redact {
    /// What becomes of the names of tenants, databases and collections; absent: they leave.
    pub names: Option<Names>,
    /// Attributes that leave beside those that a span is of no use without. Absent: all leave.
    pub allow: Option<Vec<AttributeName>>,
}

/// What becomes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The same name is the same token, in every trace.
    Hash,
    /// One word stands for all names.
    Remove,
}

impl Names {
    /// Every way, with the value of `tracing.redact.names`.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Hash, "hash"), (Self::Remove, "remove")];
}

impl FromStr for Names {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name)| *name == text)
            .map(|(names, _)| names)
            .ok_or("`hash` (the same name is the same token) or `remove`")
    }
}

/// The name of an attribute of a span or of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeName(String);

impl AttributeName {
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^[A-Za-z0-9._/-]{1,200}$";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttributeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let sound = !text.is_empty() && text.len() <= 200 && text.chars().all(fits);
        let rule = "an attribute's name, such as `app.user`: letters, digits, `.`, `_`, `-`, `/`";
        sound.then(|| Self(text.to_owned())).ok_or(rule)
    }
}

/// Metrics, and what looks at them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Whether the backends that take metrics over OTLP get them, beside Prometheus.
    pub to_backend: bool,
    /// Whether alert rules and a dashboard are part of the deployment.
    pub monitoring: bool,
}

/// An example of an application that uses Chroma and sends spans of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// Chroma's own client, with its own four variables.
    Python,
    /// With OpenLLMetry.
    Openllmetry,
    /// With OpenLIT.
    Openlit,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Python, Self::Openllmetry, Self::Openlit];

    /// One line for `list clients`.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Python => "Chroma's Python client with its own OpenTelemetry tracing",
            Self::Openllmetry => "Python application with OpenLLMetry (Traceloop)",
            Self::Openlit => "Python application with OpenLIT",
        }
    }

    /// What `--client` takes, and the name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Openllmetry => "openllmetry",
            Self::Openlit => "openlit",
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_unit_and_an_end() {
        let millis = |text: &str| text.parse::<Period>().ok().map(Period::as_millis);
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("2s"), Some(2000));
        assert_eq!(millis("1m"), Some(60_000));
        for wrong in [
            "",
            "5",
            "0s",
            "61m",
            "1.5s",
            "-1s",
            "s",
            "99999999999999999999s",
            "18446744073709551615m",
        ] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_is_exact_in_percent() {
        let percent = |ratio: f64| Ratio::try_from(ratio).ok().map(Ratio::percent);
        assert_eq!(percent(0.07), Some(7.0));
        assert_eq!(percent(0.0001), Some(0.01));
        assert_eq!(percent(1.0), Some(100.0));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(percent(wrong), None, "{wrong}");
        }
    }
}
