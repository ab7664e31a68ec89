//! The commands of a format: `kubectl` for manifests, `helm` for a chart.

use serde::Serialize;

use crate::deployment::Deployment;
use crate::spec::Format;

/// The command that applies the manifests.
pub(super) const APPLY: &str = "kubectl apply --kustomize .";

/// The folder of the chart.
pub(super) const FOLDER: &str = "chart";

/// The commands of a deployment's format.
#[derive(Serialize)]
pub(super) struct Commands {
    /// True for a chart.
    helm: bool,
    /// Installs or changes the deployment.
    pub(super) apply: String,
    /// Uninstalls it.
    remove: String,
    /// Prints the Job that restores a backup.
    print_restore: String,
}

impl Commands {
    /// Returns the commands of a deployment.
    pub(super) fn new(deployment: &Deployment) -> Self {
        if deployment.spec.format == Format::Helm {
            return Self::of_helm(deployment);
        }
        Self {
            helm: false,
            apply: APPLY.to_owned(),
            remove: "kubectl delete --kustomize .".to_owned(),
            print_restore: "cat restore.yaml".to_owned(),
        }
    }

    fn of_helm(deployment: &Deployment) -> Self {
        let (name, namespace) = (&deployment.spec.name, &deployment.spec.kubernetes.namespace);
        let in_namespace = format!("--namespace {namespace}");
        // With the values of the release, such as the image of a mirror.
        let values = format!("helm get values {name} {in_namespace} --output yaml");
        let template = format!("helm template {name} {FOLDER} {in_namespace} --values -");
        Self {
            helm: true,
            apply: format!("helm upgrade --install {name} {FOLDER} {in_namespace}"),
            remove: format!("helm uninstall {name} {in_namespace}"),
            print_restore: format!(
                "{values} | {template} --set restore=true --show-only templates/restore.yaml"
            ),
        }
    }
}
