//! What the stack is made with in every format: what its templates read, and what its parameters take.
//!
//! Invariant: texts are plain here; each format writes them in its own form.

use anyhow::Result;
use chroma_otel_init::{Endpoint, Protocol, Server};
use minijinja::{Value, context};

use super::parameters::{architecture, values};
use super::problems::LOG_DAYS;
use crate::backend::{in_region, is_regional};
use crate::render::{as_is, render};
use crate::spec::values::Peer;
use crate::spec::{Image, Spec};
use crate::target::exporters::exact_endpoint;
use crate::target::{COLLECTOR_VERSION, machine};

/// The region that the `aws` command works in, wherever it has it from.
const REGION: &str = "$(aws ec2 describe-availability-zones --query 'AvailabilityZones[0].RegionName' --output text)";

/// What the templates of every format read. `sources` names what the images are made of.
pub(super) fn of(spec: &Spec, sources: &str) -> Value {
    let words = [
        "--log-driver=awslogs",
        "--log-opt=awslogs-region=${AWS_REGION}",
        "--log-opt=awslogs-group=${LOG_GROUP}",
        "--log-opt=awslogs-stream=%p/%H", // systemd's: the unit, the host
    ];
    let log_options = words.map(str::to_owned);
    let cloud = context! { format => spec.format.name(), detectors => ["env", "ec2", "system"] };
    let (backend, version) = (&spec.tracing.backend, spec.chroma.version);
    context! {
        version_description => match spec.chroma.image {
            Image::Wrapped => "Release of Chroma. An image of it with the entrypoint must be in the registry.",
            Image::Stock => "Release of Chroma.",
        },
        instance_description => instance_description(spec),
        machine => machine(spec),
        log_days => LOG_DAYS,
        backend_permissions => backend.permissions().to_vec(),
        images => context! {
            chroma => format!("chroma-{version}-{sources}"),
            collector => collector_tag(sources),
            platform => match architecture(spec.machine.kind.as_str()) {
                "arm64" => "linux/arm64",
                _ => "linux/amd64",
            },
        },
        region => REGION,
        // Then nothing leaves AWS, and endpoints can take the place of a NAT gateway.
        in_aws => spec.chroma.image == Image::Wrapped && backend.cloud().is_some(),
        prepare => backend.prepare.as_ref().map(|prepare| context! {
            what => prepare.what.as_str(),
            commands => in_region(&prepare.commands, REGION),
        }),
        shown_endpoint => match exact_endpoint(spec) {
            Some(endpoint) => format!("`{}`", in_region(&endpoint, "REGION")),
            None => "not set yet".to_owned(),
        },
        machine_peers => match &spec.machine.allow_from {
            Some(Peer::Range(range)) => range.clone(),
            Some(Peer::SecurityGroup(group)) => group.as_str().to_owned(),
            None => "in the VPC".to_owned(),
        },
        missing_places => spec.machine.network.is_none() || spec.machine.subnet.is_none() || spec.machine.zone.is_none() || spec.machine.allow_from.is_none(),
        ..machine::context(spec, &log_options, cloud)
    }
}

/// The tag of the collector's image with the entrypoint.
pub(super) fn collector_tag(sources: &str) -> String {
    format!("otel-collector-{COLLECTOR_VERSION}-{sources}")
}

/// Machines come with powers of two.
fn instance_description(spec: &Spec) -> String {
    let least = spec.chroma.memory.as_mebibytes() + spec.collector.memory.as_mebibytes() + 512;
    let gibibytes = least.div_ceil(1024).next_power_of_two();
    format!("{gibibytes} GiB of memory or more: Chroma's, the collector's, and the system's.")
}

/// The context with `sections`: what the README of every format says alike.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn with_sections(context: Value) -> Result<Value> {
    let section = |name: &str| render(&format!("aws/sections/{name}.md.j2"), &context);
    let sections = context! {
        places => section("places")?,
        keys => section("keys")?,
        build => section("build")?,
    };
    Ok(context! { sections, ..context })
}

/// Defaults of the parameters that say where and on what; blank where the spec says nothing.
fn machine(spec: &Spec) -> Value {
    let values = values(spec);
    let value = |name: &str| values.get(name).cloned().unwrap_or_default();
    context! {
        type => value("InstanceType"),
        architecture => architecture(spec.machine.kind.as_str()),
        network => value("VpcId"),
        subnet => value("SubnetId"),
        zone => value("AvailabilityZone"),
        allowed_range => value("AllowedCidr"),
        allowed_group => value("AllowedSecurityGroup"),
        disk_gib => as_is(value("DiskSize")),
        restore_from => value("SnapshotId"),
        snapshots => as_is(value("SnapshotsKept")),
        log_days => as_is(value("LogRetentionDays")),
        alarms => value("AlarmTopicArn"),
    }
}

/// The releases that the same files can run.
pub(super) fn version_pattern(spec: &Spec) -> String {
    let version = spec.chroma.version;
    match version.server() {
        Server::Rust => r"^1\.\d+\.\d+$".to_owned(),
        Server::Python => format!(r"^0\.{}\.\d+$", version.minor),
    }
}

pub(super) fn service_name_pattern(spec: &Spec) -> &'static str {
    match spec.chroma.image {
        Image::Wrapped => r"^[^\r\n]*\S[^\r\n]*$",
        // Chroma gets it in quotes, and nobody escapes one in it.
        Image::Stock => r#"^[^\r\n"\\]*[^\s"\\][^\r\n"\\]*$"#,
    }
}

/// The parameter for the backend's endpoint.
pub(super) struct EndpointParameter {
    /// Nothing where the operator has to give one.
    pub(super) default: Option<String>,
    /// Whether blank stands for the backend's own, which the region is part of.
    pub(super) fallback: bool,
    pub(super) pattern: &'static str,
    pub(super) description: &'static str,
}

pub(super) fn endpoint(spec: &Spec) -> EndpointParameter {
    let exact = exact_endpoint(spec);
    let fallback = exact.as_deref().is_some_and(is_regional);
    let speaks_grpc = |url: &String| {
        let endpoint = url.parse::<Endpoint>();
        endpoint.is_ok_and(|one| one.protocol() == Protocol::Grpc)
    };
    let grpc = exact.as_ref().is_none_or(speaks_grpc);
    EndpointParameter {
        default: if fallback { Some(String::new()) } else { exact },
        fallback,
        pattern: match (spec.chroma.image, fallback, grpc) {
            (_, true, _) => r"^\S*$",
            (Image::Wrapped, ..) => r"^\S+$",
            (Image::Stock, _, false) => r"^https?://\S+$",
            (Image::Stock, ..) => r"^https?://[^\s/]+:\d+$", // nobody adds what the collector misses
        },
        description: match fallback {
            true => "Where the traces end up; blank for the region's own.",
            false => "Where the traces end up: the backend's OTLP endpoint.",
        },
    }
}
