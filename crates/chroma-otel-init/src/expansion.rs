//! Expansion of variables' values by the OpenTelemetry Collector.
//!
//! Invariant: one rule for the generator, which renders a configuration, and for the entrypoint,
//! which starts the Collector with it.

/// Returns true if the Collector would expand part of the value: `${NAME}`, or `$$` to `$`.
pub fn is_expanded(value: &str) -> bool {
    value.contains("${") || value.contains("$$")
}

/// Returns true if the Collector would parse the value as a mapping. It keeps other text as
/// written. A mapping whose names are not text (`1: 2`) stops it with a message that names no
/// variable (seen with 0.158.0).
pub fn is_mapping(value: &str) -> bool {
    value.starts_with(['{', '?']) || value.ends_with(':') || value.contains(": ")
}

/// Returns true if the value can be in the middle of a text of the configuration, where a quote
/// would end the text.
pub fn is_word(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._~+/=-".contains(c);
    value.chars().all(fits)
}
