//! Process 1 of the rendered images.
//!
//! Makes Chroma's four tracing variables work on every version, holds a stop back until the last
//! spans are out, reports start and end as spans, answers health checks, and readies the
//! variables of an OpenTelemetry Collector. See `--help`.
//!
//! Invariant: whatever is wrong with tracing, the database starts, unless `--strict` says else.

mod arguments {
//! The command line: three modes, each with few options, read by hand to keep process 1 small.
//!
//! Invariant: everything after `--`, and from the first word that is no option, belongs to the
//! command and is passed on untouched, whatever its bytes.

use std::ffi::OsString;

use crate::health::Page;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Process 1 of a Chroma container: makes its tracing variables work, and supervises it.

usage:
  chroma-otel-entrypoint [--strict] [--health-url URL] [--] COMMAND [ARGUMENT…]
      start Chroma with CHROMA_OTEL_COLLECTION_ENDPOINT, CHROMA_OTEL_SERVICE_NAME,
      CHROMA_OTEL_COLLECTION_HEADERS and CHROMA_OTEL_GRANULARITY translated for CHROMA_VERSION
        --strict          refuse to start (exit 64) when a variable cannot be read;
                          else tracing is off then, and the database starts
        --health-url URL  the page that tells that Chroma has started

  chroma-otel-entrypoint collector [--header NAME=TEXT]… [--key VARIABLE]… [--word VARIABLE]… [--no-endpoint] [--zipkin] [--] COMMAND [ARGUMENT…]
      start an OpenTelemetry Collector with the endpoint and the headers in the forms it reads
        --header NAME=TEXT  also send the header NAME; {VARIABLE} in TEXT is that variable's value
        --key VARIABLE      must be set; where the configuration names it, it arrives unchanged
        --word VARIABLE     must be set, to letters, digits and ._~+/=- alone
        --no-endpoint       the endpoint may be missing
        --zipkin            the endpoint must be one of Zipkin's

  chroma-otel-entrypoint healthcheck [--url URL]
      exit 0 when the server answers that it is ready, else 1
        --url URL  the page to ask for (http only) instead of Chroma's own

  chroma-otel-entrypoint --help | --version
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Start Chroma and supervise it.
    Supervise(Supervise),
    /// Become an OpenTelemetry Collector.
    Collector(Collector),
    /// Ask whether a server is ready; Chroma's own page without one.
    Healthcheck(Option<Page>),
    /// Print [`HELP`].
    Help,
    /// Print name and version.
    Version,
}

/// How to start Chroma.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Supervise {
    /// Refuse to start when a variable cannot be read.
    pub(crate) strict: bool,
    /// The page that tells that Chroma has started; its own one without.
    pub(crate) health: Option<Page>,
    /// Program and arguments; never empty.
    pub(crate) command: Vec<OsString>,
}

/// How to start the Collector.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Collector {
    /// Further headers: name, and the text with `{VARIABLE}` where a variable's value belongs.
    pub(crate) headers: Vec<(String, String)>,
    /// Variables that the Collector's configuration takes keys from.
    pub(crate) keys: Vec<String>,
    /// Variables that stand in the middle of a text of the Collector's configuration.
    pub(crate) words: Vec<String>,
    /// The endpoint may be missing.
    pub(crate) no_endpoint: bool,
    /// The endpoint must be one of Zipkin's.
    pub(crate) zipkin: bool,
    /// Program and arguments; never empty.
    pub(crate) command: Vec<OsString>,
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// What is wrong, and what to do; to be shown as it is.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Mode, String> {
    let mut arguments = Arguments(arguments.into_iter().collect::<Vec<_>>().into_iter());
    match arguments
        .0
        .as_slice()
        .first()
        .and_then(|word| word.to_str())
    {
        Some("collector") => {
            arguments.0.next();
            collector(arguments)
        }
        Some("healthcheck") => {
            arguments.0.next();
            healthcheck(arguments)
        }
        _ => supervise(arguments),
    }
}

fn supervise(mut arguments: Arguments) -> Result<Mode, String> {
    let mut mode = Supervise::default();
    while let Some(option) = arguments.option()? {
        match option.name.as_str() {
            "--strict" => mode.strict = option.flag()?,
            "--health-url" => mode.health = Some(option.value(&mut arguments)?.parse()?),
            "--help" | "-h" => return Ok(Mode::Help),
            "--version" | "-V" => return Ok(Mode::Version),
            _ => return Err(option.unknown()),
        }
    }
    mode.command = arguments.command()?;
    Ok(Mode::Supervise(mode))
}

fn collector(mut arguments: Arguments) -> Result<Mode, String> {
    let mut mode = Collector::default();
    while let Some(option) = arguments.option()? {
        match option.name.as_str() {
            "--header" => mode.headers.push(header(&option.value(&mut arguments)?)?),
            "--key" => mode.keys.push(key(&option.value(&mut arguments)?)?),
            "--word" => mode.words.push(key(&option.value(&mut arguments)?)?),
            "--no-endpoint" => mode.no_endpoint = option.flag()?,
            "--zipkin" => mode.zipkin = option.flag()?,
            "--help" | "-h" => return Ok(Mode::Help),
            _ => return Err(option.unknown()),
        }
    }
    mode.command = arguments.command()?;
    Ok(Mode::Collector(mode))
}

