//! Prints answers, changes, differences and problems. The only module that prints.
//!
//! Invariants: an answer is printed to standard output, everything about it to standard error; colors are
//! used only if the stream is a terminal that wants them (`NO_COLOR`, `CLICOLOR`). With `--json`, standard
//! output is one document, and standard error has only errors of writing it.

mod document;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::plan::{Change, Kind, Need, Plan};
use crate::problem::Problem;
use crate::spec::{Secret, Secrets};
use crate::validate::{Coverage, is_source};
use document::{Document, File};

const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();

/// Returns a number with its noun: `1 file`, `2 files`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Error for problems that are reported already.
#[derive(Debug, Clone)]
pub struct Reported {
    problems: usize,
    nothing_written: bool,
}

impl Reported {
    /// Creates the error for this number of problems.
    pub fn new(problems: usize) -> Self {
        Self {
            problems,
            nothing_written: false,
        }
    }

    /// Marks the error of a command that writes.
    pub fn with_nothing_written(self) -> Self {
        Self {
            nothing_written: true,
            ..self
        }
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", count(self.problems, "problem"))?;
        if self.nothing_written {
            write!(out, "; nothing was written")?;
        }
        Ok(())
    }
}

impl std::error::Error for Reported {}

/// Standard output and standard error, or a document that is written at the end.
pub struct Output {
    answer: Box<dyn Write>,
    message: Box<dyn Write>,
    /// First error of writing the answer. Nothing is written to its stream after it.
    lost: Option<io::Error>,
    /// Everything that is reported, with `--json`.
    document: Option<Document>,
}

impl Output {
    /// Returns standard output and standard error of this process.
    pub fn terminal() -> Self {
        Self {
            answer: Box::new(anstream::stdout()),
            message: Box::new(anstream::stderr()),
            lost: None,
            document: None,
        }
    }

    /// Returns the same streams, for one JSON document about this command.
    pub fn json(command: Option<String>) -> Self {
        Self {
            document: Some(Document::new(command)),
            ..Self::terminal()
        }
    }

    /// Returns true if questions can be asked: on a terminal, and not with `--json`.
    pub fn can_ask(&self) -> bool {
        self.document.is_none() && io::stdin().is_terminal()
    }

    /// Asks a question on the terminal; an empty answer is the default.
    ///
    /// # Errors
    /// The terminal cannot be read, or its input ended.
    pub fn ask(&mut self, question: &str, default: &str) -> std::io::Result<String> {
        let shown = if default.is_empty() {
            String::new()
        } else {
            format!(" [{default}]")
        };
        let _ = write!(self.message, "{BOLD}{question}{BOLD:#}{shown}: ");
        let _ = self.message.flush();
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            let _ = writeln!(self.message);
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim();
        Ok(if line.is_empty() { default } else { line }.to_owned())
    }

    /// Prints a part of the answer.
    pub fn answer(&mut self, text: &str) {
        match &mut self.document {
            Some(document) => document.answer(text),
            None => self.write(format_args!("{text}")),
        }
    }

