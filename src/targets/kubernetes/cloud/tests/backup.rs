//! Tests of backups in each cloud's own store.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{deployment, documents, placed};
use crate::deployment::Deployment;

const POD: &str = "/spec/jobTemplate/spec/template";

/// Returns a deployment with backups in a bucket.
fn backed_up(target: &str, more: Value) -> Deployment {
    let mut backup = json!({"bucket": "acme-chroma", "prefix": "search"});
    let keys = backup.as_object_mut().expect("an object");
    keys.extend(more.as_object().cloned().unwrap_or_default());
    let keys = [("backup", backup)];
    match target {
        "kubernetes" => deployment(target, &keys),
        _ => placed(target, &keys),
    }
}

/// Returns the variables of the container that sends a backup; the values of keys are null.
fn variables(deployment: &Deployment) -> BTreeMap<String, Value> {
    let job = &documents(deployment, "backup.yaml")["CronJob"];
    let all = job.pointer(&format!("{POD}/spec/containers/0/env"));
    let all = all.and_then(Value::as_array).expect("variables");
    let pair = |one: &Value| {
        let name = one["name"].as_str().unwrap_or_default().to_owned();
        (name, one["value"].clone())
    };
    all.iter().map(pair).collect()
}

fn egress(deployment: &Deployment) -> String {
    documents(deployment, "backup.yaml")["NetworkPolicy"]["spec"]["egress"].to_string()
}

fn pod_account(deployment: &Deployment) -> Value {
    let job = &documents(deployment, "backup.yaml")["CronJob"];
    job.pointer(&format!("{POD}/spec/serviceAccountName"))
        .cloned()
        .unwrap_or_default()
}

#[test]
fn cloud_clusters_use_their_own_store_by_an_identity_of_the_backups() {
    let azure =
        json!({"account": "acmechroma", "identity": "01234567-89ab-cdef-0123-456789abcdef"});
    for (target, more, store, address) in [
        (
            "aws",
            json!({}),
            ":s3:acme-chroma/search",
            "169.254.170.23/32",
        ),
        (
            "gcp",
            json!({}),
            ":gcs:acme-chroma/search",
            "169.254.169.254/32",
        ),
        ("azure", azure, ":azureblob:acme-chroma/search", "443"),
    ] {
        let deployment = backed_up(target, more);
        let variables = variables(&deployment);
        assert_eq!(variables["STORE"], store);
        assert!(!variables.contains_key("AWS_ACCESS_KEY_ID"), "{target}");
        let amazon = variables.values().any(|value| value == "AWS");
        assert_eq!(amazon, target == "aws", "{variables:?}");
        assert!(egress(&deployment).contains(address), "{target}");
        let account = &documents(&deployment, "backup.yaml")["ServiceAccount"];
        assert_eq!(account["metadata"]["name"], "chroma-backup");
        assert_eq!(pod_account(&deployment), "chroma-backup");
        let restore = &documents(&deployment, "restore.yaml")["Job"];
        assert_eq!(
            restore["spec"]["template"]["spec"]["serviceAccountName"],
            "chroma-backup"
        );
        let plan = crate::targets::kubernetes::plan(&deployment).expect("it renders");
        assert!(plan.files["README.md"].contains("### The backups' identity"));
    }
}

#[test]
fn azure_gives_the_identity_to_labelled_pods_only() {
    let id = "01234567-89ab-cdef-0123-456789abcdef";
    let with = |more: Value| {
        let mut backup = json!({"account": "acmechroma"});
        let keys = backup.as_object_mut().expect("an object");
        keys.extend(more.as_object().cloned().unwrap_or_default());
        backed_up("azure", backup)
    };
    let deployment = with(json!({ "identity": id }));
    let documents = documents(&deployment, "backup.yaml");
    assert_eq!(
        documents["ServiceAccount"]["metadata"]["annotations"]["azure.workload.identity/client-id"],
        id
    );
    let labels = documents["CronJob"].pointer(&format!("{POD}/metadata/labels"));
    assert_eq!(
        labels.expect("labels")["azure.workload.identity/use"],
        "true"
    );
    let needs = |deployment: &Deployment| {
        let needs = crate::targets::kubernetes::needs(deployment).into_iter();
        let mut needs = needs.map(|need| need.variable);
        needs.any(|variable| variable == "backup.identity")
    };
    assert!(!needs(&deployment));
    assert!(needs(&with(json!({}))));
}

#[test]
fn stores_with_an_address_use_keys() {
    let endpoint = json!({"endpoint": "https://storage.example.com"});
    for target in ["kubernetes", "aws", "gcp", "azure"] {
        let deployment = backed_up(target, endpoint.clone());
        let variables = variables(&deployment);
        assert_eq!(variables["STORE"], ":s3:acme-chroma/search");
        assert_eq!(variables["RCLONE_S3_PROVIDER"], "Other");
        assert_eq!(variables["RCLONE_S3_REGION"], "us-east-1");
        assert_eq!(variables["AWS_ACCESS_KEY_ID"], Value::Null);
        assert_eq!(pod_account(&deployment), "chroma");
        assert!(!documents(&deployment, "backup.yaml").contains_key("ServiceAccount"));
    }
    let own = backed_up("kubernetes", json!({}));
    assert_eq!(variables(&own)["RCLONE_S3_PROVIDER"], "AWS");
    assert_eq!(variables(&own)["AWS_SECRET_ACCESS_KEY"], Value::Null);
}

#[test]
fn storage_that_a_pod_requests_is_its_limit_on_gke_only() {
    let storage = |target: &str| {
        let deployment = backed_up(target, json!({}));
        let files = crate::targets::kubernetes::plan(&deployment)
            .expect("it renders")
            .files;
        let mut pairs = Vec::new();
        for text in files.values() {
            let amounts = |start: &'static str| {
                let lines = text.lines().map(str::trim);
                let lines = lines.filter(move |line| line.starts_with(start));
                lines.filter_map(|line| line.split("ephemeral-storage: ").nth(1))
            };
            let until = |text: &str| text.split('}').next().unwrap_or_default().to_owned();
            let requests = amounts("requests: ").map(until);
            pairs.extend(requests.zip(amounts("limits: ").map(until)));
        }
        assert!(pairs.len() >= 6, "{pairs:?}");
        pairs
    };
    assert!(
        storage("gcp")
            .iter()
            .all(|(request, limit)| request == limit)
    );
    assert!(
        storage("aws")
            .iter()
            .all(|(request, limit)| request != limit)
    );
}

#[test]
fn snapshots_need_neither_the_node_nor_the_volume_of_chroma() {
    for target in ["aws", "kubernetes"] {
        let keys = [("backup", json!({"snapshot_class": "csi-snapclass"}))];
        let deployment = match target {
            "kubernetes" => deployment(target, &keys),
            _ => placed(target, &keys),
        };
        let documents = documents(&deployment, "backup.yaml");
        let job = documents["CronJob"].pointer(POD).expect("a pod");
        assert!(job["spec"].get("affinity").is_none());
        let scripts = json!([{"name": "scripts", "configMap": {"name": "chroma-backup"}}]);
        assert_eq!(job["spec"]["volumes"], scripts);
        assert_eq!(job["spec"]["serviceAccountName"], "chroma-backup");
        let ports = documents["NetworkPolicy"]["spec"]["egress"].to_string();
        assert!(
            !ports.contains("\"to\"") && ports.contains("6443"),
            "{ports}"
        );
        assert!(!documents["Role"]["rules"].to_string().contains('*'));
    }
}