fn healthcheck(mut arguments: Arguments) -> Result<Mode, String> {
    let mut page = None;
    while let Some(option) = arguments.option()? {
        match option.name.as_str() {
            "--url" => page = Some(option.value(&mut arguments)?.parse()?),
            "--help" | "-h" => return Ok(Mode::Help),
            _ => return Err(option.unknown()),
        }
    }
    match arguments.0.next() {
        None => Ok(Mode::Healthcheck(page)),
        Some(word) => Err(format!(
            "`{}` is not an option of healthcheck; see `--help`",
            word.display()
        )),
    }
}

/// `NAME=TEXT`; the message shows neither, as a value may stand in the place of its variable.
fn header(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, text)| !name.is_empty() && !text.is_empty())
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .ok_or_else(|| {
            "`--header` takes NAME=TEXT: the header's name, and its value, with `{VARIABLE}` where that \
             of an environment variable belongs"
                .to_owned()
        })
}

/// A variable's name; the message does not show it, as a value may stand in its place.
fn key(text: &str) -> Result<String, String> {
    let sound = is_variable(text).then(|| text.to_owned());
    sound.ok_or_else(|| "`--key` and `--word` take the name of an environment variable".to_owned())
}

/// Whether an environment variable can have this name.
pub(crate) fn is_variable(name: &str) -> bool {
    let characters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && !name.starts_with(|character: char| character.is_ascii_digit())
        && name.bytes().all(characters)
}

/// What is left of the command line.
struct Arguments(std::vec::IntoIter<OsString>);

/// One option, with what stood after its `=`.
struct Found {
    name: String,
    attached: Option<String>,
}

impl Arguments {
    /// Takes the next option; `None` where the command begins.
    fn option(&mut self) -> Result<Option<Found>, String> {
        let Some(word) = self.0.as_slice().first() else {
            return Ok(None);
        };
        if !word.as_encoded_bytes().starts_with(b"-") {
            return Ok(None);
        }
        let text = word.to_str().map(str::to_owned);
        let text = text.ok_or_else(|| format!("`{}` is not UTF-8", word.display()))?;
        self.0.next();
        if text == "--" {
            return Ok(None);
        }
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text, None),
        };
        Ok(Some(Found { name, attached }))
    }

    /// All that is left, as the command to start.
    fn command(self) -> Result<Vec<OsString>, String> {
        let command: Vec<OsString> = self.0.collect();
        if command.first().is_none_or(|program| program.is_empty()) {
            return Err("there is no command to start; see `--help`".to_owned());
        }
        Ok(command)
    }
}

impl Found {
    fn flag(self) -> Result<bool, String> {
        match self.attached {
            None => Ok(true),
            Some(_) => Err(format!("`{}` takes no value", self.name)),
        }
    }

    fn value(self, arguments: &mut Arguments) -> Result<String, String> {
        let next = || arguments.0.next()?.into_string().ok();
        self.attached
            .or_else(next)
            .ok_or_else(|| format!("`{}` needs a value; see `--help`", self.name))
    }

    fn unknown(self) -> String {
        format!("`{}` is not an option; see `--help`", self.name)
    }
}
}
mod collector {
//! What an operator wrote for an OpenTelemetry Collector, in the forms that the Collector reads.
//!
//! Invariant: what is set is complete and never empty; what cannot be read is told by its name
//! and the Collector is not started, as it would stop with a worse message.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use chroma_otel_init::{
    Endpoint, Headers, Invalid, Protocol, Settings, is_mapping, is_word, variable,
};

use crate::arguments::{Collector, is_variable};
use crate::environment::{Variables, text};
use crate::message;
use crate::supervise::{REFUSED, not_started};

/// Which exporter to use: `otlp_grpc` or `otlp_http`, the Collector's own names.
const EXPORTER: &str = "CHROMA_OTEL_EXPORTER";
/// `HOST:PORT` for `otlp_grpc`.
const GRPC_ENDPOINT: &str = "CHROMA_OTEL_GRPC_ENDPOINT";
/// `true` for plain text, `false` for TLS.
const GRPC_INSECURE: &str = "CHROMA_OTEL_GRPC_INSECURE";
/// The whole URL for `otlp_http`, also that of Zipkin's spans.
const TRACES_URL: &str = "CHROMA_OTEL_TRACES_URL";
/// The whole URL for the metrics of `otlp_http`.
const METRICS_URL: &str = "CHROMA_OTEL_METRICS_URL";
/// All that are ours to set.
const DERIVED: [&str; 5] = [
    EXPORTER,
    GRPC_ENDPOINT,
    GRPC_INSECURE,
    TRACES_URL,
    METRICS_URL,
];

/// Becomes the Collector; returns only if it cannot.
pub(crate) fn become_collector(options: &Collector) -> ExitCode {
    let mut variables: Variables = std::env::vars_os().collect();
    match derive(&variables, options) {
        Ok(derived) => {
            for name in DERIVED {
                variables.remove(OsStr::new(name));
            }
            let owned = |(name, value): (String, String)| (name.into(), value.into());
            variables.extend(derived.into_iter().map(owned));
        }
        Err(problems) => {
            problems.iter().for_each(message::error);
            return ExitCode::from(REFUSED);
        }
    }
    match replace(&options.command, &variables) {
        Ok(never) => match never {},
        Err(error) => not_started(&options.command, &error),
    }
}

fn replace(command: &[OsString], variables: &Variables) -> std::io::Result<Infallible> {
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]).env_clear().envs(variables);
    Err(program.exec())
}

