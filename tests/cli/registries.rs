//! Registries of Google Cloud and Azure: the machine logs in to them wherever the spec names them.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{folder, run};

/// Renders a spec; returns the files of the module, the README and the messages.
fn rendered(spec: &str) -> (BTreeMap<String, String>, String) {
    let home = folder();
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    let module = fs::read_dir(home.path().join("chroma")).unwrap();
    let paths = module.map(|entry| entry.unwrap().path());
    let paths = paths.chain([home.path().join("README.md")]);
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    (paths.map(read).collect(), message)
}

/// A spec with three mirrored images, of which two are in the same registry.
fn mirrored(target: &str, first: &str, second: &str) -> String {
    format!(
        "target: {target}
chroma: {{image: stock, repository: {first}/chromadb/chroma}}
collector: {{repository: {second}/otel/collector}}
tracing: {{backend: jaeger, settings: {{jaeger.repository: {first}/jaegertracing/jaeger}}}}
"
    )
}

#[test]
fn a_machine_on_gcp_may_pull_every_mirrored_image() {
    let (files, message) = rendered(&mirrored(
        "gcp",
        "europe-docker.pkg.dev/acme-shared/docker-hub",
        "us-docker.pkg.dev/acme-search/mirror",
    ));
    assert!(!message.contains("without credentials"), "{message}");
    let permissions = &files["permissions.tf"];
    for repository in ["acme-search/us/mirror", "acme-shared/europe/docker-hub"] {
        let key = format!("    \"{repository}\",\n");
        assert_eq!(permissions.matches(&key).count(), 1, "{permissions}");
    }
    assert!(!permissions.contains("repository_iam_member\" \"images\""));
    assert!(
        files["machine.tf"]
            .contains("    google_artifact_registry_repository_iam_member.mirrors,\n")
    );
    assert!(files["main.tf"].contains("\"artifactregistry.googleapis.com\""));
    assert!(files["startup-script.sh.tftpl"].contains("log_in oauth2accesstoken"));
    let readme = &files["README.md"];
    assert!(readme.contains("`acme-search/mirror`, `acme-shared/docker-hub`"));
    assert!(!readme.contains("Docker Hub"), "{readme}");
}

#[test]
fn a_machine_on_azure_may_pull_every_mirrored_image() {
    let (files, message) = rendered(&mirrored(
        "azure",
        "acme.azurecr.io",
        "mirror-0a1b2c.azurecr.io/hub",
    ));
    assert!(!message.contains("without credentials"), "{message}");
    // With a domain name label, the host has another name than the registry.
    assert!(
        files["main.tf"].contains("[\"acme\", \"mirror\"]"),
        "{}",
        files["main.tf"]
    );
    for name in ["acme", "mirror"] {
        let role = format!(
            "key = \"images in {name}\", name = \"AcrPull\", scope = data.azurerm_resources.registries[\"{name}\"]"
        );
        assert_eq!(files["permissions.tf"].matches(&role).count(), 1, "{role}");
    }
    assert!(files["cloud-config.yaml.tftpl"].contains("/oauth2/exchange"));
    assert!(files["README.md"].contains("`acme`, `mirror`"));
    assert!(!files["README.md"].contains("Docker Hub"));
}

#[test]
fn a_mirror_in_the_registry_of_the_spec_has_one_permission() {
    let (files, _) = rendered(
        "target: gcp
chroma: {image: published, registry: europe-docker.pkg.dev/acme-search/images}
tracing: {backend: zipkin, settings: {zipkin.repository: europe-docker.pkg.dev/acme-search/images/zipkin}}
",
    );
    assert!(files["permissions.tf"].contains("repository_iam_member\" \"images\""));
    assert!(!files["permissions.tf"].contains("repository_iam_member\" \"mirrors\""));
    let (files, _) = rendered(
        "target: azure
chroma: {image: published, registry: acme.azurecr.io}
tracing: {backend: zipkin, settings: {zipkin.repository: acme.azurecr.io/openzipkin/zipkin}}
",
    );
    assert_eq!(files["permissions.tf"].matches("\"AcrPull\"").count(), 1);
}

#[test]
fn a_registry_of_another_cloud_gets_no_login_and_no_permission() {
    for (target, other) in [
        ("gcp", "acme.azurecr.io"),
        ("azure", "europe-docker.pkg.dev/acme/hub"),
    ] {
        let (files, message) = rendered(&mirrored(target, other, other));
        let host = other.split('/').next().unwrap();
        let note = format!("note: the machine pulls images from `{host}` without credentials");
        assert!(message.contains(&note), "{message}");
        assert!(files["README.md"].contains("without credentials"));
        for (name, text) in &files {
            assert!(!text.contains("create_registry_roles"), "{target}: {name}");
            assert!(!text.contains("log_in_to_registries"), "{target}: {name}");
        }
    }
}
