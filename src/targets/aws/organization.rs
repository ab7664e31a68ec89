//! Settings that an organization's policies ask for, as template input, and their problems.
//!
//! Invariant: without such a setting, a template renders nothing for it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::{Machine, Organization, Tls};
use crate::targets::machine::patterns::{Named, given, has_form, malformed};
use crate::values::{CloudName, DnsLabel, Peer};

/// Template input for the settings of an organization.
#[derive(Serialize)]
pub(super) struct OrganizationTemplate<'a> {
    /// Tags of all resources, besides the deployment's own.
    tags: BTreeMap<&'a str, &'a str>,
    kms_key: Option<&'a str>,
    permissions_boundary: Option<&'a str>,
    policies: Vec<&'a str>,
    public_address: bool,
    image: Option<&'a str>,
    /// The tags as JSON, for a command; `None` without any.
    tags_json: Option<String>,
    /// The tags of a snapshot, for a command.
    snapshot_tags: String,
}

impl<'a> OrganizationTemplate<'a> {
    pub(super) fn new(name: &DnsLabel, organization: &'a Organization) -> Self {
        let text = |name: &'a Option<CloudName>| name.as_ref().map(CloudName::as_str);
        let tags = organization.tags.iter();
        let given = json_tags(organization);
        Self {
            tags_json: (!given.is_empty()).then(|| Value::from(given).to_string()),
            tags: tags
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
            kms_key: text(&organization.kms_key),
            permissions_boundary: text(&organization.permissions_boundary),
            policies: organization
                .policies
                .iter()
                .map(CloudName::as_str)
                .collect(),
            public_address: organization.public_address,
            image: text(&organization.image),
            snapshot_tags: snapshot_tags(name, organization),
        }
    }
}

/// Returns the tags of a snapshot as the `aws` command accepts them: those of the volume, by which the
/// README lists snapshots.
fn snapshot_tags(name: &DnsLabel, organization: &Organization) -> String {
    let own = json!({ "Key": "chroma-otel-deploy", "Value": name.to_string() });
    let tags: Vec<_> = [own].into_iter().chain(json_tags(organization)).collect();
    json!([{ "ResourceType": "snapshot", "Tags": tags }]).to_string()
}

/// Returns the tags in the form of AWS's API.
fn json_tags(organization: &Organization) -> Vec<Value> {
    let given = organization.tags.iter();
    given
        .map(|(key, value)| json!({ "Key": key, "Value": value.as_str() }))
        .collect()
}

/// The tags that the deployment itself sets.
const OWN_TAGS: [&str; 2] = ["Name", "chroma-otel-deploy"];

/// The format of names and values of tags in IAM, the strictest service
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html>).
const TAG: &str = r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$";

/// The format of a system image's ID.
const IMAGE: &str = "^ami-([0-9a-f]{8}|[0-9a-f]{17})$";

/// The format of a key's ARN. CloudWatch Logs accepts no alias.
const KMS_KEY: &str = r"^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$";

/// The key of the load balancer's certificate.
const CERTIFICATE_KEY: &str = "chroma.access.certificate";

/// The format of a certificate's ARN.
const CERTIFICATE: &str = r"^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+$";

/// The format of a policy's ARN.
const POLICY: &str = r"^arn:[a-z-]+:iam::(\d{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$";