/// What to set for the Collector, or all that is wrong.
fn derive(
    variables: &Variables,
    options: &Collector,
) -> Result<Vec<(String, String)>, Vec<String>> {
    let mut problems = Vec::new();
    let read = Settings::read(|name| {
        let matters = name == variable::ENDPOINT || name == variable::HEADERS;
        matters.then(|| text(variables, name)).flatten()
    });
    let settings = read.unwrap_or_else(|invalid| {
        problems.extend(invalid.iter().map(Invalid::to_string));
        Settings::default()
    });
    if !options.no_endpoint && text(variables, variable::ENDPOINT).is_none() {
        problems.push(format!(
            "`{}` is not set; hint: say where the traces go, such as `https://api.honeycomb.io`",
            variable::ENDPOINT
        ));
    }
    let endpoint = settings.endpoint.as_ref();
    if options.zipkin && !endpoint.is_none_or(Endpoint::is_zipkin) {
        problems.push(format!(
            "`{}` is no address of Zipkin's; hint: use `http://host:9411`, or a URL that ends in \
             `/api/v2/spans`",
            variable::ENDPOINT
        ));
    }
    let mut headers = settings.headers;
    for (name, text) in &options.headers {
        let added = add_header(&mut headers, name, text, variables);
        problems.extend(added.err());
    }
    let mut derived = vec![(variable::HEADERS.to_owned(), escaped(&headers.to_json()))];
    for name in &options.keys {
        match of_configuration(name, variables) {
            Ok(value) => derived.push((name.clone(), escaped(&value))),
            Err(problem) => problems.push(problem),
        }
    }
    for name in &options.words {
        problems.extend(word(name, variables).err());
    }
    if let Some(endpoint) = &settings.endpoint {
        let own = endpoint_variables(endpoint).into_iter();
        derived.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }
    let mut told = BTreeSet::new(); // a key may stand in a header and in the configuration
    problems.retain(|problem| told.insert(problem.clone()));
    if problems.is_empty() {
        Ok(derived)
    } else {
        Err(problems)
    }
}

/// All of them whatever the protocol: the Collector also checks the exporter that is not used.
fn endpoint_variables(endpoint: &Endpoint) -> [(&'static str, String); 5] {
    let exporter = match endpoint.protocol() {
        Protocol::Grpc => "otlp_grpc",
        Protocol::Http => "otlp_http",
    };
    let traces = endpoint.traces_url();
    let metrics = endpoint.metrics_url();
    [
        (EXPORTER, exporter.to_owned()),
        (GRPC_ENDPOINT, escaped(&endpoint.authority())),
        (GRPC_INSECURE, (!endpoint.is_tls()).to_string()),
        (
            METRICS_URL,
            escaped(&metrics.unwrap_or_else(|| traces.clone())),
        ),
        (TRACES_URL, escaped(&traces)),
    ]
}

/// Adds the header; the error never shows a value.
fn add_header(
    headers: &mut Headers,
    name: &str,
    text: &str,
    variables: &Variables,
) -> Result<(), String> {
    let (mut value, mut rest, mut sources) = (String::new(), text, Vec::new());
    while let Some((before, brace)) = rest.split_once('{') {
        value += before;
        match brace.split_once('}').filter(|(name, _)| is_variable(name)) {
            Some((source, after)) => {
                value += &key(source, variables)?;
                sources.push(format!("`{source}`"));
                rest = after;
            }
            None => {
                value.push('{');
                rest = brace;
            }
        }
    }
    value += rest;
    let whose = match sources.is_empty() {
        true => format!("`--header` {name}"),
        false => sources.join(", "),
    };
    headers
        .insert(name, &value)
        .map_err(|invalid| format!("{whose} {}; hint: {}", invalid.what(), invalid.hint()))
}

/// The value of a key; the error never shows it.
fn key(name: &str, variables: &Variables) -> Result<String, String> {
    let value = text(variables, name);
    let value =
        value.ok_or_else(|| format!("`{name}` is not set; hint: put the backend's key there"))?;
    Ok(unquoted(&value).to_owned())
}

/// The value of a key that the configuration names, which the Collector reads as YAML first.
fn of_configuration(name: &str, variables: &Variables) -> Result<String, String> {
    let value = key(name, variables)?;
    if is_mapping(&value) || value.chars().any(char::is_control) {
        return Err(format!(
            "`{name}` has a line break, or the form of a mapping (`: ` in it, `:` at its end, `{{` or `?` at its \
             start), which the collector cannot read; hint: check that the value was copied whole, or \
             use another key"
        ));
    }
    Ok(value)
}

/// Whether a variable can stand in the middle of a text, where a quote would end it.
fn word(name: &str, variables: &Variables) -> Result<(), String> {
    let value = text(variables, name);
    let hint = "hint: `openssl rand -hex 32` makes one";
    let value = value.ok_or_else(|| format!("`{name}` is not set; {hint}"))?;
    is_word(&value).then_some(()).ok_or_else(|| {
        format!("`{name}` has more in it than letters, digits and `._~+/=-`; {hint}")
    })
}

/// Without the quotes that an env file leaves around a value.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

/// The Collector expands `${NAME}` and `$$` inside the values of variables too.
fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}
}
mod environment {
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
}
mod health {
//! One HTTP question to a server, answered good or not, for images that have no curl.
//!
//! Invariant: an answer takes at most [`TIMEOUT`], however slowly the server drips.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Longest time for connection, question and answer together.
const TIMEOUT: Duration = Duration::from_secs(2);

/// More than any health page has.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What Chroma's `/api/v2/healthcheck` reports besides its status (read in the answer of 1.5.9).
const READY_FLAGS: [&str; 2] = ["is_executor_ready", "is_log_client_ready"];

/// A page to ask for: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    /// Path and query, from the first `/` on.
    pub(crate) path: String,
}

