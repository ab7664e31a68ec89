//! Process 1 of the rendered images.
//!
//! Translates Chroma's four tracing variables for every version, refuses data that a newer Chroma
//! has opened, delays a stop until the last spans are sent, reports start and end as spans, answers
//! health checks, and prepares the variables of an OpenTelemetry Collector. See `--help`.
//!
//! Invariant: no problem with tracing prevents the database from starting, unless `--strict` is
//! set.

mod arguments {
//! The command line: three modes with few options each.
//!
//! Invariant: everything after `--`, and everything from the first word that is not an option,
//! belongs to the command and is passed on unchanged, whatever its bytes.

use std::ffi::OsString;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use chroma_otel_init::variable::is_name;
use lexopt::prelude::*;
use lexopt::{Error, Parser};

use crate::health::Page;
use crate::queue;

/// The rendered platforms kill after 30 s; this leaves time to send the end span.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(25);

const NO_COMMAND: &str = "no command to start; see `--help`";

/// Output of `--help`.
pub(crate) const HELP: &str = "\
Process 1 of a Chroma container: translates the tracing variables and supervises Chroma.

usage:
  chroma-otel-entrypoint [--strict] [--health-url URL] [--stop-timeout SECONDS] [--] COMMAND [ARGUMENT…]
      start Chroma with CHROMA_OTEL_COLLECTION_ENDPOINT, CHROMA_OTEL_SERVICE_NAME,
      CHROMA_OTEL_COLLECTION_HEADERS and CHROMA_OTEL_GRANULARITY translated for CHROMA_VERSION;
      exit 65 if a newer Chroma has opened the data
        --strict          refuse to start (exit 64) if a variable cannot be parsed;
                          by default Chroma then starts without tracing
        --health-url URL  page that is healthy once Chroma has started
        --stop-timeout SECONDS
                          kill COMMAND if it has not ended SECONDS after the first SIGTERM or
                          SIGINT, so that its end is still reported; 0 never kills it
                          [default: 25]

  chroma-otel-entrypoint collector [--header NAME=TEXT]… [--key VARIABLE]… [--word VARIABLE]… [--no-endpoint] [--zipkin] [--queue FOLDER] [--] COMMAND [ARGUMENT…]
      start an OpenTelemetry Collector with the endpoint and headers in the formats that it reads
        --header NAME=TEXT  also send the header NAME; {VARIABLE} in TEXT is replaced by its value
        --key VARIABLE      required key; the configuration receives it unchanged
        --word VARIABLE     required key; only letters, digits and ._~+/=- are allowed
        --no-endpoint       allow a missing endpoint
        --zipkin            require a Zipkin endpoint
        --queue FOLDER      move damaged queue files in FOLDER aside
                            [default: /var/lib/otelcol]

  chroma-otel-entrypoint healthcheck [--url URL] [--end-after SECONDS]
      exit 0 if the server reports that it is ready, otherwise 1
        --url URL  page to request instead of Chroma's own (http only)
        --end-after SECONDS
                   also end process 1 if a server that was ready has not been for SECONDS, so that
                   the container is restarted

  chroma-otel-entrypoint --help | --version
";

/// A mode of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Start Chroma and supervise it.
    Supervise(Supervise),
    /// Become an OpenTelemetry Collector.
    Collector(Collector),
    /// Check that a server is ready.
    Healthcheck(Healthcheck),
    /// Print [`HELP`].
    Help,
    /// Print name and version.
    Version,
}

/// Options of the mode that supervises Chroma.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Supervise {
    /// Refuse to start if a variable cannot be parsed.
    pub(crate) strict: bool,
    /// Page that is healthy once Chroma has started; by default Chroma's own page.
    pub(crate) health: Option<Page>,
    /// Limit for a stop; `None` waits without a limit.
    pub(crate) stop_timeout: Option<Duration>,
    /// Program and arguments; never empty.
    pub(crate) command: Vec<OsString>,
}

impl Default for Supervise {
    fn default() -> Self {
        Self {
            strict: false,
            health: None,
            stop_timeout: Some(DEFAULT_STOP_TIMEOUT),
            command: Vec::new(),
        }
    }
}

/// Options of the mode that starts the Collector.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Collector {
    /// Additional headers: the name, and a text in which `{VARIABLE}` is replaced by the variable's
    /// value.
    pub(crate) headers: Vec<(String, String)>,
    /// Variables from which the Collector's configuration takes keys.
    pub(crate) keys: Vec<String>,
    /// Variables that the Collector's configuration inserts into the middle of a text.
    pub(crate) words: Vec<String>,
    /// The endpoint may be missing.
    pub(crate) no_endpoint: bool,
    /// The endpoint must be a Zipkin endpoint.
    pub(crate) zipkin: bool,
    /// Folder with the Collector's queue.
    pub(crate) queue: PathBuf,
    /// Program and arguments; never empty.
    pub(crate) command: Vec<OsString>,
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            keys: Vec::new(),
            words: Vec::new(),
            no_endpoint: false,
            zipkin: false,
            queue: queue::DEFAULT_FOLDER.into(),
            command: Vec::new(),
        }
    }
}

/// Options of the mode that checks the health of a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Healthcheck {
    /// Page to request; by default Chroma's own page.
    pub(crate) page: Option<Page>,
    /// Time without a healthy answer after which the server is ended.
    pub(crate) end_after: Option<Duration>,
}

/// Parses the arguments that follow the program's name.
///
/// # Errors
/// Returns a message with the problem and a hint.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Mode, String> {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let options = |from| Parser::from_args(words.iter().skip(from).cloned());
    match words.first().and_then(|word| word.to_str()) {
        Some("collector") => collector(options(1)),
        Some("healthcheck") => healthcheck(options(1)),
        _ => supervise(options(0)),
    }
}

fn supervise(mut words: Parser) -> Result<Mode, String> {
    let mut mode = Supervise::default();
    while let Some(word) = words.next().map_err(invalid_option)? {
        match word {
            Long("strict") => mode.strict = true,
            Long("health-url") => mode.health = Some(value(&mut words)?.parse()?),
            Long("stop-timeout") => {
                mode.stop_timeout = seconds("--stop-timeout", &value(&mut words)?)?
            }
            Long("help") | Short('h') => return Ok(Mode::Help),
            Long("version") | Short('V') => return Ok(Mode::Version),
            Value(program) => {
                mode.command = command(program, words)?;
                return Ok(Mode::Supervise(mode));
            }
            other => return Err(invalid_option(other.unexpected())),
        }
    }
    Err(NO_COMMAND.to_owned())
}

fn collector(mut words: Parser) -> Result<Mode, String> {
    let mut mode = Collector::default();
    while let Some(word) = words.next().map_err(invalid_option)? {
        match word {
            Long("header") => mode.headers.push(header(&value(&mut words)?)?),
            Long("key") => mode.keys.push(key(&value(&mut words)?)?),
            Long("word") => mode.words.push(key(&value(&mut words)?)?),
            Long("no-endpoint") => mode.no_endpoint = true,
            Long("zipkin") => mode.zipkin = true,
            Long("queue") => mode.queue = words.value().map_err(invalid_option)?.into(),
            Long("help") | Short('h') => return Ok(Mode::Help),
            Value(program) => {
                mode.command = command(program, words)?;
                return Ok(Mode::Collector(mode));
            }
            other => return Err(invalid_option(other.unexpected())),
        }
    }
    Err(NO_COMMAND.to_owned())
}

fn healthcheck(mut words: Parser) -> Result<Mode, String> {
    let mut mode = Healthcheck::default();
    while let Some(word) = words.next().map_err(invalid_option)? {
        match word {
            Long("url") => mode.page = Some(value(&mut words)?.parse()?),
            Long("end-after") => mode.end_after = seconds("--end-after", &value(&mut words)?)?,
            Long("help") | Short('h') => return Ok(Mode::Help),
            other => return Err(invalid_option(other.unexpected())),
        }
    }
    Ok(Mode::Healthcheck(mode))
}

/// Returns the value of the option that was read last.
fn value(words: &mut Parser) -> Result<String, String> {
    words
        .value()
        .and_then(|value| value.string())
        .map_err(invalid_option)
}

/// Returns the command to start: all remaining words, unchanged.
fn command(program: OsString, mut words: Parser) -> Result<Vec<OsString>, String> {
    if program.is_empty() {
        return Err(NO_COMMAND.to_owned());
    }
    let arguments = words.raw_args().map_err(invalid_option)?;
    Ok(iter::once(program).chain(arguments).collect())
}

/// Returns a message without the value, which may be a secret.
fn invalid_option(error: lexopt::Error) -> String {
    match error {
        Error::MissingValue {
            option: Some(option),
        } => format!("`{option}` needs a value; see `--help`"),
        Error::UnexpectedValue { option, .. } => format!("`{option}` takes no value"),
        Error::UnexpectedOption(option) => format!("unknown option `{option}`; see `--help`"),
        Error::UnexpectedArgument(_) => "`healthcheck` takes only options; see `--help`".to_owned(),
        _ => "the value of an option is not valid UTF-8".to_owned(),
    }
}

