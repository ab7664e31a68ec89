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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Mode, String> {
        parse(text.split_whitespace().map(OsString::from))
    }

    fn command(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn command_begins_at_first_word_or_after_dashes() {
        for (line, strict, expected) in [
            ("chroma run", false, "chroma run"),
            ("-- chroma run", false, "chroma run"),
            ("--strict chroma --strict", true, "chroma --strict"),
            ("--strict -- --odd -x", true, "--odd -x"),
            ("-- collector", false, "collector"),
            ("-- -- x", false, "-- x"),
        ] {
            let mode = Supervise {
                strict,
                command: command(expected),
                ..Supervise::default()
            };
            assert_eq!(words(line), Ok(Mode::Supervise(mode)), "{line}");
        }
    }

    #[test]
    fn passes_on_commands_that_are_not_utf8() {
        use std::os::unix::ffi::OsStringExt;
        let word = OsString::from_vec(vec![0xff, b'=', 0xfe]);
        for dashes in [&[][..], &[OsString::from("--")]] {
            let line = dashes.iter().chain([&word, &word]).cloned();
            let mode = Supervise {
                command: vec![word.clone(), word.clone()],
                ..Supervise::default()
            };
            assert_eq!(parse(line), Ok(Mode::Supervise(mode)));
        }
    }

    #[test]
    fn stop_timeout_is_in_seconds_and_0_disables_it() {
        for (line, expected) in [
            ("x", Some(25)),
            ("--stop-timeout 6 x", Some(6)),
            ("--stop-timeout=0 x", None),
        ] {
            let mode = Supervise {
                stop_timeout: expected.map(Duration::from_secs),
                command: command("x"),
                ..Supervise::default()
            };
            assert_eq!(words(line), Ok(Mode::Supervise(mode)), "{line}");
        }
        for value in ["", "-1", "1.5", "s3cr+t", "4294967296"] {
            let message = words(&format!("--stop-timeout={value} x")).expect_err(value);
            assert!(message.contains("a number of seconds"), "{message}");
            assert!(!message.contains("s3cr"), "{message}");
        }
    }

    #[test]
    fn collector_takes_headers_and_keys() {
        let mode = Collector {
            headers: vec![
                ("x-a".into(), "{A_KEY}".into()),
                ("x-b".into(), "v={_B2}".into()),
            ],
            keys: vec!["C".into()],
            words: vec!["D".into()],
            no_endpoint: true,
            zipkin: true,
            command: command("/otelcol --config c.yaml"),
            ..Collector::default()
        };
        let line = "collector --header x-a={A_KEY} --header=x-b=v={_B2} --key C --word D --no-endpoint --zipkin -- /otelcol --config c.yaml";
        assert_eq!(words(line), Ok(Mode::Collector(mode)));
    }

    #[test]
    fn messages_omit_a_value_passed_instead_of_a_variable() {
        for option in [
            "--header s3cr+t",
            "--header =s3cr+t",
            "--header x=",
            "--key s3cr+t",
            "--key 1A",
            "--word s3cr+t",
        ] {
            let message = words(&format!("collector {option} -- x")).expect_err(option);
            assert!(message.contains(" take"), "{message}");
            assert!(!message.contains("s3cr"), "{message}");
        }
    }

    #[test]
    fn health_check_takes_a_page() {
        let none = Healthcheck::default();
        assert_eq!(words("healthcheck"), Ok(Mode::Healthcheck(none)));
        for line in [
            "healthcheck --url http://h:1/",
            "healthcheck --url=http://h:1/",
            "healthcheck --end-after 0 --url http://h:1/",
        ] {
            let mode = Healthcheck {
                page: "http://h:1/".parse().ok(),
                end_after: None,
            };
            assert_eq!(words(line), Ok(Mode::Healthcheck(mode)), "{line}");
        }
        let limited = Healthcheck {
            page: None,
            end_after: Some(Duration::from_secs(5)),
        };
        assert_eq!(
            words("healthcheck --end-after 5"),
            Ok(Mode::Healthcheck(limited))
        );
    }

    #[test]
    fn rejects_invalid_arguments() {
        for line in [
            "",
            "--",
            "--strict",
            "--strict=yes x",
            "--unknown x",
            "-x",
            "collector",
            "collector --header",
            "collector --strict x",
            "collector --zipkin=s3cr+t x",
            "-s3cr+t x",
            "--strict=s3cr+t",
            "healthcheck --url",
            "healthcheck --url https://h",
            "healthcheck x",
        ] {
            let message = words(line).expect_err(line);
            assert!(!message.contains("s3cr"), "{message}");
        }
    }
}
