//! A key of the spec as a flag: its argument, and its value.
//!
//! Invariant: a value of the wrong type stays text, and is rejected with all other problems of the spec.

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use serde_json::{Map, Value, json};

use crate::input::file::{Flag, Kind};

/// Maximum number of values in the help; for longer lists, the help names a command.
const MANY: usize = 8;

/// Returns the argument of a key for clap.
pub(super) fn argument(flag: &'static Flag) -> Arg {
    let (short, long) = help(flag);
    let argument = Arg::new(flag.key.as_str())
        .long(flag.name.trim_start_matches('-'))
        .help_heading(flag.heading)
        .help(short)
        .long_help(long);
    let argument = match flag.kind() {
        Kind::Switch => return argument.action(ArgAction::SetTrue),
        Kind::List | Kind::Pairs => argument.action(ArgAction::Append),
        Kind::Text | Kind::Whole | Kind::Number => argument,
    };
    let placeholder = flag.placeholder();
    let hint = if placeholder == "FILE" {
        ValueHint::FilePath
    } else {
        ValueHint::Other
    };
    let argument = argument.value_name(placeholder).value_hint(hint);
    // Without it, clap suggests `--region` for `gen --version 1.5.8`.
    let argument = match flag.name.as_str() {
        "--chroma-version" => argument.alias("version"),
        _ => argument,
    };
    match flag.values() {
        Some(values) => argument
            .hide_possible_values(values.len() > MANY)
            .value_parser(Words::new(values)),
        None => argument,
    }
}

/// Returns the value of a key from the arguments.
pub(super) fn value(flag: &'static Flag, matches: &ArgMatches) -> Option<Value> {
    let key = flag.key.as_str();
    let text = || matches.get_one::<String>(key);
    match flag.kind() {
        Kind::Switch => matches.get_flag(key).then_some(json!(true)),
        Kind::Text => text().map(|text| json!(text)),
        Kind::Whole => text().map(|text| number(text, text.trim().parse::<u64>().ok())),
        Kind::Number => text().map(|text| {
            number(
                text,
                text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            )
        }),
        Kind::List => {
            let texts: Vec<&String> = matches.get_many(key)?.collect();
            Some(json!(texts))
        }
        Kind::Pairs => {
            let texts = matches.get_many::<String>(key)?;
            let mut pairs = Map::new();
            for text in texts {
                let Some((name, value)) = pair(text) else {
                    return Some(json!(text));
                };
                pairs.insert(name, value);
            }
            Some(Value::Object(pairs))
        }
    }
}

fn number<N: Into<Value>>(text: &str, number: Option<N>) -> Value {
    number.map_or_else(|| text.into(), N::into)
}

fn pair(text: &str) -> Option<(String, Value)> {
    let parts = text.split_once('=');
    parts
        .map(|(name, value)| (name.trim().to_owned(), value.into()))
        .filter(|(name, _)| !name.is_empty())
}

/// Returns the short and the long help of a flag, from the description of its key.
fn help(flag: &Flag) -> (String, String) {
    let description = flag.description();
    let (text, default) = match description.split_once(" Default: ") {
        Some((text, default)) => (text, Some(default.trim_end_matches('.').to_owned())),
        None => (description.as_str(), None),
    };
    let default = flag.default().or(default);
    let default = default.filter(|_| flag.kind() != Kind::Switch);
    let default = default.map_or_else(String::new, |default| format!(" [default: {default}]"));
    let (first, rest) = text.split_once(". ").unwrap_or((text, ""));
    let mut first = first.trim_end_matches('.').to_owned();
    if matches!(flag.kind(), Kind::List | Kind::Pairs) {
        first += "; repeat for more than one";
    }
    let short = format!("{first}{default}");
    let long = if rest.is_empty() {
        short.clone()
    } else {
        format!("{first}. {rest}{default}")
    };
    (short, long)
}

/// Parser that accepts any text. Shells complete the known words and the help shows them; another word
/// is rejected later, with all other problems of the spec.
#[derive(Debug, Clone)]
pub struct Words(Vec<String>);

impl Words {
    /// These words.
    pub fn new<W: Into<String>>(words: Vec<W>) -> Self {
        Self(words.into_iter().map(W::into).collect())
    }
}

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}
