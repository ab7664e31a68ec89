//! Data: where the server writes it, and outliving all else.

use chroma_otel_deploy::spec::Format;
use chroma_otel_deploy::target::Target;
use chroma_otel_init::Server;

use crate::deployment::{Deployment, deployment, none, places};

#[test]
fn data_is_mounted_where_this_server_writes_it() {
    none(|one| {
        let directory = one.spec.chroma.version.data_directory();
        let mount = match one.on_machine() {
            true => format!("source=/var/lib/chroma-otel/data,target={directory} "),
            false => format!("- data:{directory} "),
        };
        let place = one.file(if one.on_machine() {
            "chroma.service"
        } else {
            "docker-compose.yaml"
        });
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
    });
}

/// What holds the data is the same text, whatever else changes.
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
            let other = deployment(target, format, image, version, "otlp");
            assert_eq!(holder(&other), first, "{}", other.name);
        }
    }
}

/// What holds the data, as its text.
fn holder(one: &Deployment) -> String {
    match (one.spec.target, one.spec.format) {
        (Target::Docker, _) => {
            serde_yaml::to_string(&one.yaml("docker-compose.yaml")["volumes"]).unwrap()
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

/// The one disk that a Terraform module makes.
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
    none(|one| match (one.on_machine(), one.spec.format) {
        (true, Format::Terraform) => {
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
                wrong.push("nobody backs it up".to_owned());
            }
            wrong
        }
        (true, _) => {
            let template = one.file("template.yaml");
            let lines = [
                "DeletionPolicy: Snapshot",
                "UpdateReplacePolicy: Snapshot",
                "Type: AWS::DLM::LifecyclePolicy",
            ];
            let missing = lines.into_iter().filter(|line| !template.contains(line));
            missing.map(|line| format!("no `{line}`")).collect()
        }
        (false, _) => Vec::new(),
    });
}
