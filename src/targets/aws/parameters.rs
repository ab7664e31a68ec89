//! Names and values of the stack's parameters that the spec determines, for `parameters.json`.
//!
//! Invariant: the file contains every one of them, because `aws cloudformation deploy` keeps a
//! stack's previous value of a missing parameter, even if the template's default changed.

use std::collections::BTreeMap;

use chroma_otel_init::variable;

use super::instance_types::architecture;
use crate::deployment::Deployment;
pub(super) use crate::deployment::secrets::name_of;
use crate::plan::Change;
use crate::spec::{Format, Machine};
use crate::targets::machine::{RequiredKey, disk_note};
use crate::values::Peer;
use crate::values::has_place;

/// The allowed clients, by their kind.
#[derive(Default)]
pub(super) struct AllowedClients<'a> {
    pub(super) ranges: Vec<&'a str>,
    pub(super) ipv6_ranges: Vec<&'a str>,
    pub(super) groups: Vec<&'a str>,
    pub(super) prefix_lists: Vec<&'a str>,
}

impl<'a> AllowedClients<'a> {
    pub(super) fn new(peers: &'a [Peer]) -> Self {
        let mut clients = Self::default();
        for peer in peers {
            let list = match peer {
                Peer::Range(_) => &mut clients.ranges,
                Peer::Ipv6Range(_) => &mut clients.ipv6_ranges,
                Peer::SecurityGroup(_) => &mut clients.groups,
                Peer::PrefixList(_) => &mut clients.prefix_lists,
            };
            list.push(peer.as_str());
        }
        clients
    }
}

