//! The four variables, read together.
//!
//! Invariant: blank is the same as not set, and all that is wrong is told at once.

use crate::{Endpoint, Granularity, Headers, Invalid, invalid::shown, variable};
use std::str::FromStr;

/// What the four variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the traces go; `None` switches tracing off.
    pub endpoint: Option<Endpoint>,
    /// The name the spans carry; never blank, never with control characters when read from text.
    pub service_name: String,
    /// What to send along with every export.
    pub headers: Headers,
    /// How much detail. Unset means `operation` if there is an endpoint (naming one asks for
    /// traces) and `none` if there is not.
    pub granularity: Granularity,
}

impl Default for Settings {
    /// Nothing set: tracing off.
    fn default() -> Self {
        Self {
            endpoint: None,
            service_name: variable::DEFAULT_SERVICE_NAME.to_owned(),
            headers: Headers::default(),
            granularity: Granularity::None,
        }
    }
}

impl Settings {
    /// Reads the four variables from the environment of this process.
    ///
    /// # Errors
    /// Everything that cannot be read, each with its variable and the fix.
    pub fn from_env() -> Result<Self, Vec<Invalid>> {
        // What is not UTF-8 becomes U+FFFD, which every one of the four refuses.
        Self::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads the four variables from wherever `get` finds them.
    ///
    /// # Errors
    /// Everything that cannot be read, each with its variable and the fix.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Invalid>> {
        let mut problems = Vec::new();
        let endpoint: Option<Endpoint> = parsed(&get, variable::ENDPOINT, &mut problems);
        let headers = parsed(&get, variable::HEADERS, &mut problems);
        let granularity = parsed(&get, variable::GRANULARITY, &mut problems);
        let ServiceName(service_name) =
            parsed(&get, variable::SERVICE_NAME, &mut problems).unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        let unset = if endpoint.is_some() {
            Granularity::Operation
        } else {
            Granularity::None
        };
        Ok(Self {
            endpoint,
            service_name,
            headers: headers.unwrap_or_default(),
            granularity: granularity.unwrap_or(unset),
        })
    }

    /// Whether anything is traced: there is an endpoint, and the granularity is not `none`.
    pub fn enabled(&self) -> bool {
        self.endpoint.is_some() && self.granularity != Granularity::None
    }
}

/// Reads one variable, or leaves `None` and the problem, if there is one.
fn parsed<T: FromStr<Err = Invalid>>(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
    problems: &mut Vec<Invalid>,
) -> Option<T> {
    let value = get(name)?;
    variable::given(&value)?;
    value.parse().map_err(|invalid| problems.push(invalid)).ok()
}

/// A service name as written: not blank, without control characters.
struct ServiceName(String);

impl Default for ServiceName {
    fn default() -> Self {
        Self(variable::DEFAULT_SERVICE_NAME.to_owned())
    }
}

impl FromStr for ServiceName {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        const LONGEST: usize = 255;
        let name = variable::given(value).unwrap_or(variable::DEFAULT_SERVICE_NAME);
        let refused = |why: &str, hint: &str| {
            Err(Invalid::new(
                variable::SERVICE_NAME,
                format!("is `{}`, which {why}", shown(name)),
                hint,
            ))
        };
        if name.chars().any(char::is_control) {
            return refused("has a control character", "write it on one line");
        }
        if name.contains('\u{fffd}') {
            return refused("is not UTF-8", "write it in UTF-8");
        }
        if name.len() > LONGEST {
            return refused("is longer than 255 bytes", "use a shorter name");
        }
        Ok(Self(name.to_owned()))
    }
}
