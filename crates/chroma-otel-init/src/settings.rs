//! The four variables and their synonyms, read together.
//!
//! Invariant: blank is the same as not set, and all problems are reported at once.

use crate::{
    Endpoint, Granularity, Headers, Ignored, Invalid, InvalidSettings, destination::Destination,
    headers::percent_decoded, invalid::shown, reading::Reading, switch, variable,
};
use std::str::FromStr;

/// The values of the four variables.
///
/// ```
/// use chroma_otel_init::{Granularity, Settings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Settings::new("otel-collector:4317".parse()?)
///     .with_service_name("search")
///     .with_granularity(Granularity::All);
/// assert!(settings.enabled());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Endpoint of the traces; `None` disables tracing.
    pub endpoint: Option<Endpoint>,
    /// Service name of the spans; never blank, never with control characters if it was parsed from
    /// text. `None` selects the default of OpenTelemetry's SDK, or Chroma's default on a server
    /// ([`Settings::server_name`]).
    pub service_name: Option<String>,
    /// Headers of every export.
    pub headers: Headers,
    /// Level of detail. The default is `operation` with an endpoint, because setting one requests
    /// traces, and `none` without.
    pub granularity: Granularity,
    /// The variable that set the endpoint.
    pub(crate) endpoint_variable: &'static str,
    ignored: Vec<Ignored>,
}

impl Default for Settings {
    /// No variable set: tracing is off.
    fn default() -> Self {
        Self {
            endpoint: None,
            service_name: None,
            headers: Headers::default(),
            granularity: Granularity::None,
            endpoint_variable: variable::ENDPOINT,
            ignored: Vec::new(),
        }
    }
}

impl Settings {
    /// Creates settings with granularity `operation` for this endpoint, without headers.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint: Some(endpoint),
            granularity: Granularity::Operation,
            ..Self::default()
        }
    }

    /// Returns the settings with this service name.
    #[must_use]
    pub fn with_service_name(self, name: impl Into<String>) -> Self {
        let service_name = Some(name.into());
        Self {
            service_name,
            ..self
        }
    }

    /// Returns the settings with these headers.
    #[must_use]
    pub fn with_headers(self, headers: Headers) -> Self {
        Self { headers, ..self }
    }

    /// Returns the settings with this granularity.
    #[must_use]
    pub fn with_granularity(self, granularity: Granularity) -> Self {
        Self {
            granularity,
            ..self
        }
    }

    /// Reads the variables from the environment of this process, as [`Settings::read`] does, and
    /// also notes the names that [`crate::misnamed_variable`] knows.
    ///
    /// # Errors
    /// Returns every value that cannot be parsed, with its variable and a hint.
    pub fn from_env() -> Result<Self, InvalidSettings> {
        // Invalid UTF-8 becomes U+FFFD, which all four variables reject.
        let mut settings = Self::read(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })?;
        let names = std::env::vars_os().map(|(name, _)| name);
        let misnamed = names.filter_map(|name| Ignored::misnamed(name.to_str()?));
        settings.ignored.extend(misnamed);
        Ok(settings)
    }

    /// Reads the four variables with `get`.
    ///
    /// - `CHROMA_OPEN_TELEMETRY__ENDPOINT` and `…__SERVICE_NAME` are synonyms. With that endpoint,
    ///   `OTEL_EXPORTER_OTLP_HEADERS` is also read, unless an endpoint of OpenTelemetry
    ///   ([`variable::OTLP_ENDPOINTS`]) is set, to which the headers belong. The four variables
    ///   override their synonyms.
    /// - Without a service name of Chroma, `OTEL_SERVICE_NAME` applies, then `service.name` in
    ///   `OTEL_RESOURCE_ATTRIBUTES`.
    /// - Variables that are set and have no effect are in [`Settings::ignored`].
    ///
    /// # Errors
    /// Returns every value that cannot be parsed, with its variable and a hint.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut reading = Reading::new(&get);
        let Destination { endpoint, headers } = Destination::read(&mut reading);
        let granularity = reading.first(&[variable::GRANULARITY]);
        let service_name = service_name(&mut reading);
        if endpoint.is_some() {
            switch::note_unknown_exporter(&mut reading);
        }
        InvalidSettings::unless_empty(reading.invalid)?;
        let unset = if endpoint.is_some() {
            Granularity::Operation
        } else {
            Granularity::None
        };
        let (endpoint, endpoint_variable) = endpoint.unzip();
        Ok(Self {
            endpoint,
            service_name,
            headers,
            granularity: granularity.map_or(unset, |(granularity, _)| granularity),
            endpoint_variable: endpoint_variable.unwrap_or(variable::ENDPOINT),
            ignored: reading.ignored,
        })
    }

    /// Returns the variables that were set and have no effect. `init_with` and `layer` report them
    /// as warnings.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// Moves [`Settings::ignored`] out, for a program that reports them itself.
    pub fn take_ignored(&mut self) -> Vec<Ignored> {
        std::mem::take(&mut self.ignored)
    }

    /// Returns the service name of a Chroma server: the configured one, or Chroma's default.
    pub fn server_name(&self) -> &str {
        let name = self.service_name.as_deref();
        name.unwrap_or(variable::DEFAULT_SERVICE_NAME)
    }

    /// Returns true if tracing is on: there is an endpoint, and the granularity is not `none`.
    pub fn enabled(&self) -> bool {
        self.endpoint.is_some() && self.granularity != Granularity::None
    }
}

