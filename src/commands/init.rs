//! `init`: asks for the values that a first deployment needs, then runs `gen`.
//!
//! Invariant: at most [`MOST`] questions, each with a flag, and each repeated until its answer is valid;
//! without a terminal none is asked.

use std::path::Path;

use anyhow::Result;

use super::list::backends_for;
use super::location::{Location, spec_in};
use super::{Answer, generate, values};
use crate::backend::{self, Backend, Setting};
use crate::cli::GenArgs;
use crate::deployment::Deployment;
use crate::input;
use crate::input::file::{self, Flag, flags};
use crate::problem::Problem;
use crate::report::Output;
use crate::spec::{Target, default};
use crate::targets;

/// Maximum number of questions.
const MOST: usize = 5;

/// Runs `init`.
///
/// # Errors
/// As `gen`.
pub(super) fn run(mut args: GenArgs, output: &mut Output) -> Result<Answer> {
    let location = Location::new(&args.spec, &args.folder);
    let is_named = args.spec.spec.is_some()
        || args.spec.value("name").is_some()
        || args.folder.out.is_some()
        || location.folder == Path::new(".");
    match &location.spec {
        Some(spec) if !spec.exists() => {} // `gen` reports it
        Some(spec) if is_named || !output.can_ask() => output.note(&existing(spec, &location)),
        _ if output.can_ask() => {
            let mut questions = Questions {
                args: &mut args,
                output,
                left: MOST,
            };
            questions.ask_all()?;
        }
        _ => {}
    }
    generate::run(&args, output)
}

/// Describes the deployment that is there already.
fn existing(spec: &Path, location: &Location) -> String {
    let shown = spec.display();
    let read = file::read(Some(spec), Vec::new()).map(|input| input.spec);
    let read = read.unwrap_or_default();
    let name = read.name.as_deref().unwrap_or(default::NAME).trim();
    let target = read.target.map_or(String::new(), |target| {
        format!(" on target `{}`", target.trim())
    });
    let another = if location.folder == Path::new(".") {
        "run `init` in another folder"
    } else {
        "use another `--name` or `--out`"
    };
    format!(
        "{shown} already describes `{name}`{target}, so nothing is asked: to change it, edit the file or use flags, then run `gen`; for another deployment, {another}"
    )
}

/// The questions, and the arguments that their answers complete.
struct Questions<'a> {
    args: &'a mut GenArgs,
    output: &'a mut Output,
    /// Number of questions that can still be asked.
    left: usize,
}