impl fmt::Display for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.path)
    }
}

impl FromStr for Page {
    type Err = String;

    /// Reads an `http` URL; without a port it is 80. The error says what to write.
    fn from_str(url: &str) -> Result<Self, String> {
        let refused = || format!("`{url}` is not a health page; use `http://HOST:PORT/PATH`");
        let printable = url.bytes().all(|byte| byte.is_ascii_graphic());
        let rest = url.strip_prefix("http://").filter(|_| printable);
        let rest = rest.ok_or_else(refused)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, "80"),
        };
        if host.is_empty() || host.contains('@') || port.parse::<u16>().is_err() {
            return Err(refused());
        }
        Ok(Self {
            authority: format!("{host}:{port}"),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// Why a page is not good.
#[derive(Debug)]
pub(crate) enum Unhealthy {
    /// There is no such page (404, 405, 410): another version's path may be the right one.
    NoSuchPage(String),
    /// Nothing answered, or the answer was another one than 200 and ready.
    NotReady(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPage(what) | Self::NotReady(what) => formatter.write_str(what),
        }
    }
}

/// Asks for the page. Good is a status of 200 whose body has none of Chroma's readiness flags
/// at anything but `true`.
///
/// # Errors
/// What came back instead.
pub(crate) fn ask(page: &Page) -> Result<(), Unhealthy> {
    let answer = exchange(page).map_err(|error| Unhealthy::NotReady(describe(&error)))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .unwrap_or_default();
    let answered = || format!("answered `{}`", excerpt(status_line));
    match status {
        "200" => ready(body).map_err(Unhealthy::NotReady),
        "404" | "405" | "410" => Err(Unhealthy::NoSuchPage(answered())),
        _ => Err(Unhealthy::NotReady(answered())),
    }
}

/// Sends the question and reads the whole answer.
fn exchange(page: &Page) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = connect(&page.authority, deadline)?;
    let Page { authority, path } = page;
    let question = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {}/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    );
    stream.set_write_timeout(Some(remaining(deadline)?))?;
    stream.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    let mut limited = stream.try_clone()?.take(LONGEST_ANSWER);
    let mut piece = [0; 4096];
    while !complete(&answer) {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        match limited.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(answer)
}

