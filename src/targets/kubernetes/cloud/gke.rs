//! GKE.

use serde_json::json;

use super::managed::{ByMode, LINK_LOCAL, ManagedKubernetes};
use crate::problem::Problem;
use crate::targets::gcp;
use crate::targets::machine::patterns::{Named, given, malformed};

/// A region or a zone of Google Cloud.
const LOCATION: &str = "^[a-z]+-[a-z]+[0-9]+(-[a-z])?$";
/// The name of a cluster (API `projects.locations.clusters`).
const CLUSTER: &str = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$";

pub(super) const GKE: ManagedKubernetes = ManagedKubernetes {
    provisioner: ByMode::always("pd.csi.storage.gke.io"),
    disk_parameters: &[("type", "pd-balanced")],
    load_balancer_class: None,
    load_balancer_annotations: &[("networking.gke.io/load-balancer-type", "Internal")],
    dns_address: ByMode::always(LINK_LOCAL),
    provider: "gcp",
    platform: "gcp_kubernetes_engine",
    account: |machine| machine.project.as_ref(),
    // A zone is the name of its region and a letter.
    location: |location| match location.rsplit_once('-') {
        Some((region, letter)) if letter.len() == 1 => (region, Some(location)),
        _ => (location, None),
    },
    // The metadata server: its address, and the address to which the node's rules redirect it ("Workload
    // Identity Federation", "Network policy").
    identity_egress: &[("169.254.169.254/32", 80), ("169.254.169.252/32", 988)],
    identity_egress_ipv6: &[],
    isolates_volumes: false,
    request_is_ephemeral_limit: true,
    readme_section: "kubernetes/sections/_gke.md.j2",
    secret_name: &gcp::problems::SECRET,
    secret_place: |name| name.split('/').nth(1).unwrap_or_default(),
    secret_key: |name| name.rsplit('/').next().unwrap_or(name),
    identity_annotation: None,
    identity_label: None,
    secret_provider: |spec, access| {
        let at = &spec.kubernetes;
        json!({ "gcpsm": {
            "projectID": access.place,
            "auth": { "workloadIdentity": {
                // The Operator reads missing values from the metadata server.
                "clusterProjectID": given(&spec.machine.project),
                "clusterLocation": given(&at.region),
                "clusterName": given(&at.cluster),
                "serviceAccountRef": access.account,
            } },
        } })
    },
    names: |spec| {
        let (at, machine) = (&spec.kubernetes, &spec.machine);
        malformed([
            Named::new(
                "kubernetes.region",
                given(&at.region),
                LOCATION,
                "not a region or zone",
                "use the cluster's location; see `gcloud container clusters list`",
            ),
            Named::new(
                "kubernetes.cluster",
                given(&at.cluster),
                CLUSTER,
                "not the name of a cluster",
                "see `gcloud container clusters list`",
            ),
            gcp::problems::project(machine),
        ])
    },
    missing_for_backend: |backend, _, machine| {
        let message = format!("required, because `{backend}` stores traces by project");
        let problem = Problem::new("machine.project", message);
        machine.project.is_none().then(|| {
            problem.hint(
                "set it, or use `--project`, with the project's id; see `gcloud projects list`",
            )
        })
    },
    missing_for_identity: |_| None,
};
