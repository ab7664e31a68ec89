//! Problems of a valid spec that Google Cloud cannot deploy.
//!
//! Invariant: a value that the rendered module would reject at the first `apply` is reported here.

use super::module::MODULE;
use super::patterns;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::{Machine, Organization};
use crate::targets::machine::patterns::{
    self as rules, Named, SecretName, TagRules, given, has_form, malformed, not_ranges,
};
use crate::targets::machine::sizes;
use crate::targets::{machine, terraform};

/// The smallest size of the module's disk type (`pd-balanced`), in GiB.
const LEAST_DISK: u64 = 10;

/// The longest retention of Cloud Logging, in days.
const LONGEST_RETENTION: u16 = 3650;

/// The format of a secret's name in Secret Manager.
pub(in crate::targets) const SECRET: SecretName = SecretName {
    rule: |name| has_form(patterns::SECRET_OR_BLANK, name),
    what: "the name of a secret, `projects/PROJECT/secrets/NAME`, without a version",
    command: "`gcloud secrets describe NAME --format='value(name)'`",
};

/// Rules for labels (Resource Manager, "Requirements for labels").
const LABELS: TagRules = TagRules {
    name: patterns::LABEL,
    value: patterns::LABEL_VALUE,
    what: "a label of Google Cloud",
    hint: "use lower-case letters, digits, `_` and `-`, at most 63, and a letter first in a name",
    most: 64,
};

pub(super) fn of(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = machine::problems(deployment, &SECRET);
    problems.extend(terraform::problems(deployment, &MODULE));
    problems.extend(names(deployment));
    problems.extend(rules::tags(deployment, &LABELS));
    problems.extend(sizes::too_small(deployment, super::machine_types::memory));
    problems.extend(amounts(deployment));
    problems
}

/// Returns problems for names that Google Cloud does not accept.
fn names(deployment: &Deployment) -> Vec<Problem> {
    let at = &deployment.spec.machine;
    let organization = &at.organization;
    let name = deployment.spec.name.to_string();
    let mut problems = malformed([
        Named::new(
            "name",
            Some(name),
            patterns::DEPLOYMENT,
            "too long or begins with a digit: the service account is named `NAME-machine`",
            "use at most 22 characters, beginning with a letter",
        ),
        Named::new(
            "machine.type",
            Some(at.kind.as_str().to_owned()),
            patterns::MACHINE_TYPE,
            "not a machine type",
            "use a machine type such as `e2-medium`, `n4-standard-2` or `c4a-standard-2` (Arm)",
        ),
        project(at),
        Named::new(
            "machine.zone",
            given(&at.zone),
            patterns::ZONE,
            "not a zone",
            "use a zone such as `europe-west3-a`; see `gcloud compute zones list`",
        ),
        Named::new(
            "machine.network",
            given(&at.network),
            patterns::NAME,
            "not the name of a network",
            "use the name, not the URL; see `gcloud compute networks list`; for a Shared VPC, set `machine.network_project`",
        ),
        Named::new(
            "machine.subnet",
            given(&at.subnet),
            patterns::NAME,
            "not the name of a subnet",
            "use the name, not the URL; see `gcloud compute networks subnets list`",
        ),
        Named::new(
            "machine.network_project",
            given(&organization.network_project),
            patterns::PROJECT,
            "not the id of a project",
            "use the id of the Shared VPC's host project; see `gcloud compute shared-vpc get-host-project PROJECT`",
        ),
        Named::new(
            "machine.image",
            given(&organization.image),
            patterns::IMAGE,
            "not the name of an image",
            "use `projects/PROJECT/global/images/NAME` of Debian 13; see `gcloud compute images list --uri`",
        ),
        Named::new(
            "machine.kms_key",
            given(&organization.kms_key),
            patterns::KMS_KEY,
            "not the name of a key",
            "use `projects/…/locations/…/keyRings/…/cryptoKeys/…` without a version; see `gcloud kms keys list`",
        ),
        Named::new(
            "machine.restore_from",
            given(&at.restore_from),
            patterns::NAME_OR_BLANK,
            "not the name of a snapshot",
            "use the name, not the URL; see `gcloud compute snapshots list`",
        ),
        Named::new(
            "machine.alarms",
            given(&at.alarms),
            patterns::CHANNEL_OR_BLANK,
            "not a notification channel",
            "use `projects/PROJECT/notificationChannels/NUMBER`; see `gcloud beta monitoring channels list`",
        ),
    ]);
    problems.extend(foreign_key(at));
    problems.extend(firewall_rules(organization));
    problems.extend(not_ranges(
        "machine.allow_from",
        &at.allow_from,
        "use the address range of the clients' subnet, such as `10.0.0.0/16`",
    ));
    problems
}

