//! The command line.
//!
//! Invariant: every flag of [`SpecArgs`] but `--spec` is a key of the spec, declared at the key
//! (`input/file/sections.rs`), and wins over the file.

mod key;

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use serde_json::{Value, json};

use crate::backend;
use crate::input::file::{Flag, Override, flags};
pub use key::Words;

/// Name of the program.
pub const PROGRAM: &str = "chroma-otel-deploy";

/// Topics of `help`, beside the commands.
pub const TOPICS: [&str; 2] = ["exit-codes", "environment"];

/// Keys with a flag that the build context of the images depends on: the flags of `image`.
const OF_IMAGES: [&str; 2] = ["chroma.version", "chroma.registry"];

/// Generate ready-to-run Chroma deployments with working OpenTelemetry tracing, for Docker, Kubernetes,
/// AWS, Google Cloud and Azure.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  chroma-otel-deploy gen --target docker
  chroma-otel-deploy list backends honeycomb
  chroma-otel-deploy help gen

Exit codes: 0 done, 1 the answer is no, 2 no answer (see `help exit-codes`)"
)]
pub struct Cli {
    /// Print one JSON document, which includes messages and errors
    #[arg(long, global = true, display_order = 100)]
    pub json: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate the files of a deployment
    #[command(after_help = "\
Examples:
  chroma-otel-deploy gen --target docker
  chroma-otel-deploy gen --target docker --backend honeycomb --region eu1
  chroma-otel-deploy gen --spec chroma-otel.yaml --prune

Keys of the spec without a flag, such as `backup` and `chroma.access`: see `list keys`.

Exit codes:
  0  the files are written
  1  refused: a file was edited or was not written by `gen`, the folder has another spec
     or a newer Chroma
  2  invalid spec or arguments, or an I/O error")]
    Gen(GenArgs),
    /// Ask for the basic values of a deployment, then generate it
    #[command(after_help = "\
At most five questions, in this order: the target, the backend and what it requires, on a
cloud the location, the name, the folder. `gen` lists what is still missing. Each has a flag: --target, --backend, --endpoint,
--setting, --registry, --network, --subnet, --zone, --allow-from and others of `gen`,
--name, --out. Without a terminal nothing is asked, and nothing about a deployment that
exists.

Examples:
  chroma-otel-deploy init
  chroma-otel-deploy init --target docker --backend honeycomb --name search

Exit codes: as `gen`")]
    Init(GenArgs),
    /// Show what `gen` would change
    #[command(after_help = "\
Examples:
  chroma-otel-deploy check
  chroma-otel-deploy check --spec production.yaml

Exit codes:
  0  the files are up to date
  1  there are differences
  2  invalid spec or arguments, or an I/O error")]
    Check(CheckArgs),
    /// Validate the spec and the files of its deployment; with --out and no spec, every file of a folder
    /// that `gen` wrote
    #[command(after_help = "\
Examples:
  chroma-otel-deploy validate
  chroma-otel-deploy validate --out my-chroma

Exit codes:
  0  no problem found
  1  the files have problems
  2  invalid spec or arguments, or an I/O error")]
    Validate(CheckArgs),
    /// Write the build context of the images, to build them once for all deployments with `image: published`
    #[command(after_help = "\
Example:
  chroma-otel-deploy image --registry registry.example.com/search

Exit codes:
  0  the files are written
  1  a file that would be replaced was edited, or was not written by `image`
  2  invalid spec or arguments, or an I/O error")]
    Image(ImageArgs),
    /// List targets, backends, Chroma versions, example applications, variables or keys of the spec
    #[command(after_help = "\
Examples:
  chroma-otel-deploy list backends
  chroma-otel-deploy list backends grafana-cloud")]
    List {
        /// Kind of values to list.
        #[command(subcommand)]
        what: List,
    },
    /// Print the JSON Schema of the spec, for editors
    #[command(after_help = "\
Example:
  chroma-otel-deploy schema > chroma-otel.schema.json

`gen` writes this file beside a spec that it creates. Editors with the YAML language server
read it, because the spec begins with
  # yaml-language-server: $schema=chroma-otel.schema.json")]
    Schema,
    /// Print the completion script of a shell
    #[command(after_help = "\
Examples:
  source <(chroma-otel-deploy completions bash)
  chroma-otel-deploy completions zsh > ~/.zfunc/_chroma-otel-deploy
  chroma-otel-deploy completions fish > ~/.config/fish/completions/chroma-otel-deploy.fish")]
    Completions {
        /// Shell to complete in
        shell: Shell,
    },
    /// Print a manual page in roff
    #[command(after_help = "\
Example:
  chroma-otel-deploy man gen | man --local-file -")]
    Man {
        /// Command to describe [default: the program]
        #[arg(value_name = "COMMAND", value_hint = ValueHint::Other)]
        command: Option<String>,
    },
    /// Print help for a command or a topic
    Help {
        /// Command, `exit-codes` or `environment` [default: the program]
        #[arg(value_name = "TOPIC", value_hint = ValueHint::Other)]
        topic: Option<String>,
    },
}

