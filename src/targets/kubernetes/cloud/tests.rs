//! Tests of the resources of each cloud's cluster.

mod backup;
mod identity;
mod problems;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::deployment::{Deployment, sound};

/// Returns the deployment in a target's Kubernetes with these values at their keys.
fn deployment(target: &str, keys: &[(&'static str, Value)]) -> Deployment {
    let cluster = [("target", json!(target)), ("platform", json!("kubernetes"))];
    sound(&[&cluster, keys].concat())
}

fn problems(target: &str, keys: &[(&'static str, Value)]) -> Vec<String> {
    let problems = super::problems(&deployment(target, keys));
    problems.iter().map(ToString::to_string).collect()
}

/// Returns the documents of a deployment's file by kind; empty without such a file.
fn documents(deployment: &Deployment, file: &str) -> BTreeMap<String, Value> {
    use serde::Deserialize;
    let plan = crate::targets::kubernetes::plan(deployment).expect("it renders");
    let text = plan.files.get(file).cloned().unwrap_or_default();
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| {
        let value = Value::deserialize(document).expect("the file is YAML");
        (value["kind"].as_str().unwrap_or_default().to_owned(), value)
    });
    documents.filter(|(kind, _)| !kind.is_empty()).collect()
}

const PLACES: [(&str, &[(&str, &str)]); 3] = [
    ("aws", &[("kubernetes.region", "eu-central-1")]),
    ("gcp", &[("machine.project", "acme-search-1")]),
    ("azure", &[]),
];

/// Returns a deployment that contains the values that its backend needs.
fn placed(target: &str, more: &[(&'static str, Value)]) -> Deployment {
    let (_, places) = PLACES
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a cloud");
    let mut keys: Vec<_> = places
        .iter()
        .map(|(key, value)| (*key, json!(value)))
        .collect();
    keys.extend(more.iter().cloned());
    let deployment = deployment(target, &keys);
    let problems = super::problems(&deployment);
    assert!(problems.is_empty(), "{problems:?}");
    deployment
}

#[test]
fn renders_a_storage_class_unless_the_spec_names_one() {
    for (target, more, provisioner) in [
        ("aws", json!(false), "ebs.csi.aws.com"),
        ("aws", json!(true), "ebs.csi.eks.amazonaws.com"),
        ("gcp", json!(false), "pd.csi.storage.gke.io"),
        ("azure", json!(false), "disk.csi.azure.com"),
    ] {
        let deployment = placed(target, &[("kubernetes.auto_mode", more)]);
        let class = &documents(&deployment, "keep.yaml")["StorageClass"];
        assert_eq!(class["provisioner"], provisioner);
        assert_eq!(class["reclaimPolicy"], "Retain");
        assert_eq!(class["volumeBindingMode"], "WaitForFirstConsumer");
        assert_eq!(class["metadata"]["name"], "chroma-data");
        let set = &documents(&deployment, "chroma.yaml")["StatefulSet"];
        assert_eq!(
            set["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"],
            "chroma-data"
        );

        let named = placed(target, &[("kubernetes.storage_class", json!("fast"))]);
        assert!(!documents(&named, "keep.yaml").contains_key("StorageClass"));
        let set = &documents(&named, "chroma.yaml")["StatefulSet"];
        assert_eq!(
            set["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"],
            "fast"
        );
    }
    let own = deployment("kubernetes", &[]);
    assert!(!documents(&own, "keep.yaml").contains_key("StorageClass"));
}

#[test]
fn scratch_disks_of_bucket_backups_are_deleted() {
    let backup = json!({"bucket": "backups"});
    let deployment = placed("aws", &[("backup", backup)]);
    let class = &documents(&deployment, "keep.yaml")["StorageClass"]; // the last of two
    assert_eq!(class["reclaimPolicy"], "Delete");
    let pod = "/spec/jobTemplate/spec/template/spec/volumes";
    let job = &documents(&deployment, "backup.yaml")["CronJob"];
    let volumes = job.pointer(pod).and_then(Value::as_array).expect("volumes");
    let packed = volumes.iter().find(|one| one["name"] == "backups");
    assert_eq!(
        packed.expect("a volume")["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"],
        class["metadata"]["name"]
    );
}

#[test]
fn pods_that_share_a_volume_share_its_selinux_level() {
    let level = |target: &str, backup: Value, file: &str, kind: &str, pod: &str| {
        let deployment = placed(target, &[("backup", backup)]);
        let path = format!("{pod}/securityContext/seLinuxOptions/level");
        documents(&deployment, file)[kind].pointer(&path).cloned()
    };
    let job = "/spec/jobTemplate/spec/template/spec";
    let chroma = |target, backup| {
        level(
            target,
            backup,
            "chroma.yaml",
            "StatefulSet",
            "/spec/template/spec",
        )
    };
    let shared = chroma("aws", json!({}));
    assert_eq!(shared, Some(json!("s0:c221,c520")));
    assert_eq!(
        level("aws", json!({}), "backup.yaml", "CronJob", job),
        shared
    );
    assert_eq!(
        level(
            "aws",
            json!({}),
            "restore.yaml",
            "Job",
            "/spec/template/spec"
        ),
        shared
    );
    assert_eq!(chroma("gcp", json!({})), None);
}

#[test]
fn load_balancer_is_internal_and_allows_only_listed_clients() {
    let wants = ("kubernetes.internal_load_balancer", json!(true));
    let from = ("machine.allow_from", json!("10.0.0.0/16"));
    for (target, auto, class, annotation, value) in [
        (
            "aws",
            false,
            json!("service.k8s.aws/nlb"),
            "service.beta.kubernetes.io/aws-load-balancer-scheme",
            "internal",
        ),
        (
            "aws",
            true,
            json!("eks.amazonaws.com/nlb"),
            "service.beta.kubernetes.io/aws-load-balancer-scheme",
            "internal",
        ),
        (
            "gcp",
            false,
            Value::Null,
            "networking.gke.io/load-balancer-type",
            "Internal",
        ),
        (
            "azure",
            false,
            Value::Null,
            "service.beta.kubernetes.io/azure-load-balancer-internal",
            "true",
        ),
    ] {
        let auto = ("kubernetes.auto_mode", json!(auto));
        let deployment = placed(target, &[wants.clone(), from.clone(), auto]);
        let service = &documents(&deployment, "load-balancer.yaml")["Service"];
        assert_eq!(service["spec"]["loadBalancerClass"], class);
        assert_eq!(
            service["spec"]["loadBalancerSourceRanges"],
            json!(["10.0.0.0/16"])
        );
        assert_eq!(service["metadata"]["annotations"][annotation], value);
    }
    assert!(documents(&placed("aws", &[]), "load-balancer.yaml").is_empty());
    let [problem] = &problems("azure", &[wants])[..] else {
        panic!("one problem");
    };
    assert!(problem.contains("machine.allow_from"), "{problem}");
}

#[test]
fn renders_commands_for_cloud_registries_only() {
    let of = |target: &str, registry: &str| {
        let keys = [("chroma.registry", json!(registry))];
        let registry = super::registry::of(&placed(target, &keys).spec.chroma)?;
        serde_json::to_value(registry).ok()
    };
    let ecr = of(
        "aws",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/search",
    )
    .expect("it is ECR");
    assert_eq!(
        ecr["repositories"],
        json!(["search/chroma", "search/otel-collector"])
    );
    let gar = of("gcp", "europe-west3-docker.pkg.dev/acme-search-1/images")
        .expect("it is Artifact Registry");
    assert_eq!(
        (&gar["location"], &gar["repository"]),
        (&json!("europe-west3"), &json!("images"))
    );
    assert_eq!(
        of("azure", "acme.azurecr.io/search").expect("it is ACR")["name"],
        "acme"
    );
    assert_eq!(of("aws", "registry.example.com/search"), None);
}
