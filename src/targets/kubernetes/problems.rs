//! Problems of a valid spec that a cluster cannot deploy.
//!
//! Invariant: every problem names a key of the deployment, or the variable of a secret.

use chroma_otel_init::Server;

use super::{cloud, secret_keys};
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::problem::Problem;
use crate::spec::Image;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::machine::patterns::not_ranges;
use crate::targets::problems as shared;

/// The longest name: with its suffixes it must fit a label of 63 characters.
const LONGEST_NAME: usize = 35;

/// Returns the problems of a valid spec that a cluster cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems: Vec<Problem> = [name(deployment), namespace(deployment), image(deployment)]
        .into_iter()
        .flatten()
        .collect();
    problems.extend(old_server(deployment));
    problems.extend(peers(deployment));
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
        let message = format!("`{name}` is not a valid prefix of a Service's name");
        let hint = format!("use at most {LONGEST_NAME} characters, beginning with a letter");
        Problem::new("name", message).hint(hint)
    })
}

/// Returns a problem for a shared namespace: `keep.yaml` creates the namespace and restricts its
/// pods, which would affect others.
fn namespace(deployment: &Deployment) -> Option<Problem> {
    let name = deployment.spec.kubernetes.namespace.to_string();
    let shared = deployment.spec.kubernetes.create_namespace && name == "default";
    let shared = shared || name.starts_with("kube-");
    shared.then(|| {
        let message = format!("`{name}` is a namespace of the cluster itself");
        Problem::new("kubernetes.namespace", message)
            .hint("use a separate namespace, in which only pods that meet the standard `restricted` may run")
    })
}

/// Returns a problem for the published 0.x images, which need root; the `restricted` standard
/// forbids it.
fn image(deployment: &Deployment) -> Option<Problem> {
    let (python, version) = (Server::Python, deployment.spec.chroma.version);
    (version.server() == python && deployment.spec.chroma.image == Image::Stock).then(|| {
        let message = format!(
            "`stock` is unsupported: the published image of Chroma {version} runs as root only"
        );
        Problem::new("chroma.image", message)
            .hint("use `image: wrapped`, which runs as another user")
    })
}

/// Returns problems for settings that the Python server of 0.x does not support: its image sets the
/// address, and writes its log as a fixed user.
fn old_server(deployment: &Deployment) -> Vec<Problem> {
    let (version, cluster) = (deployment.spec.chroma.version, &deployment.spec.kubernetes);
    if version.server() != Server::Python {
        return Vec::new();
    }
    let settings = [
        ("kubernetes.ipv6", cluster.ipv6),
        ("kubernetes.openshift", cluster.openshift),
    ];
    let wrong = settings.into_iter().filter(|(_, set)| *set);
    let problem = |(key, _)| {
        let message = format!("unsupported by Chroma {version}");
        Problem::new(key, message).hint("use `chroma.version: 1.0.0` or newer, or remove this key")
    };
    wrong.map(problem).collect()
}

/// Returns a problem for a security group of AWS, because a NetworkPolicy contains addresses.
fn peers(deployment: &Deployment) -> Vec<Problem> {
    let hint = "use an address range such as `10.0.0.0/16`";
    not_ranges(
        "machine.allow_from",
        &deployment.spec.machine.allow_from,
        hint,
    )
}

/// Returns problems for settings that the collector's mode excludes.
fn collector(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, message: &str, hint: &str| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    match deployment.spec.collector.mode {
        CollectorMode::Gateway => {}
        CollectorMode::Tiered if deployment.spec.collector.operator => wrong(
            "collector.operator",
            "unsupported with `collector.mode: tiered`, whose two tiers must find each other",
            "use `collector.mode: gateway`, or remove this key",
        ),
        CollectorMode::Tiered => {}
        CollectorMode::None => {
            if deployment.spec.collector.operator {
                wrong(
                    "collector.operator",
                    "has no effect with `collector.mode: none`",
                    "remove one of the two keys",
                );
            }
            if deployment.spec.metrics.monitoring {
                wrong(
                    "metrics.monitoring",
                    "needs a collector, but `collector.mode` is `none`",
                    "remove this key, or use `collector.mode: gateway`",
                );
            }
        }
    }
    problems
}

/// Names of the deployment's own files and workloads.
const OWN: [&str; 18] = [
    "api",
    "backup",
    "chroma",
    "collector",
    "expose",
    "headless",
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

/// Returns a problem if a backend in the stack, whose file and workload have its name, conflicts
/// with them.
fn in_stack(deployment: &Deployment) -> Option<Problem> {
    let taken = |(one, ..): &(&Backend, _, _)| OWN.contains(&one.name.as_str());
    let (one, ..) = deployment.backends_in_stack().find(taken)?;
    let message = format!(
        "`{}` is the name of another part of the deployment",
        one.name
    );
    Some(Problem::new("tracing.backend_file", message).hint("rename the file"))
}

/// Returns problems for variables of the Secret that have two values.
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
            let message = "the deployment's Secret already contains this variable";
            Problem::new(key, message).hint("give its value here if it is not secret, or rename it")
        })
        .collect()
}

/// Returns problems for secrets that would be changed in transit; values are never shown.
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
                "contains a line break, which `.env` cannot express",
                "check that the value was copied completely",
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
