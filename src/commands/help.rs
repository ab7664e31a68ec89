//! `help`, `man` and `completions`: descriptions of the command line.

use anyhow::Result;
use clap_complete::Shell;

use super::{Answer, list, refuse};
use crate::cli::{self, PROGRAM, TOPICS};
use crate::problem::Problem;
use crate::report::Output;

const EXIT_CODES: &str = "\
Exit codes of chroma-otel-deploy:

  0  done: files are written, up to date or valid
  1  the answer is no: `check` found differences, `validate` found problems,
     `gen` or `image` refused, for example to replace a file that was edited
  2  no answer: invalid arguments or spec, or an I/O error

`check` in a pipeline therefore fails if someone forgot to run `gen`. Answers
are printed to standard output, everything else to standard error. With
`--json`, one document on standard output contains everything.
";

const ENVIRONMENT: &str = "
Variables of the terminal:

  NO_COLOR, CLICOLOR=0  print without colors
  CLICOLOR_FORCE=1      print colors even if the output is not a terminal
";

/// Runs `help`.
///
/// # Errors
/// Unknown topic.
pub(super) fn help(topic: Option<&str>, output: &mut Output) -> Result<Answer> {
    match topic {
        Some("exit-codes") => output.answer(EXIT_CODES),
        Some("environment") => {
            list::variables(output)?;
            output.answer(ENVIRONMENT);
        }
        _ => {
            described("help", topic, &TOPICS, output)?;
            let asked = [PROGRAM].into_iter().chain(topic).chain(["--help"]);
            if let Err(help) = cli::command().try_get_matches_from(asked) {
                output.answer(&help.render().ansi().to_string());
            }
        }
    }
    Ok(Answer::Yes)
}

/// Runs `man`.
///
/// # Errors
/// Unknown command, or a page cannot be rendered (a bug).
pub(super) fn man(name: Option<&str>, output: &mut Output) -> Result<Answer> {
    let command = described("man", name, &[], output)?;
    let page = match name {
        Some(name) => format!("{PROGRAM}-{name}"),
        None => PROGRAM.to_owned(),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command.name(page)).render(&mut text)?;
    output.answer(&String::from_utf8_lossy(&text));
    Ok(Answer::Yes)
}

/// Runs `completions`.
pub(super) fn completions(shell: Shell, output: &mut Output) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), PROGRAM, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // clap#6421: if the program's name has a hyphen, a command is looked up by a name other than the
        // registered one. Once that is fixed, the replacement has no effect.
        Shell::Bash => {
            let [wrong, noted] = ["__subcmd__", "__"].map(|hyphen| PROGRAM.replace('-', hyphen));
            script = script.replace(&wrong, &noted);
        }
        // clap_complete offers files for arguments without a flag.
        Shell::Fish => script += &arguments_for_fish(&cli::command(), &[]),
        _ => {}
    }
    output.answer(&script);
    Answer::Yes
}

/// Returns the values of arguments without a flag, for the command at this path and its subcommands.
fn arguments_for_fish(command: &clap::Command, path: &[&str]) -> String {
    let seen = path
        .iter()
        .map(|name| format!("__fish_seen_subcommand_from {name}"));
    let seen = seen.collect::<Vec<_>>().join("; and ");
    let mut lines = String::new();
    for argument in command.get_positionals() {
        let values = argument.get_possible_values();
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        let names = names.join(" ");
        lines += &format!("complete -c {PROGRAM} -n \"{seen}\" -f -a \"{names}\"\n");
    }
    for below in command.get_subcommands() {
        lines += &arguments_for_fish(below, &[path, &[below.get_name()]].concat());
    }
    lines
}

/// Returns the command of that name; without a name, the program itself.
fn described(
    asked_by: &str,
    name: Option<&str>,
    topics: &[&str],
    output: &mut Output,
) -> Result<clap::Command> {
    let mut program = cli::command();
    program.build();
    let Some(name) = name else {
        return Ok(program);
    };
    if let Some(command) = program.find_subcommand(name) {
        return Ok(command.clone());
    }
    let commands = program.get_subcommands().map(clap::Command::get_name);
    let known: Vec<String> = commands
        .chain(topics.iter().copied())
        .map(str::to_owned)
        .collect();
    refuse(&[Problem::unknown(asked_by, name, &known)], output)
}