/// Returns a problem for a key of another region than the zone's. Disks also accept keys of a
/// multi-region that contains the region, and global ones
/// (<https://cloud.google.com/compute/docs/disks/customer-managed-encryption>).
fn foreign_key(at: &Machine) -> Option<Problem> {
    let zone = given(&at.zone).filter(|zone| has_form(patterns::ZONE, zone))?;
    let (region, _) = zone.rsplit_once('-')?;
    let key = given(&at.organization.kms_key).filter(|key| has_form(patterns::KMS_KEY, key))?;
    let location = key.split('/').nth(3)?;
    let is_region = location.ends_with(|c: char| c.is_ascii_digit());
    (is_region && location != region).then(|| {
        let message = format!("`{location}` is not the region of `machine.zone`, `{zone}`");
        Problem::new("machine.kms_key", message).hint(format!("use a key in `{region}`"))
    })
}

/// Returns a problem if the module should create no firewall rules in a project's own network: nothing
/// would then protect Chroma.
fn firewall_rules(organization: &Organization) -> Option<Problem> {
    let is_own = organization.network_project.is_none();
    (is_own && !organization.create_firewall_rules).then(|| {
        Problem::new(
            "machine.create_firewall_rules",
            "`false` is for a Shared VPC, whose administrators create the rules",
        )
        .hint("set `machine.network_project`, or remove it")
    })
}

/// Returns the project.
pub(in crate::targets) fn project(at: &Machine) -> Named {
    Named::new(
        "machine.project",
        given(&at.project),
        patterns::PROJECT,
        "not the id of a project",
        "use the id, not the name or number; see `gcloud projects list`",
    )
}

/// Returns problems for amounts that Google Cloud does not accept.
fn amounts(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let disk = deployment.spec.machine.disk.as_mebibytes() / 1024;
    if disk < LEAST_DISK {
        let message = format!("`{disk}GiB` is smaller than the smallest disk");
        let hint = format!("use `{LEAST_DISK}GiB` or more");
        problems.push(Problem::new("machine.disk", message).hint(hint));
    }
    if deployment.spec.machine.log_days > LONGEST_RETENTION {
        let message = format!(
            "`{}` is longer than the longest retention of Cloud Logging",
            deployment.spec.machine.log_days
        );
        let hint = format!("use `{LONGEST_RETENTION}` or less");
        problems.push(Problem::new("machine.log_days", message).hint(hint));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::deployment::sound;

    /// Returns the problems of a spec with this value at a key.
    fn problems(key: &'static str, value: Value) -> Vec<String> {
        let deployment = sound(&[("target", json!("gcp")), (key, value)]);
        let problems = crate::targets::problems(&deployment);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rejects_values_that_google_cloud_would_reject() {
        for (key, wrong, right) in [
            (
                "name",
                json!("a-name-that-is-much-too-long"),
                json!("chroma"),
            ),
            ("machine.type", json!("t4g.medium"), json!("c4a-standard-2")),
            (
                "machine.project",
                json!("123456789012"),
                json!("acme-search"),
            ),
            (
                "machine.zone",
                json!("europe-west3"),
                json!("europe-west3-a"),
            ),
            (
                "machine.network",
                json!("projects/p/global/networks/n"),
                json!("default"),
            ),
            ("machine.subnet", json!("subnet_1"), json!("subnet-1")),
            (
                "machine.network_project",
                json!("projects/network"),
                json!("acme-network"),
            ),
            (
                "machine.image",
                json!("projects/debian-cloud/global/images/family/debian-13"),
                json!("projects/debian-cloud/global/images/debian-13-trixie-v20251111"),
            ),
            (
                "machine.kms_key",
                json!("alias/chroma"),
                json!("projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k"),
            ),
            (
                "machine.tags",
                json!({ "Team": "search" }),
                json!({ "team": "search" }),
            ),
            (
                "machine.tags",
                json!({ "team": "Search" }),
                json!({ "team": "search-1" }),
            ),
            (
                "machine.tags",
                json!({ "chroma-otel-deploy": "x" }),
                json!({}),
            ),
            (
                "machine.restore_from",
                json!("snap.1"),
                json!("chroma-20260101"),
            ),
            (
                "machine.alarms",
                json!("arn:aws:sns:x"),
                json!("projects/acme-search/notificationChannels/1"),
            ),
            ("machine.allow_from", json!("sg-0123"), json!("10.0.0.0/16")),
            (
                "machine.allow_from",
                json!(["10.0.0.0/16", "pl-0123"]),
                json!(["10.0.0.0/16", "10.1.0.0/16"]),
            ),
            ("machine.disk", json!("9GiB"), json!("10GiB")),
            ("machine.log_days", json!(3651), json!(3650)),
            (
                "machine.secrets",
                json!({ "CHROMA_OTEL_COLLECTION_HEADERS": "projects/p/secrets/k/versions/1" }),
                json!({ "CHROMA_OTEL_COLLECTION_HEADERS": "projects/p/secrets/k" }),
            ),
        ] {
            let found = problems(key, wrong);
            let [problem] = &found[..] else {
                panic!("{key}: {found:?}");
            };
            assert!(problem.starts_with(key), "{problem}");
            assert_eq!(problems(key, right), [""; 0], "{key}");
        }
    }
}
