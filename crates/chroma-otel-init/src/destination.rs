//! Destination of the traces: endpoint and headers, two variables that belong together.
//!
//! Invariant: headers are sent only to the endpoint for which they were written. Headers of
//! OpenTelemetry's exporters apply to an endpoint of Chroma only in the pair that Chroma's
//! documentation names, and only if no endpoint of OpenTelemetry is set.

use crate::{Endpoint, Headers, reading::Reading, variable};

/// An endpoint, the variable that set it, and its headers.
#[derive(Default)]
pub(crate) struct Destination {
    pub(crate) endpoint: Option<(Endpoint, &'static str)>,
    pub(crate) headers: Headers,
}

impl Destination {
    /// Reads the pair. Other variables of OpenTelemetry are ignored, and noted.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Self {
        let endpoint = reading.first(&[variable::ENDPOINT, variable::RUST_ENDPOINT]);
        let own = headers_of(reading, endpoint.as_ref().map(|(endpoint, _)| endpoint));
        let headers = reading.first(own).map(|(headers, _)| headers);
        if let Some((_, decisive)) = endpoint {
            note_others(reading, decisive, own);
        }
        Self {
            endpoint,
            headers: headers.unwrap_or_default(),
        }
    }
}

/// Returns the variables whose headers belong to this endpoint, the first has priority. An endpoint
/// that cannot be parsed counts as the documented one, so that its headers are also checked.
fn headers_of(reading: &Reading<'_>, endpoint: Option<&Endpoint>) -> &'static [&'static str] {
    let documented = reading.text(variable::RUST_ENDPOINT);
    let is_documented = documented.is_some_and(|text| {
        let documented = text.parse::<Endpoint>();
        endpoint.is_none_or(|endpoint| documented.as_ref() == Ok(endpoint))
    });
    let mut foreign = variable::OTLP_ENDPOINTS.iter();
    if is_documented && !foreign.any(|name| reading.is_given(name)) {
        &[variable::HEADERS, variable::OTLP_HEADERS]
    } else {
        &[variable::HEADERS]
    }
}

/// Notes the variables that have no effect because the pair overrides them.
fn note_others(reading: &mut Reading<'_>, decisive: &str, own: &[&str]) {
    let others = variable::OVERRIDING.iter().copied();
    let others: Vec<_> = others
        .filter(|name| !own.contains(name) && reading.is_given(name))
        .collect();
    let headers = own.join("` or `");
    let why = format!(
        "the traces are sent to the endpoint in `{decisive}`, only with the headers in `{headers}`"
    );
    reading.ignore(&others, why, "unset it, or move its value there");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, variable::*};

    fn read(pairs: &[(&str, &str)]) -> Settings {
        Settings::read(|name| {
            let mut pairs = pairs.iter();
            let found = pairs.find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .unwrap_or_else(|invalid| panic!("{pairs:?}: {invalid}"))
    }

    fn sent(settings: &Settings) -> String {
        settings.headers.to_otlp()
    }

    fn ignored(settings: &Settings) -> Vec<&str> {
        let notes = settings.ignored().iter();
        notes.flat_map(crate::Ignored::variables).collect()
    }

    #[test]
    fn sends_headers_of_opentelemetry_only_in_the_documented_pair() {
        let foreign = (OTLP_HEADERS, "x-key=s3cret");
        for (ours, others, expected) in [
            // Chroma's documentation since 1.0.
            (&[(RUST_ENDPOINT, "c")][..], &[foreign][..], "x-key=s3cret"),
            (
                &[(RUST_ENDPOINT, "c")],
                &[foreign, (OTLP_ENDPOINT, "")],
                "x-key=s3cret",
            ),
            // The contract's variables.
            (&[(ENDPOINT, "c")], &[foreign], ""),
            (&[(ENDPOINT, "c"), (HEADERS, "a=b")], &[foreign], "a=b"),
            (&[(ENDPOINT, "c"), (RUST_ENDPOINT, "d")], &[foreign], ""),
            // The contract's variable with the value of the documented one, as Compose fills in a
            // default.
            (
                &[(ENDPOINT, "http://c:4317"), (RUST_ENDPOINT, "c")],
                &[foreign],
                "x-key=s3cret",
            ),
            // Another endpoint, to which the headers belong.
            (
                &[(RUST_ENDPOINT, "c")],
                &[foreign, (OTLP_ENDPOINT, "http://v")],
                "",
            ),
            (
                &[(RUST_ENDPOINT, "c")],
                &[foreign, (OTLP_METRICS_ENDPOINT, "http://v")],
                "",
            ),
            (
                &[(RUST_ENDPOINT, "c")],
                &[(OTLP_TRACES_HEADERS, "x-key=s3cret")],
                "",
            ),
            // No endpoint of Chroma.
            (&[], &[foreign], ""),
        ] {
            let settings = read(&[ours, others].concat());
            assert_eq!(sent(&settings), expected, "{ours:?} {others:?}");
            let notes = format!("{:?}", settings.ignored());
            assert!(!notes.contains("s3cret"), "{notes}");
        }
    }

    #[test]
    fn names_each_variable_that_would_override_the_pair_once() {
        let settings = read(&[
            (ENDPOINT, "c"),
            (OTLP_ENDPOINT, "https://vendor.example"),
            (OTLP_HEADERS, "x-key=s3cret"),
            (OTLP_TRACES_HEADERS, "x-key=s3cret"),
        ]);
        assert_eq!(
            ignored(&settings),
            [OTLP_ENDPOINT, OTLP_HEADERS, OTLP_TRACES_HEADERS]
        );
        assert_eq!(settings.ignored().len(), 1, "one note");
        assert_eq!(ignored(&read(&[(OTLP_HEADERS, "a=b")])), [""; 0]);
        let documented = [(RUST_ENDPOINT, "c"), (OTLP_HEADERS, "a=b")];
        assert_eq!(ignored(&read(&documented)), [""; 0]);
    }

    #[test]
    fn reads_synonyms_in_every_form_of_the_four_variables() {
        for (endpoint, url) in [
            ("collector", "http://collector:4317"),
            (" 'collector:4318' ", "http://collector:4318"),
            ("api.honeycomb.io", "https://api.honeycomb.io:443"),
        ] {
            for headers in [
                r#"{"X-Key": "a b"}"#,
                "x-key=a%20b",
                "'{\"x-key\": \"a b\"}'",
            ] {
                let settings = read(&[(RUST_ENDPOINT, endpoint), (OTLP_HEADERS, headers)]);
                let read = settings.endpoint.as_ref().map(Endpoint::to_string);
                assert_eq!(read.as_deref(), Some(url));
                assert_eq!(sent(&settings), "x-key=a%20b");
                assert!(settings.enabled());
            }
        }
    }

    #[test]
    fn the_four_variables_override_synonyms_and_note_the_conflict() {
        let settings = read(&[
            (ENDPOINT, "ours"),
            (RUST_ENDPOINT, "documented"),
            (SERVICE_NAME, "ours"),
            (RUST_SERVICE_NAME, "documented"),
        ]);
        assert_eq!(settings.endpoint.as_ref().map(Endpoint::host), Some("ours"));
        assert_eq!(settings.service_name.as_deref(), Some("ours"));
        assert_eq!(ignored(&settings), [RUST_ENDPOINT, RUST_SERVICE_NAME]);
        let headers = [
            (RUST_ENDPOINT, "c"),
            (HEADERS, "a=b"),
            (OTLP_HEADERS, "x-key=s3cret"),
        ];
        let settings = read(&headers);
        assert_eq!(sent(&settings), "a=b");
        assert_eq!(ignored(&settings), [OTLP_HEADERS]);
        let same = [(ENDPOINT, "c:4317"), (RUST_ENDPOINT, "http://c:4317")];
        assert_eq!(ignored(&read(&same)), [""; 0], "no conflict");
    }

    #[test]
    fn names_a_synonym_that_cannot_be_parsed() {
        for (name, value) in [
            (RUST_ENDPOINT, "ftp://c"),
            (OTLP_HEADERS, r#"{"x-key": ["s3cret"]}"#),
            (RUST_SERVICE_NAME, "a\nb"),
        ] {
            let get = |wanted: &str| match wanted {
                wanted if wanted == name => Some(value.to_owned()),
                RUST_ENDPOINT => Some("c".to_owned()),
                _ => None,
            };
            let invalid = Settings::read(get).unwrap_err();
            let names: Vec<_> = invalid.iter().map(crate::Invalid::variable).collect();
            assert_eq!(names, [name]);
            assert!(!invalid.to_string().contains("s3cret"));
        }
    }
}
