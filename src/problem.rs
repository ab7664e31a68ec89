//! Problems of the user's input, as data that `report.rs` prints.
//!
//! Invariant: a problem never contains the value of a header or a key.

use std::fmt;

/// A problem that the user must correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Location: a flag (`--backend`), a key of the spec (`tracing.backend`), or a file.
    pub at: String,
    /// The problem, with the value in backticks unless it is secret.
    pub message: String,
    /// The correction.
    pub hint: Option<String>,
}

impl Problem {
    /// Creates a problem at `at`.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Moves the problem into `outer`, such as a file.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.at = if self.at.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}: {}", self.at)
        };
        self
    }

    /// Creates the problem that `value` is not one of `known`; the hint suggests the nearest name.
    pub fn unknown(at: impl Into<String>, value: &str, known: &[String]) -> Self {
        if known.is_empty() {
            return Self::new(at, format!("`{value}` is unknown: there is none here"));
        }
        let list = known
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let problem = Self::new(at, format!("`{value}` is not one of {list}"));
        match nearest(value, known) {
            Some(name) => problem.hint(format!("did you mean `{name}`?")),
            None => problem,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.at, self.message)
    }
}

/// Returns the name nearest to `value`, if it is near enough; otherwise the shortest one that begins
/// with it.
pub fn nearest<'a>(value: &str, known: &'a [String]) -> Option<&'a str> {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(value, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name.as_str());
    let longer = || {
        let names = known.iter().filter(|name| name.starts_with(value));
        let names = names.filter(|_| value.len() >= 2);
        names.min_by_key(|name| name.len()).map(String::as_str)
    };
    near.or_else(longer)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_near_names() {
        let known = ["jaeger".to_owned(), "zipkin".to_owned(), "otlp".to_owned()];
        assert_eq!(nearest("jeager", &known), Some("jaeger"));
        assert_eq!(nearest("zipkn", &known), Some("zipkin"));
        assert_eq!(nearest("splunk", &known), None);
        let known = ["grafana-cloud".to_owned(), "grafana-cloud-eu".to_owned()];
        assert_eq!(nearest("grafana", &known), Some("grafana-cloud"));
        assert_eq!(nearest("", &known), None);
    }
}
