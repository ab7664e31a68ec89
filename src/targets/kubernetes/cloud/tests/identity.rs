//! Tests of identities and secret stores of each cloud's cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{deployment, documents, placed};
use crate::deployment::Deployment;
use crate::targets::kubernetes::cloud;

fn egress(deployment: &Deployment) -> Vec<(&'static str, u16)> {
    let egress = cloud::CloudTemplate::new(deployment).identity_egress;
    egress.into_iter().map(|one| (one.cidr, one.port)).collect()
}

fn environment(deployment: &Deployment) -> BTreeMap<&'static str, String> {
    cloud::environment(deployment.spec.target, deployment.spec.place())
}

#[test]
fn sets_location_and_identity_of_the_collector() {
    for (target, variable, value) in [
        ("aws", "AWS_REGION", "eu-central-1"),
        ("gcp", "GOOGLE_CLOUD_PROJECT", "acme-search-1"),
    ] {
        let deployment = placed(target, &[]);
        assert_eq!(
            environment(&deployment),
            BTreeMap::from([(variable, value.to_owned())])
        );
        assert!(!egress(&deployment).is_empty());
    }
    let at = |region: &str| {
        let deployment = placed("gcp", &[("kubernetes.region", json!(region))]);
        let named = cloud::resource(
            deployment.spec.target,
            &deployment.spec.machine,
            &deployment.spec.kubernetes,
        );
        ["cloud.region", "cloud.availability_zone"]
            .map(|name| named.get(name).map(ToString::to_string))
    };
    assert_eq!(at("europe-west3"), [Some("europe-west3".to_owned()), None]);
    assert_eq!(
        at("europe-west3-a"),
        ["europe-west3", "europe-west3-a"].map(|name| Some(name.to_owned()))
    );
    let deployment = placed("azure", &[]);
    assert!(environment(&deployment).is_empty() && egress(&deployment).is_empty());
    let ipv6 = placed("aws", &[("kubernetes.ipv6", json!(true))]);
    assert!(egress(&ipv6).contains(&("fd00:ec2::23/128", 80)));
    // Outside the cloud, nothing provides its identities.
    let deployment = placed("aws", &[("tracing.backend", json!("honeycomb"))]);
    assert!(egress(&deployment).is_empty());
}

