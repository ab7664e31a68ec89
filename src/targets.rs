//! Dispatch to the modules of the targets.
//!
//! Invariant: the functions below are the only ones that choose a target's module.

pub mod aws;
pub mod azure;
mod backup_scripts;
mod clients;
pub(crate) mod common;
pub mod docker;
pub mod gcp;
pub mod kubernetes;
mod machine;
mod monitoring;
mod object_store;
mod problems;
mod proxy;
pub(crate) mod shared;
mod terraform;

use anyhow::Result;
use chroma_otel_init::ChromaVersion;

pub use self::kubernetes::Leftovers;
use crate::deployment::Deployment;
use crate::input::file::flag_of;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::spec::target::Target;

/// Returns the problems of a valid spec that the target cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = match deployment.spec.target {
        Target::Docker => docker::problems(deployment),
        Target::Aws => aws::problems(deployment),
        Target::Gcp => gcp::problems(deployment),
        Target::Azure => azure::problems(deployment),
        Target::Kubernetes(_) => kubernetes::problems(deployment),
    };
    problems.extend(problems::of_every_target(deployment));
    problems.extend(clients::problems(deployment));
    for problem in &mut problems {
        if let Some(flag) = flag_of(&deployment.flags, &problem.at) {
            flag.clone_into(&mut problem.at);
        }
    }
    problems
}

/// Returns the files of the deployment.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub fn plan(deployment: &Deployment) -> Result<Plan> {
    let mut plan = match deployment.spec.target {
        Target::Docker => docker::plan(deployment),
        Target::Aws => aws::plan(deployment),
        Target::Gcp => gcp::plan(deployment),
        Target::Azure => azure::plan(deployment),
        Target::Kubernetes(_) => kubernetes::plan(deployment),
    }?;
    clients::add(&mut plan, deployment)?;
    monitoring::add(&mut plan, deployment)?;
    Ok(plan)
}

/// Returns the values that the operator still has to supply.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    match deployment.spec.target {
        Target::Docker => docker::needs(deployment),
        Target::Aws => aws::needs(deployment),
        Target::Gcp => gcp::needs(deployment),
        Target::Azure => azure::needs(deployment),
        Target::Kubernetes(_) => kubernetes::needs(deployment),
    }
}

/// The releases of Chroma before and after a change of a file.
pub fn version_change(change: &Change) -> Option<(ChromaVersion, ChromaVersion)> {
    common::version_change(change)
}

/// Returns the problem of changes with which an existing deployment would lose data, or could not be
/// updated.
pub fn data_loss(target: Target, changes: &[Change]) -> Option<Problem> {
    match target {
        Target::Aws => aws::data_loss(changes),
        Target::Docker | Target::Gcp | Target::Azure | Target::Kubernetes(_) => None,
    }
}

/// Returns the problem of stale files that have an effect on the deployment.
pub fn stale_problem(plan: &Plan, stale: &[Change]) -> Option<Problem> {
    terraform::stale_problem(plan, stale).or_else(|| kubernetes::stale_problem(plan, stale))
}

/// Returns notes for the operator on a created or changed file of a deployment.
pub fn notes(target: Target, change: &Change) -> Vec<String> {
    match target {
        Target::Docker => docker::notes(change),
        _ if change.before.is_none() => Vec::new(),
        Target::Aws => aws::notes(change),
        Target::Gcp => gcp::notes(change),
        Target::Azure => azure::notes(change),
        Target::Kubernetes(_) => kubernetes::notes(change),
    }
}

/// Changes the commands that follow `gen` for what runs already: a deployment with another name, and
/// containers or resources that the new files lack. Returns a note for the operator.
pub fn adapt_steps(
    target: Target,
    changes: &[Change],
    leftovers: &Leftovers,
    steps: &mut Vec<String>,
) -> Option<&'static str> {
    match target {
        Target::Docker => docker::adapt_steps(changes, steps),
        Target::Kubernetes(_) => return leftovers.add_to(steps),
        Target::Aws | Target::Gcp | Target::Azure => {}
    }
    None
}

