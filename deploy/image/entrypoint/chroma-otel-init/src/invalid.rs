//! A value that could not be read: which variable, why, and what to write instead.
//!
//! Invariant: the text never holds the value of a header; whoever makes an [`Invalid`] sees to it.

use std::fmt;

/// A variable whose value cannot be used.
///
/// `Display` is one line, `` `NAME` what is wrong; hint: what to do ``. It never shows a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    variable: &'static str,
    what: String,
    hint: String,
}

impl Invalid {
    /// Of the variable's name, what is wrong with its value (never a secret), and the fix.
    pub fn new(variable: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            variable,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The name of the variable, one of [`crate::variable`].
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// What is wrong, without the variable's name: "is `x`, which has no host".
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` {}; hint: {}",
            self.variable, self.what, self.hint
        )
    }
}

impl std::error::Error for Invalid {}

/// A value that is no secret, made fit for an error text: one line, and not longer than a line.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 100;
    let mut text = String::new();
    for character in value.chars().take(LONGEST) {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if value.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}