/// Returns the problems of these settings.
pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let machine = &deployment.spec.machine;
    let at = &machine.organization;
    let policy_hint = "use a policy's ARN, `arn:aws:iam::…:policy/…`; see `aws iam list-policies`";
    let certificate = match &deployment.spec.chroma.access.tls {
        Tls::LoadBalancer(_, arn) => Some(arn.as_str().to_owned()),
        _ => None,
    };
    let mut problems = malformed([
        Named::new(
            CERTIFICATE_KEY,
            certificate.clone(),
            CERTIFICATE,
            "not the ARN of a certificate in Certificate Manager",
            "use `arn:aws:acm:REGION:ACCOUNT:certificate/…`; see `aws acm list-certificates`",
        ),
        Named::new(
            "machine.image",
            given(&at.image),
            IMAGE,
            "not the ID of an AMI",
            "use `ami-` and 8 or 17 hexadecimal digits",
        ),
        Named::new(
            "machine.kms_key",
            given(&at.kms_key),
            KMS_KEY,
            "not the ARN of a KMS key",
            "use `arn:aws:kms:REGION:ACCOUNT:key/…`; CloudWatch Logs accepts no alias",
        ),
        Named::new(
            "machine.permissions_boundary",
            given(&at.permissions_boundary),
            POLICY,
            "not the ARN of a policy",
            policy_hint,
        ),
    ]);
    for policy in &at.policies {
        let policy = Some(policy.as_str().to_owned());
        let named = Named::new(
            "machine.policies",
            policy,
            POLICY,
            "not the ARN of a policy",
            policy_hint,
        );
        problems.extend(malformed([named]));
    }
    problems.extend(elsewhere(
        CERTIFICATE_KEY,
        certificate.filter(|arn| has_form(CERTIFICATE, arn)),
        &machine.zone,
        "use a certificate of that region",
    ));
    // Volumes and logs accept no key of another region.
    problems.extend(elsewhere(
        "machine.kms_key",
        given(&at.kms_key).filter(|key| has_form(KMS_KEY, key)),
        &machine.zone,
        "use a key of that region, or replicate a multi-Region key there",
    ));
    problems.extend(tags(at));
    problems.extend(peers(machine));
    problems
}

/// Returns a problem for a resource of another region than the zone's.
fn elsewhere(
    key: &'static str,
    arn: Option<String>,
    zone: &Option<CloudName>,
    hint: &str,
) -> Option<Problem> {
    let (arn, zone) = (arn?, given(zone)?);
    let region = arn.split(':').nth(3)?;
    (!zone.starts_with(region)).then(|| {
        let message = format!("`{region}` is not the region of `machine.zone`, `{zone}`");
        Problem::new(key, message).hint(hint)
    })
}

/// Returns problems for tags that AWS rejects, or that the deployment sets itself. IAM compares names
/// without regard to case.
fn tags(at: &Organization) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, value) in &at.tags {
        let named = |other: &&str| other.eq_ignore_ascii_case(key);
        let mut wrong = |message: String, hint: &str| {
            problems.push(Problem::new(format!("machine.tags.{key}"), message).hint(hint));
        };
        if let Some(own) = OWN_TAGS.iter().copied().find(|own| named(own)) {
            wrong(format!("the deployment sets the tag `{own}`"), "remove it");
        } else if key.to_ascii_lowercase().starts_with("aws:") {
            wrong(
                "AWS reserves tags that begin with `aws:`".to_owned(),
                "rename it",
            );
        } else if !has_form(TAG, key) || !has_form(TAG, value.as_str()) {
            wrong(
                "is not a tag of IAM's".to_owned(),
                "use at most 128 letters, digits, blanks and `_.:/=+-@`",
            );
        } else if let Some((other, _)) = at
            .tags
            .range(..key.clone())
            .find(|(other, _)| named(&other.as_str()))
        {
            wrong(
                format!("differs from `{other}` only in case, which IAM does not accept"),
                "remove one",
            );
        }
    }
    problems
}

/// Returns problems for identifiers of allowed clients.
fn peers(machine: &Machine) -> Vec<Problem> {
    let wrong = machine.allow_from.iter().filter_map(|peer| {
        let (form, what) = match peer {
            Peer::Range(_) | Peer::Ipv6Range(_) => return None,
            Peer::SecurityGroup(_) => ("^sg-([0-9a-f]{8}|[0-9a-f]{17})$", "a security group"),
            Peer::PrefixList(_) => ("^pl-([0-9a-f]{8}|[0-9a-f]{17})$", "a prefix list"),
        };
        let message = format!("`{}` is not the ID of {what}", peer.as_str());
        let hint = "use the prefix and 8 or 17 hexadecimal digits";
        (!has_form(form, peer.as_str()))
            .then(|| Problem::new("machine.allow_from", message).hint(hint))
    });
    wrong.collect()
}