/// Parses a number of seconds; `None` for 0.
fn seconds(option: &str, text: &str) -> Result<Option<Duration>, String> {
    let seconds: u32 = text
        .parse()
        .map_err(|_| format!("`{option}` takes a number of seconds; 0 waits without a limit"))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

/// Parses `NAME=TEXT`. The message contains neither, because the text may be a secret value that
/// was passed instead of a variable's name.
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

/// Parses a variable's name. The message does not contain it, because it may be a secret value that
/// was passed instead of the name.
fn key(text: &str) -> Result<String, String> {
    let sound = is_name(text).then(|| text.to_owned());
    sound.ok_or_else(|| "`--key` and `--word` take the name of an environment variable".to_owned())
}
}
mod child {
//! Starts the child with the signal mask that the entrypoint inherited.
//!
//! `posix_spawn` sets the mask in the child. The standard library would pass on the mask of the
//! parent, in which every signal is blocked.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd;
use rustix::process::Pid;

use crate::variables::Variables;

/// Runs scripts without `#!`, as `execvp` does.
const SHELL: &str = "/bin/sh";

/// Process group of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// A new group.
    Own,
    /// The entrypoint's group.
    Shared,
}

/// Starts the command.
///
/// # Errors
/// The program cannot be found or executed.
pub(crate) fn spawn(
    command: &[OsString],
    variables: &Variables,
    mask: &SigSet,
    group: Group,
) -> io::Result<Pid> {
    let environment: Vec<OsString> = variables.iter().map(assignment).collect();
    let environment = c_strings(&environment)?;
    let attributes = attributes(mask, group)?;
    let started = match start(command, &environment, &attributes) {
        Err(Errno::ENOEXEC) => start(&by_shell(command, variables), &environment, &attributes),
        other => other,
    };
    Pid::from_raw(started?.as_raw()).ok_or_else(|| io::Error::other("the child has no process id"))
}

fn attributes(mask: &SigSet, group: Group) -> io::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    let mut flags =
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    attributes.set_sigmask(mask)?;
    // Rust programs ignore this signal, and the child would inherit that.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    if group == Group::Own {
        flags |= PosixSpawnFlags::POSIX_SPAWN_SETPGROUP;
        attributes.set_pgroup(unistd::Pid::from_raw(0))?;
    }
    attributes.set_flags(flags)?;
    Ok(attributes)
}

fn start(
    command: &[OsString],
    environment: &[CString],
    attributes: &PosixSpawnAttr,
) -> Result<unistd::Pid, Errno> {
    let words = c_strings(command)?;
    let program = words.first().ok_or(Errno::ENOENT)?;
    let actions = PosixSpawnFileActions::init()?;
    posix_spawnp(program, &actions, attributes, &words, environment)
}

/// Returns the command that runs the script by the shell. The path is complete, because the shell
/// does not search `PATH` for a script.
fn by_shell(command: &[OsString], variables: &Variables) -> Vec<OsString> {
    let (script, arguments) = (&command[0], &command[1..]);
    let path = variables
        .get(OsStr::new("PATH"))
        .cloned()
        .unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(script))
        .find(|file| !script.as_bytes().contains(&b'/') && file.is_file());
    let script = found.unwrap_or_else(|| PathBuf::from(script));
    let mut words = vec![OsString::from(SHELL), script.into_os_string()];
    words.extend_from_slice(arguments);
    words
}

fn assignment((name, value): (&OsString, &OsString)) -> OsString {
    let mut line = name.clone();
    line.push("=");
    line.push(value);
    line
}

fn c_strings(words: &[OsString]) -> Result<Vec<CString>, Errno> {
    let words = words.iter().map(|word| CString::new(word.as_bytes()));
    // Arguments and variables of a process cannot contain a zero byte.
    words.collect::<Result<_, _>>().map_err(|_| Errno::EINVAL)
}
}
mod collector {
//! Translates the operator's variables into the formats that the OpenTelemetry Collector reads.
//!
//! Invariant: variables that are set are complete and never empty. If a variable cannot be parsed,
//! the message names it and the Collector is not started; it would stop with a worse message.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use chroma_otel_init::{
    Endpoint, Headers, Ignored, Invalid, InvalidSettings, Protocol, Settings, is_mapping, is_word,
    variable,
};

use crate::arguments::Collector;
use crate::message;
use crate::queue;
use crate::supervise::{REFUSED, not_started};
use crate::variables::{Variables, text};

/// Exporter to use: `otlp_grpc` or `otlp_http`, the Collector's own names.
const EXPORTER: &str = "CHROMA_OTEL_EXPORTER";
/// `HOST:PORT` for `otlp_grpc`.
const GRPC_ENDPOINT: &str = "CHROMA_OTEL_GRPC_ENDPOINT";
/// `true` for plain text, `false` for TLS.
const GRPC_INSECURE: &str = "CHROMA_OTEL_GRPC_INSECURE";
/// The complete URL for `otlp_http`, also for Zipkin.
const TRACES_URL: &str = "CHROMA_OTEL_TRACES_URL";
/// The complete URL for the metrics of `otlp_http`.
const METRICS_URL: &str = "CHROMA_OTEL_METRICS_URL";
/// All variables that only the entrypoint sets.
const DERIVED: [&str; 5] = [
    EXPORTER,
    GRPC_ENDPOINT,
    GRPC_INSECURE,
    TRACES_URL,
    METRICS_URL,
];

