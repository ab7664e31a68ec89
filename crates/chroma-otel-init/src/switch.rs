//! OpenTelemetry's own variables that disable tracing.
//!
//! Invariant: only the values that the specification names disable tracing.

use crate::{reading::Reading, variable};

/// Returns the variable of OpenTelemetry that disables tracing, if there is one.
///
/// `OTEL_SDK_DISABLED=true` and `OTEL_TRACES_EXPORTER=none`, in any case (OpenTelemetry
/// specification, `sdk-environment-variables.md`). Neither the Rust SDK nor Chroma 1.x reads them.
pub fn switched_off(get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let reading = Reading::new(&get);
    let disabled = words(&reading, variable::OTEL_SDK_DISABLED) == ["true"];
    let no_exporter = words(&reading, variable::OTEL_TRACES_EXPORTER);
    if disabled {
        Some(variable::OTEL_SDK_DISABLED)
    } else if !no_exporter.is_empty() && no_exporter.iter().all(|word| word == "none") {
        Some(variable::OTEL_TRACES_EXPORTER)
    } else {
        None
    }
}

/// Notes an unsupported exporter: only OTLP is supported.
pub(crate) fn note_unknown_exporter(reading: &mut Reading<'_>) {
    let words = words(reading, variable::OTEL_TRACES_EXPORTER);
    if words
        .iter()
        .any(|word| !["otlp", "none"].contains(&word.as_str()))
    {
        reading.ignore(
            &[variable::OTEL_TRACES_EXPORTER],
            "it names an exporter other than `otlp` and `none`",
            "unset it, or use one of the two",
        );
    }
}

/// Returns the words of a list, in lower case.
fn words(reading: &Reading<'_>, name: &str) -> Vec<String> {
    let text = reading.text(name).unwrap_or_default().to_ascii_lowercase();
    let words = variable::given(&text).unwrap_or_default().split(',');
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, variable::*};

    #[test]
    fn only_the_values_of_the_specification_disable_tracing() {
        for (name, value, off) in [
            (OTEL_SDK_DISABLED, "true", true),
            (OTEL_SDK_DISABLED, " \"TRUE\" ", true),
            (OTEL_SDK_DISABLED, "1", false),
            (OTEL_SDK_DISABLED, "false", false),
            (OTEL_SDK_DISABLED, "", false),
            (OTEL_TRACES_EXPORTER, "none", true),
            (OTEL_TRACES_EXPORTER, "None", true),
            (OTEL_TRACES_EXPORTER, "otlp", false),
            (OTEL_TRACES_EXPORTER, "otlp,none", false),
            (OTEL_TRACES_EXPORTER, "console", false),
            (OTEL_TRACES_EXPORTER, " ", false),
        ] {
            let get = |wanted: &str| (wanted == name).then(|| value.to_owned());
            assert_eq!(switched_off(get), off.then_some(name), "{name}={value}");
        }
    }

    #[test]
    fn notes_an_exporter_that_is_not_supported() {
        for (value, noted) in [("otlp", false), ("none", false), ("console", true)] {
            let settings = Settings::read(|name| match name {
                ENDPOINT => Some("c".to_owned()),
                OTEL_TRACES_EXPORTER => Some(value.to_owned()),
                _ => None,
            });
            let settings = settings.unwrap();
            assert!(settings.enabled(), "an unsupported exporter is ignored");
            assert_eq!(!settings.ignored().is_empty(), noted, "{value}");
        }
    }
}
