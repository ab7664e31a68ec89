//! The parts of the stack that all formats share: template input and the machine's lines.
//!
//! Invariant: texts are plain here; each format writes them in its own syntax.

use std::collections::BTreeSet;

use minijinja::Value;
use serde::Serialize;

use super::instance_types::architecture;
use super::organization::OrganizationTemplate;
use super::parameters::{places, values};
use super::problems::LOG_DAYS;
use crate::deployment::Deployment;
use crate::deployment::registry::Registry;
use crate::render::as_is;
use crate::spec::{Format, Spec, Tls};
use crate::targets::machine::env_files::{self, EnvFile, EnvLine, Segment};
use crate::targets::machine::{CloudMachine, MachineTemplate};
use crate::values::{CloudName, DnsLabel, Peer, is_in_console};

/// Command that prints the current region of the `aws` command.
const REGION: &str = "$(aws ec2 describe-availability-zones --query 'AvailabilityZones[0].RegionName' --output text)";

/// Template input of all formats, in addition to that of every machine.
#[derive(Serialize)]
pub(super) struct AwsTemplate<'a> {
    format: &'static str,
    machine: MachineDefaults,
    /// The retention periods of CloudWatch Logs.
    log_days: [u16; 22],
    /// True if the spec lacks a required location.
    missing_places: bool,
    /// True if traces are in AWS's console, whose host depends on the partition.
    in_console: bool,
    /// The command that sets `INSTANCE`.
    instance: String,
    organization: OrganizationTemplate<'a>,
    /// True if the load balancer has IPv6 addresses as well.
    dualstack: bool,
    /// The load balancer's certificate.
    certificate: Option<CertificateTemplate<'a>>,
    /// Repositories of ECR that the deployment does not create.
    pulled: Vec<Repository<'a>>,
    /// Those of them that may be pull-through caches, because the deployment pushes nothing to them.
    cached: Vec<Repository<'a>>,
}

/// A certificate in Certificate Manager.
#[derive(Serialize)]
struct CertificateTemplate<'a> {
    host: String,
    arn: &'a str,
}

/// A repository of ECR.
#[derive(Serialize)]
struct Repository<'a> {
    account: &'a str,
    region: &'a str,
    repository: &'a str,
}

/// Defaults of the parameters, and the snapshot; blank if the spec has no value.
#[derive(Serialize)]
struct MachineDefaults {
    #[serde(rename = "type")]
    kind: String,
    architecture: &'static str,
    disk_gib: Value,
    restore_from: String,
    snapshots: Value,
    log_days: Value,
}

/// Returns the template input for the machine and for all formats.
pub(super) fn template(deployment: &Deployment) -> MachineTemplate<'_, AwsTemplate<'_>> {
    let Spec {
        chroma,
        machine: at,
        tracing,
        format,
        name,
        ..
    } = &deployment.spec;
    let traits = CloudMachine {
        log_options: &[
            "--log-driver=awslogs",
            "--log-opt=awslogs-region=${AWS_REGION}",
            "--log-opt=awslogs-group=${LOG_GROUP}",
            "--log-opt=awslogs-stream=%p/%H", // systemd specifiers: unit, host
        ],
        chooses_logs: false, // `awslogs` drops undeliverable lines
        detector: "ec2",
        metadata_addresses: &[], // a hop limit of one blocks containers
        says_whether_chroma_answers: false, // the load balancer checks it
        sends_heartbeats: *format == Format::Terraform, // CloudFormation waits for a fixed time
        place: REGION,
    };
    let given = deployment.image_source.given().into_iter();
    let not_pushed = given.filter(|_| !deployment.spec.chroma.image.is_built());
    let own = AwsTemplate {
        pulled: in_ecr(deployment.registries()),
        cached: in_ecr(not_pushed.chain(&deployment.mirrors.of_cloud)),
        format: format.name(),
        machine: MachineDefaults::new(deployment),
        log_days: LOG_DAYS,
        missing_places: places(deployment.spec.format, &deployment.spec.machine)
            .iter()
            .any(|place| place.missing),
        in_console: tracing
            .backends()
            .any(|backend| is_in_console(&backend.traces)),
        instance: instance(*format, name),
        organization: OrganizationTemplate::new(name, &at.organization),
        certificate: match &chroma.access.tls {
            Tls::LoadBalancer(host, arn) => Some(CertificateTemplate {
                host: host.to_string(),
                arn: arn.as_str(),
            }),
            _ => None,
        },
        dualstack: at
            .allow_from
            .iter()
            .any(|peer| matches!(peer, Peer::Ipv6Range(_))),
    };
    MachineTemplate::new(deployment, traits, own)
}

