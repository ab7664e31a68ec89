//! Level of detail of the traces.
//!
//! Invariant: the order of the variants is the order of the sets of spans, each a subset of the
//! next.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// Level of detail of the traces: Chroma's own four words, from nothing to everything.
///
/// Parses them in any case, and `-` for `_`; `Display` writes Chroma's exact form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// No traces.
    #[default]
    None,
    /// One span for each request, and the server's work for it at the top level.
    Operation,
    /// Also the work inside: log, segments, executor.
    OperationAndSegment,
    /// Everything that Chroma can trace.
    All,
}

impl Granularity {
    /// All four, from nothing to everything.
    pub const EVERY: [Self; 4] = [
        Self::None,
        Self::Operation,
        Self::OperationAndSegment,
        Self::All,
    ];

    /// Returns the word that Chroma reads: lower case, with underscores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Operation => "operation",
            Self::OperationAndSegment => "operation_and_segment",
            Self::All => "all",
        }
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Granularity {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let word = variable::given(value)
            .unwrap_or_default()
            .to_ascii_lowercase()
            .replace('-', "_");
        Self::EVERY
            .into_iter()
            .find(|granularity| granularity.as_str() == word)
            .ok_or_else(|| {
                Invalid::new(
                    variable::GRANULARITY,
                    format!("is `{}`, which is not a granularity", shown(value)),
                    "use `none`, `operation`, `operation_and_segment` or `all`",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_in_any_case() {
        for granularity in Granularity::EVERY {
            let word = granularity.to_string();
            assert_eq!(word.parse(), Ok(granularity));
            assert_eq!(word.to_uppercase().parse(), Ok(granularity));
            assert_eq!(format!(" '{word}' ").parse(), Ok(granularity));
        }
        assert_eq!(
            "Operation-And-Segment".parse(),
            Ok(Granularity::OperationAndSegment)
        );
    }

    #[test]
    fn granularities_are_ordered_by_detail() {
        assert!(Granularity::EVERY.is_sorted());
    }

    #[test]
    fn rejects_other_words_and_names_the_four() {
        for word in ["", "on", "operations", "al l", "none\nall"] {
            let invalid = word.parse::<Granularity>().unwrap_err();
            assert_eq!(invalid.variable(), variable::GRANULARITY);
            assert!(invalid.to_string().contains("`operation_and_segment`"));
            assert!(!invalid.to_string().contains('\n'));
        }
    }
}