/// Becomes the Collector; returns only if this fails.
pub(crate) fn become_collector(options: &Collector) -> ExitCode {
    let mut variables: Variables = std::env::vars_os().collect();
    match derive(&variables, options) {
        Ok((derived, warnings)) => {
            warnings.iter().for_each(message::warning);
            for name in DERIVED {
                variables.remove(OsStr::new(name));
            }
            let owned = |(name, value): (String, String)| (name.into(), value.into());
            variables.extend(derived.into_iter().map(owned));
            let damaged = queue::set_damaged_aside(&options.queue);
            damaged.iter().for_each(message::warning);
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

/// Variables to set for the Collector.
type Derived = Vec<(String, String)>;

/// Reads only the endpoint and the headers of the variables that [`Settings::read`] knows.
fn destination(variables: &Variables) -> Result<Settings, InvalidSettings> {
    const OTHERS: [&str; 3] = [
        variable::ENDPOINT,
        variable::RUST_ENDPOINT,
        variable::HEADERS,
    ];
    Settings::read(|name| {
        let mut matter = OTHERS
            .iter()
            .chain(variable::OVERRIDING)
            .chain(variable::OTLP_ENDPOINTS);
        let matters = matter.any(|one| *one == name);
        matters.then(|| text(variables, name)).flatten()
    })
}

/// Returns the variables to set for the Collector and the warnings, or all problems.
fn derive(
    variables: &Variables,
    options: &Collector,
) -> Result<(Derived, Vec<String>), Vec<String>> {
    let mut problems = Vec::new();
    let settings = destination(variables).unwrap_or_else(|invalid| {
        problems.extend(invalid.iter().map(Invalid::to_string));
        Settings::default()
    });
    let endpoints = [variable::ENDPOINT, variable::RUST_ENDPOINT];
    let named = endpoints.iter().any(|name| text(variables, name).is_some());
    if !options.no_endpoint && !named {
        problems.push(format!(
            "`{}` is not set; hint: set it to the endpoint of the traces, such as `https://api.honeycomb.io`",
            variable::ENDPOINT
        ));
    }
    let endpoint = settings.endpoint.as_ref();
    if endpoint.is_some_and(is_own_receiver) {
        problems.push(format!(
            "`{}` is the Collector's own receiver, so it would send to itself without end; hint: \
             use the address by which other machines reach the backend, or \
             `host.docker.internal` for one on Docker's host",
            variable::ENDPOINT
        ));
    }
    if options.zipkin && !endpoint.is_none_or(Endpoint::is_zipkin) {
        problems.push(format!(
            "`{}` is not a Zipkin endpoint; hint: use `http://host:9411`, or a URL that ends in \
             `/api/v2/spans`",
            variable::ENDPOINT
        ));
    }
    let mut headers = settings.headers.clone();
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
    let mut reported = BTreeSet::new(); // a key can be in a header and in the configuration
    problems.retain(|problem| reported.insert(problem.clone()));
    if problems.is_empty() {
        let warnings = settings.ignored().iter().map(Ignored::to_string);
        Ok((derived, warnings.chain(misnamed(variables)).collect()))
    } else {
        Err(problems)
    }
}

/// Returns true for the address and the ports on which the rendered configuration receives spans.
fn is_own_receiver(endpoint: &Endpoint) -> bool {
    const HOSTS: [&str; 5] = ["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"];
    const PORTS: [u16; 2] = [4317, 4318];
    let host = endpoint.host().trim_matches(['[', ']']);
    HOSTS.contains(&host) && PORTS.contains(&endpoint.port())
}

/// Returns the variables of [`DERIVED`] that the operator set by mistake.
fn misnamed(variables: &Variables) -> impl Iterator<Item = String> {
    let ours = |name: &&str| !DERIVED.contains(name);
    let names = variables
        .keys()
        .filter_map(|name| name.to_str())
        .filter(ours);
    names.filter_map(|name| Ignored::misnamed(name).map(|ignored| ignored.to_string()))
}

/// Returns all of them for every protocol, because the Collector also checks the exporter that is
/// not used.
fn endpoint_variables(endpoint: &Endpoint) -> [(&'static str, String); 5] {
    let exporter = if endpoint.protocol() == Protocol::Grpc {
        "otlp_grpc"
    } else {
        "otlp_http"
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

/// Adds the header. The error never contains a value.
fn add_header(
    headers: &mut Headers,
    name: &str,
    text: &str,
    variables: &Variables,
) -> Result<(), String> {
    let (mut value, mut rest, mut sources) = (String::new(), text, Vec::new());
    while let Some((before, brace)) = rest.split_once('{') {
        value += before;
        match brace
            .split_once('}')
            .filter(|(name, _)| variable::is_name(name))
        {
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
    let whose = if sources.is_empty() {
        format!("`--header` {name}")
    } else {
        sources.join(", ")
    };
    headers
        .insert(name, &value)
        .map_err(|invalid| format!("{whose} {}; hint: {}", invalid.what(), invalid.hint()))
}

/// Returns the value of a key. The error never contains it.
fn key(name: &str, variables: &Variables) -> Result<String, String> {
    let value = text(variables, name);
    let value = value.as_deref().and_then(variable::given);
    let value = value.map(str::to_owned);
    value.ok_or_else(|| format!("`{name}` is not set; hint: set it to the backend's key"))
}

/// Returns the value of a key in the configuration, which the Collector first parses as YAML.
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

/// Checks that the variable can be inserted into the middle of a text, where a quote would end the
/// text.
fn word(name: &str, variables: &Variables) -> Result<(), String> {
    let value = text(variables, name);
    let hint = "hint: generate one with `openssl rand -hex 32`";
    let value = value.ok_or_else(|| format!("`{name}` is not set; {hint}"))?;
    is_word(&value).then_some(()).ok_or_else(|| {
        format!("`{name}` contains characters other than letters, digits and `._~+/=-`; {hint}")
    })
}

/// Doubles `$`, because the Collector expands `${NAME}` and `$$` also in the values of variables.
fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}
}
mod command {
//! The command that starts Chroma.

use std::ffi::OsString;

/// Returns the value of a command's option, in either form.
pub(crate) fn option(command: &[OsString], name: &str) -> Option<String> {
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
mod data_health {
//! Damaged indexes and a full disk, in the log and as metrics.
//!
//! Chroma writes the files of an index in place, one after the other, so a crash can leave files
//! that differ. Searches in that collection then fail, and later writes can make it worse.
//!
//! Invariant: only reads, and only on a separate thread. Files that Chroma may be writing, those of
//! the last [`INTERVAL`], are not judged.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use chroma_otel_init::{Gauge, Gauges};

use crate::message;

/// Time between two checks, so that damage is reported within a minute.
const INTERVAL: Duration = Duration::from_secs(30);

/// The files of an index with its vectors.
const HEADER: &str = "header.bin";
const VECTORS: &str = "data_level0.bin";
const LENGTHS: &str = "length.bin";
const LINKS: &str = "link_lists.bin";
/// The names of the vectors, which Chroma writes last.
const NAMES: &str = "index_metadata.pickle";
const FILES: [&str; 5] = [HEADER, VECTORS, LENGTHS, LINKS, NAMES];

/// Begins to check the directory, and to send the results if there is a collector.
pub(crate) fn watch(directory: PathBuf, collector: Option<Gauges>) {
    let spawned = thread::Builder::new()
        .name("data health".to_owned())
        .spawn(move || check_forever(&directory, collector.as_ref()));
    if let Err(error) = spawned {
        message::warning(format_args!("damaged indexes are not reported: {error}"));
    }
}

fn check_forever(directory: &Path, collector: Option<&Gauges>) {
    let mut reported = Findings::new();
    loop {
        let damaged = findings(directory);
        for (index, what) in &damaged {
            if reported.get(index) != Some(what) {
                message::error(format_args!(
                    "the index in `{}` is damaged: {what}; hint: repair it or restore a backup, \
                     as in README.md",
                    index.display()
                ));
            }
        }
        if let Some(collector) = collector {
            let damage = Gauge {
                name: "chroma.index.damaged",
                unit: "{index}",
                description: "Indexes whose files differ",
                value: damaged.len() as f64,
            };
            // A name of OpenTelemetry's semantic conventions.
            let space = utilization(directory).map(|value| Gauge {
                name: "system.filesystem.utilization",
                unit: "1",
                description: "Used share of the file system with the data",
                value,
            });
            let gauges: Vec<Gauge> = [damage].into_iter().chain(space.ok()).collect();
            // The next values follow, and the exporter of spans reports a missing collector.
            let _ = collector.send(&gauges);
        }
        reported = damaged;
        thread::sleep(INTERVAL);
    }
}

/// Returns the used share of the bytes that Chroma could use, as `df` does.
fn utilization(directory: &Path) -> io::Result<f64> {
    let found = rustix::fs::statvfs(directory)?;
    let used = found.f_blocks - found.f_bfree;
    Ok(used as f64 / (used + found.f_bavail).max(1) as f64)
}

/// The damaged indexes, each with the difference between its files.
type Findings = BTreeMap<PathBuf, String>;

/// Returns the damaged indexes. An index with an unreadable file is omitted: Chroma may delete it at
/// the moment.
fn findings(directory: &Path) -> Findings {
    let Ok(entries) = fs::read_dir(directory) else {
        return Findings::new();
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    folders
        .filter_map(|folder| {
            let files = FILES.map(|name| fs::metadata(folder.join(name)).ok());
            let files = Some(files).filter(is_at_rest)?;
            let what = difference(&folder, &files).ok()??;
            Some((folder, what))
        })
        .collect()
}

/// Returns true if no file has changed recently.
fn is_at_rest(files: &[Option<Metadata>; 5]) -> bool {
    let changes = files.iter().flatten();
    let last = changes.filter_map(|file| file.modified().ok()).max();
    last.and_then(|last| last.elapsed().ok()) > Some(INTERVAL)
}

/// Returns what differs between the files of an index; `files` is in the order of [`FILES`]. An index
/// without names has never been written completely: all of its records are still in Chroma's log.
///
/// # Errors
/// A file cannot be read.
fn difference(folder: &Path, files: &[Option<Metadata>; 5]) -> io::Result<Option<String>> {
    let [.., Some(_)] = files else {
        return Ok(None);
    };
    let pairs = FILES.into_iter().zip(files);
    let missing = pairs.filter(|(_, file)| file.is_none());
    let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
    if !missing.is_empty() {
        return Ok(Some(format!("it has no {}", missing.join(", "))));
    }
    let mut header = [0; 36];
    if File::open(folder.join(HEADER))?
        .read_exact(&mut header)
        .is_err()
    {
        return Ok(Some(format!("{HEADER} is cut off")));
    }
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let (count, element) = (number(20), number(28)); // after the format, an offset and the capacity
    let sizes = files
        .each_ref()
        .map(|file| file.as_ref().map_or(0, Metadata::len));
    let [_, vectors, lengths, ..] = sizes;
    let stored = vectors.checked_div(element).unwrap_or_default();
    let lengths = lengths / 4;
    let mut names = File::open(folder.join(NAMES))?;
    let added = added(&mut names)?;
    Ok(match added {
        None => Some(format!("{NAMES} is cut off")),
        Some(added) if added != count || stored < count || lengths < count => Some(format!(
            "its files differ: {HEADER} has {count} vectors, {NAMES} {added}, {VECTORS} {stored}, {LENGTHS} {lengths}"
        )),
        Some(_) => None,
    })
}

/// Returns the number of vectors that were added to the index, from a pickle that has it near its
/// start; `None` if the pickle does not end, or does not have it.
fn added(pickle: &mut File) -> io::Result<Option<u64>> {
    const KEY: &[u8] = b"total_elements_added";
    let mut last = [0];
    if pickle.seek(SeekFrom::End(-1)).is_err() {
        return Ok(None); // it is empty
    }
    pickle.read_exact(&mut last)?;
    pickle.rewind()?;
    let mut start = Vec::new();
    pickle.take(4096).read_to_end(&mut start)?;
    let key = start.windows(KEY.len()).position(|bytes| bytes == KEY);
    let value = key.and_then(|at| integer(&start[at + KEY.len()..]));
    Ok(value.filter(|_| last == *b"."))
}

/// Returns the integer after an optional memo. The opcodes are those of Python's `pickletools`.
fn integer(pickle: &[u8]) -> Option<u64> {
    let rest = match pickle {
        [b'q', _, rest @ ..] | [0x94, rest @ ..] | [b'r', _, _, _, _, rest @ ..] => rest,
        rest => rest,
    };
    let width = match rest.first()? {
        b'K' => 1,
        b'M' => 2,
        b'J' => 4,
        _ => return None,
    };
    let bytes = rest.get(1..=width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}
}
mod data_version {
//! The release that last opened Chroma's data, in a file beside the data: Chroma migrates its data
//! irreversibly, and an older release could damage the result.
//!
//! Invariant: only a file that names a newer release prevents the start, and nothing has changed by
//! then. Otherwise the file names the release before it opens the data, or a warning says why
//! not. A file of another origin is not replaced.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chroma_otel_init::{ChromaVersion, Server, variable};

use crate::command::option;
use crate::variables::{Variables, chroma_version, text};

/// The directory of both servers in their working directory, if nothing names another one.
const DEFAULT_DIRECTORY: &str = "chroma";

/// Longer than any version, and than any configuration file of Chroma.
const LONGEST_FILE: u64 = 64 * 1024;

/// Records the release that the command starts. Returns a warning if that is impossible. A
/// directory that Chroma creates itself is recorded by the next start.
///
/// # Errors
/// A newer release has opened the data: returns the message.
pub(crate) fn record(
    variables: &Variables,
    command: &[OsString],
) -> Result<Option<String>, String> {
    let Some(starting) = chroma_version(variables) else {
        return Ok(None); // the translation of the variables warns of it
    };
    let directory = directory(variables, command, starting.server());
    if !directory.is_dir() {
        return Ok(None);
    }
    let file = directory.join(ChromaVersion::FILE);
    let shown = file.display();
    match read(&file).map(|text| variable::given(&text).map(str::parse::<ChromaVersion>)) {
        Ok(Some(Ok(opened))) if opened > starting => Err(format!(
            "`{shown}`: Chroma {opened} has opened this data, and {starting} could damage it; hint: \
             start {opened} again, or restore a backup of {starting} as in README.md, or delete \
             the file to start unprotected"
        )),
        Ok(Some(Ok(opened))) if opened == starting => Ok(None),
        Ok(None | Some(Ok(_))) => Ok(write(&file, starting).err().map(|error| {
            format!("`{shown}` cannot be written, so an older Chroma is not refused later: {error}")
        })),
        Ok(Some(Err(_))) => Ok(Some(unreadable(&file, "it does not contain a version"))),
        Err(error) => Ok(Some(unreadable(&file, error))),
    }
}

fn unreadable(file: &Path, why: impl std::fmt::Display) -> String {
    format!(
        "`{}` cannot be read, so an older Chroma is not refused: {why}; hint: delete it, and the \
         next start writes it",
        file.display()
    )
}

/// Returns the data directory as the server determines it.
pub(crate) fn directory(variables: &Variables, command: &[OsString], server: Server) -> PathBuf {
    let name = if server == Server::Python {
        "PERSIST_DIRECTORY"
    } else {
        "CHROMA_PERSIST_PATH"
    };
    let set = || Some(variable::given(&text(variables, name)?)?.to_owned());
    let named = option(command, "--path").or_else(set);
    let named = named.or_else(|| persist_path(&configuration(command)?));
    named.map_or_else(|| DEFAULT_DIRECTORY.into(), PathBuf::from)
}

/// Returns the text of the command's first argument that is a file.
fn configuration(command: &[OsString]) -> Option<String> {
    let mut arguments = command.iter().skip(1).map(Path::new);
    read(arguments.find(|argument| argument.is_file())?).ok()
}

/// Returns the value of `persist_path` in a configuration of Chroma 1.x.
fn persist_path(yaml: &str) -> Option<String> {
    let mut lines = yaml.lines();
    let value = lines.find_map(|line| line.strip_prefix("persist_path:"))?;
    let value = value.split(" #").next().unwrap_or_default();
    variable::given(value).map(str::to_owned)
}

/// Returns the text of a regular file; empty if there is none. Opening a pipe would block.
fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    match fs::metadata(file) {
        Ok(found) if found.is_file() => {
            File::open(file)?
                .take(LONGEST_FILE)
                .read_to_string(&mut text)?;
            Ok(text)
        }
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
        Err(error) => Err(error),
    }
}

/// Replaces the file, so that it is complete after a power failure.
fn write(file: &Path, version: ChromaVersion) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut out = File::create(&new)?;
    writeln!(out, "{version}")?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    File::open(file.with_file_name(""))?.sync_all()
}
}
mod ending {
//! The end of the child, and if it was requested.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, WaitStatus};

/// Added to the number of the signal that ended the child, as a shell does.
const BY_SIGNAL: i32 = 128;

/// The end of Chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an exit code.
    Code(i32),
    /// By a signal, of this number.
    Signal(i32),
}

impl Ending {
    /// Parses the result of `wait`; `None` for a process that was only stopped or continued.
    pub(crate) fn read(status: WaitStatus) -> Option<Self> {
        let code = status.exit_status().map(Self::Code);
        code.or_else(|| status.terminating_signal().map(Self::Signal))
    }
}

/// The end of Chroma, as reported in the traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Exit code or signal.
    pub(crate) ending: Ending,
    /// Time of the end.
    pub(crate) at: SystemTime,
    /// The first signal that requested the end, and its time.
    pub(crate) asked: Option<(Signal, SystemTime)>,
    /// The stop timeout, if the child was killed because it exceeded it.
    pub(crate) timed_out: Option<Duration>,
}

impl End {
    /// Returns true if the child ended with 0, or by the same signal that requested the end.
    pub(crate) fn is_good(&self) -> bool {
        match (self.ending, self.asked) {
            (Ending::Code(0), _) => true,
            (Ending::Signal(number), Some((signal, _))) => number == signal.as_raw(),
            (Ending::Code(code), Some((signal, _))) => code == BY_SIGNAL + signal.as_raw(),
            (_, None) => false,
        }
    }

    /// Returns the child's exit code, or 128 plus the number of the signal that ended it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = match self.ending {
            Ending::Code(code) => code,
            Ending::Signal(number) => BY_SIGNAL + number,
        };
        ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}
}
mod environment {
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
}
mod exporter {
//! The variables of OpenTelemetry's exporter in Chroma's environment.
//!
//! Invariant: headers are sent only to the endpoint for which they were written: another backend's
//! headers never to Chroma's endpoint, Chroma's headers never to another endpoint for metrics.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use chroma_otel_init::{Server, variable};

use crate::variables::{Variables, text};

/// Replaces the variables of the exporter by `wanted`, the translation for this server.
pub(crate) fn set(
    variables: &mut Variables,
    mut wanted: BTreeMap<&'static str, String>,
    server: Server,
    warnings: &mut Vec<String>,
) {
    for name in variable::OVERRIDING {
        variables.remove(OsStr::new(name));
    }
    if server == Server::Rust {
        separate_metrics(variables, &mut wanted, warnings);
    }
    for (name, value) in wanted {
        variables.insert(name.into(), value.into());
    }
}

/// Chroma 1.x also sends metrics, by default to the endpoint of the traces.
fn separate_metrics(
    variables: &mut Variables,
    wanted: &mut BTreeMap<&'static str, String>,
    warnings: &mut Vec<String>,
) {
    let headers = variable::OTLP_METRICS_HEADERS;
    if text(variables, variable::OTLP_METRICS_ENDPOINT).is_some() {
        if let Some(ours) = wanted.remove(variable::OTLP_HEADERS) {
            wanted.insert(variable::OTLP_TRACES_HEADERS, ours);
        }
    } else if variables.remove(OsStr::new(headers)).is_some() {
        warnings.push(format!(
            "`{headers}` is ignored: metrics are sent to the endpoint of the traces; hint: set \
             `{}` as well, or unset it",
            variable::OTLP_METRICS_ENDPOINT
        ));
    }
}
}
mod health {
//! One HTTP request to a server's health page, for images without curl.
//!
//! Invariant: a request takes at most [`TIMEOUT`] including name resolution, even if the server
//! sends slowly. No message contains an invalid URL or the query of a page: both may contain a
//! secret.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Longest time for name resolution, connection, request and response together.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Longer than any health page.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Readiness flags of Chroma's `/api/v2/healthcheck` (read in the response of 1.5.9).
const READY_FLAGS: [&str; 2] = ["is_executor_ready", "is_log_client_ready"];

/// A page to request: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    /// Path and query, from the first `/`.
    pub(crate) path: String,
}

/// Omits the query.
impl fmt::Display for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        write!(formatter, "http://{}{path}", self.authority)
    }
}

impl FromStr for Page {
    type Err = String;

    /// Parses an `http` URL; the default port is 80. The error contains the expected form, not the
    /// URL.
    fn from_str(url: &str) -> Result<Self, String> {
        let refused =
            || "invalid URL of a health page; hint: use `http://HOST:PORT/PATH`".to_owned();
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

/// Reason why a page is not healthy.
#[derive(Debug)]
pub(crate) enum Unhealthy {
    /// The page does not exist (404, 405, 410); the path of another version may exist.
    NoSuchPage(String),
    /// No response, or a response other than 200 and ready.
    NotReady(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPage(what) | Self::NotReady(what) => formatter.write_str(what),
        }
    }
}

/// Requests the page. It is healthy if the status is 200 and the body contains no readiness flag of
/// Chroma with a value other than `true`.
///
/// # Errors
/// Returns the response instead.
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

/// Sends the request and reads the complete response.
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

/// Tries every address of the name, because `localhost` may have two.
fn connect(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in resolve(authority, deadline)? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Resolves the name on a separate thread, because the C library's resolver has no time limit.
fn resolve(authority: &str, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = authority.parse() {
        return Ok(vec![address]);
    }
    let (sender, answer) = channel();
    let name = authority.to_owned();
    thread::Builder::new().spawn(move || {
        // After the deadline the receiver is gone.
        let _ = sender.send(name.to_socket_addrs().map(Vec::from_iter));
    })?;
    let answer = answer.recv_timeout(remaining(deadline)?);
    answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Returns true if the body is as long as its head says: some servers keep the connection open.
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

/// Returns an error if the body contains one of the flags with a value other than `true`.
fn ready(body: &str) -> Result<(), String> {
    for flag in READY_FLAGS {
        let value = body
            .split_once(&format!("\"{flag}\""))
            .map(|(_, rest)| rest.trim_start().trim_start_matches(':').trim_start());
        if value.is_some_and(|value| !value.starts_with("true")) {
            return Err(format!("answered 200, but `{flag}` is not true"));
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

/// Returns the printable start of a server's response.
fn excerpt(line: &str) -> String {
    line.chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}
}
mod healthcheck {
//! Health check of any Chroma version: selects the page and requests it.
//!
//! Invariant: another version's page is tried only if the server reports that the page does not
//! exist. A response "not ready" is final.

use std::ffi::OsString;
use std::net::IpAddr;

use crate::command::option;
use crate::health::{Page, Unhealthy, ask};
use crate::variables::{Variables, chroma_version, text};

/// The pages of all versions, the newest first, for an unknown version.
const EVERY_PATH: [&str; 3] = [
    "/api/v2/healthcheck",
    "/api/v2/heartbeat",
    "/api/v1/heartbeat",
];

/// Returns the pages that report if Chroma is ready, in the order in which to try them.
///
/// The port is the command's `--port`, otherwise that of the environment (`CHROMA_PORT` on 1.x,
/// `CHROMA_SERVER_HTTP_PORT` on 0.x), otherwise 8000. A port in a config file needs `--url`.
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
    let page = |path: &str| Page {
        authority: authority.clone(),
        path: path.to_owned(),
    };
    match chroma_version(variables) {
        Some(version) => vec![page(version.health_path())],
        None => EVERY_PATH.map(page).into(),
    }
}

/// Requests the pages in turn until one exists.
///
/// # Errors
/// Returns the requests and their responses.
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
}
mod hung {
//! Ends a server that no longer answers, where nothing else does: Docker restarts a container that ends,
//! but not one that is unhealthy.
//!
//! Invariant: a server that has not been healthy since its start is never ended: it may be migrating its
//! data. The state is in two files in the temporary directory, because each check is a separate process.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::message;

fn healthy() -> PathBuf {
    std::env::temp_dir().join("chroma-otel-healthy")
}

/// Its time of modification is that of the first failure in a row.
fn unhealthy() -> PathBuf {
    std::env::temp_dir().join("chroma-otel-unhealthy")
}

/// Forgets the server that ran before.
pub(crate) fn forget() {
    for file in [healthy(), unhealthy()] {
        let _ = fs::remove_file(file); // usually there is none
    }
}

/// Notes a healthy answer.
pub(crate) fn note_healthy() {
    let _ = fs::remove_file(unhealthy());
    if let Err(error) = File::create(healthy()) {
        message::warning(format_args!(
            "a server that stops answering is not restarted: `{}` cannot be written: {error}",
            healthy().display()
        ));
    }
}

/// Notes a failed check. After `limit` without a healthy answer, asks process 1 to end.
pub(crate) fn note_unhealthy(limit: Duration) {
    if !healthy().exists() {
        return;
    }
    let since = fs::metadata(unhealthy()).and_then(|file| file.modified());
    let Ok(since) = since else {
        let _ = File::create(unhealthy()); // the next failure tries again
        return;
    };
    if since.elapsed().is_ok_and(|elapsed| elapsed >= limit) {
        forget();
        let ended = kill_process(Pid::INIT, Signal::TERM);
        let seconds = limit.as_secs();
        match ended {
            Ok(()) => message::error(format_args!(
                "no healthy answer within {seconds} s: the server is ended"
            )),
            Err(error) => message::error(format_args!(
                "no healthy answer within {seconds} s, and process 1 cannot be ended: {error}"
            )),
        }
    }
}
}
mod lifecycle {
//! Two spans for Chroma's start and its end, so that a crash is visible in the traces.
//!
//! Invariant: this code runs on a separate thread, and the end of the program waits for it for at
//! most [`LONGEST_END`].
//!
//! - `chroma.start`: from the spawn to the first healthy response. An error if Chroma ends before
//!   that without a request, or is not healthy within [`LONGEST_START`].
//! - `chroma.stop`: from the signal that requested the end, or from the end itself, to the end.
//!   Linked to the start. An error unless Chroma ends with exit code 0 or by the same signal.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chroma_otel_init::opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Status, Tracer};
use chroma_otel_init::opentelemetry::{KeyValue, global};
use chroma_otel_init::{ChromaVersion, Options, Settings, init_plain_http};
use rustix::process::Pid;

use crate::ending::{End, Ending};
use crate::health::Page;
use crate::healthcheck::ask_in_turn;
use crate::message;
use crate::signals;

/// Time to send the last spans after Chroma has ended.
const FLUSH: Duration = Duration::from_secs(3);
/// Time for all remaining work after Chroma has ended.
const LONGEST_END: Duration = Duration::from_millis(3500);
/// Chroma replays its log at start. This takes minutes for a large log, but not five.
const LONGEST_START: Duration = Duration::from_secs(300);
/// Pause between two health checks during the start.
const PAUSE: Duration = Duration::from_millis(100);

/// The Chroma process that the spans describe.
pub(crate) struct Subject {
    /// Its process.
    pub(crate) process: Pid,
    /// The program, without its arguments, which may contain a secret.
    pub(crate) program: String,
    /// Its version, if the image names one.
    pub(crate) version: Option<ChromaVersion>,
    /// Time of its start.
    pub(crate) spawned: SystemTime,
    /// Pages that report if it is ready.
    pub(crate) pages: Vec<Page>,
}

/// The thread that sends the spans of Chroma's start and end.
pub(crate) struct Lifecycle {
    end: Sender<End>,
    finished: Receiver<()>,
}

impl Lifecycle {
    /// Begins to watch the start.
    pub(crate) fn begin(settings: Settings, subject: Subject) -> Self {
        let (end, ends) = channel();
        let (finish, finished) = channel();
        let spawned = thread::Builder::new()
            .name("lifecycle".to_owned())
            .spawn(move || {
                report(&settings, &subject, &ends);
                // After the deadline the receiver is gone.
                let _ = finish.send(());
            });
        if let Err(error) = spawned {
            message::warning(format_args!(
                "the start and the end of Chroma are not traced: {error}"
            ));
        }
        Self { end, finished }
    }

    /// Reports the end, and waits until it is sent or [`LONGEST_END`] has passed.
    pub(crate) fn end(self, end: End) {
        if self.end.send(end).is_ok() {
            let _ = self.finished.recv_timeout(LONGEST_END);
        }
    }
}

/// Returns the options of everything that the entrypoint sends.
pub(crate) fn options(version: Option<ChromaVersion>) -> Options {
    let version = version.map(|version| ("service.version", version.to_string()));
    let host = std::env::var("HOSTNAME").ok(); // of the container
    let host = host.map(|host| ("service.instance.id", host));
    let attributes = version.into_iter().chain(host);
    attributes.fold(Options::default(), |options, (name, value)| {
        options.resource(name, value)
    })
}

fn report(settings: &Settings, subject: &Subject, ends: &Receiver<End>) {
    let options = options(subject.version).flush_timeout(FLUSH);
    let _guard = init_plain_http(settings, &options);
    let (start, end) = report_start(subject, ends);
    if let Some(end) = end.or_else(|| ends.recv().ok()) {
        report_stop(subject, start, &end);
    }
}

/// Watches the start. Returns its span, and the end if that came first.
fn report_start(subject: &Subject, ends: &Receiver<End>) -> (SpanContext, Option<End>) {
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

/// Repeats the health check until it succeeds, the end has come, or the time is up.
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

fn report_stop(subject: &Subject, start: SpanContext, end: &End) {
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

/// Returns attributes that are named as in the semantic conventions for processes, where those have
/// a name.
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
//! Messages of the entrypoint on standard error: one line each, prefixed with the program's name.
//!
//! Invariant: a message that cannot be written is dropped; it never stops the database.

use std::fmt::Display;
use std::io::Write;

/// The prefix that distinguishes these lines from Chroma's own in a container's log.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Reports a problem that the operator must correct.
pub(crate) fn error(text: impl Display) {
    say("error", &text);
}

/// Reports a fact that the operator should know; everything works without a change.
pub(crate) fn warning(text: impl Display) {
    say("warning", &text);
}

fn say(kind: &str, text: &dyn Display) {
    // One write per line, so that Chroma's output cannot interrupt it.
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
mod open_files {
//! The limit of open files: Chroma keeps four open per collection, and engines allow 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::message;

/// Raises this process's soft limit to the hard limit; child processes inherit it.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        message::warning(format_args!(
            "the soft limit of open files remains {}: {error}",
            limit
                .current
                .map_or("unlimited".to_owned(), |soft| soft.to_string())
        ));
    }
}
}
mod queue {
//! The Collector's queue files, which a power failure or a full disk can damage: bbolt then ends the
//! Collector at every start, and tracing with it.
//!
//! Invariant: only a file that bbolt cannot open is renamed, and nothing is deleted. The rules are those of
//! bbolt 1.4 when it opens a file without a free list (`db.go`, `tx_check.go`): both meta pages, and every
//! page that can be reached.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder of the queue in the rendered configuration.
pub(crate) const DEFAULT_FOLDER: &str = "/var/lib/otelcol";

/// The end of the name of a file that was set aside; the time follows.
const ASIDE: &str = ".damaged-";

/// The start of the names of the extension's temporary files, which it deletes itself.
const COMPACTION: &str = "tempdb";

/// Longer than any batch of spans: the receiver accepts 4 MiB.
const LONGEST_PAGE: u64 = 64 * 1024 * 1024;

const PAGE_HEADER: usize = 16;
const ELEMENT: usize = 16;
const META: usize = 64;
const MAGIC: u32 = 0xED0C_DAED;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// The flag of a leaf's element whose value is a bucket.
const BUCKET: u32 = 0x01;
/// No page of a real file is larger.
const LARGEST_PAGE: u32 = 64 * 1024;

/// Renames damaged queue files. Returns a message for each.
pub(crate) fn set_damaged_aside(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let names = files.map(|entry| entry.path());
    let own = names.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.contains(ASIDE) && !name.starts_with(COMPACTION)
    });
    own.filter_map(|path| set_aside(&path)).collect()
}

fn set_aside(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let why = match check(&file) {
        Ok(Ok(())) => return None,
        Ok(Err(why)) => why,
        Err(error) => return Some(format!("`{}` cannot be read: {error}", path.display())),
    };
    let new = aside(path);
    Some(match fs::rename(path, &new) {
        Ok(()) => format!(
            "the queue `{}` is damaged ({why}), and its pending spans are lost; hint: delete `{}`, to which it was moved",
            path.display(),
            new.display()
        ),
        Err(error) => format!(
            "the queue `{}` is damaged ({why}), and cannot be moved: {error}; hint: delete it",
            path.display()
        ),
    })
}

fn aside(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs());
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{ASIDE}{seconds}"));
    name.into()
}

/// Why bbolt cannot open a file.
type Damage = &'static str;

/// Checks the file as bbolt does. An empty file is a new one.
///
/// # Errors
/// The file cannot be read.
fn check(file: &File) -> io::Result<Result<(), Damage>> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Ok(()));
    }
    let Some(meta) = newest_meta(file, length)? else {
        return Ok(Err("it has no valid meta page"));
    };
    if length < u64::from(meta.page_size) * 2 || length < u64::from(meta.page_size) * meta.end {
        return Ok(Err("it is truncated"));
    }
    Walk {
        file,
        meta: &meta,
        seen: BTreeSet::new(),
    }
    .tree(meta.root)
}

/// The fields of a meta page.
struct Meta {
    page_size: u32,
    /// The page of the root bucket.
    root: u64,
    /// The first page that is not in use.
    end: u64,
    transaction: u64,
}

/// Returns the valid meta page of the newest transaction. The size of a page is in the page itself.
fn newest_meta(file: &File, length: u64) -> io::Result<Option<Meta>> {
    let first = meta_at(file, length, 0)?;
    let size = first.as_ref().map(|meta| meta.page_size);
    let sizes = (9..=16).map(|power| 1_u32 << power); // as bbolt looks for the second page
    let mut second = None;
    for size in sizes.filter(|one| size.is_none_or(|size| size == *one)) {
        let found = meta_at(file, length, u64::from(size))?;
        second = second.or(found.filter(|meta| meta.page_size == size));
    }
    Ok([first, second]
        .into_iter()
        .flatten()
        .max_by_key(|meta| meta.transaction))
}

fn meta_at(file: &File, length: u64, at: u64) -> io::Result<Option<Meta>> {
    let mut page = [0; PAGE_HEADER + META];
    if at + page.len() as u64 > length {
        return Ok(None);
    }
    file.read_exact_at(&mut page, at)?;
    let meta = &page[PAGE_HEADER..];
    let page_size = u32_at(meta, 8);
    let is_sound = u32_at(meta, 0) == MAGIC
        && u32_at(meta, 4) == 2
        && (512..=LARGEST_PAGE).contains(&page_size)
        && u64_at(meta, 56) == fnv(&meta[..56]);
    Ok(is_sound.then(|| Meta {
        page_size,
        root: u64_at(meta, 16),
        end: u64_at(meta, 40),
        transaction: u64_at(meta, 48),
    }))
}

/// FNV-1a with 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A walk over all pages that can be reached.
struct Walk<'a> {
    file: &'a File,
    meta: &'a Meta,
    seen: BTreeSet<u64>,
}

impl Walk<'_> {
    /// Checks a page and those below it, without recursion: damage can make any depth.
    fn tree(&mut self, root: u64) -> io::Result<Result<(), Damage>> {
        let mut left = vec![root];
        while let Some(id) = left.pop() {
            match self.page(id)? {
                Ok(below) => left.extend(below),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }

    /// Checks a page and returns those below it.
    fn page(&mut self, id: u64) -> io::Result<Result<Vec<u64>, Damage>> {
        let size = self.meta.page_size as usize;
        if !(2..self.meta.end).contains(&id) {
            return Ok(Err("a page refers to one outside of the file"));
        }
        let mut page = vec![0; size];
        self.file.read_exact_at(&mut page, id * size as u64)?;
        let (flags, count) = (u16_at(&page, 8), usize::from(u16_at(&page, 10)));
        let overflow = u64::from(u32_at(&page, 12));
        if u64_at(&page, 0) != id {
            return Ok(Err("a page has another number"));
        }
        if id + overflow >= self.meta.end || overflow * size as u64 > LONGEST_PAGE {
            return Ok(Err("a page is longer than the file"));
        }
        for one in id..=id + overflow {
            if !self.seen.insert(one) {
                return Ok(Err("a page is used twice"));
            }
        }
        if overflow > 0 {
            page.resize(size * (overflow as usize + 1), 0);
            self.file.read_exact_at(&mut page, id * size as u64)?;
        }
        if PAGE_HEADER + count * ELEMENT > page.len() {
            return Ok(Err("a page has too many elements"));
        }
        Ok(match flags {
            BRANCH => Ok((0..count)
                .map(|index| u64_at(&page, start(index) + 8))
                .collect()),
            LEAF => leaf(&page, count),
            _ => Err("a page has an unknown type"),
        })
    }
}

/// Returns the roots of the buckets in a leaf.
fn leaf(page: &[u8], count: usize) -> Result<Vec<u64>, Damage> {
    let mut roots = Vec::new();
    for index in 0..count {
        let at = start(index);
        let (flags, key) = (u32_at(page, at), at + u32_at(page, at + 4) as usize);
        let value = key + u32_at(page, at + 8) as usize;
        let end = value + u32_at(page, at + 12) as usize;
        if end > page.len() {
            return Err("an element is longer than its page");
        }
        if flags & BUCKET != 0 {
            if end - value < 8 {
                return Err("a bucket has no root");
            }
            let root = u64_at(page, value);
            roots.extend((root != 0).then_some(root)); // 0: the bucket is in this page
        }
    }
    Ok(roots)
}

fn start(index: usize) -> usize {
    PAGE_HEADER + index * ELEMENT
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
}
mod service_link {
//! Variables that Kubernetes injects for a Service whose name begins with `chroma`.
//!
//! Invariant: only names and values of the form that Kubernetes writes are removed, and none of
//! the four variables and their synonyms: a wrong endpoint must be reported, not removed.
//!
//! `CHROMA_PORT=tcp://10.0.0.1:8000` makes Chroma 1.x panic (measured on 1.5.9: `expected u16 for
//! key "PORT"`). The forms are those of "Accessing the Service, Environment variables" in the
//! Kubernetes documentation.

use std::ffi::OsStr;

use chroma_otel_init::variable;

use crate::variables::Variables;

/// Removes them; returns one warning that names them, if there were any.
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
            "removed {}, which a Kubernetes service link set; hint: set `enableServiceLinks: false`",
            removed.join(", ")
        )
    })
}

