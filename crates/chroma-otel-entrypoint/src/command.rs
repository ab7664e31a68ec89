//! The command that starts Chroma.

use std::ffi::OsString;

/// Returns the value of a command's option, in either form.
pub(crate) fn option(command: &[OsString], name: &str) -> Option<String> {
    let mut words = command.iter().skip(1).filter_map(|word| word.to_str());
    let value = words.find_map(|word| {
        let rest = word.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('=')).then(|| rest.trim_start_matches('=').to_owned())
    })?;
    if value.is_empty() {
        return words.next().map(str::to_owned);
    }
    Some(value)
}