/// Subcommands of `list`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum List {
    /// List deployment targets
    Targets,
    /// List trace backends, or show the settings of one
    Backends {
        /// Backend to show
        #[arg(value_parser = Words::new(backend::names()), hide_possible_values = true)]
        name: Option<String>,
    },
    /// List Chroma versions and their differences
    Versions,
    /// List example applications
    Clients,
    /// List environment variables
    Variables,
    /// List keys of the spec, with and without a flag
    Keys,
}

/// Arguments of `gen`.
#[derive(Debug, Clone, Args)]
pub struct GenArgs {
    /// The folder.
    #[command(flatten)]
    pub folder: FolderArgs,
    /// Print the files instead of writing them; secrets are never printed
    #[arg(long, conflicts_with_all = ["force", "prune", "dry_run"])]
    pub stdout: bool,
    /// Show what would be done without doing it
    #[arg(long)]
    pub dry_run: bool,
    /// Replace files that were edited or that `gen` did not write
    #[arg(long)]
    pub force: bool,
    /// Remove files that are no longer part of the deployment
    #[arg(long)]
    pub prune: bool,
    /// Allow an older Chroma release than the one that the folder has; it cannot open the newer data
    #[arg(long)]
    pub allow_downgrade: bool,
    /// The spec.
    #[command(flatten)]
    pub spec: SpecArgs,
}

/// Arguments of `check` and `validate`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The folder.
    #[command(flatten)]
    pub folder: FolderArgs,
    /// The spec.
    #[command(flatten)]
    pub spec: SpecArgs,
}

/// Arguments of `image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "image", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Replace files that were edited or that `image` did not write
    #[arg(long)]
    pub force: bool,
    /// The spec: the release of Chroma, the repositories, the registry.
    #[command(flatten)]
    pub spec: SpecArgs,
}

/// Location of the deployment.
#[derive(Debug, Clone, Args)]
pub struct FolderArgs {
    /// Folder of the deployment [default: that of the spec, or NAME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

/// The spec file, and its keys that have a flag.
#[derive(Debug, Clone)]
pub struct SpecArgs {
    /// The file.
    pub spec: Option<PathBuf>,
    overrides: Vec<Override>,
}

impl SpecArgs {
    /// Returns the flags that are set, as values of the spec's keys.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// Returns the value of a key's flag.
    pub fn value(&self, key: &str) -> Option<&Value> {
        let given = self.overrides.iter().find(|one| one.key == key)?;
        Some(&given.value)
    }

    /// Returns the text of a key's flag.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.as_str()
    }

    /// Returns true if a flag sets this setting of a backend.
    pub fn has_setting(&self, name: &str) -> bool {
        let settings = self.value("tracing.settings");
        let region = name == "region" && self.value("tracing.settings.region").is_some();
        region || settings.is_some_and(|settings| settings.get(name).is_some())
    }

    /// Sets a setting of a backend, beside those that flags set.
    pub fn set_setting(&mut self, name: &str, value: &str) {
        let key = "tracing.settings";
        let mut settings = self.value(key).cloned().unwrap_or_else(|| json!({}));
        if let Value::Object(settings) = &mut settings {
            settings.insert(name.to_owned(), value.into());
        }
        self.set(key, settings);
    }

    /// Sets a key.
    ///
    /// # Panics
    /// The key has no flag.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let flag = flags().iter().find(|flag| flag.key == key);
        let flag = flag.unwrap_or_else(|| unreachable!("`{key}` has a flag"));
        self.unset(key);
        self.overrides.push(Override {
            key: &flag.key,
            flag: &flag.name,
            value: value.into(),
        });
    }

    /// Removes the value of a key.
    pub fn unset(&mut self, key: &str) {
        self.overrides.retain(|one| one.key != key);
    }
}

impl Args for SpecArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let spec = clap::Arg::new("spec")
            .long("spec")
            .value_name("FILE")
            .help("Spec of the deployment; flags override it [default: chroma-otel.yaml, if it exists]")
            .value_hint(ValueHint::FilePath)
            .value_parser(clap::value_parser!(PathBuf));
        // `gen -h` describes the flags that most commands share; for the others, only `--help` does.
        let (for_images, others) = match command.get_name() {
            "image" => (true, false),
            name => (false, name != "gen"),
        };
        let keys = flags().iter();
        let keys = keys.filter(|flag| !for_images || OF_IMAGES.contains(&flag.key.as_str()));
        let keys = keys.map(|flag| key::argument(flag).hide_short_help(others));
        command.arg(spec).args(keys)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SpecArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let of_command = |flag: &&'static Flag| matches.try_contains_id(&flag.key).is_ok();
        let given = flags().iter().filter(of_command).filter_map(|flag| {
            Some(Override {
                key: &flag.key,
                flag: &flag.name,
                value: key::value(flag, matches)?,
            })
        });
        Ok(Self {
            spec: matches.get_one("spec").cloned(),
            overrides: given.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Returns the complete command line for help and completions, with the names of commands as values.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let commands = command.get_subcommands().map(clap::Command::get_name);
    let commands: Vec<String> = commands.map(str::to_owned).collect();
    let topics = commands.iter().cloned().chain(TOPICS.map(str::to_owned));
    let topics = Words::new(topics.collect());
    command
        .mut_subcommand("help", |help| {
            help.mut_arg("topic", |topic| topic.value_parser(topics))
        })
        .mut_subcommand("man", |man| {
            man.mut_arg("command", |command| {
                command.value_parser(Words::new(commands))
            })
        })
}