/// Returns the values of the parameters that the spec determines; blank if the spec has no value.
pub(super) fn values(deployment: &Deployment) -> BTreeMap<String, String> {
    let (machine, tracing) = (&deployment.spec.machine, &deployment.spec.tracing);
    let text = |name: &Option<crate::values::CloudName>| {
        name.as_ref()
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default()
    };
    let (range, group) = first_peers(machine);
    let peer = |peer: Option<&Peer>| peer.map_or("", Peer::as_str).to_owned();
    let mut values: BTreeMap<String, String> = [
        ("ChromaVersion", deployment.spec.chroma.version.to_string()),
        ("InstanceType", machine.kind.as_str().to_owned()),
        ("ImageId", image(machine)),
        ("VpcId", text(&machine.network)),
        ("SubnetId", text(&machine.subnet)),
        ("AvailabilityZone", text(&machine.zone)),
        ("AllowedCidr", peer(range)),
        ("AllowedSecurityGroup", peer(group)),
        ("DiskSize", (machine.disk.as_mebibytes() / 1024).to_string()),
        ("SnapshotsKept", machine.snapshots.to_string()),
        ("LogRetentionDays", machine.log_days.to_string()),
        ("AlarmTopicArn", text(&machine.alarms)),
        ("StartMinutes", machine.start_minutes.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    values.insert(
        name_of(variable::SERVICE_NAME),
        tracing.service_name.as_str().to_owned(),
    );
    values.insert(
        name_of(variable::GRANULARITY),
        tracing.granularity.to_string(),
    );
    if tracing.backend.wants_endpoint() {
        // The template completes an endpoint that contains the region.
        let endpoint = deployment
            .collector
            .exact_endpoint
            .clone()
            .filter(|own| !has_place(own));
        values.insert(name_of(variable::ENDPOINT), endpoint.unwrap_or_default());
    }
    for secret in &deployment.secrets {
        let arn = text(&machine.secrets.get(&secret.variable).cloned());
        values.insert(format!("{}SecretArn", name_of(&secret.variable)), arn);
    }
    values
}

/// Returns the required keys of the spec, with the format's name of each variable or parameter.
pub(super) fn places(format: Format, at: &Machine) -> [RequiredKey; 4] {
    let parameter = |variable: &str| match format {
        Format::Terraform => variable.to_owned(),
        _ => name_of(variable),
    };
    let allowed = match format {
        Format::Terraform => "allowed_cidrs".to_owned(),
        _ => name_of("allowed_cidr"),
    };
    [
        RequiredKey::new(
            "machine.network",
            parameter("vpc_id"),
            "the VPC's id",
            &at.network,
        ),
        RequiredKey::new(
            "machine.subnet",
            parameter("subnet_id"),
            "the id of a private subnet",
            &at.subnet,
        ),
        RequiredKey::new(
            "machine.zone",
            parameter("availability_zone"),
            "the subnet's availability zone",
            &at.zone,
        ),
        RequiredKey::new(
            "machine.allow_from",
            allowed,
            "the allowed clients: a range such as `10.0.0.0/16`, or a security group",
            &at.allow_from.first(),
        ),
    ]
}

/// Returns the first range and the first security group of the allowed clients, which are parameters.
fn first_peers(machine: &Machine) -> (Option<&Peer>, Option<&Peer>) {
    let peers = || machine.allow_from.iter();
    (
        peers().find(|peer| matches!(peer, Peer::Range(_))),
        peers().find(|peer| matches!(peer, Peer::SecurityGroup(_))),
    )
}

/// Returns the allowed clients that no parameter contains.
pub(super) fn further_peers(machine: &Machine) -> impl Iterator<Item = &Peer> {
    let (range, group) = first_peers(machine);
    let in_parameter = move |peer: &&Peer| Some(*peer) == range || Some(*peer) == group;
    machine
        .allow_from
        .iter()
        .filter(move |peer| !in_parameter(peer))
}

/// Returns the spec's system image, or the public parameter of Systems Manager with the newest Amazon
/// Linux 2023 image for the instance type.
pub(super) fn image(machine: &Machine) -> String {
    if let Some(image) = &machine.organization.image {
        return image.as_str().to_owned();
    }
    let architecture = architecture(machine.kind.as_str());
    format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}")
}

/// Returns `parameters.json`, in the form that every `aws cloudformation deploy
/// --parameter-overrides` accepts; awscli 1.46.3 rejects pairs of `ParameterKey` and
/// `ParameterValue`. Parameters without a value that cannot be blank are omitted.
pub(super) fn file(deployment: &Deployment) -> String {
    const NEVER_BLANK: [&str; 3] = ["VpcId", "SubnetId", "AvailabilityZone"];
    let endpoint = name_of(variable::ENDPOINT);
    let open = |name: &String| {
        NEVER_BLANK.contains(&name.as_str())
            || (*name == endpoint && deployment.spec.tracing.backend.endpoint.is_none())
    };
    let lines: Vec<String> = values(deployment)
        .into_iter()
        .filter(|(name, value)| !(value.is_empty() && open(name)))
        .map(|(name, value)| format!("  {}", serde_json::json!(format!("{name}={value}"))))
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Returns notes on a smaller data volume, another network, and another architecture than that of the
/// pinned system image.
pub(super) fn notes(change: &Change) -> Vec<String> {
    let values = |text: &Option<String>| parsed(text.as_deref());
    let (before, after) = (values(&change.before), values(&change.after));
    let changed = |name: &str| {
        let (before, after) = (before.get(name)?, after.get(name)?);
        (before != after).then_some((before, after))
    };
    let size = |values: &BTreeMap<String, String>| values.get("DiskSize").cloned();
    let mut notes: Vec<String> = disk_note(size(&before).as_deref(), size(&after).as_deref())
        .into_iter()
        .collect();
    if let Some((before, after)) = changed("VpcId") {
        notes.push(format!("`machine.network` changes from `{before}` to `{after}`, but the VPC of an existing stack cannot change: create a snapshot of the data, delete the stack, and create it again with `machine.restore_from`"));
    } else if let Some((before, after)) = changed("SubnetId") {
        notes.push(format!("`machine.subnet` changes from `{before}` to `{after}`: an existing stack replaces the instance; if its load balancer cannot move, CloudFormation keeps the old subnet and rolls back"));
    }
    let is_pinned = after.get("ImageId").is_some_and(|id| !id.starts_with('/'));
    let other =
        changed("InstanceType").map(|(before, after)| (architecture(before), architecture(after)));
    if let Some((_, now)) = other.filter(|(before, after)| is_pinned && before != after) {
        notes.push(format!("`machine.image` must be an image for {now} now"));
    }
    notes
}

/// Returns the values of `parameters.json`; none if it cannot be parsed.
pub(super) fn parsed(text: Option<&str>) -> BTreeMap<String, String> {
    let pairs: Vec<String> = text
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_published_image_parameters() {
        assert_eq!(
            name_of("CHROMA_OTEL_COLLECTION_ENDPOINT"),
            "ChromaOtelCollectionEndpoint"
        );
        assert_eq!(name_of("HONEYCOMB_API_KEY"), "HoneycombApiKey");
    }
}