/// Tries every address of the name, as `localhost` may be two.
fn connect(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Whether the body is as long as its head says: some servers keep the connection open.
fn complete(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

/// Refuses a body in which one of the flags is there and not `true`.
fn ready(body: &str) -> Result<(), String> {
    for flag in READY_FLAGS {
        let value = body
            .split_once(&format!("\"{flag}\""))
            .map(|(_, rest)| rest.trim_start().trim_start_matches(':').trim_start());
        if value.is_some_and(|value| !value.starts_with("true")) {
            return Err(format!("answered 200 with `{flag}` not true"));
        }
    }
    Ok(())
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("no answer within {} s", TIMEOUT.as_secs())
        }
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// The printable start of what a server sent.
fn excerpt(line: &str) -> String {
    line.chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}
}
mod healthcheck {
//! Whether Chroma is ready, on any version: which page tells, and asking for it.
//!
//! Invariant: a page of another version is tried only when the server says that it has no such
//! page, never to pass over an answer that says "not ready".

use std::ffi::OsString;
use std::net::IpAddr;

use chroma_otel_init::{ChromaVersion, variable};

use crate::environment::{Variables, text};
use crate::health::{Page, Unhealthy, ask};

/// The pages of all versions, the newest first; for when the version is not known.
const EVERY_PATH: [&str; 3] = [
    "/api/v2/healthcheck",
    "/api/v2/heartbeat",
    "/api/v1/heartbeat",
];

/// The pages that tell whether Chroma is ready, in the order in which to try them.
///
/// The port is the command's `--port`, else that of the environment (`CHROMA_PORT` on 1.x,
/// `CHROMA_SERVER_HTTP_PORT` on 0.x), else 8000; a port in a config file needs `--url`.
pub(crate) fn pages(variables: &Variables, command: &[OsString]) -> Vec<Page> {
    let number = |value: String| value.trim().parse::<u16>().ok();
    let port = option(command, "--port")
        .and_then(number)
        .or_else(|| text(variables, "CHROMA_PORT").and_then(number))
        .or_else(|| text(variables, "CHROMA_SERVER_HTTP_PORT").and_then(number))
        .unwrap_or(8000);
    let host = text(variables, "CHROMA_LISTEN_ADDRESS")
        .and_then(|value| value.trim().parse::<IpAddr>().ok())
        .filter(|address| !address.is_unspecified())
        .unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let authority = std::net::SocketAddr::new(host, port).to_string();
    let version = text(variables, variable::CHROMA_VERSION)
        .and_then(|value| value.parse::<ChromaVersion>().ok());
    let page = |path: &str| Page {
        authority: authority.clone(),
        path: path.to_owned(),
    };
    match version {
        Some(version) => vec![page(version.health_path())],
        None => EVERY_PATH.map(page).into(),
    }
}

/// Asks the pages in turn until one exists.
///
/// # Errors
/// What was asked, and what came back.
pub(crate) fn ask_in_turn(pages: &[Page]) -> Result<(), String> {
    let mut answers = Vec::new();
    for page in pages {
        match ask(page) {
            Ok(()) => return Ok(()),
            Err(unhealthy) => {
                answers.push(format!("GET {page}: {unhealthy}"));
                if matches!(unhealthy, Unhealthy::NotReady(_)) {
                    break;
                }
            }
        }
    }
    Err(answers.join("; "))
}

/// The value of a command's option, in either form.
fn option(command: &[OsString], name: &str) -> Option<String> {
    let mut words = command.iter().skip(1).filter_map(|word| word.to_str());
    let value = words.find_map(|word| {
        let rest = word.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('=')).then(|| rest.trim_start_matches('=').to_owned())
    })?;
    if value.is_empty() {
        return words.next().map(str::to_owned);
    }
    Some(value)
}
}
mod lifecycle {
//! Two spans of our own: Chroma's start, and its end, so that a crash is visible in the traces.
//!
//! Invariant: everything here runs on a thread of its own, and the end of the program waits for
//! it [`LONGEST_END`] at most.
//!
//! - `chroma.start`: from the spawn to the first good health answer. An error if Chroma ends
//!   before that unasked, or is not healthy within [`LONGEST_START`].
//! - `chroma.stop`: from the signal that asked for it, or the end itself if none did, to the end.
//!   Linked to the start. An error unless the exit code is 0 or the asking signal's own.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chroma_otel_init::opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Status, Tracer};
use chroma_otel_init::opentelemetry::{KeyValue, global};
use chroma_otel_init::{ChromaVersion, Settings};
use chroma_otel_init::{Logs, Options, init_with};
use rustix::process::Pid;

use crate::health::Page;
use crate::healthcheck::ask_in_turn;
use crate::message;
use crate::signals;
use crate::supervise::{End, Ending};

/// Time for the last spans to be sent once Chroma has ended.
const FLUSH: Duration = Duration::from_secs(3);
/// Time for all that is left to do once Chroma has ended.
const LONGEST_END: Duration = Duration::from_millis(3500);
/// Chroma replays its log at start; minutes are normal for a large one, five are not.
const LONGEST_START: Duration = Duration::from_secs(300);
/// Between two questions for health during the start.
const PAUSE: Duration = Duration::from_millis(100);

/// What is told about Chroma.
pub(crate) struct Subject {
    /// Its process.
    pub(crate) process: Pid,
    /// The program that was started; not its arguments, which may hold a secret.
    pub(crate) program: String,
    /// Its version, if the image names one.
    pub(crate) version: Option<ChromaVersion>,
    /// When it was started.
    pub(crate) spawned: SystemTime,
    /// The pages that tell that it is ready.
    pub(crate) pages: Vec<Page>,
}

/// The thread that tells of Chroma's start and end.
pub(crate) struct Lifecycle {
    end: Sender<End>,
    told: Receiver<()>,
}

impl Lifecycle {
    /// Begins to watch the start.
    pub(crate) fn begin(settings: Settings, subject: Subject) -> Self {
        let (end, ends) = channel();
        let (done, told) = channel();
        let spawned = thread::Builder::new()
            .name("lifecycle".to_owned())
            .spawn(move || {
                tell(&settings, &subject, &ends);
                // Nobody waits any more if the time was up.
                let _ = done.send(());
            });
        if let Err(error) = spawned {
            message::warning(format_args!("start and end are not traced: {error}"));
        }
        Self { end, told }
    }