fn is_link(name: &OsStr, value: &OsStr) -> bool {
    let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
        return false;
    };
    let synonyms = [variable::RUST_ENDPOINT, variable::RUST_SERVICE_NAME];
    let ours = variable::TABLE.iter().any(|one| one.name == name);
    if ours || synonyms.contains(&name) || !name.starts_with("CHROMA_") {
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

/// Returns true for `…_PORT_8000_TCP`, with or without `_PROTO`, `_PORT`, `_ADDR`.
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
//! Signals, blocked and read one by one from a queue.
//!
//! Invariant: [`Signals::catch`] runs before the child and any thread is started, so that no signal
//! is lost, handled by its default action or delivered to another thread.
//!
//! The signals are blocked and not caught by handlers. The kernel then keeps the inherited ignored
//! signals (`nohup`) for the child, and delivers signals in one place and in a fixed order.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{self as posix, SigSet, SigmaskHow};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix_libc_wrappers::process::SignalExt;

/// Not collected, as in tini: a fault of this process must end it. A fault that another process
/// sends also ends it (BUS and SEGV at the second time, because Rust's handler of stack overflows
/// takes the first), except as process 1, for which the kernel drops it.
const FAULTS: [posix::Signal; 7] = [
    posix::Signal::SIGABRT,
    posix::Signal::SIGBUS,
    posix::Signal::SIGFPE,
    posix::Signal::SIGILL,
    posix::Signal::SIGSEGV,
    posix::Signal::SIGSYS,
    posix::Signal::SIGTRAP,
];

/// `si_code` of a signal that the kernel sent, as for the terminal's Ctrl-C.
const SI_KERNEL: i32 = 0x80;

/// A received signal.
pub(crate) struct Received {
    /// The signal.
    pub(crate) signal: Signal,
    /// True if the kernel sent it and not a process.
    pub(crate) from_kernel: bool,
}

/// The signals of this process, readable in turn.
pub(crate) struct Signals {
    queue: SignalFd,
    inherited: SigSet,
}

impl Signals {
    /// Begins to collect every signal except the faults, including the real-time signals.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub(crate) fn catch() -> io::Result<Self> {
        keep_exit_codes()?;
        let mut collected = SigSet::all();
        for fault in FAULTS {
            collected.remove(fault);
        }
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let queue = SignalFd::with_flags(&collected, flags)?;
        let inherited = collected.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        Ok(Self { queue, inherited })
    }

    /// The mask that this process inherited, which is also the child's.
    pub(crate) fn inherited(&self) -> &SigSet {
        &self.inherited
    }

    /// Waits until a signal arrives or `until` has passed; without `until`, waits without a limit.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        let mut descriptors = [PollFd::new(&self.queue, PollFlags::IN)];
        // An error is either an interruption or a lack of memory: the caller checks again.
        let _ = poll(&mut descriptors, timeout.as_ref());
    }

    /// Returns the next signal that has arrived, without waiting; the lowest number first.
    pub(crate) fn next(&self) -> Option<Received> {
        loop {
            let information = self.queue.read_signal().ok()??;
            if let Some(received) = received(&information) {
                return Some(received);
            }
        }
    }
}

