//! One reading of the variables: what is wrong in them, and what is ignored.
//!
//! Invariant: of several variables that mean the same the first one that is set decides, and
//! another one with another meaning is noted, by its name and never by its value.

use crate::{Ignored, Invalid, variable};
use std::str::FromStr;

/// The variables, and what was noticed while reading them.
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

    /// The value, unless it is blank.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        variable::given(&value)?;
        Some(value)
    }

    /// Whether it is set and not blank.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The first of these that is set and not blank.
    pub(crate) fn first_given(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.is_given(name))
    }

    /// The value of the first variable that is set, with its name. Another one that is set to
    /// something else is noted; a value that cannot be read is an error.
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
        let why = format!("`{decisive}` says otherwise, and overrides it");
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