    /// Tells the end, and waits until it is sent or [`LONGEST_END`] has passed.
    pub(crate) fn end(self, end: End) {
        if self.end.send(end).is_ok() {
            let _ = self.told.recv_timeout(LONGEST_END);
        }
    }
}

fn tell(settings: &Settings, subject: &Subject, ends: &Receiver<End>) {
    let version = subject.version.map(|version| version.to_string());
    let options = Options {
        resource: version
            .map(|version| ("service.version".to_owned(), version))
            .into_iter()
            .collect(),
        logs: Logs::Off,
        flush_timeout: FLUSH,
    };
    let _guard = init_with(settings, &options);
    let (start, end) = tell_start(subject, ends);
    if let Some(end) = end.or_else(|| ends.recv().ok()) {
        tell_stop(subject, start, &end);
    }
}

/// Watches the start. Gives its span, and the end if that came first.
fn tell_start(subject: &Subject, ends: &Receiver<End>) -> (SpanContext, Option<End>) {
    let tracer = global::tracer(env!("CARGO_PKG_NAME"));
    let mut span = tracer
        .span_builder("chroma.start")
        .with_kind(SpanKind::Internal)
        .with_start_time(subject.spawned)
        .with_attributes(process_attributes(subject))
        .start(&tracer);
    let (answer, end) = first_good_answer(&subject.pages, ends);
    let ended = end.map_or_else(SystemTime::now, |end| end.at);
    if let Some(end) = end {
        set_ending(&mut span, &end);
    } else if let Err(answer) = answer {
        let within = LONGEST_START.as_secs();
        span.set_attribute(KeyValue::new("error.type", "timeout"));
        span.set_status(Status::error(format!(
            "not healthy within {within} s: {answer}"
        )));
    }
    span.end_with_timestamp(ended);
    (span.span_context().clone(), end)
}

/// Asks until the answer is good, the end has come, or the time is up.
fn first_good_answer(pages: &[Page], ends: &Receiver<End>) -> (Result<(), String>, Option<End>) {
    let until = Instant::now() + LONGEST_START;
    loop {
        let answer = ask_in_turn(pages);
        if answer.is_ok() {
            return (answer, None);
        }
        match ends.recv_timeout(PAUSE) {
            Ok(end) => return (answer, Some(end)),
            Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
            Err(_) => return (answer, None),
        }
    }
}

fn tell_stop(subject: &Subject, start: SpanContext, end: &End) {
    let tracer = global::tracer(env!("CARGO_PKG_NAME"));
    let asked = end.asked.map(|(signal, at)| (signal.as_raw(), at));
    let mut span = tracer
        .span_builder("chroma.stop")
        .with_kind(SpanKind::Internal)
        .with_start_time(asked.map_or(end.at, |(_, at)| at))
        .with_attributes(process_attributes(subject))
        .with_links(vec![Link::with_context(start)])
        .start(&tracer);
    span.set_attribute(KeyValue::new("chroma.stop.requested", asked.is_some()));
    if let Some((signal, _)) = asked {
        span.set_attribute(KeyValue::new("chroma.stop.signal", signals::name(signal)));
    }
    set_ending(&mut span, end);
    span.end_with_timestamp(end.at);
}

/// Names as in the semantic conventions for processes, where there are any.
fn process_attributes(subject: &Subject) -> Vec<KeyValue> {
    let process = i64::from(subject.process.as_raw_nonzero().get());
    vec![
        KeyValue::new("process.pid", process),
        KeyValue::new("process.command", subject.program.clone()),
    ]
}

fn set_ending(span: &mut impl Span, end: &End) {
    let (attribute, description) = match end.ending {
        Ending::Code(code) => (
            KeyValue::new("process.exit.code", i64::from(code)),
            format!("ended with exit code {code}"),
        ),
        Ending::Signal(number) => {
            let name = signals::name(number);
            let description = format!("ended by {name}");
            (KeyValue::new("process.exit.signal", name), description)
        }
    };
    if !end.is_good() {
        span.set_attribute(KeyValue::new("error.type", attribute.value.to_string()));
        span.set_status(Status::error(description));
    }
    span.set_attribute(attribute);
}
}
mod message {
//! What the entrypoint says on standard error: one line a message, marked with its name.
//!
//! Invariant: a message that cannot be written is dropped; it never stops the database.

use std::fmt::Display;
use std::io::Write;

/// The prefix that tells these lines from Chroma's own in a container's log.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Something the operator must correct.
pub(crate) fn error(text: impl Display) {
    say("error", &text);
}

/// Something the operator should know; everything works without a change.
pub(crate) fn warning(text: impl Display) {
    say("warning", &text);
}

fn say(kind: &str, text: &dyn Display) {
    // One write a line, so that Chroma's output cannot cut it in two.
    let text = text.to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let line = format!("{NAME}: {kind}: {}\n", lines.join("; "));
    let _ = std::io::stderr().write_all(line.as_bytes());
}
}
mod service_link {
//! Variables that Kubernetes injects for a Service whose name begins with `chroma`.
//!
//! Invariant: only names and values of the form that Kubernetes writes are removed, and none of
//! the four variables: a wrong endpoint must be told, not removed.
//!
//! `CHROMA_PORT=tcp://10.0.0.1:8000` makes Chroma 1.x panic (measured on 1.5.9: `expected u16 for
//! key "PORT"`). The forms are those of "Accessing the Service, Environment variables" in the
//! Kubernetes documentation.

use std::ffi::OsStr;

use chroma_otel_init::variable;

use crate::environment::Variables;

/// Removes them; gives the one warning that says which, if there were any.
pub(crate) fn remove(variables: &mut Variables) -> Option<String> {
    let mut removed = Vec::new();
    variables.retain(|name, value| {
        let is_link = is_link(name, value);
        if is_link {
            removed.push(format!("`{}`", name.display()));
        }
        !is_link
    });
    (!removed.is_empty()).then(|| {
        format!(
            "removed {}, left by Kubernetes service links; hint: set `enableServiceLinks: false`",
            removed.join(", ")
        )
    })
}

fn is_link(name: &OsStr, value: &OsStr) -> bool {
    let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
        return false;
    };
    let ours = variable::TABLE.iter().any(|one| one.name == name);
    if ours || !name.starts_with("CHROMA_") {
        return false;
    }
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    is_address
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || is_port_detail(name)
}

