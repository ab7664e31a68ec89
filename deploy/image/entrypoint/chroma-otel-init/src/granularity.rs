//! How much detail is traced.
//!
//! Invariant: the order of the variants is the order of the sets of spans, each within the next.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// How much detail is traced: Chroma's own four words, from nothing to everything.
///
/// Reads them in any case, and `-` for `_`; `Display` gives Chroma's exact form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// No traces.
    #[default]
    None,
    /// One span for each request, and what the server does for it at the top level.
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

    /// The word that Chroma reads: lower case, with underscores.
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
                    format!("is `{}`, which is no granularity", shown(value)),
                    "use `none`, `operation`, `operation_and_segment` or `all`",
                )
            })
    }
}
