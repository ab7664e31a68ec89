//! What a cluster cannot have, of a spec that is sound otherwise.
//!
//! Invariant: every finding names a key of the deployment, or the variable of a secret.

use chroma_otel_init::Server;

use super::{cloud, secret_keys};
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::problem::Problem;
use crate::spec::Image;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::machine::patterns::security_group;
use crate::targets::problems as shared;

/// The longest name: what is appended to it must fit a label, of 63 characters.
const LONGEST_NAME: usize = 35;

/// Everything that a cluster cannot have.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems: Vec<Problem> = [
        name(deployment),
        namespace(deployment),
        image(deployment),
        peer(deployment),
    ]
    .into_iter()
    .flatten()
    .collect();
    problems.extend(collector(deployment));
    problems.extend(in_stack(deployment));
    problems.extend(shared::foreign_backend(deployment));
    problems.extend(cloud::problems(deployment));
    problems.extend(taken_variables(deployment));
    problems.extend(values(deployment));
    problems
}

fn name(deployment: &Deployment) -> Option<Problem> {
    let name = deployment.spec.name.to_string();
    let wrong = name.len() > LONGEST_NAME || name.starts_with(|c: char| c.is_ascii_digit());
    wrong.then(|| {
        let message = format!("`{name}` cannot be what Kubernetes' Services begin with");
        let hint = format!("a letter first, {LONGEST_NAME} characters at most");
        Problem::new("name", message).hint(hint)
    })
}

/// `keep.yaml` makes the namespace and says what may run in it, which others there would suffer from.
fn namespace(deployment: &Deployment) -> Option<Problem> {
    let name = deployment.spec.kubernetes.namespace.to_string();
    let shared = name == "default" || name.starts_with("kube-");
    shared.then(|| {
        let message = format!("is `{name}`, which is the cluster's own");
        Problem::new("kubernetes.namespace", message)
            .hint("one of its own, in which only what meets the standard `restricted` may run")
    })
}

/// The published 0.x images want to be root, which the `restricted` standard forbids.
fn image(deployment: &Deployment) -> Option<Problem> {
    let (python, version) = (Server::Python, deployment.spec.chroma.version);
    (version.server() == python && deployment.spec.chroma.image == Image::Stock).then(|| {
        let message = format!("is `stock`, and Chroma {version} as published runs as root only");
        Problem::new("chroma.image", message).hint("use `image: wrapped`, which runs as any other")
    })
}

/// A NetworkPolicy goes by addresses.
fn peer(deployment: &Deployment) -> Option<Problem> {
    let hint = "write a range of addresses, such as `10.0.0.0/16`";
    security_group(
        "machine.allow_from",
        &deployment.spec.machine.allow_from,
        hint,
    )
}

/// What one way to run the collector leaves no room for.
fn collector(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, message: &str, hint: &str| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    match deployment.spec.collector.mode {
        CollectorMode::Gateway => {}
        CollectorMode::Tiered if deployment.spec.collector.operator => wrong(
            "collector.operator",
            "is `true`, and with `collector.mode: tiered` there are two collectors that must find each other",
            "use `collector.mode: gateway`, or leave it out",
        ),
        CollectorMode::Tiered => {}
        CollectorMode::None => {
            if deployment.spec.collector.operator {
                wrong(
                    "collector.operator",
                    "is `true`, and with `collector.mode: none` there is nothing to run",
                    "leave out one of the two",
                );
            }
            if deployment.spec.metrics.monitoring {
                wrong(
                    "metrics.monitoring",
                    "is `true`, and with `collector.mode: none` nobody makes metrics of the spans",
                    "leave it out, or use `collector.mode: gateway`",
                );
            }
        }
    }
    problems
}

/// Names of files and of workloads that are the deployment's own.
const OWN: [&str; 17] = [
    "api",
    "backup",
    "chroma",
    "collector",
    "expose",
    "internal",
    "keep",
    "kustomization",
    "load-balancer",
    "monitoring",
    "otel-collector",
    "otel-member",
    "otel-router",
    "proxy",
    "restore",
    "router",
    "secrets",
];

/// A backend in the stack has a file and a workload of its own, by its name.
fn in_stack(deployment: &Deployment) -> Option<Problem> {
    let taken = |(one, ..): &(&Backend, _, _)| OWN.contains(&one.name.as_str());
    let (one, ..) = deployment.backends_in_stack().find(taken)?;
    let message = format!("`{}` is what a part of the deployment is called", one.name);
    Some(Problem::new("tracing.backend_file", message).hint("give the file another name"))
}

/// Variables of the Secret that two want, each with a value of its own.
fn taken_variables(deployment: &Deployment) -> Vec<Problem> {
    let all = secret_keys::all(deployment);
    let by_name = deployment.spec.chroma.environment.iter();
    let by_name = by_name.filter(|(_, value)| value.is_none());
    let taken = by_name.filter(|(name, _)| {
        let same = all.iter().filter(|key| key.variable == name.as_str());
        same.count() > 1
    });
    taken
        .map(|(name, _)| {
            let key = format!("chroma.environment.{}", name.as_str());
            let message = "is a variable that the deployment itself has in the Secret";
            Problem::new(key, message).hint("give its value here if it is none, or another name")
        })
        .collect()
}

/// Values of secrets that do not arrive as they are; none of them is shown.
fn values(deployment: &Deployment) -> Vec<Problem> {
    let keys = secret_keys::all(deployment);
    let mut problems = Vec::new();
    for (name, value) in &deployment.given {
        let value = value.expose();
        let mut wrong = |message, hint| {
            problems.push(Problem::new(name, message).hint(hint));
        };
        if value.contains(['\n', '\r', '\0']) {
            wrong(
                "has a line break, which `.env` cannot carry",
                "check that the value was copied whole",
            );
        }
        let mut of_collector = keys
            .iter()
            .filter(|key| key.container == Container::Collector);
        if of_collector.any(|key| key.variable == *name) {
            problems.extend(shared::expanded(deployment, name, value));
        }
    }
    problems
}