/// `…_PORT_8000_TCP`, with or without `_PROTO`, `_PORT`, `_ADDR`.
fn is_port_detail(name: &str) -> bool {
    let stem = ["_PROTO", "_PORT", "_ADDR"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let number = ["_TCP", "_UDP", "_SCTP"]
        .iter()
        .find_map(|protocol| stem.strip_suffix(protocol))
        .and_then(|stem| stem.rsplit_once("_PORT_"))
        .map(|(_, number)| number);
    number.is_some_and(|number| number.parse::<u16>().is_ok())
}
}
mod signals {
//! Signals, caught as they come and read one by one.
//!
//! Invariant: [`Signals::catch`] runs before the child is started, so that no signal is lost or
//! handled by its default action.
//!
//! They are caught by handlers and not blocked, because a child inherits the signal mask (the
//! standard library does not reset it), while handlers end with its `exec`.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

/// Everything that has a name, but for: `KILL` and `STOP`, which nobody can catch; the faults,
/// as catching them would turn a crash into a hang; `PIPE`, `TTIN` and `TTOU`, which concern
/// this process's own output; real-time signals, which the kernel drops for a process 1 anyway.
const CAUGHT: [Signal; 19] = [
    Signal::ALARM,
    Signal::CHILD,
    Signal::CONT,
    Signal::HUP,
    Signal::INT,
    Signal::IO,
    Signal::POWER,
    Signal::PROF,
    Signal::QUIT,
    Signal::STKFLT,
    Signal::TERM,
    Signal::TSTP,
    Signal::URG,
    Signal::USR1,
    Signal::USR2,
    Signal::VTALARM,
    Signal::WINCH,
    Signal::XCPU,
    Signal::XFSZ,
];

/// A signal as it arrived.
pub(crate) struct Received {
    /// Which signal.
    pub(crate) signal: Signal,
    /// The kernel sent it, as it does for the terminal's Ctrl-C: then every process of the
    /// foreground group has it already.
    pub(crate) from_kernel: bool,
}

/// The caught signals of this process, readable in turn.
pub(crate) struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    /// Begins to catch every signal that is to be forwarded, and the child's own.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub(crate) fn catch() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let numbers = CAUGHT.map(Signal::as_raw);
        SignalDelivery::with_pipe(read, write, WithOrigin::default(), numbers).map(Self)
    }

    /// Waits until a signal is there or `until` has passed; for ever without an `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        let mut descriptors = [PollFd::new(self.0.get_read(), PollFlags::IN)];
        // An error is either an interruption or a lack of memory: the caller looks again.
        let _ = poll(&mut descriptors, timeout.as_ref());
    }

    /// The signals that have arrived, without waiting; those of one name in order.
    pub(crate) fn pending(&mut self) -> impl Iterator<Item = Received> + use<> {
        self.0.pending().filter_map(|origin: Origin| {
            Some(Received {
                signal: Signal::from_named_raw(origin.signal)?,
                from_kernel: matches!(origin.cause, Cause::Kernel),
            })
        })
    }
}

/// Rounded up to the next millisecond, so that a wait never ends before its time.
fn timespec(duration: Duration) -> Timespec {
    let rounded = duration + Duration::from_millis(1);
    Timespec {
        tv_sec: i64::try_from(rounded.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(rounded.subsec_nanos()),
    }
}

/// `SIGTERM`, or the number where there is no name.
pub(crate) fn name(number: i32) -> String {
    signal_hook::low_level::signal_name(number)
        .map_or_else(|| format!("signal {number}"), str::to_owned)
}
}
mod supervise {
//! Supervision of Chroma as process 1: start, signals, reaping, exit code.
//!
//! Invariant: nothing but a signal or the hold of a stop is ever waited for here; health and
//! tracing have a thread of their own, so the database never waits for its observers.
//!
//! Behaves as tini: the child has a process group of its own and no signal blocked or ignored, signals go
//! to the child alone, orphans are reaped. One difference: with a terminal on standard input the
//! child stays in the terminal's foreground group instead of becoming it, and what the terminal
//! sends to the whole group (Ctrl-C) is not sent again.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use chroma_otel_init::variable;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use crate::arguments::Supervise;
use crate::environment::{self, Translation, Variables};
use crate::health::Page;
use crate::healthcheck;
use crate::lifecycle::{Lifecycle, Subject};
use crate::message;
use crate::signals::{self, Received, Signals};

/// Bad usage or a variable that cannot be read; `EX_USAGE` of sysexits.h.
pub(crate) const REFUSED: u8 = 64;
/// There is no such program, as a shell says it.
const NOT_FOUND: u8 = 127;
/// The program cannot be started, as a shell says it.
const NOT_EXECUTABLE: u8 = 126;
/// Added to the number of the signal that ended the child, as a shell does.
const BY_SIGNAL: i32 = 128;

/// How Chroma ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an exit code.
    Code(i32),
    /// By a signal, of this number.
    Signal(i32),
}

/// The end of Chroma, as the traces tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// How it ended.
    pub(crate) ending: Ending,
    /// When it ended.
    pub(crate) at: SystemTime,
    /// The first signal that asked it to end, and when that came.
    pub(crate) asked: Option<(Signal, SystemTime)>,
}

impl End {
    /// Whether it ended well: with 0, or by the very signal that asked for it.
    pub(crate) fn is_good(&self) -> bool {
        match (self.ending, self.asked) {
            (Ending::Code(0), _) => true,
            (Ending::Signal(number), Some((signal, _))) => number == signal.as_raw(),
            (Ending::Code(code), Some((signal, _))) => code == BY_SIGNAL + signal.as_raw(),
            (_, None) => false,
        }
    }

