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

/// Variables of the headers if the endpoint is that of Chroma's documentation: headers of one endpoint
/// are never sent to another.
const HEADERS: &[&str] = &[variable::HEADERS, variable::OTLP_HEADERS];

/// Returns the values of exported variables, for keys without a flag. Blank counts as not set.
pub fn overrides(
    flags: &[Override],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<Override> {
    let is_set = |name: &str| environment(name).is_some_and(|value| !value.trim().is_empty());
    let others = [variable::ENDPOINT];
    let mut others = others.iter().chain(variable::OTLP_ENDPOINTS);
    let by_flag = flags.iter().any(|flag| flag.key == "tracing.endpoint");
    let other = by_flag || others.any(|name| is_set(name));
    let documented = is_set(variable::RUST_ENDPOINT) && !other;
    let keys = KEYS.into_iter().map(|(key, names)| match key {
        "tracing.headers" if documented => (key, HEADERS),
        _ => (key, names),
    });
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
