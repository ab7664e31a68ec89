//! What is in a pod: its containers, their variables, ports, probes, amounts and volumes.
//!
//! Invariant: everything that is named within a pod is in that pod.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, Probe};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::{Role, Workload};
use super::{Folder, Tell, forms};
use crate::spec::values::{DnsLabel, VariableName};
use crate::validate::{Finding, unpinned};

/// Every pod template.
pub(super) fn check(folder: &Folder, tell: Tell) {
    for workload in &folder.workloads {
        let Some(spec) = &workload.template.spec else {
            continue;
        };
        let mut findings = volumes(spec, workload);
        let mut names = BTreeSet::new();
        let mut ports = BTreeSet::new();
        for (path, role, one) in workload.containers() {
            let mut found = container(one, workload);
            found.extend(self::ports(one, &mut ports));
            found.extend(probes(one, role, workload));
            if one.name.parse::<DnsLabel>().is_err() {
                found.push(("name".to_owned(), "is no DNS label".to_owned()));
            }
            if !names.insert(&one.name) {
                found.push(("name".to_owned(), format!("`{}` is there twice", one.name)));
            }
            findings.extend(
                found
                    .into_iter()
                    .map(|(field, message)| (format!("{path}.{field}"), message)),
            );
        }
        let restart = spec.restart_policy.as_deref().unwrap_or("Always");
        if workload.kind != "Pod" && workload.ends() == (restart == "Always") {
            findings.push((
                "restartPolicy".to_owned(),
                format!("is `{restart}`, which a {} cannot have", workload.kind),
            ));
        }
        for (path, message) in findings {
            tell(workload.at(&path), message);
        }
    }
}

fn container(one: &Container, workload: &Workload) -> Vec<Finding> {
    let mut findings = variables(one);
    let mut wrong = |field: &str, message: String| findings.push((field.to_owned(), message));
    match one.image.as_deref() {
        Some(image) => moves(image)
            .into_iter()
            .for_each(|message| wrong("image", message)),
        // The operator has its own.
        None if workload.operated => wrong(
            "image",
            "is missing: the operator's own changes with the operator".to_owned(),
        ),
        None => wrong("image", "is missing".to_owned()),
    }
    let resources = one.resources.clone().unwrap_or_default();
    let (requests, limits) = (
        resources.requests.unwrap_or_default(),
        resources.limits.unwrap_or_default(),
    );
    for (field, amounts, name) in [
        ("resources.requests", &requests, "cpu"),
        ("resources.requests", &requests, "memory"),
        ("resources.limits", &limits, "memory"),
    ] {
        if !amounts.contains_key(name) {
            wrong(field, format!("has no {name}"));
        }
    }
    for (name, limit) in &limits {
        let amount = |quantity: &Quantity| forms::quantity(&quantity.0);
        if let (Some(least), Some(most)) = (requests.get(name).and_then(amount), amount(limit))
            && most < least
        {
            wrong(
                &format!("resources.limits.{name}"),
                format!("`{}` is less than is requested", limit.0),
            );
        }
    }
    findings
}

fn variables(one: &Container) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (index, variable) in one.env.iter().flatten().enumerate() {
        let mut wrong = |message: String| findings.push((format!("env[{index}]"), message));
        let EnvVar {
            name,
            value,
            value_from,
        } = variable;
        if name.parse::<VariableName>().is_err() {
            wrong(format!(
                "`{}` is no name of a variable",
                name.escape_debug()
            ));
        }
        match (value, value_from) {
            (Some(_), Some(_)) => wrong(format!("{name} has a value and a source of one")),
            (None, None) => wrong(format!("{name} is empty: leave it out")),
            (Some(value), None) if value.trim().is_empty() => {
                wrong(format!("{name} is empty: leave it out"))
            }
            _ => {}
        }
        for named in expansions(value.as_deref().unwrap_or_default()) {
            if !seen.contains(named) {
                wrong(format!(
                    "{name} names `$({named})`, which is not set before it"
                ));
            }
        }
        if !seen.insert(name) {
            wrong(format!("{name} is there twice"));
        }
    }
    // Other variables come from elsewhere, by `envFrom`: what they are is not known here.
    let open = one.env_from.iter().flatten().next().is_some();
    for (field, words) in [("command", &one.command), ("args", &one.args)] {
        for named in words.iter().flatten().flat_map(|word| expansions(word)) {
            if !open && !seen.contains(named) {
                findings.push((
                    field.to_owned(),
                    format!("names `$({named})`, which is not set"),
                ));
            }
        }
    }
    findings
}

/// Why a node would run another program than the one that was tried: it pulls whenever it is new.
fn moves(image: &str) -> Option<String> {
    let tag = image
        .rsplit('/')
        .next()
        .and_then(|name| name.split_once(':'));
    let version = tag
        .and_then(|(_, tag)| tag.split('-').next())
        .unwrap_or_default();
    let is_number = version
        .trim_start_matches('v')
        .starts_with(|c: char| c.is_ascii_digit());
    let short = is_number && version.matches('.').count() < 2 && !image.contains("@sha256:");
    unpinned(image)
        .or_else(|| short.then(|| format!("`{image}` changes with every patch release: name that")))
}

