//! Chroma's environment: the operator's environment, translated for the Chroma version.
//!
//! Invariant: no `CHROMA_*` or `OTEL_*` variable is passed on empty. If one of the four variables
//! cannot be parsed, no tracing variable is passed on.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use chroma_otel_init::{
    ChromaVersion, Granularity, Ignored, Invalid, InvalidSettings, Server, Settings,
    ignored_variables, rust_log, server_environment, switched_off, variable,
};

use crate::variables::{Variables, is_blank, text};
use crate::{exporter, service_link};

/// Delay in milliseconds with which Chroma's SDK sends finished spans.
const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// Delay that is set if the operator set none. It is short, because a stop waits for it.
const DEFAULT_BATCH_DELAY: &str = "1000";

/// The SDK's default delay, which it uses if the operator's value is not a number.
const SDK_BATCH_DELAY: Duration = Duration::from_secs(5);

/// Time for the export, after the delay.
const EXPORT_MARGIN: Duration = Duration::from_millis(250);

/// Longest delay of a stop: container engines kill after ten seconds.
const LONGEST_HOLD: Duration = Duration::from_millis(5250);

/// Operators of Chroma 1.x can select spans with this variable. It has no effect if `RUST_LOG` is
/// set.
const FILTERS: &str = "CHROMA_OPEN_TELEMETRY__FILTERS";

/// Prefix of all tracing variables of Chroma 1.x. If the others are set without the endpoint,
/// Chroma does not start.
const OF_RUST: &str = "CHROMA_OPEN_TELEMETRY__";

/// The newest Chroma whose image runs Python.
const NEWEST_PYTHON: ChromaVersion = ChromaVersion::new(0, 6, 3);

/// Variables that Chroma's server reads instead of the four variables.
type Wanted = BTreeMap<&'static str, String>;

/// The result of the translation.
#[derive(Debug)]
pub(crate) struct Translation {
    /// Chroma's complete environment.
    pub(crate) variables: Variables,
    /// The values of the four variables, if they enable tracing.
    pub(crate) tracing: Option<Settings>,
    /// Delay of a stop for the last spans; zero if Chroma is not traced.
    pub(crate) hold: Duration,
    /// Variables that cannot be parsed; tracing is then off.
    pub(crate) errors: Vec<Invalid>,
    /// Warnings for the operator.
    pub(crate) warnings: Vec<String>,
}

/// Translates the environment for the Chroma that `command` starts.
pub(crate) fn translate(mut variables: Variables, command: &[OsString]) -> Translation {
    let mut warnings = Vec::new();
    variables.retain(|name, value| !(is_ours(name) && is_blank(value)));
    warnings.extend(service_link::remove(&mut variables));
    let version = chroma_version(&variables, command, &mut warnings);
    warn_of_ignored(&variables, version, &mut warnings);
    let (settings, wanted, errors) = match read(&variables, version, &mut warnings) {
        Ok((settings, wanted)) => (settings, wanted, Vec::new()),
        Err(errors) => {
            variables.retain(|name, _| !is_tracing(name));
            (
                Settings::default(),
                BTreeMap::new(),
                errors.into_iter().collect(),
            )
        }
    };
    let traced = !wanted.is_empty();
    remove_translated(&mut variables, traced);
    set_rust_log(&mut variables, &settings, version);
    let mut hold = Duration::ZERO;
    if traced {
        exporter::set(
            &mut variables,
            without_rust_log(wanted),
            version.server(),
            &mut warnings,
        );
        hold = batch_delay(&mut variables, &mut warnings);
    }
    Translation {
        variables,
        tracing: settings.enabled().then_some(settings),
        hold,
        errors,
        warnings,
    }
}

/// Removes the four variables and their synonyms. Without tracing, also removes every other
/// variable with their prefixes.
fn remove_translated(variables: &mut Variables, traced: bool) {
    let synonyms = [variable::RUST_ENDPOINT, variable::RUST_SERVICE_NAME];
    let four = variable::TABLE.iter().map(|one| one.name);
    for name in four.chain(synonyms) {
        variables.remove(OsStr::new(name));
    }
    variables.retain(|name, _| traced || !has_prefix(name, &[OF_RUST]));
}

/// Removes the operator's `RUST_LOG`, which is part of the one that [`set_rust_log`] sets.
fn without_rust_log(mut wanted: Wanted) -> Wanted {
    wanted.remove(variable::RUST_LOG);
    wanted
}

/// Parses the four variables, and returns the variables of this version; none if tracing is off.
fn read(
    variables: &Variables,
    version: ChromaVersion,
    warnings: &mut Vec<String>,
) -> Result<(Settings, Wanted), InvalidSettings> {
    let get = |name: &str| text(variables, name);
    if let Some(name) = switched_off(get) {
        let endpoints = [variable::ENDPOINT, variable::RUST_ENDPOINT];
        let asked = endpoints.into_iter().any(|name| get(name).is_some());
        warnings.extend(asked.then(|| format!("tracing is off: `{name}` disables it")));
        return Ok((Settings::default(), Wanted::new()));
    }
    let mut settings = Settings::read(get)?;
    let wanted = server_environment(&settings, version)?;
    settings.service_name = Some(settings.server_name().to_owned());
    warnings.extend(settings.take_ignored().iter().map(Ignored::to_string));
    warnings.extend(useless(variables, &settings, version));
    Ok((settings, wanted))
}

