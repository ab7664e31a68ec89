//! Tests of the database's environment, allowed clients, and notes on changes.

use serde_json::{Value as Json, json};

use super::*;
use crate::deployment::sound;
use crate::plan::Kind;

/// Returns the deployment in a cluster with these values at their keys.
fn deployment(keys: &[(&'static str, Json)]) -> Deployment {
    sound(&[&[("target", json!("kubernetes"))], keys].concat())
}

fn chroma_yaml(keys: &[(&'static str, Json)]) -> String {
    let plan = crate::targets::kubernetes::plan(&deployment(keys)).expect("it renders");
    plan.files["chroma.yaml"].clone()
}

fn notes_of(before: &[(&'static str, Json)], after: &[(&'static str, Json)]) -> String {
    let change = Change {
        path: "chroma.yaml".to_owned(),
        kind: Kind::Update,
        before: Some(chroma_yaml(before)),
        after: Some(chroma_yaml(after)),
    };
    notes(&change).join("\n")
}

#[test]
fn notes_changes_that_affect_the_data() {
    let release = |text: &str| [("chroma.version", json!(text))];
    let class = |name: &str| [("kubernetes.storage_class", json!(name))];
    let to = |key: &'static str, value: &str| notes_of(&[], &[(key, json!(value))]);
    assert_eq!(to("chroma.memory", "4GiB"), "");
    let downgrade = notes_of(&release("1.0.20"), &release("0.6.3"));
    insta::assert_snapshot!(downgrade, @"Chroma changes from 1.0.20 to 0.6.3, which cannot open the data of 1.0.20: restore a backup of 0.6.3 or older, as described in README.md");
    insta::assert_snapshot!(to("machine.disk", "40GiB"), @r#"the volume changes from 20Gi to 40Gi, which Kubernetes rejects for a StatefulSet; see README.md, "Grow the volume""#);
    insta::assert_snapshot!(to("kubernetes.namespace", "other"), @"the namespace changes from `chroma` to `other`, where Chroma starts with an empty volume; the old deployment runs until you delete it");
    insta::assert_snapshot!(to("name", "other"), @"`chroma` is now named `other` and starts with an empty volume; the old deployment runs until you delete it");
    insta::assert_snapshot!(notes_of(&class("a"), &class("b")), @"the storage class changes from `a` to `b`, which Kubernetes rejects for an existing volume; create a backup and restore it to a new deployment");
}

#[test]
fn replaces_the_pod_when_the_configuration_changes() {
    let checksum = |keys: &[(&'static str, Json)]| {
        let text = chroma_yaml(keys);
        let (_, rest) = text
            .split_once("checksum/config: ")
            .expect("the annotation exists");
        rest.lines().next().map(str::to_owned)
    };
    let before = checksum(&[]);
    assert_eq!(
        before,
        checksum(&[("kubernetes.labels", json!({"team": "search"}))])
    );
    for change in [
        ("tracing.granularity", json!("all")),
        ("tracing.service_name", json!("other")),
        ("chroma.environment", json!({"OTHER": "x"})),
        ("chroma.cors_allow_origins", json!(["https://example.com"])),
        ("chroma.image", json!("stock")),
    ] {
        assert_ne!(
            before,
            checksum(std::slice::from_ref(&change)),
            "{change:?}"
        );
    }
}

#[test]
fn operators_annotations_override_defaults() {
    let own = json!({"karpenter.sh/do-not-disrupt": "false", "a": "b"});
    let deployment = deployment(&[("kubernetes.annotations", own)]);
    let annotations = pod_annotations(&deployment, "hash".to_owned());
    let expected = [
        ("a", "b"),
        ("checksum/config", "hash"),
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
        ("karpenter.sh/do-not-disrupt", "false"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(annotations, BTreeMap::from(expected));
}

#[test]
fn only_listed_clients_may_connect() {
    let callers = |keys: &[(&'static str, Json)]| {
        let callers = callers(&deployment(keys));
        callers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(callers(&[]), ["podSelector: {}"]);
    let named = [
        ("kubernetes.allow_namespaces", json!(["web"])),
        ("machine.allow_from", json!("10.0.0.0/16")),
    ];
    assert_eq!(
        callers(&named),
        [
            "podSelector: {}",
            "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}",
            "ipBlock: {cidr: \"10.0.0.0/16\"}",
        ]
    );
    let exposed = ("kubernetes.expose.host", json!("chroma.example.com"));
    let with_token = callers(std::slice::from_ref(&exposed));
    assert_eq!(
        with_token,
        ["podSelector: {}"],
        "a proxy requires the token"
    );
    let open = callers(&[exposed, ("chroma.open_to_world", json!(true))]);
    assert!(open.is_empty(), "the route ends at Chroma: {open:?}");
}

#[test]
fn without_a_collector_chroma_connects_to_the_endpoint_only() {
    let keys = [
        ("collector.mode", json!("none")),
        ("tracing.endpoint", json!("http://otel.example.svc:14317")),
        ("tracing.headers", json!(["x-tenant"])),
    ];
    let text = chroma_yaml(&keys);
    for line in [
        "  CHROMA_OTEL_COLLECTION_ENDPOINT: http://otel.example.svc:14317\n",
        "key: CHROMA_OTEL_COLLECTION_HEADERS}}}\n",
        "    - ports: [{port: 14317}] # traces\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}
