//! What is wrong with the user's input: data, printed in one place (`report.rs`).
//!
//! Invariant: a problem never holds the value of a header or a key.

use std::fmt;

/// One thing the user has to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands: a flag (`--backend`), a key of the spec (`tracing.backend`), or a file.
    pub at: String,
    /// What is wrong, with the value in backticks where it is not secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at `at`: `message` says what is wrong.
    pub fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem of a part of `outer`, such as a file.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.at = if self.at.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}: {}", self.at)
        };
        self
    }

    /// `value` is not one of `known`; the hint names the nearest, if there is one near.
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

/// The name most like `value`, if one is near enough to be what was meant.
pub fn nearest<'a>(value: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(value, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["jaeger".to_owned(), "zipkin".to_owned(), "otlp".to_owned()];
        assert_eq!(nearest("jeager", &known), Some("jaeger"));
        assert_eq!(nearest("zipkn", &known), Some("zipkin"));
        assert_eq!(nearest("splunk", &known), None);
    }
}
