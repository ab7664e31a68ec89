//! What the user reads: changes, differences, problems. The only module that prints.
//!
//! Invariant: an answer goes to the first stream, everything said about it to the second; colours
//! only where the stream is a terminal that wants them (`NO_COLOR`, `CLICOLOR`).

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use similar::TextDiff;

use crate::plan::{Change, Kind, Plan};
use crate::problem::Problem;
use crate::spec::{Secret, Secrets};
use crate::validate::is_source;

const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();

/// Two streams to write to.
pub struct Output {
    answer: Box<dyn Write>,
    message: Box<dyn Write>,
    /// First error of writing the answer. Nothing is written to its stream after it.
    lost: Option<io::Error>,
}

impl Output {
    /// Standard output and standard error of this process.
    pub fn terminal() -> Self {
        Self {
            answer: Box::new(anstream::stdout()),
            message: Box::new(anstream::stderr()),
            lost: None,
        }
    }

    /// Text that is the answer itself.
    pub fn answer(&mut self, text: &str) {
        self.write(format_args!("{text}"));
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        if self.lost.is_none() {
            let written = self.answer.write_fmt(text);
            self.lost = written.and_then(|()| self.answer.flush()).err();
        }
    }

    /// Returns the exit code: 2 if the answer could not be written. A reader that closes its pipe early,
    /// such as `head`, has what it needs.
    pub fn finish(mut self, code: u8) -> u8 {
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

    /// Invalid arguments, as clap describes them.
    pub fn usage(&mut self, error: &clap::Error) {
        let _ = write!(self.message, "{}", error.render().ansi());
    }

    /// One line about the answer.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.message, "{line}");
    }

    /// One line in bold.
    pub fn title(&mut self, line: &str) {
        let _ = writeln!(self.message, "{BOLD}{line}{BOLD:#}");
    }

    /// One line that the user should not overlook.
    pub fn note(&mut self, line: &str) {
        let _ = writeln!(self.message, "{YELLOW}note{YELLOW:#}: {line}");
    }

    /// All problems, each with its hint.
    pub fn problems(&mut self, problems: &[Problem]) {
        for problem in problems {
            self.error(&problem.to_string());
            if let Some(hint) = &problem.hint {
                let _ = writeln!(self.message, "  {BOLD}hint{BOLD:#}: {hint}");
            }
        }
    }

    /// Why there is no answer.
    pub fn failure(&mut self, error: &anyhow::Error) {
        match error.downcast_ref::<crate::folder::Refused>() {
            Some(refused) => self.problems(std::slice::from_ref(&refused.0)),
            None => self.error(&format!("{error:#}")),
        }
    }

    /// Every file of a plan, as the answer, with a line before each that says its name.
    pub fn plan(&mut self, plan: &Plan) {
        for (path, text) in plan.all_files().iter() {
            self.answer(&format!("==> {path} <==\n{text}\n"));
        }
    }

    /// The changes, one line each; the many sources of the entrypoint as one.
    pub fn changes(&mut self, changes: &[&Change]) {
        let mut sources: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
        for change in changes {
            match change.path.split_once("entrypoint/") {
                Some((place, _)) if is_source(&change.path) => {
                    *sources.entry((change.kind, place)).or_default() += 1;
                }
                _ => self.change(change.kind, &change.path),
            }
        }
        for ((kind, place), count) in sources {
            let sources = format!("{place}entrypoint/ ({count} files: the entrypoint's sources)");
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

    /// What a change does to its file, line by line, as the answer. What somebody typed after `NAME=`
    /// in `.env.example`, and secrets that are known, are not shown.
    pub fn difference(&mut self, change: &Change, secrets: &Secrets) {
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

fn masked(line: &str, path: &str, secrets: &Secrets) -> String {
    let mut shown = line.to_owned();
    if let Some((name, value)) = line.split_once('=').filter(|_| path.starts_with(".env")) {
        let typed = line.starts_with('-') && !name.contains('#') && !value.is_empty();
        if typed {
            shown = format!("{name}=…");
        }
    }
    // Shorter ones are found by chance, in words of the templates.
    const SHORTEST: usize = 4;
    for value in secrets.values().flat_map(Secret::parts) {
        if value.len() >= SHORTEST {
            shown = shown.replace(&value, "…");
        }
    }
    shown
}
