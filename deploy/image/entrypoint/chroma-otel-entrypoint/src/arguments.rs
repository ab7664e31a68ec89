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
