//! Parses the arguments, runs the command, and turns its answer into the exit code: 0 done, 1 the
//! answer is no (stale, invalid), 2 no answer (usage, input, I/O).

use std::process::ExitCode;

use chroma_otel_deploy::cli::Cli;
use chroma_otel_deploy::commands::{self, Answer};
use chroma_otel_deploy::report::Output;
use clap::Parser;

fn main() -> ExitCode {
    let mut output = Output::terminal();
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
