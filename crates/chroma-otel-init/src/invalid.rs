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

    /// The same of another variable: a synonym, by whose name it was written.
    pub(crate) fn of(self, variable: &'static str) -> Self {
        Self { variable, ..self }
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

/// Variables whose values cannot be used: at least one, and all of them.
///
/// `Display` is one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSettings(Vec<Invalid>);

impl InvalidSettings {
    /// An error, unless there is nothing wrong.
    pub(crate) fn unless_empty(invalid: Vec<Invalid>) -> Result<(), Self> {
        if invalid.is_empty() {
            Ok(())
        } else {
            Err(Self(invalid))
        }
    }

    /// Each of them.
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
    fn question_mark_takes_all_problems_at_once() {
        fn fails() -> Result<(), Box<dyn std::error::Error>> {
            let two = ["A", "B"].map(|name| Invalid::new(name, "is wrong", "mend it"));
            Ok(InvalidSettings::unless_empty(two.into())?)
        }
        assert_eq!(
            fails().unwrap_err().to_string(),
            "`A` is wrong; hint: mend it\n`B` is wrong; hint: mend it"
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