    fn exit_code(&self) -> ExitCode {
        let code = match self.ending {
            Ending::Code(code) => code,
            Ending::Signal(number) => BY_SIGNAL + number,
        };
        ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}

/// Starts Chroma, passes signals on until it ends, and gives its exit code.
pub(crate) fn supervise(options: Supervise) -> ExitCode {
    let variables: Variables = std::env::vars_os().collect();
    let command = options.command;
    let pages = match options.health {
        Some(page) => vec![page],
        None => healthcheck::pages(&variables, &command),
    };
    let translation = environment::translate(variables, &command);
    translation.warnings.iter().for_each(message::warning);
    if options.strict && !translation.errors.is_empty() {
        translation.errors.iter().for_each(message::error);
        return ExitCode::from(REFUSED);
    }
    for error in &translation.errors {
        message::error(format_args!("{error}; tracing is off until then"));
    }
    match start(&command, &translation) {
        Ok((watch, signals)) => until_the_end(watch, signals, command, translation, pages),
        Err(error) => not_started(&command, &error),
    }
}

/// Starts the child, with all signals caught before.
fn start(command: &[OsString], translation: &Translation) -> io::Result<(Watch, Signals)> {
    let signals = prepare()?;
    let terminal = io::stdin().is_terminal();
    let spawned = SystemTime::now();
    let watch = Watch {
        child: spawn(command, &translation.variables, terminal)?,
        spawned,
        hold: translation.hold,
        terminal,
        asked: None,
        held: None,
    };
    Ok((watch, signals))
}

/// Supervises the child, and tells of its start and its end.
fn until_the_end(
    watch: Watch,
    signals: Signals,
    command: Vec<OsString>,
    translation: Translation,
    pages: Vec<Page>,
) -> ExitCode {
    let named = environment::text(&translation.variables, variable::CHROMA_VERSION);
    let subject = Subject {
        process: watch.child,
        program: command[0].display().to_string(),
        version: named.and_then(|version| version.parse().ok()),
        spawned: watch.spawned,
        pages,
    };
    let lifecycle = translation
        .tracing
        .map(|settings| Lifecycle::begin(settings, subject));
    let end = watch.run(signals);
    tell_of_crash(&command, &end);
    if let Some(lifecycle) = lifecycle {
        lifecycle.end(end);
    }
    end.exit_code()
}

/// Makes signals readable, and orphans of the child children of this process.
fn prepare() -> io::Result<Signals> {
    let signals = Signals::catch()?;
    if std::process::id() != 1 {
        // As process 1 they are so anyway.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    Ok(signals)
}

/// With a terminal the child stays in the foreground group, where it may read from it.
fn spawn(command: &[OsString], variables: &Variables, terminal: bool) -> io::Result<Pid> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).env_clear().envs(variables);
    if !terminal {
        child.process_group(0);
    }
    let child = child.spawn()?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the child has no process id"))
}

/// Says why, and gives the exit code that a shell would.
pub(crate) fn not_started(command: &[OsString], error: &io::Error) -> ExitCode {
    let program = command[0].display();
    message::error(format_args!("`{program}` cannot be started: {error}"));
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    })
}

/// A program that a signal ends says nothing itself.
fn tell_of_crash(command: &[OsString], end: &End) {
    let Ending::Signal(number) = end.ending else {
        return;
    };
    if end.is_good() {
        return;
    }
    let hint = if number == Signal::KILL.as_raw() {
        "; hint: look whether the container ran out of memory"
    } else {
        ""
    };
    message::error(format_args!(
        "`{}` was ended by {}{hint}",
        command[0].display(),
        signals::name(number)
    ));
}

/// The child, and how far its stop has got.
struct Watch {
    child: Pid,
    spawned: SystemTime,
    hold: Duration,
    terminal: bool,
    asked: Option<(Signal, SystemTime)>,
    held: Option<(Signal, Instant)>,
}

impl Watch {
    /// Until the child has ended.
    fn run(mut self, mut signals: Signals) -> End {
        loop {
            signals.wait(self.held.map(|(_, until)| until));
            for received in signals.pending() {
                self.receive(received);
            }
            if let Some(ending) = self.reap() {
                return End {
                    ending,
                    at: SystemTime::now(),
                    asked: self.asked,
                };
            }
            if let Some((signal, _)) = self.held.take_if(|(_, until)| *until <= Instant::now()) {
                self.forward(signal);
            }
        }
    }

    fn receive(&mut self, received: Received) {
        let Received {
            signal,
            from_kernel,
        } = received;
        let asks = matches!(signal, Signal::TERM | Signal::INT);
        let first = asks && self.asked.is_none();
        if asks {
            self.asked.get_or_insert((signal, SystemTime::now()));
        }
        if signal == Signal::CHILD || (from_kernel && self.terminal) {
            // The child's end is looked for after every signal; the terminal told the child itself.
            return;
        }
        if first && !self.hold.is_zero() {
            // The last spans are still with Chroma, which drops them when it is told to end.
            self.held = Some((signal, Instant::now() + self.hold));
            return;
        }
        if asks {
            self.held = None;
        }
        self.forward(signal);
    }

    fn forward(&self, signal: Signal) {
        // The only failure is a child that has ended, which is noticed next.
        let _ = kill_process(self.child, signal);
    }

    /// Reaps whatever has ended; gives how the child did, if it is among them.
    fn reap(&self) -> Option<Ending> {
        let mut ending = None;
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if process == self.child {
                ending = ending_of(status);
            }
        }
        ending
    }
}

fn ending_of(status: WaitStatus) -> Option<Ending> {
    let code = status.exit_status().map(Ending::Code);
    code.or_else(|| status.terminating_signal().map(Ending::Signal))
}
}

use std::io::Write;
use std::process::ExitCode;

use arguments::{HELP, Mode};
use health::Page;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Mode::Supervise(options)) => supervise::supervise(options),
        Ok(Mode::Collector(options)) => collector::become_collector(&options),
        Ok(Mode::Healthcheck(page)) => check_health(page),
        Ok(Mode::Help) => print(HELP),
        Ok(Mode::Version) => print(concat!(
            env!("CARGO_PKG_NAME"),
            " ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )),
        Err(problem) => {
            message::error(problem);
            ExitCode::from(supervise::REFUSED)
        }
    }
}

fn check_health(page: Option<Page>) -> ExitCode {
    let pages = page.map_or_else(
        || healthcheck::pages(&std::env::vars_os().collect(), &[]),
        |page| vec![page],
    );
    match healthcheck::ask_in_turn(&pages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(answer) => {
            message::error(format_args!("not healthy: {answer}"));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
