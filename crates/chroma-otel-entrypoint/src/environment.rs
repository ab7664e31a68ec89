//! The environment in which Chroma starts: the operator's own, translated for the version at hand.
//!
//! Invariant: no `CHROMA_*` or `OTEL_*` variable is passed on empty, and nothing of tracing at
//! all when one of the four variables cannot be read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use chroma_otel_init::{
    ChromaVersion, Granularity, Ignored, Invalid, InvalidSettings, Server, Settings,
    ignored_variables, rust_log, server_environment, switched_off, variable,
};

use crate::variables::{Variables, is_blank, text};
use crate::{exporter, service_link};

/// How long Chroma's SDK keeps finished spans before it sends them, milliseconds.
const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// The delay that is set when the operator set none: short, because a stop waits it out.
const DEFAULT_BATCH_DELAY: &str = "1000";

/// The SDK's own delay, which holds when the operator's value is not a number.
const SDK_BATCH_DELAY: Duration = Duration::from_secs(5);

/// For the export itself, once the delay has passed.
const EXPORT_MARGIN: Duration = Duration::from_millis(250);

/// No stop is held back for longer: container engines kill after ten seconds.
const LONGEST_HOLD: Duration = Duration::from_millis(5250);

/// What an operator of Chroma 1.x may choose spans by; without effect where there is a `RUST_LOG`.
const FILTERS: &str = "CHROMA_OPEN_TELEMETRY__FILTERS";

/// What all variables of tracing on Chroma 1.x begin with. Without the endpoint among them, the
/// others keep it from starting.
const OF_RUST: &str = "CHROMA_OPEN_TELEMETRY__";

/// The newest Chroma whose image runs Python.
const NEWEST_PYTHON: ChromaVersion = ChromaVersion::new(0, 6, 3);

/// What Chroma's server reads for the four variables.
type Wanted = BTreeMap<&'static str, String>;

/// What becomes of the operator's environment.
#[derive(Debug)]
pub(crate) struct Translation {
    /// The whole environment of Chroma.
    pub(crate) variables: Variables,
    /// What the four variables say, if they switch tracing on.
    pub(crate) tracing: Option<Settings>,
    /// How long to hold a stop back for the last spans; nothing when Chroma is not traced.
    pub(crate) hold: Duration,
    /// What cannot be read; tracing is off then.
    pub(crate) errors: Vec<Invalid>,
    /// What the operator should know.
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

/// Removes the four variables and their synonyms; without tracing also what else begins like those.
fn remove_translated(variables: &mut Variables, traced: bool) {
    let synonyms = [variable::RUST_ENDPOINT, variable::RUST_SERVICE_NAME];
    let four = variable::TABLE.iter().map(|one| one.name);
    for name in four.chain(synonyms) {
        variables.remove(OsStr::new(name));
    }
    variables.retain(|name, _| traced || !has_prefix(name, &[OF_RUST]));
}

/// The operator's own `RUST_LOG` is part of the one that [`set_rust_log`] sets.
fn without_rust_log(mut wanted: Wanted) -> Wanted {
    wanted.remove(variable::RUST_LOG);
    wanted
}

/// Reads the four variables, and what this version needs for them: nothing if tracing is off.
fn read(
    variables: &Variables,
    version: ChromaVersion,
    warnings: &mut Vec<String>,
) -> Result<(Settings, Wanted), InvalidSettings> {
    let get = |name: &str| text(variables, name);
    if let Some(name) = switched_off(get) {
        let endpoints = [variable::ENDPOINT, variable::RUST_ENDPOINT];
        let asked = endpoints.into_iter().any(|name| get(name).is_some());
        warnings.extend(asked.then(|| format!("tracing is off: `{name}` switches it off")));
        return Ok((Settings::default(), Wanted::new()));
    }
    let mut settings = Settings::read(get)?;
    let wanted = server_environment(&settings, version)?;
    settings.service_name = Some(settings.server_name().to_owned());
    warnings.extend(settings.take_ignored().iter().map(Ignored::to_string));
    warnings.extend(useless(variables, &settings, version));
    Ok((settings, wanted))
}

/// What makes tracing come to nothing although variables of it are set.
fn useless(variables: &Variables, settings: &Settings, version: ChromaVersion) -> Option<String> {
    let half = || variables.keys().any(|name| has_prefix(name, &[OF_RUST]));
    if settings.enabled() && !version.traces() {
        Some(format!(
            "Chroma {version} cannot be traced; hint: 0.4.15 is the first version that can"
        ))
    } else if settings.endpoint.is_none() && version.server() == Server::Rust && half() {
        Some(format!(
            "variables that begin with `{OF_RUST}` are ignored: there is no endpoint; hint: set \
             `{}`",
            variable::ENDPOINT
        ))
    } else {
        None
    }
}

/// The version the image names, or the likeliest one, with a warning.
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
                "`{name}` does not work on Chroma {version}: {instead}"
            ));
        }
    }
    let misnamed = variables
        .keys()
        .filter_map(|name| Ignored::misnamed(name.to_str()?));
    warnings.extend(misnamed.map(|ignored| ignored.to_string()));
}

/// On 1.x `RUST_LOG` decides about spans too: a log level asked for must not cost any.
fn set_rust_log(variables: &mut Variables, settings: &Settings, version: ChromaVersion) {
    let user = text(variables, variable::RUST_LOG);
    if user.is_none() && variables.contains_key(OsStr::new(FILTERS)) {
        // The operator's own choice of spans, which any `RUST_LOG` would replace.
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

/// Sets the batch delay if the operator did not; gives how long a stop has to wait for it.
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
            "`{BATCH_DELAY}` is {} ms, and a stop waits {} ms for the last spans at most; hint: \
             use `{DEFAULT_BATCH_DELAY}`",
            delay.as_millis(),
            LONGEST_HOLD.as_millis()
        ));
    }
    hold.min(LONGEST_HOLD)
}

/// Whether an empty value would harm: Chroma 1.x panics on some, 0.x on others.
fn is_ours(name: &OsStr) -> bool {
    has_prefix(name, &["CHROMA_", "OTEL_"])
}

/// Whether it has to do with tracing: half of these set stops Chroma 1.x.
fn is_tracing(name: &OsStr) -> bool {
    has_prefix(name, &["CHROMA_OTEL_", OF_RUST, "OTEL_"])
}

fn has_prefix(name: &OsStr, prefixes: &[&str]) -> bool {
    let name = name.as_encoded_bytes();
    prefixes
        .iter()
        .any(|prefix| name.starts_with(prefix.as_bytes()))
}
