//! Exported variables that set keys of the spec.
//!
//! Invariant: a flag overrides the variable, the variable overrides the spec.

use chroma_otel_init::variable;

use super::file::Override;

/// Keys, and the names of their variables. The first name that is set applies.
const KEYS: [(&str, &[&str]); 4] = [
    (
        "tracing.endpoint",
        &[variable::ENDPOINT, variable::RUST_ENDPOINT],
    ),
    (
        "tracing.service_name",
        &[variable::SERVICE_NAME, variable::RUST_SERVICE_NAME],
    ),
    ("tracing.granularity", &[variable::GRANULARITY]),
    ("tracing.headers", &[variable::HEADERS]),
];

/// Returns the values of exported variables, for keys without a flag. Blank counts as not set.
pub fn overrides(
    flags: &[Override],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<Override> {
    let keys = KEYS.into_iter();
    let open = keys.filter(|(key, _)| flags.iter().all(|flag| flag.key != *key));
    open.filter_map(|(key, names)| {
        let mut set = names.iter().filter_map(|name| {
            let value = environment(name)?;
            (!value.trim().is_empty()).then_some((*name, value))
        });
        let (flag, value) = set.next()?;
        Some(Override {
            key,
            flag,
            value: value.into(),
        })
    })
    .collect()
}
