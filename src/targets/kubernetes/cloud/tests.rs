//! Tests of the resources and problems of each cloud's cluster.

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
    let deployment = placed("aws", &[("kubernetes.backup", backup)]);
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
        let deployment = placed(target, &[("kubernetes.backup", backup)]);
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
fn sets_location_and_identity_of_the_collector() {
    for (target, variable, value) in [
        ("aws", "AWS_REGION", "eu-central-1"),
        ("gcp", "GOOGLE_CLOUD_PROJECT", "acme-search-1"),
    ] {
        let deployment = placed(target, &[]);
        assert_eq!(
            super::environment(&deployment.spec),
            BTreeMap::from([(variable, value.to_owned())])
        );
        assert!(!super::identity_egress(&deployment.spec).is_empty());
    }
    let at = |region: &str| {
        let deployment = placed("gcp", &[("kubernetes.region", json!(region))]);
        let named = super::resource(&deployment.spec);
        ["cloud.region", "cloud.availability_zone"]
            .map(|name| named.get(name).map(ToString::to_string))
    };
    assert_eq!(at("europe-west3"), [Some("europe-west3".to_owned()), None]);
    assert_eq!(
        at("europe-west3-a"),
        ["europe-west3", "europe-west3-a"].map(|name| Some(name.to_owned()))
    );
    let deployment = placed("azure", &[]);
    assert!(
        super::environment(&deployment.spec).is_empty()
            && super::identity_egress(&deployment.spec).is_empty()
    );
    // Outside the cloud, nothing provides its identities.
    let deployment = placed("aws", &[("tracing.backend", json!("honeycomb"))]);
    assert!(super::identity_egress(&deployment.spec).is_empty());
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
        json!([{ "secretKey": "HONEYCOMB_API_KEY", "remoteRef": { "key": arn } }])
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

#[test]
fn reports_missing_and_invalid_values_by_key() {
    let arn = |region: &str, name: &str| {
        format!("arn:aws:secretsmanager:{region}:123456789012:secret:{name}-AbCdEf")
    };
    let two = json!({ "A_KEY": arn("eu-west-1", "a"), "HONEYCOMB_API_KEY": arn("eu-west-2", "h") });
    for (target, keys, key) in [
        ("aws", vec![], "kubernetes.region"),
        ("gcp", vec![], "machine.project"),
        (
            "aws",
            vec![("kubernetes.region", json!("Frankfurt"))],
            "kubernetes.region",
        ),
        (
            "gcp",
            vec![
                ("machine.project", json!("acme-search-1")),
                ("kubernetes.region", json!("eu-central-1")),
            ],
            "kubernetes.region",
        ),
        (
            "azure",
            vec![("kubernetes.cluster", json!("/subscriptions/1/x"))],
            "kubernetes.cluster",
        ),
        (
            "azure",
            vec![("kubernetes.identity", json!("chroma-secrets"))],
            "kubernetes.identity",
        ),
        (
            "kubernetes",
            vec![
                ("tracing.backend", json!("honeycomb")),
                ("machine.secrets", json!({ "HONEYCOMB_API_KEY": "h" })),
            ],
            "kubernetes.secret_store",
        ),
        (
            "azure",
            vec![
                ("tracing.backend", json!("honeycomb")),
                ("chroma.environment", json!({ "A_KEY": null })),
                (
                    "machine.secrets",
                    json!({ "A_KEY": "https://acme.vault.azure.net/secrets/a" }),
                ),
            ],
            "machine.secrets.HONEYCOMB_API_KEY",
        ),
        (
            "azure",
            vec![("kubernetes.region", json!("usgovvirginia"))],
            "kubernetes.region",
        ),
        (
            "azure",
            vec![(
                "machine.secrets",
                json!({ "NOBODY": "https://acme.vault.azure.net/secrets/a" }),
            )],
            "machine.secrets.NOBODY",
        ),
        (
            "azure",
            vec![(
                "machine.secrets",
                json!({ "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=s3cret" }),
            )],
            "machine.secrets.APPLICATIONINSIGHTS_CONNECTION_STRING",
        ),
        (
            "aws",
            vec![
                ("tracing.backend", json!("honeycomb")),
                ("chroma.environment", json!({ "A_KEY": null })),
                ("machine.secrets", two),
            ],
            "machine.secrets.HONEYCOMB_API_KEY",
        ),
    ] {
        let found = problems(target, &keys);
        let [problem] = &found[..] else {
            panic!("{key}: {found:?}");
        };
        assert!(
            problem.contains(key) && !problem.contains("s3cret"),
            "{problem}"
        );
    }
    let keys = [
        (
            "machine.secrets",
            json!({ "APPLICATIONINSIGHTS_CONNECTION_STRING": "https://acme.vault.azure.net/secrets/a" }),
        ),
        (
            "kubernetes.identity",
            json!("01234567-89ab-cdef-0123-456789abcdef"),
        ),
    ];
    assert!(problems("azure", &keys)[0].contains("kubernetes.tenant"));
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
    assert!(
        crate::targets::kubernetes::needs(&deployment)
            .iter()
            .all(|need| need.variable == "chroma.registry")
    );
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
    let needs = |keys: &[(&'static str, Value)]| {
        let needs = crate::targets::kubernetes::needs(&placed("azure", keys)).into_iter();
        let needs = needs.map(|need| need.variable);
        needs
            .filter(|variable| variable != "chroma.registry")
            .collect::<Vec<_>>()
    };
    assert_eq!(
        needs(&[]),
        ["kubernetes.identity", "tracing.settings.connection_string"]
    );
    // A connection string in a store authenticates by itself.
    let named = json!({ "APPLICATIONINSIGHTS_CONNECTION_STRING": "https://acme.vault.azure.net/secrets/a" });
    let by_key = [("machine.secrets", named)];
    assert_eq!(needs(&by_key), [""; 0]);
    let plan = crate::targets::kubernetes::plan(&placed("azure", &by_key)).expect("it renders");
    assert!(!plan.files["collector.yaml"].contains("azure_auth"));
}

#[test]
fn role_names_are_unique_and_valid_in_aws() {
    let of =
        |keys: &[(&'static str, Value)]| super::readme::role(&placed("aws", keys), "collector");
    assert_eq!(of(&[]), "chroma-collector");
    let search = ("kubernetes.cluster", json!("search"));
    assert_eq!(
        of(&[search.clone(), ("kubernetes.namespace", json!("team"))]),
        "chroma-team-search-collector"
    );
    let long = |end: &str| of(&[("kubernetes.cluster", json!("a".repeat(90) + end))]);
    assert!(long("1").len() <= 64 && long("1") != long("2"));
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
