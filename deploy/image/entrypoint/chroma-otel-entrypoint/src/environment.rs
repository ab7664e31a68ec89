//! The environment in which Chroma starts: the operator's own, translated for the version at hand.
//!
//! Invariant: no `CHROMA_*` or `OTEL_*` variable is passed on empty, and nothing of tracing at
//! all when one of the four variables cannot be read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use chroma_otel_init::{
    ChromaVersion, Granularity, Invalid, Release, Server, Settings, ignored_variables, rust_log,
    server_environment, variable,
};

use crate::service_link;

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

/// The newest Chroma whose image runs Python.
const NEWEST_PYTHON: ChromaVersion = ChromaVersion {
    major: 0,
    minor: 6,
    patch: 3,
};

/// Names and values.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

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
    let read = read(&variables, version);
    for one in variable::TABLE {
        variables.remove(OsStr::new(one.name));
    }
    let (settings, wanted, errors) = match read {
        Ok((settings, wanted)) => (settings, wanted, Vec::new()),
        Err(errors) => {
            variables.retain(|name, _| !is_tracing(name));
            (Settings::default(), BTreeMap::new(), errors)
        }
    };
    if settings.enabled() && !version.traces() {
        warnings.push(format!(
            "Chroma {version} cannot be traced; hint: 0.4.15 is the first version that can"
        ));
    }
    set_rust_log(&mut variables, &settings, version);
    if !wanted.is_empty() && version.server() == Server::Rust {
        warnings.extend(remove_overriding(&mut variables));
    }
    let traced = set_wanted(&mut variables, wanted, version);
    let hold = traced.then(|| hold(&mut variables, &mut warnings));
    Translation {
        variables,
        tracing: settings.enabled().then_some(settings),
        hold: hold.unwrap_or_default(),
        errors,
        warnings,
    }
}

/// Removes what would send the spans elsewhere than the four variables say, without a word.
fn remove_overriding(variables: &mut Variables) -> impl Iterator<Item = String> {
    variable::OVERRIDING.into_iter().filter_map(|name| {
        variables.remove(OsStr::new(name))?;
        Some(format!(
            "`{name}` would override `{}` and is left out; hint: set only the latter",
            variable::ENDPOINT
        ))
    })
}

/// Sets what the version reads, but for what the operator has set in its own words; gives whether
/// Chroma is traced.
fn set_wanted(
    variables: &mut Variables,
    mut wanted: BTreeMap<&str, String>,
    version: ChromaVersion,
) -> bool {
    let asked = !wanted.is_empty();
    wanted.remove(variable::RUST_LOG);
    for (name, value) in wanted {
        variables.entry(name.into()).or_insert(value.into());
    }
    // An operator who knows Chroma 1.x may have set its own variable and none of the four.
    let by_own_name = version.server() == Server::Rust
        && variables.contains_key(OsStr::new(variable::RUST_ENDPOINT));
    asked || by_own_name
}

/// The value of a variable that has one, as text.
pub(crate) fn text(variables: &Variables, name: &str) -> Option<String> {
    let value = variables.get(OsStr::new(name))?;
    (!is_blank(value)).then(|| value.to_string_lossy().into_owned())
}

/// Reads the four variables, and what this version needs for them.
fn read(
    variables: &Variables,
    version: ChromaVersion,
) -> Result<(Settings, BTreeMap<&'static str, String>), Vec<Invalid>> {
    let settings = Settings::read(|name| text(variables, name))?;
    let wanted = server_environment(&settings, version).map_err(|invalid| vec![invalid])?;
    Ok((settings, wanted))
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
    let version: ChromaVersion = match written.parse() {
        Ok(version) => version,
        Err(invalid) => {
            warnings.push(format!("{invalid}; Chroma {likely} is assumed"));
            return likely;
        }
    };
    match version.release() {
        Release::Known => {}
        Release::Newer => warnings.push(format!(
            "Chroma {version} is newer than the newest known here, {likely}, and treated as that",
            likely = ChromaVersion::NEWEST
        )),
        Release::Never { nearest } => warnings.push(format!(
            "`{name}` is `{version}`, which was never released; hint: the nearest is `{nearest}`"
        )),
    }
    version
}

fn warn_of_ignored(variables: &Variables, version: ChromaVersion, warnings: &mut Vec<String>) {
    for (name, instead) in ignored_variables(version) {
        if text(variables, name).is_some() {
            warnings.push(format!(
                "`{name}` does not work on Chroma {version}: {instead}"
            ));
        }
    }
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
fn hold(variables: &mut Variables, warnings: &mut Vec<String>) -> Duration {
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
    has_prefix(name, &["CHROMA_OTEL_", "CHROMA_OPEN_TELEMETRY__", "OTEL_"])
}

fn has_prefix(name: &OsStr, prefixes: &[&str]) -> bool {
    let name = name.as_encoded_bytes();
    prefixes
        .iter()
        .any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// Nothing but space and quotes, as env files leave them behind.
fn is_blank(value: &OsStr) -> bool {
    let mut bytes = value.as_encoded_bytes().iter();
    bytes.all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''))
}