/// Returns the reason why tracing stays off although its variables are set.
fn useless(variables: &Variables, settings: &Settings, version: ChromaVersion) -> Option<String> {
    let half = || variables.keys().any(|name| has_prefix(name, &[OF_RUST]));
    if settings.enabled() && !version.traces() {
        Some(format!(
            "Chroma {version} does not support tracing; hint: use version 0.4.15 or newer"
        ))
    } else if settings.endpoint.is_none() && version.server() == Server::Rust && half() {
        Some(format!(
            "variables that begin with `{OF_RUST}` are ignored without an endpoint; hint: set \
             `{}`",
            variable::ENDPOINT
        ))
    } else {
        None
    }
}

/// Returns the version that the image names, or the likeliest version, with a warning.
fn chroma_version(
    variables: &Variables,
    command: &[OsString],
    warnings: &mut Vec<String>,
) -> ChromaVersion {
    let python = command
        .iter()
        .any(|word| word.as_encoded_bytes().ends_with(b"uvicorn"));
    let likely = if python {
        NEWEST_PYTHON
    } else {
        ChromaVersion::NEWEST
    };
    let name = variable::CHROMA_VERSION;
    let Some(written) = text(variables, name) else {
        warnings.push(format!(
            "`{name}` is not set, so Chroma {likely} is assumed; hint: set it in the image"
        ));
        return likely;
    };
    written.parse().unwrap_or_else(|invalid| {
        warnings.push(format!("{invalid}; Chroma {likely} is assumed"));
        likely
    })
}

fn warn_of_ignored(variables: &Variables, version: ChromaVersion, warnings: &mut Vec<String>) {
    for (name, instead) in ignored_variables(version) {
        if text(variables, name).is_some() {
            warnings.push(format!(
                "`{name}` has no effect on Chroma {version}: {instead}"
            ));
        }
    }
    let misnamed = variables
        .keys()
        .filter_map(|name| Ignored::misnamed(name.to_str()?));
    warnings.extend(misnamed.map(|ignored| ignored.to_string()));
}

/// On 1.x `RUST_LOG` also selects spans. A log level that the operator sets must not drop spans.
fn set_rust_log(variables: &mut Variables, settings: &Settings, version: ChromaVersion) {
    let user = text(variables, variable::RUST_LOG);
    if user.is_none() && variables.contains_key(OsStr::new(FILTERS)) {
        // The operator's selection of spans, which any `RUST_LOG` would replace.
        variables.remove(OsStr::new(variable::RUST_LOG));
        return;
    }
    let granularity = if settings.enabled() {
        settings.granularity
    } else {
        Granularity::None
    };
    match rust_log(user.as_deref(), granularity, version) {
        Some(value) => variables.insert(variable::RUST_LOG.into(), value.into()),
        None => variables.remove(OsStr::new(variable::RUST_LOG)),
    };
}

/// Sets the batch delay if the operator did not; returns the time that a stop has to wait for it.
fn batch_delay(variables: &mut Variables, warnings: &mut Vec<String>) -> Duration {
    variables
        .entry(BATCH_DELAY.into())
        .or_insert(DEFAULT_BATCH_DELAY.into());
    let delay = text(variables, BATCH_DELAY)
        .and_then(|value| value.trim().parse().ok())
        .map_or(SDK_BATCH_DELAY, Duration::from_millis);
    let hold = delay.saturating_add(EXPORT_MARGIN);
    if hold > LONGEST_HOLD {
        warnings.push(format!(
            "`{BATCH_DELAY}` is {} ms, but a stop waits at most {} ms for the last spans; hint: \
             use `{DEFAULT_BATCH_DELAY}`",
            delay.as_millis(),
            LONGEST_HOLD.as_millis()
        ));
    }
    hold.min(LONGEST_HOLD)
}

/// Returns true for variables whose empty value would do harm: Chroma 1.x panics on some, 0.x on
/// others.
fn is_ours(name: &OsStr) -> bool {
    has_prefix(name, &["CHROMA_", "OTEL_"])
}

/// Returns true for tracing variables: half of these set stops Chroma 1.x.
fn is_tracing(name: &OsStr) -> bool {
    has_prefix(name, &["CHROMA_OTEL_", OF_RUST, "OTEL_"])
}

fn has_prefix(name: &OsStr, prefixes: &[&str]) -> bool {
    let name = name.as_encoded_bytes();
    prefixes
        .iter()
        .any(|prefix| name.starts_with(prefix.as_bytes()))
}
