//! Parses the arguments, runs the command, and returns its exit code: 0 done, 1 the
//! answer is negative (stale, invalid), 2 no answer (usage, input, I/O).

use std::env;
use std::process::ExitCode;

use chroma_otel_deploy::cli::{self, Cli};
use chroma_otel_deploy::commands::{self, Answer};
use chroma_otel_deploy::report::Output;
use clap::Parser;

fn main() -> ExitCode {
    let mut output = output();
    let code = match Cli::try_parse() {
        Ok(cli) => run(cli, &mut output),
        Err(error) if error.use_stderr() => {
            output.usage(&error);
            2
        }
        Err(help) => {
            output.answer(&help.render().ansi().to_string());
            0
        }
    };
    ExitCode::from(output.finish(code))
}

/// Returns the output that the arguments ask for, even if they are invalid.
fn output() -> Output {
    let words = env::args_os().skip(1).take_while(|word| word != "--");
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if !words.iter().any(|word| word == "--json") {
        return Output::terminal();
    }
    let name = words.iter().find(|word| !word.starts_with('-'));
    let command = name.filter(|name| cli::command().find_subcommand(name.as_str()).is_some());
    Output::json(command.cloned())
}

fn run(cli: Cli, output: &mut Output) -> u8 {
    match commands::run(cli, output) {
        Ok(Answer::Yes) => 0,
        Ok(Answer::No) => 1,
        Err(error) => {
            output.failure(&error);
            2
        }
    }
}