/// The variables that Kubernetes replaces in a text: `$(NAME)`, but not `$$(NAME)`.
fn expansions(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            rest = behind;
        } else if let Some((name, _)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            names.push(name);
        }
    }
    // A shell's `$(command)` is no name of a variable: Kubernetes leaves it as it is.
    names.retain(|name| name.parse::<VariableName>().is_ok());
    names
}

fn ports<'a>(one: &'a Container, seen: &mut BTreeSet<&'a str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, port) in one.ports.iter().flatten().enumerate() {
        let mut wrong = |message: String| findings.push((format!("ports[{index}]"), message));
        let Some(name) = port.name.as_deref() else {
            wrong("has no name: what names it would be a number".to_owned());
            continue;
        };
        if !forms::is_port_name(name) {
            wrong(format!(
                "`{name}` is no name of a port: small letters, digits and `-`, at most 15"
            ));
        }
        if !seen.insert(name) {
            wrong(format!("`{name}` is there twice"));
        }
    }
    findings
}

fn probes(one: &Container, role: Role, workload: &Workload) -> Vec<Finding> {
    let mut findings = Vec::new();
    let probes = [
        ("livenessProbe", &one.liveness_probe),
        ("readinessProbe", &one.readiness_probe),
        ("startupProbe", &one.startup_probe),
    ];
    for (field, probe) in probes {
        let Some(probe) = probe else {
            // The operator makes them from its configuration; what starts slowly is known to us alone.
            let wanted = role == Role::Main
                && !workload.ends()
                && !workload.operated
                && field != "startupProbe";
            if wanted {
                findings.push((field.to_owned(), "is missing".to_owned()));
            }
            continue;
        };
        // The operator's probes have no port: it knows it from the configuration.
        if !workload.operated {
            findings.extend(probed(one, probe).map(|message| (field.to_owned(), message)));
        }
    }
    findings
}

fn probed(one: &Container, probe: &Probe) -> Option<String> {
    let http = probe.http_get.as_ref();
    if http.is_some_and(|get| get.host.is_some()) {
        return Some("asks another host, which `restricted` refuses".to_owned());
    }
    if http.is_some_and(|get| !get.path.as_deref().unwrap_or("/").starts_with('/')) {
        return Some("has a path that does not begin with `/`".to_owned());
    }
    let port = http
        .map(|get| &get.port)
        .or(probe.tcp_socket.as_ref().map(|socket| &socket.port));
    let named = probe.grpc.as_ref().map(|grpc| IntOrString::Int(grpc.port));
    let ways = [
        http.is_some(),
        probe.tcp_socket.is_some(),
        probe.grpc.is_some(),
        probe.exec.is_some(),
    ];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        return Some("asks in no way or in more than one".to_owned());
    }
    let port = port.or(named.as_ref())?;
    let mut ports = one.ports.iter().flatten();
    let (known, shown) = match port {
        IntOrString::Int(number) => (
            ports.any(|port| port.container_port == *number),
            number.to_string(),
        ),
        IntOrString::String(name) => (
            ports.any(|port| port.name.as_deref() == Some(name)),
            name.clone(),
        ),
    };
    (!known).then(|| format!("asks port `{shown}`, which the container does not have"))
}

fn volumes(spec: &PodSpec, workload: &Workload) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut mounted: BTreeMap<&str, bool> = BTreeMap::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let at = format!("volumes[{index}]");
        let sources =
            serde_yaml::to_value(volume).map_or(0, |tree| crate::validate::keys(&tree).count());
        if sources != 2 {
            findings.push((
                at.clone(),
                format!("`{}` is of no kind or of more than one", volume.name),
            ));
        }
        if volume.name.parse::<DnsLabel>().is_err() {
            findings.push((at.clone(), format!("`{}` is no DNS label", volume.name)));
        }
        if mounted.insert(&volume.name, false).is_some() {
            findings.push((at, format!("`{}` is there twice", volume.name)));
        }
    }
    for claim in &workload.claims {
        mounted.insert(claim.metadata.name.as_deref().unwrap_or_default(), false);
    }
    for (path, _, one) in workload.containers() {
        let mut places = BTreeSet::new();
        for (index, mount) in one.volume_mounts.iter().flatten().enumerate() {
            let mut wrong =
                |message: String| findings.push((format!("{path}.volumeMounts[{index}]"), message));
            match mounted.get_mut(mount.name.as_str()) {
                Some(used) => *used = true,
                None => wrong(format!("there is no volume `{}`", mount.name)),
            }
            if !mount.mount_path.starts_with('/') || mount.mount_path.contains(':') {
                wrong(format!("`{}` is no path from the root", mount.mount_path));
            }
            if !places.insert(mount.mount_path.trim_end_matches('/')) {
                wrong(format!("`{}` is there twice", mount.mount_path));
            }
            if mount
                .sub_path
                .as_deref()
                .is_some_and(|path| path.starts_with('/') || path.contains(".."))
            {
                wrong("has a path that leaves its volume".to_owned());
            }
        }
    }
    let unused = mounted.into_iter().filter(|(_, used)| !used);
    findings.extend(
        unused.map(|(name, _)| ("volumes".to_owned(), format!("`{name}` is never mounted"))),
    );
    findings
}
