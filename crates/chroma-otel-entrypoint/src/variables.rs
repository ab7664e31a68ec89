//! An environment: names and values, which need not be text.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use chroma_otel_init::variable;

/// Names and values.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// The value of a variable that has one, as text.
pub(crate) fn text(variables: &Variables, name: &str) -> Option<String> {
    let value = variables.get(OsStr::new(name))?;
    (!is_blank(value)).then(|| value.to_string_lossy().into_owned())
}

/// Nothing but space and a pair of quotes, as env files leave them behind.
pub(crate) fn is_blank(value: &OsStr) -> bool {
    variable::given(&value.to_string_lossy()).is_none()
}
