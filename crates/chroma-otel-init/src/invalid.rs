//! A value that cannot be parsed: the variable, the reason, and the hint.
//!
//! Invariant: the text never contains the value of a header; the code that creates an [`Invalid`]
//! ensures this.

use std::fmt;

/// A variable whose value cannot be used.
///
/// `Display` is one line, `` `NAME` what is wrong; hint: what to do ``. It never contains a
/// header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    variable: &'static str,
    what: String,
    hint: String,
}

impl Invalid {
    /// Creates an error from the variable's name, the problem of its value (never a secret), and
    /// the hint.
    pub fn new(variable: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            variable,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Returns the same error for another variable: the synonym that was set.
    pub(crate) fn of(self, variable: &'static str) -> Self {
        Self { variable, ..self }
    }

    /// Returns the name of the variable, one of [`crate::variable`].
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns the problem, without the variable's name: "is `x`, which has no host".
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns the hint.
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

/// Variables whose values cannot be used: at least one, and all of them.
///
/// `Display` is one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSettings(Vec<Invalid>);

impl InvalidSettings {
    /// Returns an error if there is at least one problem.
    pub(crate) fn unless_empty(invalid: Vec<Invalid>) -> Result<(), Self> {
        if invalid.is_empty() {
            Ok(())
        } else {
            Err(Self(invalid))
        }
    }

    /// Returns an iterator over the problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Invalid> {
        self.0.iter()
    }
}

impl From<Invalid> for InvalidSettings {
    fn from(invalid: Invalid) -> Self {
        Self(vec![invalid])
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.iter().map(Invalid::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for InvalidSettings {}

impl IntoIterator for InvalidSettings {
    type Item = Invalid;
    type IntoIter = std::vec::IntoIter<Invalid>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a InvalidSettings {
    type Item = &'a Invalid;
    type IntoIter = std::slice::Iter<'a, Invalid>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Shortens a value that is not a secret to one line for an error text.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_variable_fault_and_fix() {
        let invalid = Invalid::new("NAME", "is `x`, which has no host", "write `http://host`");
        assert_eq!(
            invalid.to_string(),
            "`NAME` is `x`, which has no host; hint: write `http://host`"
        );
    }

    #[test]
    fn question_mark_returns_all_problems_at_once() {
        fn fails() -> Result<(), Box<dyn std::error::Error>> {
            let two = ["A", "B"].map(|name| Invalid::new(name, "is wrong", "correct it"));
            Ok(InvalidSettings::unless_empty(two.into())?)
        }
        assert_eq!(
            fails().unwrap_err().to_string(),
            "`A` is wrong; hint: correct it\n`B` is wrong; hint: correct it"
        );
        assert_eq!(InvalidSettings::unless_empty(Vec::new()), Ok(()));
    }

    #[test]
    fn a_shown_value_stays_on_one_line() {
        assert_eq!(shown("a\nb\u{1b}"), "a\\nb\\u{1b}");
        assert_eq!(shown(&"é".repeat(101)), format!("{}…", "é".repeat(100)));
        assert_eq!(shown(&"é".repeat(100)), "é".repeat(100));
    }
}