/// Returns the commands that delete what the changed files no longer contain, or cannot change, if
/// applying the new ones does not.
pub fn leftovers(target: Target, changes: &[Change], plan: &Plan) -> Leftovers {
    match target {
        Target::Kubernetes(_) => kubernetes::leftovers(changes, plan),
        Target::Docker | Target::Aws | Target::Gcp | Target::Azure => Leftovers::default(),
    }
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder. `needs` are the
/// values that the operator still has to supply; `env_file` is true if the folder has a `.env`.
pub fn next_steps(deployment: &Deployment, needs: &[Need], env_file: bool) -> Vec<String> {
    match deployment.spec.target {
        Target::Docker => docker::next_steps(deployment, needs, env_file),
        Target::Aws => aws::next_steps(deployment),
        Target::Gcp => gcp::next_steps(deployment),
        Target::Azure => azure::next_steps(deployment),
        Target::Kubernetes(_) => kubernetes::next_steps(deployment, needs, env_file),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::deployment::sound;

    /// In tests, every rendering checks that a template uses existing fields only and that no field
    /// occurs twice.
    #[test]
    fn renders_every_target_without_missing_or_duplicate_fields() {
        for target in Target::ALL {
            for format in target.info().formats {
                for image in ["wrapped", "stock"] {
                    for (backends, more) in [("jaeger", false), ("otlp", true)] {
                        let mut keys = keys(target, format.name(), image);
                        keys.push(("tracing.backend", json!(backends)));
                        if more {
                            keys.extend(everything(target));
                        }
                        let plan = plan(&sound(&keys)).expect("the templates are right");
                        assert!(plan.files.contains_key("README.md"));
                    }
                }
            }
        }
    }

    #[test]
    fn every_readme_ends_the_deployment_with_and_without_its_data() {
        for target in Target::ALL {
            for format in target.info().formats {
                let keys = keys(target, format.name(), "wrapped");
                let plan = plan(&sound(&keys)).expect("the templates are right");
                let readme = &plan.files["README.md"];
                let headings = ["\n## Stop\n", "\n## Delete\n", "\n## Uninstall\n"];
                let mut sections = headings.iter().filter_map(|one| readme.split_once(one));
                let (_, section) = sections.next().expect("there is a section");
                for part in ["```sh\n", " stay", "delete"] {
                    assert!(section.contains(part), "{target:?}: {part}: {section}");
                }
            }
        }
    }

    #[test]
    fn every_next_step_is_a_command_or_a_comment() {
        let commands = [
            "cp ",
            "docker ",
            "helm ",
            "kubectl ",
            "terraform ",
            "${EDITOR",
            "# ",
        ];
        for target in Target::ALL {
            for format in target.info().formats {
                for granularity in ["operation", "none"] {
                    let mut keys = keys(target, format.name(), "wrapped");
                    keys.push(("tracing.granularity", json!(granularity)));
                    keys.push(("tracing.backend", json!(["honeycomb", "debug"])));
                    let steps = steps(&keys);
                    for step in &steps {
                        assert!(
                            commands.iter().any(|start| step.starts_with(start)),
                            "{target:?}: {step}"
                        );
                    }
                    let traces = steps.iter().any(|step| step.contains("trace"));
                    assert_eq!(traces, granularity != "none", "{target:?}: {steps:?}");
                }
            }
        }
        let untraceable = [
            ("target", json!("docker")),
            ("chroma.version", json!("0.4.10")),
        ];
        assert_eq!(steps(&untraceable), ["docker compose up --detach --wait"]);
    }

    #[test]
    fn env_file_is_filled_before_its_secret_is_made() {
        let keys = keys(Target::Kubernetes(None), "manifests", "wrapped");
        let with = |backend: &str| {
            let backend = ("tracing.backend", json!(backend));
            steps(&[&keys[..], &[backend]].concat())
        };
        assert_eq!(
            with("honeycomb")[0],
            "cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env"
        );
        assert!(with("jaeger").iter().all(|step| !step.contains(".env")));
    }

    fn steps(keys: &[(&'static str, Value)]) -> Vec<String> {
        let deployment = sound(keys);
        next_steps(&deployment, &needs(&deployment), false)
    }

    fn keys(target: Target, format: &str, image: &str) -> Vec<(&'static str, Value)> {
        let mut keys = vec![
            ("target", json!(target.info().name)),
            ("format", json!(format)),
            ("chroma.image", json!(image)),
        ];
        if target.is_kubernetes() && target.cloud().is_some() {
            keys.push(("platform", json!("kubernetes")));
        }
        keys
    }

    /// Returns keys that add files and sections.
    fn everything(target: Target) -> Vec<(&'static str, Value)> {
        let mut keys = vec![
            ("tracing.endpoint", json!("https://traces.example.com")),
            ("tracing.sampling", json!({"ratio": 0.5})),
            ("tracing.redact", json!({"names": "remove"})),
            ("metrics", json!({"monitoring": true, "to_backend": true})),
            ("clients", json!(["python", "openllmetry", "openlit"])),
        ];
        if target.is_kubernetes() {
            keys.extend([
                ("backup", json!({"schedule": "0 3 * * *"})),
                (
                    "kubernetes.expose",
                    json!({"host": "chroma.example.com", "tls_secret": "tls"}),
                ),
                ("collector.mode", json!("tiered")),
            ]);
        }
        keys
    }
}
