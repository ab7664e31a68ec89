//! Data: its location on the server, and its lifetime beyond all other resources.

use chroma_otel_deploy::spec::Format;
use chroma_otel_deploy::spec::target::Target;
use chroma_otel_init::Server;

use crate::deployment::{Deployment, Starter, deployment, none, places};

#[test]
fn data_is_mounted_on_the_servers_data_directory() {
    none(misplaced);
}

/// Returns the reasons why the data would be lost with the container.
pub(crate) fn misplaced(one: &Deployment) -> Vec<String> {
    let directory = one.spec.chroma.version.data_directory();
    let (place, mount) = match one.starter() {
        Starter::Systemd => {
            let mount = format!("source=/var/lib/chroma-otel/data,target={directory} ");
            ("chroma.service", mount)
        }
        Starter::Compose => ("docker-compose.yaml", format!("- data:{directory} ")),
        Starter::Kubernetes => (
            "chroma.yaml",
            format!("{{name: data, mountPath: {directory}}} "),
        ),
    };
    let place = one.file(place);
    let mut wrong = Vec::new();
    if !place.replace('\n', " ").contains(&mount) {
        wrong.push(format!("nothing is mounted at {directory}"));
    }
    if one.spec.chroma.version.server() == Server::Rust
        && one.yaml("config.yaml")["persist_path"].as_str() != Some(directory)
    {
        wrong.push("Chroma does not write there".to_owned());
    }
    wrong
}

/// The text of the data's resource does not depend on other values.
#[test]
fn no_change_of_a_version_or_variable_touches_the_data() {
    for (target, format) in places() {
        let first = holder(&deployment(target, format, "wrapped", "1.5.9", "otlp"));
        assert!(first.len() > 20, "{first}");
        for word in [
            "chroma_otel",
            "chroma_version",
            "ChromaOtel",
            "ChromaVersion",
            "Instance",
        ] {
            assert!(!first.contains(word), "{first}");
        }
        for (image, version) in [
            ("stock", "1.5.9"),
            ("wrapped", "1.0.20"),
            ("wrapped", "0.6.3"),
        ] {
            // Kubernetes rejects changes of the volume's metadata in a StatefulSet.
            let other = deployment(target, format, image, version, "otlp");
            assert_eq!(holder(&other), first, "{}", other.name);
        }
    }
}

/// Returns the text of the resource that contains the data.
fn holder(one: &Deployment) -> String {
    match (one.spec.target, one.spec.format) {
        (Target::Docker, _) => {
            serde_yaml::to_string(&one.yaml("docker-compose.yaml")["volumes"]).unwrap()
        }
        (Target::Kubernetes(_), _) => {
            let mut holders = one.of_kind("StatefulSet");
            let mut tree = holders.next().expect("a StatefulSet").tree.clone();
            assert_eq!(holders.count(), 0);
            let spec = tree["spec"].as_mapping_mut().unwrap();
            for changes in ["template", "replicas", "updateStrategy", "minReadySeconds"] {
                spec.remove(changes);
            }
            serde_yaml::to_string(&(&tree["metadata"]["name"], &tree["spec"])).unwrap()
        }
        (_, Format::Terraform) => hcl::format::to_string(&disk(one)).unwrap(),
        _ => {
            let template = one.yaml("template.yaml");
            let resources = template["Resources"].as_mapping().unwrap();
            let mut volumes = resources
                .iter()
                .filter(|(_, resource)| resource["Type"] == "AWS::EC2::Volume");
            let volume = serde_yaml::to_string(&volumes.next().expect("a volume")).unwrap();
            assert_eq!(volumes.count(), 0);
            volume
        }
    }
}

/// Returns the only disk that a Terraform module creates.
fn disk(one: &Deployment) -> hcl::Block {
    let disks = [
        "aws_ebs_volume",
        "google_compute_disk",
        "azurerm_managed_disk",
    ];
    let mut found: Vec<hcl::Block> = disks.iter().flat_map(|name| one.resources(name)).collect();
    assert_eq!(found.len(), 1, "{}", one.name);
    found.remove(0)
}

#[test]
fn data_outlives_the_machine_and_the_deployment() {
    none(|one| match (one.starter(), one.spec.format) {
        (Starter::Systemd, Format::Terraform) => {
            let kept = hcl::format::to_string(&disk(one)).unwrap();
            let mut wrong = Vec::new();
            if !kept.contains("prevent_destroy = true") {
                wrong.push(format!("Terraform may destroy it: {kept}"));
            }
            let backups = [
                "aws_dlm_lifecycle_policy",
                "google_compute_disk_resource_policy_attachment",
                "azurerm_data_protection_backup_instance_disk",
            ];
            if !backups.iter().any(|name| !one.resources(name).is_empty()) {
                wrong.push("no job backs it up".to_owned());
            }
            wrong
        }
        (Starter::Systemd, _) => {
            let template = one.file("template.yaml");
            let lines = [
                "DeletionPolicy: Snapshot",
                "UpdateReplacePolicy: Snapshot",
                "Type: AWS::DLM::LifecyclePolicy",
            ];
            let missing = lines.into_iter().filter(|line| !template.contains(line));
            missing.map(|line| format!("no `{line}`")).collect()
        }
        (Starter::Compose, _) => Vec::new(),
        (Starter::Kubernetes, _) => lost_with_the_kustomization(one),
    });
}

/// Returns resources with data that are deleted with the kustomization.
pub(crate) fn lost_with_the_kustomization(one: &Deployment) -> Vec<String> {
    let mut wrong = Vec::new();
    let kustomization = one.yaml("kustomization.yaml");
    let resources = kustomization["resources"].as_sequence().unwrap();
    let holds = [
        "Namespace",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "StorageClass",
    ];
    let mut kept = 0;
    for object in &one.objects {
        let named = resources.iter().any(|file| *file == object.file.as_str());
        kept += usize::from(!named);
        if named && holds.contains(&object.kind()) {
            wrong.push(format!("{} goes", object.title()));
        }
        let policy = &object.tree["spec"]["persistentVolumeClaimRetentionPolicy"];
        let claims = !object.tree["spec"]["volumeClaimTemplates"].is_null();
        if claims && (policy["whenDeleted"] != "Retain" || policy["whenScaled"] != "Retain") {
            wrong.push(format!("the volume of {} goes", object.title()));
        }
        // A scratch volume is deleted with the pod that packs a backup.
        let scratch = object.title().ends_with("-scratch");
        let class = object.kind() == "StorageClass" && !scratch;
        if class && object.tree["reclaimPolicy"] != "Retain" {
            wrong.push(format!("the disks of {} go", object.title()));
        }
    }
    assert!(kept > 1, "{}: nothing is kept", one.name); // at least the namespace, and the kustomization itself
    wrong
}