/// Returns Chroma's service name, or OpenTelemetry's.
fn service_name(reading: &mut Reading<'_>) -> Option<String> {
    let of_chroma = [variable::SERVICE_NAME, variable::RUST_SERVICE_NAME];
    let name = reading.first(&of_chroma);
    if reading.first_given(&of_chroma).is_some() {
        return name.map(|(ServiceName(name), _)| name);
    }
    let name = reading.first(&[variable::OTEL_SERVICE_NAME]);
    if let Some((ServiceName(name), _)) = name {
        return Some(name);
    }
    let attributes = reading.text(variable::OTEL_RESOURCE_ATTRIBUTES)?;
    let mut pairs = attributes
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    let (_, name) = pairs.find(|(name, _)| name.trim() == "service.name")?;
    let name = percent_decoded(name).unwrap_or_default();
    name.parse().ok().map(|ServiceName(name)| name)
}

/// A service name as written: not blank, without control characters.
#[derive(PartialEq)]
struct ServiceName(String);

impl FromStr for ServiceName {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        const LONGEST: usize = 255;
        let name = variable::given(value).unwrap_or_default();
        let refused = |why: &str, hint: &str| {
            Err(Invalid::new(
                variable::SERVICE_NAME,
                format!("is `{}`, which {why}", shown(name)),
                hint,
            ))
        };
        if name.is_empty() {
            return refused("is blank", "write a name, or unset it");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
        Settings::read(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_off() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        assert!(!Settings::default().enabled());
    }

    #[test]
    fn blank_is_not_set() {
        for blank in ["", " ", "\"\"", "''", "\n"] {
            let blank_each = variable::TABLE.iter().map(|v| (v.name, blank));
            let settings = read(&blank_each.collect::<Vec<_>>());
            assert_eq!(settings, Ok(Settings::default()), "{blank:?}");
        }
    }

    #[test]
    fn an_endpoint_alone_enables_operations() {
        let settings = read(&[(variable::ENDPOINT, "collector")]).unwrap();
        assert_eq!(settings.granularity, Granularity::Operation);
        assert_eq!(settings.service_name, None);
        assert_eq!(settings.server_name(), "chromadb");
        assert!(settings.enabled());
    }

    #[test]
    fn none_disables_tracing_and_a_missing_endpoint_does() {
        let off = [
            (variable::ENDPOINT, "collector"),
            (variable::GRANULARITY, "NONE"),
        ];
        assert!(!read(&off).unwrap().enabled());
        assert!(!read(&[(variable::GRANULARITY, "all")]).unwrap().enabled());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = read(&[
            (variable::ENDPOINT, "ftp://x"),
            (variable::HEADERS, "nonsense"),
            (variable::GRANULARITY, "much"),
            (variable::SERVICE_NAME, "a\nb"),
        ])
        .unwrap_err();
        let mut names: Vec<_> = problems.iter().map(Invalid::variable).collect();
        names.sort_unstable();
        let mut expected: Vec<_> = variable::TABLE.iter().map(|v| v.name).collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn service_names() {
        for (value, expected) in [
            ("search", "search"),
            (" \"my search\" ", "my search"),
            ("123", "123"),
            ("🔎 ${x} #1: 'a'", "🔎 ${x} #1: 'a'"),
        ] {
            let settings = read(&[(variable::SERVICE_NAME, value)]).unwrap();
            assert_eq!(settings.service_name.as_deref(), Some(expected));
        }
        for value in ["a\tb", "a\u{fffd}b", &"x".repeat(256)] {
            let problems = read(&[(variable::SERVICE_NAME, value)]).unwrap_err();
            let names: Vec<_> = problems.iter().map(Invalid::variable).collect();
            assert_eq!(names, [variable::SERVICE_NAME], "{value:?}");
        }
    }
    #[test]
    fn names_of_opentelemetry_apply_without_a_name_of_chroma() {
        let ours = (variable::SERVICE_NAME, "ours");
        let documented = (variable::RUST_SERVICE_NAME, "\"documented\"");
        let standard = (variable::OTEL_SERVICE_NAME, "standard");
        let attribute = (
            variable::OTEL_RESOURCE_ATTRIBUTES,
            "a=b, service.name=my%20books",
        );
        for (set, expected) in [
            (&[ours, documented, standard, attribute][..], Some("ours")),
            (&[documented, standard, attribute], Some("documented")),
            (&[standard, attribute], Some("standard")),
            (&[attribute], Some("my books")),
            (
                &[(variable::OTEL_RESOURCE_ATTRIBUTES, "a=b,service.name=")],
                None,
            ),
            (&[], None),
        ] {
            let settings = read(set).unwrap();
            assert_eq!(settings.service_name.as_deref(), expected, "{set:?}");
        }
    }
}