/// Returns `None` for signals that concern only this process: its own broken pipe, and its use of a
/// terminal.
fn received(information: &siginfo) -> Option<Received> {
    let signal = Signal::from_raw(i32::try_from(information.ssi_signo).ok()?)?;
    let own = u32::try_from(getpid().as_raw_nonzero().get()) == Ok(information.ssi_pid);
    let concerns_us = match signal {
        Signal::PIPE => own,
        Signal::TTIN | Signal::TTOU => true,
        _ => false,
    };
    (!concerns_us).then_some(Received {
        signal,
        from_kernel: information.ssi_code == SI_KERNEL,
    })
}

/// If `SIGCHLD` is inherited as ignored, the kernel drops exit codes. Any handler prevents this,
/// and the child's `exec` removes it.
fn keep_exit_codes() -> io::Result<()> {
    let flag = Arc::default();
    signal_hook::flag::register(Signal::CHILD.as_raw(), flag).map(drop)
}

/// Sends a signal; it fails only if the process has ended.
pub(crate) fn send(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// Stops this process as the terminal's Ctrl-Z does by default; returns when it is continued.
pub(crate) fn stop_as_the_terminal_asks() {
    send(getpid(), Signal::TSTP);
    let stop = SigSet::from(posix::Signal::SIGTSTP);
    // While it is unblocked for a moment, the signal has its default action, which decides if the
    // process can stop.
    let _ = stop.thread_unblock();
    let _ = stop.thread_block();
}

/// Rounds up to the next millisecond, so that a wait never ends too early.
fn timespec(duration: Duration) -> Timespec {
    let rounded = duration + Duration::from_millis(1);
    Timespec {
        tv_sec: i64::try_from(rounded.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(rounded.subsec_nanos()),
    }
}

/// Returns the name, such as `SIGTERM`, or the number if there is no name.
pub(crate) fn name(number: i32) -> String {
    posix::Signal::try_from(number)
        .map_or_else(|_| format!("signal {number}"), |signal| signal.to_string())
}
}
mod supervise {
//! Supervision of Chroma as process 1: start, signals, reaping, exit code.
//!
//! Invariant: the supervisor waits only for a signal, the delay of a stop and the stop timeout.
//! Health checks and tracing have their own thread, so the database never waits for them.
//!
//! Behaves as `tini -s`: signals are sent only to the child, orphans are reaped, and the child
//! starts with the inherited signal mask and ignored signals. The differences:
//! - The first TERM or INT waits for the last spans, and a child that does not end is killed.
//! - With a terminal on standard input the child stays in the foreground group instead of leading a
//!   new one. Signals that the terminal sends to the group (INT, QUIT, TSTP, WINCH) are not sent
//!   again, and TSTP also stops the entrypoint, as in dumb-init.
//! - The child starts with PIPE and CHLD at their default, even if they were inherited as ignored,
//!   and with the C library's own signals 32 and 33 ignored. An ignored CHLD hangs tini.
//! - The soft limit of open files is the hard limit.
//! - The first BUS or SEGV that another process sends has no effect; Rust handles it.
//! - tini's options `-e`, `-g`, `-p`, `-w`, `-v` have no counterpart.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use chroma_otel_init::Gauges;
use rustix::process::Signal;

use crate::arguments::Supervise;
use crate::child::{self, Group};
use crate::data_health;
use crate::data_version;
use crate::ending::{End, Ending};
use crate::environment::{self, Translation};
use crate::health::Page;
use crate::healthcheck;
use crate::hung;
use crate::lifecycle::{self, Lifecycle, Subject};
use crate::message;
use crate::open_files;
use crate::signals::{self, Signals};
use crate::variables::{self, Variables};
use crate::watch::Watch;

/// Invalid usage or a variable that cannot be parsed; `EX_USAGE` of sysexits.h.
pub(crate) const REFUSED: u8 = 64;
/// A newer Chroma has opened the data; `EX_DATAERR` of sysexits.h. A retry cannot succeed:
/// chroma.service of the rendered machines does not restart after it.
const NEWER_DATA: u8 = 65;
/// The program does not exist; the code of shells.
const NOT_FOUND: u8 = 127;
/// The program cannot be executed; the code of shells.
const NOT_EXECUTABLE: u8 = 126;
/// Starts Chroma, forwards signals until it ends, and returns its exit code.
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
    match data_version::record(&translation.variables, &command) {
        Ok(warning) => warning.iter().for_each(message::warning),
        Err(newer) => {
            message::error(newer);
            return ExitCode::from(NEWER_DATA);
        }
    }
    for error in &translation.errors {
        message::error(format_args!(
            "{error}; tracing is off until this is corrected"
        ));
    }
    match start(&command, &translation, options.stop_timeout) {
        Ok((watch, signals)) => until_the_end(watch, signals, command, translation, pages),
        Err(error) => not_started(&command, &error),
    }
}

/// Starts the child, after signals are collected and the limit of open files is raised.
fn start(
    command: &[OsString],
    translation: &Translation,
    stop_timeout: Option<Duration>,
) -> io::Result<(Watch, Signals)> {
    let signals = Signals::catch()?;
    adopt_orphans();
    open_files::raise_limit();
    hung::forget();
    // With a terminal the child stays in the foreground group, where it can read from the terminal.
    let terminal = io::stdin().is_terminal();
    let group = if terminal { Group::Shared } else { Group::Own };
    let spawned = SystemTime::now();
    let child = child::spawn(command, &translation.variables, signals.inherited(), group)?;
    let watch = Watch::new(child, spawned, translation.hold, stop_timeout);
    Ok((watch, signals))
}

/// Supervises the child, and reports its start and its end.
fn until_the_end(
    watch: Watch,
    signals: Signals,
    command: Vec<OsString>,
    translation: Translation,
    pages: Vec<Page>,
) -> ExitCode {
    let version = variables::chroma_version(&translation.variables);
    if let Some(version) = version {
        let server = version.server();
        let directory = data_version::directory(&translation.variables, &command, server);
        let collector = translation.tracing.as_ref().and_then(|settings| {
            let options = lifecycle::options(Some(version));
            Gauges::over_plain_http(settings, &options, env!("CARGO_PKG_NAME"))
        });
        data_health::watch(directory, collector);
    }
    let subject = Subject {
        process: watch.child(),
        program: command[0].display().to_string(),
        version,
        spawned: watch.spawned(),
        pages,
    };
    let lifecycle = translation
        .tracing
        .map(|settings| Lifecycle::begin(settings, subject));
    let end = watch.run(&signals);
    report_end(&command, &end);
    if let Some(lifecycle) = lifecycle {
        lifecycle.end(end);
    }
    end.exit_code()
}

/// Makes orphans of the child children of this process, as they are of process 1 in any case.
fn adopt_orphans() {
    if std::process::id() == 1 {
        return;
    }
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        message::warning(format_args!("orphaned processes are not reaped: {error}"));
    }
}

