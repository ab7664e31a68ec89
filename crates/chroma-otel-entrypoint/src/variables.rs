//! An environment: names and values, which can be other than text.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use chroma_otel_init::{ChromaVersion, variable};

/// Names and values.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// Returns the value of a variable as text; `None` if it is blank.
pub(crate) fn text(variables: &Variables, name: &str) -> Option<String> {
    let value = variables.get(OsStr::new(name))?;
    (!is_blank(value)).then(|| value.to_string_lossy().into_owned())
}

/// Returns the release that the image names; `None` if it names none, or not a release.
pub(crate) fn chroma_version(variables: &Variables) -> Option<ChromaVersion> {
    text(variables, variable::CHROMA_VERSION)?.parse().ok()
}

/// Returns true for spaces and a pair of quotes, which env files leave behind.
pub(crate) fn is_blank(value: &OsStr) -> bool {
    variable::given(&value.to_string_lossy()).is_none()
}