#[test]
fn reads_secrets_from_the_clouds_store() {
    let secret = |name: &str| ("machine.secrets", json!({ "HONEYCOMB_API_KEY": name }));
    let honeycomb = ("tracing.backend", json!("honeycomb"));
    let of = |target: &str, more: &[(&'static str, Value)]| {
        let keys = [std::slice::from_ref(&honeycomb), more].concat();
        documents(&deployment(target, &keys), "secrets.yaml")
    };
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:honeycomb-AbCdEf";
    let shared = of("aws", &[secret(arn)]);
    assert_eq!(
        shared["SecretStore"]["spec"]["provider"],
        json!({ "aws": { "service": "SecretsManager", "region": "eu-west-1" } })
    );
    assert!(!shared.contains_key("ServiceAccount"));
    assert_eq!(
        shared["ExternalSecret"]["spec"]["data"],
        json!([{ "secretKey": "HONEYCOMB_API_KEY", "remoteRef": {
            "key": arn, "conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
        } }])
    );
    let role = "arn:aws:iam::123456789012:role/chroma-secrets";
    let own = of("aws", &[secret(arn), ("kubernetes.identity", json!(role))]);
    assert_eq!(
        own["ServiceAccount"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        role
    );
    assert_eq!(
        own["SecretStore"]["spec"]["provider"]["aws"]["auth"],
        json!({ "jwt": { "serviceAccountRef": { "name": "chroma-secrets" } } })
    );

    let google = of(
        "gcp",
        &[
            secret("projects/acme-keys/secrets/honeycomb"),
            ("machine.project", json!("acme-search-1")),
        ],
    );
    assert_eq!(
        google["SecretStore"]["spec"]["provider"]["gcpsm"],
        json!({ "projectID": "acme-keys", "auth": { "workloadIdentity": {
            "clusterProjectID": "acme-search-1", "serviceAccountRef": { "name": "chroma-secrets" },
        } } })
    );
    assert_eq!(
        google["ExternalSecret"]["spec"]["data"][0]["remoteRef"]["key"],
        "honeycomb"
    );

    let id = "01234567-89ab-cdef-0123-456789abcdef";
    let vault = of(
        "azure",
        &[
            secret("https://acme.vault.azure.net/secrets/honeycomb"),
            ("kubernetes.identity", json!(id)),
            ("kubernetes.tenant", json!(id)),
        ],
    );
    assert_eq!(
        vault["ServiceAccount"]["metadata"]["annotations"]["azure.workload.identity/client-id"],
        id
    );
    assert_eq!(
        vault["SecretStore"]["spec"]["provider"]["azurekv"],
        json!({ "authType": "WorkloadIdentity", "vaultUrl": "https://acme.vault.azure.net", "tenantId": id,
            "serviceAccountRef": { "name": "chroma-secrets" } })
    );

    // The operator's own store: its kind and names.
    let named = of(
        "kubernetes",
        &[
            secret("team/honeycomb"),
            ("kubernetes.secret_store", json!("vault")),
        ],
    );
    assert_eq!(named.keys().collect::<Vec<_>>(), ["ExternalSecret"]);
    assert_eq!(
        named["ExternalSecret"]["spec"]["secretStoreRef"],
        json!({ "kind": "ClusterSecretStore", "name": "vault" })
    );
}

/// Keys that are reported for an AKS deployment without them.
const OF_EVERY_CLUSTER: [&str; 3] = [
    "chroma.registry",
    "kubernetes.cluster",
    "machine.resource_group",
];

fn needs(deployment: &crate::deployment::Deployment) -> Vec<String> {
    let needs = crate::targets::kubernetes::needs(deployment).into_iter();
    needs.map(|need| need.variable).collect()
}

#[test]
fn reports_names_that_the_readme_replaces_by_placeholders() {
    for (target, name, names) in [
        ("aws", "CLUSTER", &["kubernetes.cluster"][..]),
        (
            "gcp",
            "CLUSTER",
            &["kubernetes.cluster", "kubernetes.region"],
        ),
        (
            "azure",
            "GROUP",
            &["kubernetes.cluster", "machine.resource_group"],
        ),
    ] {
        let deployment = placed(target, &[]);
        let plan = crate::targets::kubernetes::plan(&deployment).expect("it renders");
        assert!(plan.files["README.md"].contains(name), "{target}");
        for name in names {
            assert!(
                needs(&deployment).iter().any(|one| one == name),
                "{target}: {name}"
            );
        }
        let cluster = placed(target, &[("kubernetes.cluster", json!("search"))]);
        assert!(!needs(&cluster).contains(&"kubernetes.cluster".to_owned()));
    }
}

#[test]
fn sends_to_azure_monitor_by_an_identity() {
    let id = "01234567-89ab-cdef-0123-456789abcdef";
    let string = "InstrumentationKey=1;IngestionEndpoint=https://westeurope-5.in.example/";
    let keys = [
        ("kubernetes.identity", json!(id)),
        ("tracing.settings", json!({ "connection_string": string })),
    ];
    let deployment = placed("azure", &keys);
    assert_eq!(needs(&deployment), OF_EVERY_CLUSTER);
    let collector = documents(&deployment, "collector.yaml");
    assert_eq!(
        collector["ServiceAccount"]["metadata"]["annotations"],
        json!({ "azure.workload.identity/client-id": id })
    );
    let pod = &collector["Deployment"]["spec"]["template"];
    let label = "azure.workload.identity/use";
    assert_eq!(pod["metadata"]["labels"][label], "true");
    assert_eq!(
        collector["Deployment"]["metadata"]["labels"][label],
        Value::Null
    );
    assert!(!pod.to_string().contains("secretKeyRef"));
    let plan = crate::targets::kubernetes::plan(&deployment).expect("it renders");
    let text = &plan.files["collector.yaml"];
    assert!(text.contains(&format!(
        "APPLICATIONINSIGHTS_CONNECTION_STRING: \"{string}\""
    )));
    assert!(text.contains("workload_identity: {"), "{text}");
    assert!(!plan.files.contains_key(".env.example"));

    // Only members send.
    let tiered = [&keys[..], &[("collector.mode", json!("tiered"))]].concat();
    let tiered = placed("azure", &tiered);
    let plan = crate::targets::kubernetes::plan(&tiered).expect("it renders");
    assert!(plan.files["collector.yaml"].contains(label));
    assert!(!plan.files["router.yaml"].contains(label));
}

#[test]
fn reports_the_missing_identity_and_address_of_azure_monitor() {
    let own = ["kubernetes.identity", "tracing.settings.connection_string"];
    assert_eq!(
        needs(&placed("azure", &[])),
        [&OF_EVERY_CLUSTER[..], &own].concat()
    );
    // A connection string in a store authenticates by itself.
    let named = json!({ "APPLICATIONINSIGHTS_CONNECTION_STRING": "https://acme.vault.azure.net/secrets/a" });
    let by_key = [("machine.secrets", named)];
    assert_eq!(needs(&placed("azure", &by_key)), OF_EVERY_CLUSTER);
    let plan = crate::targets::kubernetes::plan(&placed("azure", &by_key)).expect("it renders");
    assert!(!plan.files["collector.yaml"].contains("azure_auth"));
}

#[test]
fn role_names_are_unique_and_valid_in_aws() {
    let of =
        |keys: &[(&'static str, Value)]| cloud::identity::role(&placed("aws", keys), "collector");
    assert_eq!(of(&[]), "chroma-collector");
    let search = ("kubernetes.cluster", json!("search"));
    assert_eq!(
        of(&[search.clone(), ("kubernetes.namespace", json!("team"))]),
        "chroma-team-search-collector"
    );
    let long = |end: &str| of(&[("kubernetes.cluster", json!("a".repeat(90) + end))]);
    assert!(long("1").len() <= 64 && long("1") != long("2"));
}