/// Reports the reason, and returns the exit code that a shell would.
pub(crate) fn not_started(command: &[OsString], error: &io::Error) -> ExitCode {
    let program = command[0].display();
    message::error(format_args!("cannot start `{program}`: {error}"));
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    })
}

/// Reports the end: a program that a signal ends reports nothing itself.
fn report_end(command: &[OsString], end: &End) {
    let program = command[0].display();
    match (end.timed_out, end.ending) {
        (Some(timeout), _) => message::warning(format_args!(
            "`{program}` was killed because it did not end within {} s of {}; hint: find the \
             unfinished request, or raise `--stop-timeout`",
            timeout.as_secs(),
            end.asked
                .map_or_else(String::new, |(signal, _)| signals::name(signal.as_raw())),
        )),
        (None, Ending::Signal(number)) if !end.is_good() => message::error(format_args!(
            "`{program}` was ended by {}{}",
            signals::name(number),
            hint_for(number)
        )),
        _ => {}
    }
}

fn hint_for(signal: i32) -> &'static str {
    if signal == Signal::KILL.as_raw() {
        "; hint: check if the container ran out of memory"
    } else {
        ""
    }
}
}
mod variables {
//! An environment: names and values, which can be other than text.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use chroma_otel_init::{ChromaVersion, variable};

/// Names and values.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// Returns the value of a variable as text; `None` if it is blank.
pub(crate) fn text(variables: &Variables, name: &str) -> Option<String> {
    let value = variables.get(OsStr::new(name))?;
    (!is_blank(value)).then(|| value.to_string_lossy().into_owned())
}

/// Returns the release that the image names; `None` if it names none, or not a release.
pub(crate) fn chroma_version(variables: &Variables) -> Option<ChromaVersion> {
    text(variables, variable::CHROMA_VERSION)?.parse().ok()
}

/// Returns true for spaces and a pair of quotes, which env files leave behind.
pub(crate) fn is_blank(value: &OsStr) -> bool {
    variable::given(&value.to_string_lossy()).is_none()
}
}
mod watch {
//! Watches the child: forwards signals, limits the time of a stop, and reports the end.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, WaitOptions, getpgid, wait};

use crate::ending::{End, Ending};
use crate::signals::{self, Received, Signals};

/// Signals that a terminal sends to every process of its foreground group.
const FROM_TERMINAL: [Signal; 4] = [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::WINCH];

/// The child, and the state of its stop.
pub(crate) struct Watch {
    child: Pid,
    spawned: SystemTime,
    hold: Duration,
    stop_timeout: Option<Duration>,
    asked: Option<(Signal, SystemTime)>,
    held: Option<(Signal, Instant)>,
    kill_at: Option<Instant>,
    timed_out: Option<Duration>,
}

impl Watch {
    /// `hold` is the delay of the first stop. Without a `stop_timeout` the stop has no limit.
    pub(crate) fn new(
        child: Pid,
        spawned: SystemTime,
        hold: Duration,
        stop_timeout: Option<Duration>,
    ) -> Self {
        Self {
            child,
            spawned,
            // At least half of the timeout is left for the child.
            hold: stop_timeout.map_or(hold, |timeout| hold.min(timeout / 2)),
            stop_timeout,
            asked: None,
            held: None,
            kill_at: None,
            timed_out: None,
        }
    }

