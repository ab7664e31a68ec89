//! Kubernetes: values that a cluster does not support are rejected by the spec's key, all at once.

use std::fs;

use crate::command::{folder, refused, run, run_with, texts};

#[test]
fn rejects_values_that_no_cluster_supports_all_at_once() {
    // Values that cannot be parsed.
    let message = refused(
        "target: kubernetes
format: kustomize
chroma:
  replicas: 3
  vectors: 1000000
collector: {mode: sidecar, replicas: 4, max_replicas: 3, operator: 'yes', memory: 64MiB}
machine: {disk: 20GB, allow_from: 0.0.0.0/0, secrets: {X: 'the key: itself'}}
kubernetes:
  namespace: My.Namespace
  namspace: x
  storage_class: efs-sc
  registry: registry.example.com/search:latest
  secret: Keys
  secret_store: VaultStore/main
  allow_namespaces: [shop, Shop]
  labels: {team: 'search & find', app.kubernetes.io/name: x, 'a b': x, port: 80}
  annotations: {'/x': y, checksum/config: z}
  node_selector: {disk: 'a b'}
  tolerations:
    - {key: a, operator: In}
    - {value: b}
    - {key: a, operator: Equal}
    - {operator: Exists, value: b}
    - {key: a b}
    - {key: a, value: 'b c'}
    - {key: a, effect: Evict}
    - {kee: a}
    - gpu
  priority_class: High
  image_pull_secrets: [Registry]
  expose:
    host: 10.0.0.1
    hots: x
    gateway: gateways/main
    tls_secret: chroma-tls
    issuer: letsencrypt
    annotations: {'a b': c}
  region: Frankfurt am Main
backup:
  schedule: '@daily'
  keep: 0
  disk: 100
  prefix: a
  endpoint: s3.example.com
metrics: {monitoring: 1}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: backup.disk: 100 is not of type `string`
      hint: put it in quotes
    error: chroma-otel.yaml: backup.keep: 0 is less than the minimum of 1
    error: chroma-otel.yaml: collector.operator: `yes` is not of type `boolean`
      hint: write `true` or `false`, without quotes
    error: chroma-otel.yaml: kubernetes.expose.hots: no such key
      hint: did you mean `host`?
    error: chroma-otel.yaml: kubernetes.labels.port: 80 is not of type `string`
      hint: put it in quotes
    error: chroma-otel.yaml: kubernetes.tolerations.7.kee: no such key
      hint: did you mean `key`?
    error: chroma-otel.yaml: kubernetes.tolerations.8: `gpu` is not of type `object`
    error: chroma-otel.yaml: kubernetes.namspace: no such key
      hint: did you mean `namespace`?
    error: chroma-otel.yaml: metrics.monitoring: 1 is not of type `boolean`
      hint: write `true` or `false`, without quotes
    error: chroma-otel.yaml: chroma.replicas: is `3`, but Chroma's data files allow only one server
      hint: remove it; give it more memory instead
    error: chroma-otel.yaml: chroma.dimensions: is missing: `chroma.vectors` and `chroma.dimensions` require each other
      hint: set both or neither
    error: chroma-otel.yaml: kubernetes.registry: `registry.example.com/search:latest` cannot be used
      hint: write an image's repository in lower case without tag, such as `registry.example:5000/chroma`; the version is the tag
    error: chroma-otel.yaml: collector.mode: `sidecar` cannot be used
      hint: write one of `gateway`, `tiered`, `none`
    error: chroma-otel.yaml: collector.max_replicas: is `3`, less than `collector.replicas`, which is `4`
      hint: set both the minimum and the maximum
    error: chroma-otel.yaml: collector.memory: `64MiB` is too little
      hint: give it `128MiB` or more
    error: chroma-otel.yaml: format: `kustomize` is not one of `manifests`, `helm`
    error: chroma-otel.yaml: machine.disk: `20GB` cannot be used
      hint: write a whole number with `MiB` or `GiB`, such as `2GiB`
    error: chroma-otel.yaml: machine.allow_from: `0.0.0.0/0` cannot be used
      hint: write a range of /8 or narrower: Chroma has no authentication, and every client can read and delete everything
    error: chroma-otel.yaml: machine.secrets.X: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: chroma-otel.yaml: kubernetes.namespace: `My.Namespace` cannot be used
      hint: write lower-case letters, digits and `-`, at most 63, no `-` at either end
    error: chroma-otel.yaml: kubernetes.secret: `Keys` cannot be used
      hint: write lower-case letters, digits, `-` and `.`, at most 253, a letter or digit at either end
    error: chroma-otel.yaml: kubernetes.region: `Frankfurt am Main` cannot be used
      hint: write an id or a name as the cloud shows it, letters first
    error: chroma-otel.yaml: kubernetes.storage_class: `efs-sc` is a network file system by its name, on which SQLite loses data
      hint: a class of block storage, such as `gp3`, `premium-rwo` or `managed-csi`
    error: chroma-otel.yaml: kubernetes.secret_store: `VaultStore/main` is not a secret store
      hint: the name of a ClusterSecretStore, or `SecretStore/NAME`
    error: chroma-otel.yaml: kubernetes.allow_namespaces.1: `Shop` cannot be used
      hint: write lower-case letters, digits and `-`, at most 63, no `-` at either end
    error: chroma-otel.yaml: kubernetes.labels: `a b` cannot be a key
      hint: write letters, digits, `-`, `_` and `.`, at most 63, optionally after a domain and `/`
    error: chroma-otel.yaml: kubernetes.labels.app.kubernetes.io/name: is set by the deployment itself
      hint: remove it
    error: chroma-otel.yaml: kubernetes.labels.team: `search & find` is not a label value
      hint: letters, digits, `-`, `_` and `.`, at most 63
    error: chroma-otel.yaml: kubernetes.annotations: `/x` cannot be a key
      hint: write letters, digits, `-`, `_` and `.`, at most 63, optionally after a domain and `/`
    error: chroma-otel.yaml: kubernetes.annotations.checksum/config: is set by the deployment itself
      hint: remove it
    error: chroma-otel.yaml: kubernetes.node_selector.disk: `a b` is not a label value
      hint: letters, digits, `-`, `_` and `.`, at most 63
    error: chroma-otel.yaml: kubernetes.priority_class: `High` cannot be used
      hint: write lower-case letters, digits, `-` and `.`, at most 253, a letter or digit at either end
    error: chroma-otel.yaml: kubernetes.image_pull_secrets.0: `Registry` cannot be used
      hint: write lower-case letters, digits, `-` and `.`, at most 253, a letter or digit at either end
    error: chroma-otel.yaml: kubernetes.expose.host: `10.0.0.1` is an IP address, not a host name
      hint: the name that clients call, such as `chroma.example.com`
    error: chroma-otel.yaml: kubernetes.expose.tls_secret: applies to an Ingress only, and `kubernetes.expose.gateway` selects an HTTPRoute
      hint: remove one of them: the Gateway's listener has the certificate
    error: chroma-otel.yaml: kubernetes.expose.issuer: applies to an Ingress only, and `kubernetes.expose.gateway` selects an HTTPRoute
      hint: remove one of them: the Gateway's listener has the certificate
    error: chroma-otel.yaml: kubernetes.expose.gateway: `gateways/main` names no listener of a Gateway
      hint: `NAMESPACE/GATEWAY/LISTENER`, of a listener that terminates TLS: the token must not be sent unencrypted
    error: chroma-otel.yaml: kubernetes.expose.annotations: `a b` cannot be a key
      hint: write letters, digits, `-`, `_` and `.`, at most 63, optionally after a domain and `/`
    error: chroma-otel.yaml: backup.schedule: `@daily` cannot be used
      hint: write five fields of cron in numbers, such as `17 3 * * *`
    error: chroma-otel.yaml: backup.prefix: requires `backup.bucket`
      hint: set the bucket, or remove this key
    error: chroma-otel.yaml: backup.endpoint: requires `backup.bucket`
      hint: set the bucket, or remove this key
    error: 41 problems; nothing was written
    "##);
    // Values that can be parsed, but that no cluster supports.
    let message = refused(
        "target: kubernetes
name: 2nd-chroma-of-the-whole-company-and-of-its-friends
chroma: {version: 0.6.3, image: stock}
tracing: {backend: aws-xray}
collector: {mode: tiered, operator: true}
machine: {allow_from: sg-0123456789abcdef0, secrets: {NO_SUCH_KEY: headers}}
kubernetes: {namespace: kube-system}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: name: `2nd-chroma-of-the-whole-company-and-of-its-friends` is not a valid prefix of a Service's name
      hint: use at most 35 characters, beginning with a letter
    error: kubernetes.namespace: `kube-system` is a namespace of the cluster itself
      hint: use a separate namespace, in which only pods that meet the standard `restricted` may run
    error: chroma.image: `stock` is unsupported: the published image of Chroma 0.6.3 runs as root only
      hint: use `image: wrapped`, which runs as another user
    error: machine.allow_from: `sg-0123456789abcdef0` is an AWS security group
      hint: use an address range such as `10.0.0.0/16`
    error: collector.operator: unsupported with `collector.mode: tiered`, whose two tiers must find each other
      hint: use `collector.mode: gateway`, or remove this key
    error: tracing.backend: `aws-xray` identifies senders by their machine's identity in AWS
      hint: use `--target aws --platform kubernetes` or another backend
    error: kubernetes.secret_store: required, because `machine.secrets` names secrets in a store
      hint: use the name of a ClusterSecretStore, or `SecretStore/NAME`
    error: machine.secrets.NO_SUCH_KEY: names a secret, but the deployment reads none
      hint: remove it
    error: 8 problems; nothing was written
    "##);
}

#[test]
fn a_section_without_keys_is_empty() {
    let message = refused("target: kubernetes\nkubernetes: {expose: }\nbackup:\n");
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: kubernetes.expose.host: is missing
      hint: the name that clients call, such as `chroma.example.com`
    error: 1 problem; nothing was written
    "##);
    let home = folder();
    let spec = home.path().join("chroma-otel.yaml");
    fs::write(&spec, "target: kubernetes\nbackup:\n").unwrap();
    let (code, answer, message) = run(home.path(), &["gen", "--stdout"]);
    assert_eq!(code, 0, "{message}");
    assert!(answer.contains("==> backup.yaml <=="), "{answer}");
}

#[test]
fn rejects_a_bucket_together_with_a_volume() {
    let message = refused(
        "target: kubernetes
backup:
  disk: 10GiB
  bucket: Backups/chroma
  prefix: /a/../b
  endpoint: https://key:s3cr3t@s3.example.com
  region: the nearest
",
    );
    assert!(!message.contains("s3cr3t"), "{message}");
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: backup.disk: applies to a volume only, and `backup.bucket` selects a bucket
      hint: remove one of them
    error: chroma-otel.yaml: backup.bucket: `Backups/chroma` is not a bucket name
      hint: 3 to 63 lower-case letters, digits, `-` and `.`; a path is `backup.prefix`
    error: chroma-otel.yaml: backup.prefix: `/a/../b` is not a path in a bucket
      hint: names with `/` between them, such as `backups/chroma`
    error: chroma-otel.yaml: backup.region: `the nearest` cannot be used
      hint: write an id or a name as the cloud shows it, letters first
    error: chroma-otel.yaml: backup.endpoint: contains credentials
      hint: `https://HOST` of the S3-compatible store; keys are in the Secret
    error: 5 problems; nothing was written
    "##);
}

#[test]
fn without_a_collector_chroma_must_be_able_to_send_itself() {
    let with = |more: &str| {
        refused(&format!(
            "target: kubernetes\ncollector: {{mode: none}}\n{more}"
        ))
    };
    insta::assert_snapshot!(with(""), @r##"
    error: chroma-otel.yaml: tracing.endpoint: is missing, and `collector.mode` is `none`
      hint: your own collector, such as `http://otel-collector.monitoring.svc:4317`
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(with("tracing: {backend: honeycomb}"), @r##"
    error: chroma-otel.yaml: tracing.backend: is `honeycomb`, which only a collector can send to, and `collector.mode` is `none`
      hint: remove it: your own collector knows its backend
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(with("chroma: {version: 1.0.20}\ntracing: {endpoint: https://otlp.example.com:4317}"), @r##"
    error: chroma-otel.yaml: tracing.endpoint: is `https://otlp.example.com:4317`, and Chroma 1.0.20 has no TLS: it would send everything in plain text, including the headers
      hint: send to an OpenTelemetry Collector over plain gRPC, such as `http://otel-collector:4317`, and from there on
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(with("chroma: {version: 1.0.20}\ntracing: {endpoint: http://otel.svc:4318}"), @r##"
    error: chroma-otel.yaml: tracing.endpoint: is `http://otel.svc:4318`, and Chroma 1.0.20 speaks OTLP over gRPC only
      hint: send to an OpenTelemetry Collector over plain gRPC, such as `http://otel-collector:4317`, and from there on
    error: 1 problem; nothing was written
    "##);
    let more =
        "chroma: {image: stock}\ntracing: {endpoint: http://otel.svc:4317, headers: [x-key]}";
    insta::assert_snapshot!(with(more), @r##"
    error: chroma-otel.yaml: tracing.headers: have no effect with `collector.mode: none` and `image: stock`, which does not read them
      hint: use `image: wrapped`, or a collector that requires none
    error: 1 problem; nothing was written
    "##);
    let spec = "target: kubernetes
collector: {mode: none, operator: true}
tracing: {endpoint: http://otel.svc:4317}
metrics: {monitoring: true}
";
    insta::assert_snapshot!(refused(spec), @r##"
    error: collector.operator: has no effect with `collector.mode: none`
      hint: remove one of the two keys
    error: metrics.monitoring: needs a collector, but `collector.mode` is `none`
      hint: remove this key, or use `collector.mode: gateway`
    error: 2 problems; nothing was written
    "##);
}

#[test]
fn rejects_values_that_the_operators_collector_would_expand_or_lack() {
    let home = folder();
    let arguments = |backend| {
        let backend = ["--backend", backend];
        [&["gen", "--spec", "spec.yaml", "--stdout"][..], &backend].concat()
    };
    let spec = "target: kubernetes\ncollector: {operator: true}\ntracing: {headers: [x-key]}\n";
    fs::write(home.path().join("spec.yaml"), spec).unwrap();
    let headers = [("CHROMA_OTEL_COLLECTION_HEADERS", "x-key=a$${b}s3cr3t")];
    let (code, _, message) = texts(&run_with(home.path(), &arguments("otlp"), &headers));
    assert!(code == 2 && !message.contains("s3cr3t"), "{message}");
    insta::assert_snapshot!(message, @r##"
    error: spec.yaml: tracing.endpoint: is missing: backend `otlp` has no default, and with `collector.operator` it is rendered in
      hint: the backend's OTLP endpoint, such as `http://collector:4317`
    error: 1 problem; nothing was written
    "##);
    let (code, _, message) = texts(&run_with(home.path(), &arguments("honeycomb"), &headers));
    assert!(code == 2 && !message.contains("s3cr3t"), "{message}");
    insta::assert_snapshot!(message, @r##"
    error: CHROMA_OTEL_HEADER_X_KEY: contains `${` or `$$`, which the collector would expand
      hint: remove `collector.operator`: the entrypoint accepts any value
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn warns_of_keys_without_effect() {
    let home = folder();
    let notes = |spec: &str| {
        fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
        let (code, _, message) = run(home.path(), &["gen", "--dry-run"]);
        assert_eq!(code, 0, "{message}");
        let notes = message.lines().filter(|line| line.starts_with("note: "));
        notes.collect::<Vec<_>>().join("\n")
    };
    let cluster = "kubernetes: {namespace: a}\n";
    let docker = format!("target: docker\ncollector: {{mode: none, replicas: 3}}\n{cluster}");
    insta::assert_snapshot!(notes(&docker), @r##"
    note: a second deployment on this machine needs another `--name` than `chroma`, with which it would replace this one, and other ports: `--port`, and in .env the ports that .env.example lists
    note: `collector.mode`, `collector.replicas`, `kubernetes.namespace` have no effect on target `docker`
    "##);
    let plain = "target: kubernetes
platform: kubernetes
chroma: {image: stock, bind: 0.0.0.0, open_to_world: true}
collector: {mode: none, memory: 1GiB}
machine: {type: large, snapshots: 3}
tracing: {endpoint: http://otel.svc:4317, environment: staging}
kubernetes: {registry: r.example.com/a, secret_store: vault, region: x, auto_mode: true}
";
    insta::assert_snapshot!(notes(plain), @r##"
    note: `kubernetes.registry` is deprecated: use `chroma.registry`, which means the same
    note: `chroma.bind`, `kubernetes.auto_mode`, `machine.snapshots`, `machine.type`, `platform` have no effect on target `kubernetes`
    note: `collector.memory`, `tracing.environment` have no effect with `collector.mode: none`
    note: `kubernetes.registry` has no effect with `image: stock`
    note: `chroma.open_to_world` has no effect without `kubernetes.expose`
    note: `kubernetes.secret_store` has no effect without `machine.secrets`
    "##);
    let gke = "target: gcp
platform: kubernetes
chroma: {open_to_world: true}
machine: {project: my-project, zone: europe-west3-a}
kubernetes: {identity: x, expose: {host: chroma.example.com}}
";
    insta::assert_snapshot!(notes(gke), @r##"
    note: Chroma is exposed at chroma.example.com without authentication: every client that reaches it can read and delete all data
    note: `kubernetes.identity`, `machine.zone` have no effect on target `gcp`, platform `kubernetes`
    "##);
}

#[test]
fn rejects_issuers_of_unknown_kinds() {
    for issuer in ["issuer/letsencrypt", "AWSPCAIssuer/x", "Issuer/", "a b"] {
        let spec = format!(
            "target: kubernetes\nkubernetes: {{expose: {{host: chroma.example.com, issuer: {issuer}}}}}\n"
        );
        let message = refused(&spec);
        let known = "`ClusterIssuer/NAME`, `Issuer/NAME` in the namespace of the deployment";
        assert!(
            message.contains("names no issuer of cert-manager"),
            "{message}"
        );
        assert!(message.contains(known), "{message}");
    }
}

#[test]
fn exposure_is_refused_where_nothing_would_add_it() {
    let refused = refused("target: docker\nkubernetes: {expose: {host: a.example.com}}\n");
    insta::assert_snapshot!(refused, @r##"
    error: chroma-otel.yaml: kubernetes.expose: has no effect on target `docker`
      hint: use `chroma.access`
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn more_vectors_need_more_memory_and_disk() {
    let home = folder();
    let spec = "target: kubernetes\nchroma: {vectors: 5000000, dimensions: 1536}\n";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, answer, message) = run(home.path(), &["gen", "--stdout"]);
    assert_eq!(code, 0, "{message}");
    let quantity = |field: &str| -> u64 {
        let found = answer
            .split(field)
            .filter_map(|rest| rest.split("Gi").next()?.parse().ok());
        found.max().unwrap()
    };
    // The vectors alone are 29 GiB.
    assert!((40..80).contains(&quantity("memory: ")), "{answer}");
    assert!((60..200).contains(&quantity("storage: ")), "{answer}");
}

#[test]
fn rejects_a_key_that_two_backends_use() {
    let message = refused(
        "target: kubernetes
chroma: {environment: {CHROMA_TOKEN: , MY_TOKEN: }}
kubernetes: {expose: {host: chroma.example.com}}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma.environment.CHROMA_TOKEN: the deployment's Secret already contains this variable
      hint: give its value here if it is not secret, or rename it
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn rejects_a_backend_with_the_name_of_a_component() {
    let home = folder();
    let backend = "summary: Mine
documentation: https://example.com
traces: http://127.0.0.1:16686
endpoint: http://proxy:4317
exporter: otlp
service: {image: 'example/mine:1', ui_port: 16686, memory: 1g, probe: {port: 13133, path: /}}
";
    fs::write(home.path().join("proxy.yaml"), backend).unwrap();
    let spec = "target: kubernetes\ntracing: {backend_file: proxy.yaml}\n";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2, "{message}");
    insta::assert_snapshot!(message, @r##"
    error: tracing.backend_file: `proxy` is the name of another part of the deployment
      hint: rename the file
    error: 1 problem; nothing was written
    "##);
}
