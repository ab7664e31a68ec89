//! One reading of the variables, with their problems and the ignored variables.
//!
//! Invariant: of several synonyms, the first that is set is used. Another that is set to a
//! different value is noted, by its name and never by its value.

use crate::{Ignored, Invalid, variable};
use std::str::FromStr;

/// The variables, and the notes made while reading them.
pub(crate) struct Reading<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) invalid: Vec<Invalid>,
    pub(crate) ignored: Vec<Ignored>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            get,
            invalid: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// Returns the value, unless it is blank.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        variable::given(&value)?;
        Some(value)
    }

    /// Returns true if it is set and not blank.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Returns the first of these that is set and not blank.
    pub(crate) fn first_given(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.is_given(name))
    }

    /// Returns the value of the first variable that is set, with its name. Another that is set to a
    /// different value is noted; a value that cannot be parsed is an error.
    pub(crate) fn first<T>(&mut self, names: &[&'static str]) -> Option<(T, &'static str)>
    where
        T: FromStr<Err = Invalid> + PartialEq,
    {
        let decisive = self.first_given(names)?;
        let value: T = match self.text(decisive)?.parse() {
            Ok(value) => value,
            Err(invalid) => {
                let invalid: Invalid = invalid;
                self.invalid.push(invalid.of(decisive));
                return None;
            }
        };
        let differs = |name: &&&'static str| {
            let other = self.text(name).map(|text| text.parse::<T>());
            other.is_some_and(|other| other.as_ref() != Ok(&value))
        };
        let others: Vec<_> = names.iter().filter(differs).copied().collect();
        let why = format!("`{decisive}` has another value, and overrides it");
        self.ignore(&others, why, "set only one of them");
        Some((value, decisive))
    }

    /// Notes that these variables have no effect, if there are any.
    pub(crate) fn ignore(
        &mut self,
        variables: &[&str],
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if !variables.is_empty() {
            self.ignored.push(Ignored::new(variables, why, hint));
        }
    }
}
