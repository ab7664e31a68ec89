//! The command line: three modes, each with few options.
//!
//! Invariant: everything after `--`, and from the first word that is no option, belongs to the
//! command and is passed on untouched, whatever its bytes.

use std::ffi::OsString;
use std::iter;
use std::time::Duration;

use chroma_otel_init::variable::is_name;
use lexopt::prelude::*;
use lexopt::{Error, Parser};

use crate::health::Page;

/// Before the 30 s after which the rendered platforms kill, with time left to send the end span.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(25);

const NO_COMMAND: &str = "there is no command to start; see `--help`";

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Process 1 of a Chroma container: makes its tracing variables work, and supervises it.

usage:
  chroma-otel-entrypoint [--strict] [--health-url URL] [--stop-timeout SECONDS] [--] COMMAND [ARGUMENT…]
      start Chroma with CHROMA_OTEL_COLLECTION_ENDPOINT, CHROMA_OTEL_SERVICE_NAME,
      CHROMA_OTEL_COLLECTION_HEADERS and CHROMA_OTEL_GRANULARITY translated for CHROMA_VERSION
        --strict          refuse to start (exit 64) when a variable cannot be read;
                          else tracing is off then, and the database starts
        --health-url URL  the page that tells that Chroma has started
        --stop-timeout SECONDS
                          kill COMMAND if it does not end this long after the first SIGTERM or
                          SIGINT, so that its end is still reported; 0 waits [default: 25]

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
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Supervise {
    /// Refuse to start when a variable cannot be read.
    pub(crate) strict: bool,
    /// The page that tells that Chroma has started; its own one without.
    pub(crate) health: Option<Page>,
    /// How long a stop may take; without one it may take for ever.
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
    while let Some(word) = words.next().map_err(refused)? {
        match word {
            Long("strict") => mode.strict = true,
            Long("health-url") => mode.health = Some(value(&mut words)?.parse()?),
            Long("stop-timeout") => mode.stop_timeout = seconds(&value(&mut words)?)?,
            Long("help") | Short('h') => return Ok(Mode::Help),
            Long("version") | Short('V') => return Ok(Mode::Version),
            Value(program) => {
                mode.command = command(program, words)?;
                return Ok(Mode::Supervise(mode));
            }
            other => return Err(refused(other.unexpected())),
        }
    }
    Err(NO_COMMAND.to_owned())
}

fn collector(mut words: Parser) -> Result<Mode, String> {
    let mut mode = Collector::default();
    while let Some(word) = words.next().map_err(refused)? {
        match word {
            Long("header") => mode.headers.push(header(&value(&mut words)?)?),
            Long("key") => mode.keys.push(key(&value(&mut words)?)?),
            Long("word") => mode.words.push(key(&value(&mut words)?)?),
            Long("no-endpoint") => mode.no_endpoint = true,
            Long("zipkin") => mode.zipkin = true,
            Long("help") | Short('h') => return Ok(Mode::Help),
            Value(program) => {
                mode.command = command(program, words)?;
                return Ok(Mode::Collector(mode));
            }
            other => return Err(refused(other.unexpected())),
        }
    }
    Err(NO_COMMAND.to_owned())
}

fn healthcheck(mut words: Parser) -> Result<Mode, String> {
    let mut page = None;
    while let Some(word) = words.next().map_err(refused)? {
        match word {
            Long("url") => page = Some(value(&mut words)?.parse()?),
            Long("help") | Short('h') => return Ok(Mode::Help),
            other => return Err(refused(other.unexpected())),
        }
    }
    Ok(Mode::Healthcheck(page))
}

/// The value of the option that was read last.
fn value(words: &mut Parser) -> Result<String, String> {
    words
        .value()
        .and_then(|value| value.string())
        .map_err(refused)
}

/// The command to start: all that is left, untouched.
fn command(program: OsString, mut words: Parser) -> Result<Vec<OsString>, String> {
    if program.is_empty() {
        return Err(NO_COMMAND.to_owned());
    }
    let arguments = words.raw_args().map_err(refused)?;
    Ok(iter::once(program).chain(arguments).collect())
}

/// A message without the value, which may be a secret.
fn refused(error: lexopt::Error) -> String {
    match error {
        Error::MissingValue {
            option: Some(option),
        } => format!("`{option}` needs a value; see `--help`"),
        Error::UnexpectedValue { option, .. } => format!("`{option}` takes no value"),
        Error::UnexpectedOption(option) => format!("`{option}` is not an option; see `--help`"),
        Error::UnexpectedArgument(_) => "`healthcheck` takes only options; see `--help`".to_owned(),
        _ => "an option has a value that is not UTF-8".to_owned(),
    }
}

/// A number of seconds; `None` for 0.
fn seconds(text: &str) -> Result<Option<Duration>, String> {
    let seconds: u32 = text
        .parse()
        .map_err(|_| "`--stop-timeout` takes a number of seconds; 0 waits for ever".to_owned())?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
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
    fn the_command_begins_at_its_first_word_or_after_the_dashes() {
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
    fn the_command_is_passed_on_whatever_its_bytes() {
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
    fn the_stop_timeout_is_a_number_of_seconds_and_0_is_none() {
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
    fn the_collector_takes_headers_and_keys() {
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
        };
        let line = "collector --header x-a={A_KEY} --header=x-b=v={_B2} --key C --word D --no-endpoint --zipkin -- /otelcol --config c.yaml";
        assert_eq!(words(line), Ok(Mode::Collector(mode)));
    }

    #[test]
    fn a_value_in_the_place_of_its_variable_is_not_shown() {
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
    fn the_health_check_takes_a_page() {
        assert_eq!(words("healthcheck"), Ok(Mode::Healthcheck(None)));
        for line in [
            "healthcheck --url http://h:1/",
            "healthcheck --url=http://h:1/",
        ] {
            let page = "http://h:1/".parse().ok();
            assert_eq!(words(line), Ok(Mode::Healthcheck(page)), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
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