    /// The child's process.
    pub(crate) fn child(&self) -> Pid {
        self.child
    }

    /// Time of its start.
    pub(crate) fn spawned(&self) -> SystemTime {
        self.spawned
    }

    /// Runs until the child has ended.
    pub(crate) fn run(mut self, signals: &Signals) -> End {
        loop {
            signals.wait(self.next_deadline());
            while let Some(received) = signals.next() {
                self.receive(&received);
            }
            if let Some(ending) = self.reap() {
                return self.end(ending);
            }
            self.keep_deadlines(Instant::now());
        }
    }

    fn end(&self, ending: Ending) -> End {
        End {
            ending,
            at: SystemTime::now(),
            asked: self.asked,
            timed_out: self.timed_out,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let held = self.held.map(|(_, until)| until);
        [held, self.kill_at].into_iter().flatten().min()
    }

    fn keep_deadlines(&mut self, now: Instant) {
        if let Some((signal, _)) = self.held.take_if(|(_, until)| *until <= now) {
            signals::send(self.child, signal);
        }
        if self.kill_at.take_if(|at| *at <= now).is_some() {
            self.timed_out = self.stop_timeout;
            signals::send(self.child, Signal::KILL);
        }
    }

    fn receive(&mut self, received: &Received) {
        match received.signal {
            // The end of the child is checked after every signal.
            Signal::CHILD => {}
            signal if received.from_kernel && self.has_it_from_the_terminal(signal) => {
                self.note_request(signal);
                if signal == Signal::TSTP {
                    signals::stop_as_the_terminal_asks();
                }
            }
            signal @ (Signal::TERM | Signal::INT) => self.stop(signal),
            signal => signals::send(self.child, signal),
        }
    }

    /// Returns true if the terminal has also sent the signal to the child.
    fn has_it_from_the_terminal(&self, signal: Signal) -> bool {
        let together = || getpgid(Some(self.child)).is_ok_and(|group| Ok(group) == getpgid(None));
        FROM_TERMINAL.contains(&signal) && together()
    }

    /// Delays the first request: Chroma still has the last spans, and drops them when it is asked
    /// to end.
    fn stop(&mut self, signal: Signal) {
        let first = self.note_request(signal);
        let now = Instant::now();
        let timeout = || Some(now + self.stop_timeout?);
        self.kill_at = self.kill_at.or_else(timeout);
        if first && !self.hold.is_zero() {
            self.held = Some((signal, now + self.hold));
            return;
        }
        self.held = None;
        signals::send(self.child, signal);
    }

    /// Returns true for the first signal that requests the end; other signals do not count.
    fn note_request(&mut self, signal: Signal) -> bool {
        let first = matches!(signal, Signal::TERM | Signal::INT) && self.asked.is_none();
        if first {
            self.asked = Some((signal, SystemTime::now()));
        }
        first
    }

    /// Reaps all processes that have ended; returns the end of the child if it is among them.
    fn reap(&self) -> Option<Ending> {
        let mut ending = None;
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if process == self.child {
                ending = Ending::read(status);
            }
        }
        ending
    }
}
}

use std::io::Write;
use std::process::ExitCode;

use arguments::{HELP, Healthcheck, Mode};

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Mode::Supervise(options)) => supervise::supervise(options),
        Ok(Mode::Collector(options)) => {
            open_files::raise_limit();
            collector::become_collector(&options)
        }
        Ok(Mode::Healthcheck(options)) => check_health(options),
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

fn check_health(options: Healthcheck) -> ExitCode {
    let pages = options.page.map_or_else(
        || healthcheck::pages(&std::env::vars_os().collect(), &[]),
        |page| vec![page],
    );
    match healthcheck::ask_in_turn(&pages) {
        Ok(()) => {
            if options.end_after.is_some() {
                hung::note_healthy();
            }
            ExitCode::SUCCESS
        }
        Err(answer) => {
            message::error(format_args!("not healthy: {answer}"));
            if let Some(limit) = options.end_after {
                hung::note_unhealthy(limit);
            }
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
