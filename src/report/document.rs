//! The document of `--json`: what a command reports, as data. Described in `docs/json.md`.
//!
//! Invariant: it contains no value of a secret and no content of a file on disk.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::plan::{Kind, Need};
use crate::problem::Problem;

/// Version of the document. It rises when a key is removed, renamed or changes its meaning.
const VERSION: u32 = 1;

/// The document of a command.
#[derive(Debug, Default, Serialize)]
pub(super) struct Document {
    version: u32,
    command: Option<String>,
    pub(super) exit_code: u8,
    pub(super) messages: Vec<String>,
    pub(super) notes: Vec<String>,
    problems: Vec<Entry>,
    pub(super) files: Vec<File>,
    pub(super) needs: Vec<Need>,
    pub(super) next: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    /// Answers with a structure: `rows`, `schema`, `coverage`.
    #[serde(flatten)]
    pub(super) data: Map<String, Value>,
}

/// A problem; `at` is absent if it belongs to no field, flag or file.
#[derive(Debug, Serialize)]
struct Entry {
    at: Option<String>,
    message: String,
    hint: Option<String>,
}

/// A file, with the change that it needs or its text.
#[derive(Debug, Serialize)]
pub(super) struct File {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl File {
    pub(super) fn changed(path: &str, kind: Kind) -> Self {
        Self {
            path: path.to_owned(),
            change: Some(match kind {
                Kind::Create => "create",
                Kind::Update => "update",
                Kind::Overwrite => "overwrite",
                Kind::Remove => "remove",
                Kind::RemoveEdited => "remove_edited",
            }),
            text: None,
        }
    }

    /// Returns a file that is kept although it is no longer part of the deployment.
    pub(super) fn stale(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            change: Some("stale"),
            text: None,
        }
    }

    pub(super) fn rendered(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            change: None,
            text: Some(text.to_owned()),
        }
    }
}

impl Document {
    pub(super) fn new(command: Option<String>) -> Self {
        Self {
            version: VERSION,
            command,
            ..Self::default()
        }
    }

    pub(super) fn problem(&mut self, problem: &Problem) {
        self.problems.push(Entry {
            at: Some(problem.at.clone()),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        });
    }

    /// Adds an error without a field.
    pub(super) fn error(&mut self, message: String) {
        self.problems.push(Entry {
            at: None,
            message,
            hint: None,
        });
    }

    /// Appends to the text of the answer, without colors.
    pub(super) fn answer(&mut self, text: &str) {
        self.text += &anstream::adapter::strip_str(text).to_string();
    }

    /// Adds an error of the arguments. Values are omitted: an argument that is out of place can be part of
    /// a key.
    pub(super) fn usage(&mut self, error: &clap::Error) {
        use clap::error::{ContextKind, ErrorKind};

        let context = |kind| error.get(kind).map(ToString::to_string);
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut paragraphs = text.split("\n\n").map(words);
        let mut message = paragraphs.next().unwrap_or_default();
        let mut hint = paragraphs.find_map(|text| Some(text.strip_prefix("tip: ")?.to_owned()));
        let argument = context(ContextKind::InvalidArg);
        let mut at = argument.and_then(|text| Some(text.split(' ').next()?.to_owned()));
        match error.kind() {
            ErrorKind::UnknownArgument => {
                at = at.filter(|name| name.starts_with('-'));
                "unexpected argument".clone_into(&mut message);
            }
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                let empty = context(ContextKind::InvalidValue).is_none_or(|value| value.is_empty());
                let problem = if empty {
                    "value required"
                } else {
                    "invalid value"
                };
                problem.clone_into(&mut message);
                let source = std::error::Error::source(error).map(ToString::to_string);
                let values = context(ContextKind::ValidValue);
                hint = source.or(values.map(|values| format!("possible values: {values}")));
            }
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                "command required".clone_into(&mut message);
                let commands = context(ContextKind::ValidSubcommand);
                hint = commands.map(|commands| format!("possible commands: {commands}"));
            }
            _ => {}
        }
        self.problems.push(Entry { at, message, hint });
    }
}
