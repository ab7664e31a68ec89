//! What the stack is made with in every format: what its templates read, and its lines.
//!
//! Invariant: texts are plain here; each format writes them in its own form.

use minijinja::{Value, context};

use super::parameters::{architecture, values};
use super::problems::LOG_DAYS;
use crate::image::Tags;
use crate::render::as_is;
use crate::spec::Spec;
use crate::targets::machine::env_files::{self, EnvFile, EnvLine, Segment};
use crate::targets::machine::{self, CloudMachine};
use crate::targets::registry::Source;

/// The region that the `aws` command works in, wherever it has it from.
const REGION: &str = "$(aws ec2 describe-availability-zones --query 'AvailabilityZones[0].RegionName' --output text)";

/// What the templates of every format read.
pub(super) fn of(spec: &Spec, tags: &Tags) -> Value {
    let cloud = CloudMachine {
        log_options: &[
            "--log-driver=awslogs",
            "--log-opt=awslogs-region=${AWS_REGION}",
            "--log-opt=awslogs-group=${LOG_GROUP}",
            "--log-opt=awslogs-stream=%p/%H", // systemd's: the unit, the host
        ],
        chooses_logs: false, // what `awslogs` cannot hand over it drops
        detector: "ec2",
        metadata_addresses: &[], // a hop limit of one keeps containers from it
        says_whether_chroma_answers: false, // the load balancer does
        system_memory: 384,
        arm: architecture(spec.machine.kind.as_str()) == "arm64",
        place: REGION,
    };
    let at = &spec.machine;
    let own = context! {
        format => spec.format.name(),
        machine => machine(spec),
        log_days => LOG_DAYS,
        missing_places => at.network.is_none() || at.subnet.is_none() || at.zone.is_none() || at.allow_from.is_none(),
    };
    machine::context(spec, tags, &cloud, own)
}

/// The files of lines on the instance.
pub(super) fn lines(spec: &Spec, tags: &Tags) -> Vec<EnvFile> {
    let region = || EnvLine::variable("AWS_REGION", Segment::Local("region"));
    let own = vec![
        region(),
        EnvLine::variable("STACK_NAME", Segment::Name),
        EnvLine::variable("VOLUME_ID", Segment::Local("data_volume")),
        EnvLine::variable("LOG_GROUP", Segment::Local("log_group")),
    ];
    let mut files = env_files::of(spec, tags, own, vec![region()]);
    let host = match Source::of(spec) {
        Source::Own => Some(Segment::Local("registry")),
        Source::ByIdentity(registry) => Some(Segment::Text(registry.host().to_owned())),
        Source::None | Source::Open => None,
    };
    if let Some(host) = host {
        // A helper that asks for a token when one is needed: none is on the disk.
        let line = EnvLine::of([
            Segment::Text(r#"{"credHelpers": {""#.to_owned()),
            host,
            Segment::Text(r#"": "ecr-login"}}"#.to_owned()),
        ]);
        files.push(EnvFile {
            path: "/root/.docker/config.json",
            lines: vec![line],
        });
    }
    files
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
