//! What the OpenTelemetry Collector makes of the value of a variable that its configuration names.
//!
//! Invariant: one rule for who renders a configuration and who starts the Collector with it.

/// Whether the Collector would expand something in the value: `${NAME}`, or `$$` to `$`.
pub fn is_expanded(value: &str) -> bool {
    value.contains("${") || value.contains("$$")
}

/// Whether the Collector would read the value as a mapping: of text it keeps what was written, but a mapping whose
/// names are no text (`1: 2`) stops it, with a message that names nobody (seen with 0.158.0).
pub fn is_mapping(value: &str) -> bool {
    value.starts_with(['{', '?']) || value.ends_with(':') || value.contains(": ")
}

/// Whether the value can stand in the middle of a text of the configuration, where a quote would end it.
pub fn is_word(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._~+/=-".contains(c);
    value.chars().all(fits)
}
