//! Clusters with restrictions: a mirror, IPv6, OpenShift, an existing namespace, node-local DNS.

use crate::command::{folder, refused, run};

/// Returns the rendered files.
fn rendered(keys: &str) -> String {
    let home = folder();
    let spec = format!("target: kubernetes\n{keys}");
    std::fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, answer, message) = run(home.path(), &["gen", "--stdout"]);
    assert_eq!(code, 0, "{message}");
    answer
}

#[test]
fn rejects_values_that_no_restricted_cluster_supports() {
    let spec = "target: kubernetes
chroma: {version: 0.6.3}
kubernetes: {namespace: kube-system, create_namespace: false, ipv6: true, openshift: true}
";
    insta::assert_snapshot!(refused(spec), @r##"
    error: kubernetes.namespace: `kube-system` is a namespace of the cluster itself
      hint: use a separate namespace, in which only pods that meet the standard `restricted` may run
    error: kubernetes.ipv6: unsupported by Chroma 0.6.3
      hint: use `chroma.version: 1.0.0` or newer, or remove this key
    error: kubernetes.openshift: unsupported by Chroma 0.6.3
      hint: use `chroma.version: 1.0.0` or newer, or remove this key
    error: 3 problems; nothing was written
    "##);
    let spec = "target: kubernetes
kubernetes: {image_registry: 'https://registry.example.com', dns_address: 10.96.0.0/16}
";
    insta::assert_snapshot!(refused(spec), @r##"
    error: chroma-otel.yaml: kubernetes.image_registry: `https://registry.example.com` cannot be used
      hint: write an image's repository in lower case without tag, such as `registry.example:5000/chroma`; the version is the tag
    error: chroma-otel.yaml: kubernetes.dns_address: `10.96.0.0/16` is not an IP address
      hint: see `kubectl get service kube-dns --namespace kube-system`
    error: 2 problems; nothing was written
    "##);
}

#[test]
fn a_mirror_replaces_docker_hub_for_every_image() {
    let spec = "chroma: {image: stock}
tracing: {backend: [jaeger, zipkin], settings: {zipkin.repository: other.example.com/zipkin}}
kubernetes:
  image_registry: registry.example.com/hub
  expose: {host: chroma.example.com}
backup: {bucket: backups}
";
    let files = rendered(spec);
    let images = files
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "));
    let mut images: Vec<&str> = images.collect();
    images.sort_unstable();
    images.dedup();
    let names: Vec<&str> = images
        .iter()
        .filter_map(|image| Some(image.rsplit_once(':')?.0))
        .collect();
    assert_eq!(
        names,
        [
            "other.example.com/zipkin",
            "registry.example.com/hub/chromadb/chroma",
            "registry.example.com/hub/jaegertracing/jaeger",
            "registry.example.com/hub/library/caddy",
            "registry.example.com/hub/library/python",
            "registry.example.com/hub/otel/opentelemetry-collector-contrib",
            "registry.example.com/hub/rclone/rclone",
        ]
    );
}

#[test]
fn an_existing_namespace_is_neither_created_nor_deleted() {
    let files = rendered("kubernetes: {create_namespace: false, namespace: default}\n");
    assert!(!files.contains("kind: Namespace\n"));
    assert!(!files.contains("keep.yaml"), "nothing is to be kept");
    let with_claim = rendered("kubernetes: {create_namespace: false}\nbackup: {}\n");
    assert!(with_claim.contains("==> keep.yaml <=="));
    assert!(!with_claim.contains("kind: Namespace\n"));
}

#[test]
fn openshift_chooses_every_user() {
    let keys = "{openshift: true, expose: {host: chroma.example.com}}";
    let files = rendered(&format!("kubernetes: {keys}\nbackup: {{}}\n"));
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(!files.contains(&format!("{id}: ")), "{id}");
    }
    assert!(files.contains("runAsNonRoot: true"));
}

#[test]
fn pods_reach_the_dns_address_of_the_spec() {
    let count = |address: &str, range: &str| {
        let files = rendered(&format!("kubernetes: {{dns_address: '{address}'}}\n"));
        files
            .matches(&format!("ipBlock: {{cidr: {range}}}"))
            .count()
    };
    assert_eq!(
        count("10.96.0.10", "\"10.96.0.10/32\""),
        2,
        "Chroma and the collector"
    );
    assert_eq!(count("fd00::a", "fd00::a/128"), 2);
}
