//! EKS.

use serde_json::json;

use super::managed::{ByMode, LINK_LOCAL, ManagedKubernetes};
use crate::problem::Problem;
use crate::targets::aws;
use crate::targets::machine::patterns::{Named, given, malformed};

/// A region of AWS.
const REGION: &str = "^[a-z]{2}(-[a-z]+)+-[0-9]+$";
/// The name of a cluster (API `CreateCluster`).
const CLUSTER: &str = "^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$";
/// The ARN of a role.
const ROLE: &str = "^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$";

pub(super) const EKS: ManagedKubernetes = ManagedKubernetes {
    provisioner: ByMode {
        usual: "ebs.csi.aws.com",
        auto_mode: "ebs.csi.eks.amazonaws.com",
    },
    disk_parameters: &[("encrypted", "true"), ("type", "gp3")],
    // Without a class, a cluster without a controller would create a public load balancer.
    load_balancer_class: Some(ByMode {
        usual: "service.k8s.aws/nlb",
        auto_mode: "eks.amazonaws.com/nlb",
    }),
    load_balancer_annotations: &[
        (
            "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type",
            "instance",
        ),
        (
            "service.beta.kubernetes.io/aws-load-balancer-scheme",
            "internal",
        ),
    ],
    // Auto Mode has its DNS on the node, at an undocumented address.
    dns_address: ByMode {
        usual: LINK_LOCAL,
        auto_mode: "0.0.0.0/0",
    },
    provider: "aws",
    platform: "aws_eks",
    account: |_| None,
    location: |region| (region, None),
    // EKS Pod Identity's agent, on every node.
    identity_egress: &[("169.254.170.23/32", 80)],
    identity_egress_ipv6: &[("fd00:ec2::23/128", 80)],
    isolates_volumes: true,
    request_is_ephemeral_limit: false,
    readme_section: "kubernetes/sections/_eks.md.j2",
    secret_name: &aws::problems::SECRET,
    secret_place: |arn| arn.split(':').nth(3).unwrap_or_default(),
    secret_key: |arn| arn,
    identity_annotation: Some("eks.amazonaws.com/role-arn"),
    identity_label: None, // the role has an association with the account
    secret_provider: |_, access| {
        let account = access.account;
        json!({ "aws": {
            "service": "SecretsManager", "region": access.place,
            "auth": account.map(|account| json!({ "jwt": { "serviceAccountRef": account } })),
        } })
    },
    names: |spec| {
        let at = &spec.kubernetes;
        malformed([
            Named::new(
                "kubernetes.region",
                given(&at.region),
                REGION,
                "not an AWS region",
                "use a region such as `eu-central-1`",
            ),
            Named::new(
                "kubernetes.cluster",
                given(&at.cluster),
                CLUSTER,
                "not the name of a cluster",
                "use the name, not the ARN; see `aws eks list-clusters`",
            ),
            Named::new(
                "kubernetes.identity",
                given(&at.identity),
                ROLE,
                "not the ARN of a role",
                "use the ARN; see `aws iam get-role --role-name … --query Role.Arn`",
            ),
        ])
    },
    missing_for_backend: |backend, at, _| {
        let message =
            format!("required, because the endpoint of `{backend}` depends on the region");
        let problem = Problem::new("kubernetes.region", message);
        at.region.is_none().then(|| {
            problem.hint("set it, or use `--cluster-region`, with a region such as `eu-central-1`")
        })
    },
    missing_for_identity: |_| None,
};