    /// Prints a structured answer: `key` and value in the document, or its text.
    pub fn data(&mut self, key: &str, value: Value, text: &str) {
        match &mut self.document {
            Some(document) => drop(document.data.insert(key.to_owned(), value)),
            None => self.write(format_args!("{text}")),
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        if self.lost.is_none() {
            let written = self.answer.write_fmt(text);
            self.lost = written.and_then(|()| self.answer.flush()).err();
        }
    }

    /// Writes the document, if there is one. Returns the exit code: 2 if the answer could not be written. A
    /// reader that closes its pipe early, such as `head`, is not an error.
    pub fn finish(mut self, code: u8) -> u8 {
        if let Some(mut document) = self.document.take() {
            document.exit_code = code;
            match serde_json::to_string_pretty(&document) {
                Ok(text) => self.write(format_args!("{text}\n")),
                Err(error) => self.lost = Some(error.into()),
            }
        }
        match self.lost.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.error(&format!("cannot write to standard output: {error}"));
                2
            }
            _ => code,
        }
    }

    fn error(&mut self, text: &str) {
        let _ = writeln!(self.message, "{RED}error{RED:#}: {text}");
    }

    /// Reports invalid arguments as described by clap.
    pub fn usage(&mut self, error: &clap::Error) {
        match &mut self.document {
            Some(document) => document.usage(error),
            None => drop(write!(self.message, "{}", error.render().ansi())),
        }
    }

    /// Prints one line about the answer.
    pub fn say(&mut self, line: &str) {
        match &mut self.document {
            Some(document) => document.messages.push(plain(line)),
            None => drop(writeln!(self.message, "{line}")),
        }
    }

    /// Prints one line in bold.
    pub fn title(&mut self, line: &str) {
        self.say(&format!("{BOLD}{line}{BOLD:#}"));
    }

    /// Prints a note.
    pub fn note(&mut self, line: &str) {
        match &mut self.document {
            Some(document) => document.notes.push(line.to_owned()),
            None => drop(writeln!(self.message, "{YELLOW}note{YELLOW:#}: {line}")),
        }
    }

    /// Prints the variables that the operator still has to set in this place.
    pub fn needs(&mut self, place: &str, needs: &[Need]) {
        if let Some(document) = &mut self.document {
            document.needs.extend_from_slice(needs);
        } else if !needs.is_empty() {
            self.title(&format!("you still have to set, {place}:"));
            for need in needs {
                self.say(&format!("  {}: {}", need.variable, need.what));
            }
        }
    }

    /// Prints the next steps.
    pub fn next(&mut self, steps: &[String]) {
        if let Some(document) = &mut self.document {
            document.next.extend_from_slice(steps);
        } else if !steps.is_empty() {
            self.title("next:");
            for step in steps {
                self.say(&format!("  {step}"));
            }
        }
    }

    /// Prints the files by the extent of their checks.
    pub fn coverage(&mut self, coverage: &Coverage) {
        match &mut self.document {
            Some(document) => {
                let lists = coverage
                    .lists()
                    .map(|(name, paths)| (name.replace(' ', "_"), Value::from(paths.to_vec())));
                let lists = Value::Object(lists.into_iter().collect());
                document.data.insert("coverage".to_owned(), lists);
            }
            None => coverage.lines().iter().for_each(|line| self.say(line)),
        }
    }

    /// Prints all problems, each with its hint.
    pub fn problems(&mut self, problems: &[Problem]) {
        for problem in problems {
            if let Some(document) = &mut self.document {
                document.problem(problem);
                continue;
            }
            self.error(&problem.to_string());
            if let Some(hint) = &problem.hint {
                let _ = writeln!(self.message, "  {BOLD}hint{BOLD:#}: {hint}");
            }
        }
    }

    /// Prints the error of a command that failed.
    pub fn failure(&mut self, error: &anyhow::Error) {
        if let Some(refused) = error.downcast_ref::<crate::folder::Refused>() {
            return self.problems(std::slice::from_ref(&refused.0));
        }
        let text = format!("{error:#}");
        match &mut self.document {
            Some(document) if error.is::<Reported>() => document.messages.push(text),
            Some(document) => document.error(text),
            None => self.error(&text),
        }
    }

    /// Prints every file of a plan as the answer, with a line before each that contains its name.
    pub fn plan(&mut self, plan: &Plan) {
        for (path, text) in plan.all_files().iter() {
            match &mut self.document {
                Some(document) => document.files.push(File::rendered(path, text)),
                None => self.write(format_args!("==> {path} <==\n{text}\n")),
            }
        }
    }

    /// Prints the files that are kept although they are no longer part of the deployment.
    pub fn stale(&mut self, changes: &[Change]) {
        if let Some(document) = &mut self.document {
            let files = changes.iter().map(|change| File::stale(&change.path));
            document.files.extend(files);
        } else if !changes.is_empty() {
            self.note("no longer part of the deployment; `gen --prune` removes them:");
            self.changes(changes);
        }
    }

    /// Prints the changes, one line each; the sources of the entrypoint share a line.
    pub fn changes(&mut self, changes: &[Change]) {
        if let Some(document) = &mut self.document {
            let files = changes.iter();
            let files = files.map(|change| File::changed(&change.path, change.kind));
            return document.files.extend(files);
        }
        let mut sources: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
        for change in changes {
            match change.path.split_once("entrypoint/") {
                Some((place, _)) if is_source(&change.path) => {
                    *sources.entry((change.kind, place)).or_default() += 1;
                }
                _ => self.change(change.kind, &change.path),
            }
        }
        for ((kind, place), number) in sources {
            let files = count(number, "file");
            let sources = format!("{place}entrypoint/ ({files}: the entrypoint's sources)");
            self.change(kind, &sources);
        }
    }

    fn change(&mut self, kind: Kind, what: &str) {
        let (sign, style) = match kind {
            Kind::Create => ("+", GREEN),
            Kind::Update | Kind::Overwrite => ("~", YELLOW),
            Kind::Remove | Kind::RemoveEdited => ("-", RED),
        };
        let _ = writeln!(self.message, "  {style}{sign}{style:#} {what}");
    }

    /// Prints the difference of a change as the answer, line by line. Values after `NAME=` in
    /// `.env.example` and known secrets are masked. The document omits it: a file can contain other secrets.
    pub fn difference(&mut self, change: &Change, secrets: &Secrets) {
        self.limited_difference(change, secrets, None);
    }

    /// Prints the difference of a change as [`Self::difference`], or one line for more than `limit` changed
    /// lines.
    pub fn limited_difference(&mut self, change: &Change, secrets: &Secrets, limit: Option<usize>) {
        if self.document.is_some() {
            return;
        }
        let before = change.before.as_deref().unwrap_or_default();
        let after = change.after.as_deref().unwrap_or_default();
        let name = |prefix: &str, exists: bool| {
            if exists {
                format!("{prefix}/{}", change.path)
            } else {
                "/dev/null".to_owned()
            }
        };
        let header = (
            name("a", change.before.is_some()),
            name("b", change.after.is_some()),
        );
        let diff = TextDiff::from_lines(before, after);
        let changed = diff.iter_all_changes();
        let changed = changed.filter(|line| line.tag() != ChangeTag::Equal);
        if limit.is_some_and(|limit| changed.count() > limit) {
            let (all, path) = (count(after.lines().count(), "line"), &change.path);
            self.write(format_args!(
                "{path}: too many differences to show; `gen` would write {all}\n"
            ));
            return;
        }
        let text = diff
            .unified_diff()
            .context_radius(2)
            .header(&header.0, &header.1)
            .to_string();
        for line in text.split_inclusive('\n') {
            let style = match line.as_bytes().first() {
                Some(b'+') => GREEN,
                Some(b'-') => RED,
                _ => Style::new(),
            };
            let line = masked(line.trim_end_matches('\n'), &change.path, secrets);
            self.write(format_args!("{style}{line}{style:#}\n"));
        }
    }
}

/// Returns a line without its indentation and colors.
fn plain(line: &str) -> String {
    anstream::adapter::strip_str(line.trim()).to_string()
}

fn masked(line: &str, path: &str, secrets: &Secrets) -> String {
    let mut shown = line.to_owned();
    if let Some((name, value)) = line.split_once('=').filter(|_| path.starts_with(".env")) {
        let typed = line.starts_with('-') && !name.contains('#') && !value.is_empty();
        if typed {
            shown = format!("{name}=…");
        }
    }
    // Shorter values also occur by chance in words of the templates.
    const SHORTEST: usize = 4;
    for value in secrets.values().flat_map(Secret::parts) {
        if value.len() >= SHORTEST {
            shown = shown.replace(&value, "…");
        }
    }
    shown
}
