//! Parses the arguments, runs the command, and turns its answer into the exit code: 0 done, 1 the
//! answer is no (stale, invalid), 2 no answer (usage, input, I/O).

use std::process::ExitCode;

use chroma_otel_deploy::cli::Cli;
use chroma_otel_deploy::commands::{self, Answer};
use chroma_otel_deploy::report::Output;
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::terminal();
    match commands::run(cli, &mut output) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) => {
            output.failure(&error);
            ExitCode::from(2)
        }
    }
}