impl Questions<'_> {
    fn ask_all(&mut self) -> Result<()> {
        let targets = Target::names().join(", ");
        self.key("target", &format!("Target ({targets})"), "docker")?;
        self.backend()?;
        // Otherwise the answers would change the deployment that is there.
        if taken(Path::new(default::NAME)).is_some() {
            self.name("")?;
        }
        for (key, question) in self.open() {
            self.key(key, &question, "")?;
        }
        self.name(default::NAME)?;
        self.folder()
    }

    fn target(&self) -> Option<Target> {
        let is_cluster = self.args.spec.text("platform") == Some("kubernetes");
        Target::from_name(self.args.spec.text("target")?, is_cluster)
    }

    fn backend(&mut self) -> Result<()> {
        let key = "tracing.backend";
        let target = self.target();
        let default = target.map_or("jaeger", |target| target.info().default_backend);
        if self.args.spec.value(key).is_none() {
            self.output.say(&backends_for(target)?);
        }
        self.key(
            key,
            "Trace backend (`list backends` describes them)",
            default,
        )?;
        let name = self.args.spec.text(key).unwrap_or_default();
        let Some(backend) = backend::load(name)? else {
            return Ok(());
        };
        if self.args.spec.value("tracing.endpoint").is_some() {
            return Ok(());
        }
        let Open { endpoint, settings } = open(&backend);
        if let Some(example) = endpoint {
            let question = format!("Endpoint of the backend, such as {example} (empty: later)");
            self.key("tracing.endpoint", &question, "")?;
        }
        for (name, setting) in settings {
            if !self.args.spec.has_setting(name) {
                self.setting(name, setting)?;
            }
        }
        Ok(())
    }

    fn setting(&mut self, name: &str, setting: &Setting) -> Result<()> {
        self.left = self.left.saturating_sub(1);
        loop {
            let answer = self
                .output
                .ask(&format!("`{name}`: {}", setting.what), "")?;
            match setting.text(&answer) {
                Err(rule) => {
                    let message = format!("`{}` cannot be used", answer.escape_debug());
                    let problem = Problem::new(name, message).hint(format!("write {rule}"));
                    self.output.problems(&[problem]);
                }
                Ok(_) => {
                    self.args.spec.set_setting(name, &answer);
                    return Ok(());
                }
            }
        }
    }

    fn name(&mut self, default: &str) -> Result<()> {
        self.key("name", "Name of the deployment", default)
    }

    fn folder(&mut self) -> Result<()> {
        if self.left == 0 || self.args.folder.out.is_some() {
            return Ok(());
        }
        let name = self.args.spec.text("name").unwrap_or(default::NAME);
        let name = name.to_owned();
        loop {
            let folder = self.output.ask("Folder", &name)?;
            match taken(Path::new(&folder)) {
                Some(problem) => self.output.problems(&[problem]),
                None => {
                    self.args.folder.out = Some(folder.into());
                    return Ok(());
                }
            }
        }
    }

    /// Asks for the value of a key that no flag sets.
    fn key(&mut self, key: &str, question: &str, default: &str) -> Result<()> {
        if self.left == 0 || self.args.spec.value(key).is_some() {
            return Ok(());
        }
        self.left -= 1;
        loop {
            match self.output.ask(question, default)? {
                answer if answer.is_empty() => self.args.spec.unset(key),
                answer => self.args.spec.set(key, answer),
            }
            match self.problem(key) {
                Some(problem) => self.output.problems(&[problem]),
                None => return Ok(()),
            }
        }
    }

    /// Returns the problem of a key's value.
    fn problem(&self, key: &str) -> Option<Problem> {
        if key == "name" && self.args.folder.out.is_none() {
            let folder = self.args.spec.text(key).unwrap_or(default::NAME);
            let problem = taken(Path::new(folder));
            if problem.is_some() {
                return problem;
            }
        }
        let problems = match self.deployment() {
            Ok(deployment) => targets::problems(&deployment),
            Err(problems) => problems,
        };
        let flag = flags().iter().find(|flag| flag.key == key)?;
        let mut problems = problems.into_iter();
        problems.find(|problem| problem.at == flag.name || problem.at == key)
    }

    /// Returns the keys without which the deployment cannot be generated, then those that it can have later,
    /// and their questions.
    fn open(&self) -> Vec<(&'static str, String)> {
        let Ok(deployment) = self.deployment() else {
            return Vec::new();
        };
        let of_key = |key: &str| flags().iter().find(|flag| flag.key == key);
        let required = targets::problems(&deployment);
        let required = required.iter().filter_map(|problem| {
            let Flag { key, name, .. } = of_key(&problem.at)?;
            Some((key.as_str(), format!("`{name}`, {}", problem.message)))
        });
        let needs = targets::needs(&deployment).into_iter();
        let needs = needs.filter_map(|need| {
            let Flag { key, name, .. } = of_key(need.variable.split(' ').next()?)?;
            Some((
                key.as_str(),
                format!("`{name}`: {} (empty: later)", need.what),
            ))
        });
        required.chain(needs).collect()
    }

    fn deployment(&self) -> Result<Deployment, Vec<Problem>> {
        let input = file::read(None, values(&self.args.spec)).map_err(|problem| vec![problem])?;
        let resolved = input::resolve(input, &|_| None)?;
        Deployment::new(resolved).map_err(|_| Vec::new())
    }
}

/// Returns the problem of a folder that cannot have a new deployment.
fn taken(folder: &Path) -> Option<Problem> {
    let problem = |message| Problem::new(folder.display().to_string(), message);
    if folder.exists() && !folder.is_dir() {
        return Some(problem("is not a folder"));
    }
    spec_in(folder).map(|_| problem("has a deployment").hint("choose another name or folder"))
}

/// Values that a backend requires and has no default for.
struct Open<'a> {
    /// An example of the endpoint.
    endpoint: Option<&'a str>,
    settings: Vec<(&'a String, &'a Setting)>,
}

fn open(backend: &Backend) -> Open<'_> {
    let needs_endpoint = backend.wants_endpoint() && backend.endpoint.is_none();
    let settings = backend.settings.iter();
    Open {
        endpoint: needs_endpoint.then(|| backend.endpoint_example()),
        settings: settings
            .filter(|(name, _)| backend.requires(name))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_at_most_five_questions_for_every_backend() {
        for name in backend::names() {
            let backend = backend::load(&name).unwrap().unwrap();
            let Open { endpoint, settings } = open(&backend);
            let asked = settings.len() + usize::from(endpoint.is_some());
            assert!(
                asked <= MOST - 2,
                "{name}: {asked} questions beside target and backend"
            );
        }
    }
}
