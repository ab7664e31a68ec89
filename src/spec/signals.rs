//! Sampling, redaction, metrics, and client applications.
//!
//! Invariant: no field is a secret; a ratio is between 0 and 1, and YAML reads its text as a
//! number.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The variable of the key for hashing names.
pub const NAMES_KEY: &str = "CHROMA_OTEL_NAMES_KEY";

/// Selection of the traces to export.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// The share of traces to keep; with `tail`, the share of those that `tail` does not select.
    pub ratio: Ratio,
    /// Rules for keeping complete traces regardless of the share, applied when a trace is complete.
    /// `None`: the trace id alone decides, immediately.
    pub tail: Option<Tail>,
}

/// Rules for keeping complete traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Keep traces with a response status of 500 or above.
    pub errors: bool,
    /// Keep traces with a request that took longer.
    pub slower_than: Option<Period>,
}

/// A share of the traces, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// Returns the share in percent, the unit of the collector's processors.
    pub fn percent(self) -> f64 {
        // 0.07 is 7 percent, not 7.000000000000001.
        (self.0 * 1e8).round() / 1e6
    }
}

impl TryFrom<f64> for Ratio {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let sound = (0.0..=1.0).contains(&number);
        sound
            .then_some(Self(number))
            .ok_or("a number from 0 to 1, such as `0.1` for one trace in ten")
    }
}

/// A duration of at least one millisecond, written as `500ms`, `2s` or `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(Duration);

impl Period {
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^[0-9]+(ms|s|m)$";

    /// Returns the duration in milliseconds.
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

/// Data to remove from spans before they are exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redact {
    /// Treatment of the names of tenants, databases and collections; `None` exports them.
    pub names: Option<Names>,
    /// Attributes to export in addition to those that every span needs. `None` exports all.
    pub allow: Option<Vec<AttributeName>>,
}

/// Treatment of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Replaces each name by a token; equal names have equal tokens in every trace.
    Hash,
    /// Replaces all names by the same word.
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
            .ok_or("`hash` (equal names have equal tokens) or `remove`")
    }
}

/// The name of an attribute of a span or of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeName(String);

impl AttributeName {
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^[A-Za-z0-9._/-]{1,200}$";

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttributeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let sound = !text.is_empty() && text.len() <= 200 && text.chars().all(fits);
        let rule = "an attribute name such as `app.user`: letters, digits, `.`, `_`, `-`, `/`";
        sound.then(|| Self(text.to_owned())).ok_or(rule)
    }
}

/// Metrics and monitoring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// True if metrics are also sent to the backends that accept them over OTLP.
    pub to_backend: bool,
    /// True if the deployment contains alert rules and a dashboard.
    pub monitoring: bool,
}

/// An example application that uses Chroma and sends its own spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// Chroma's client, configured by the four variables.
    Python,
    /// With OpenLLMetry.
    Openllmetry,
    /// With OpenLIT.
    Openlit,
}

impl Client {
    /// All clients.
    pub const ALL: [Self; 3] = [Self::Python, Self::Openllmetry, Self::Openlit];

    /// One line for `list clients`.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Python => "Chroma's Python client with its own OpenTelemetry tracing",
            Self::Openllmetry => "Python application with OpenLLMetry (Traceloop)",
            Self::Openlit => "Python application with OpenLIT",
        }
    }

    /// Returns the value of `--client`, which is also the name of the client's folder.
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
    fn accepts_periods_with_a_unit_within_limits() {
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
    fn converts_ratios_to_exact_percentages() {
        let percent = |ratio: f64| Ratio::try_from(ratio).ok().map(Ratio::percent);
        assert_eq!(percent(0.07), Some(7.0));
        assert_eq!(percent(0.0001), Some(0.01));
        assert_eq!(percent(1.0), Some(100.0));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(percent(wrong), None, "{wrong}");
        }
    }
}