/// Returns the command that sets `INSTANCE` to the id of the instance.
fn instance(format: Format, name: &DnsLabel) -> String {
    let (find, group) = match format {
        Format::Terraform => (String::new(), name.to_string()),
        _ => (
            format!(
                "GROUP=$(aws cloudformation describe-stack-resource --stack-name {name} --logical-resource-id Group --query StackResourceDetail.PhysicalResourceId --output text)\n"
            ),
            "\"$GROUP\"".to_owned(),
        ),
    };
    format!(
        "{find}INSTANCE=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names {group} \
         --query 'AutoScalingGroups[0].Instances[0].InstanceId' --output text)"
    )
}

/// Returns the files of lines on the instance.
pub(super) fn lines(deployment: &Deployment) -> Vec<EnvFile> {
    let region = || EnvLine::variable("AWS_REGION", Segment::Local("region"));
    let own = vec![
        region(),
        EnvLine::variable("STACK_NAME", Segment::Name),
        EnvLine::variable("VOLUME_ID", Segment::Local("data_volume")),
        EnvLine::variable("LOG_GROUP", Segment::Local("log_group")),
    ];
    let mut files = env_files::of(deployment, own, vec![region()], bucket_region(deployment));
    files.extend(credential_helpers(deployment));
    files
}

/// Returns the line with the region of the bucket for backups, unless the spec has it.
fn bucket_region(deployment: &Deployment) -> Vec<EnvLine> {
    let bucket = env_files::in_bucket(deployment);
    let near = bucket.filter(|(_, bucket)| bucket.store.region().is_none());
    let line = near.map(|_| EnvLine::variable("RCLONE_S3_REGION", Segment::Local("region")));
    line.into_iter().collect()
}

/// Returns the repositories of registries of AWS.
fn in_ecr<'a>(registries: impl Iterator<Item = &'a Registry>) -> Vec<Repository<'a>> {
    let repositories = registries.flat_map(|registry| match registry {
        Registry::Elastic {
            account,
            region,
            repositories,
            ..
        } => {
            let of = |repository: &'a String| Repository {
                account,
                region,
                repository,
            };
            repositories.iter().map(of).collect()
        }
        Registry::Artifact { .. } | Registry::Azure { .. } => Vec::new(),
    });
    repositories.collect()
}

/// Returns Docker's configuration if the machine pulls from private registries of AWS. A credential
/// helper requests a token when needed, so no token is on the disk.
fn credential_helpers(deployment: &Deployment) -> Option<EnvFile> {
    let mirrors = deployment.mirrors.of_cloud.iter().map(Registry::host);
    let mut mirrors: BTreeSet<&str> = mirrors.collect();
    let mut hosts: Vec<Segment> = env_files::registry_host(deployment).into_iter().collect();
    if let Some(Segment::Text(host)) = hosts.first() {
        mirrors.remove(host.as_str());
    }
    hosts.extend(
        mirrors
            .into_iter()
            .map(|host| Segment::Text(host.to_owned())),
    );
    let text = |text: &str| Segment::Text(text.to_owned());
    let mut parts = Vec::new();
    for host in hosts {
        parts.push(text(if parts.is_empty() {
            "{\"credHelpers\": {\""
        } else {
            "\", \""
        }));
        parts.extend([host, text("\": \"ecr-login")]);
    }
    (!parts.is_empty()).then(|| {
        parts.push(text("\"}}"));
        EnvFile {
            path: "/root/.docker/config.json",
            lines: vec![EnvLine::of_parts(parts)],
        }
    })
}

impl MachineDefaults {
    fn new(deployment: &Deployment) -> Self {
        let at = &deployment.spec.machine;
        let snapshot = at.restore_from.as_ref();
        let values = values(deployment);
        let value = |name: &str| values.get(name).cloned().unwrap_or_default();
        Self {
            kind: value("InstanceType"),
            architecture: architecture(at.kind.as_str()),
            disk_gib: as_is(value("DiskSize")),
            restore_from: snapshot
                .map(CloudName::as_str)
                .unwrap_or_default()
                .to_owned(),
            snapshots: as_is(value("SnapshotsKept")),
            log_days: as_is(value("LogRetentionDays")),
        }
    }
}
