//! Every spec in `tests/specs`, rendered: one snapshot each, and the checks of `validate`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop where it stands, and writes what it needs"
)]

use std::path::Path;

use chroma_otel_deploy::plan::Plan;
use chroma_otel_deploy::spec::file::Override;
use chroma_otel_deploy::spec::{Resolved, file, resolve};
use chroma_otel_deploy::validate;

/// Renders as `gen` does, with nothing taken from the environment.
fn rendered(spec: Option<&Path>, overrides: Vec<Override>) -> (Resolved, Plan) {
    let input = file::read(spec, overrides).expect("the spec reads");
    let resolved = resolve(input, &|_| None).expect("the spec is sound");
    assert_eq!(resolved.spec.target.problems(&resolved), []);
    let plan = resolved
        .spec
        .target
        .plan(&resolved)
        .expect("the templates render");
    (resolved, plan)
}

#[test]
fn specs() {
    insta::glob!("specs/*.yaml", |path| {
        let (resolved, plan) = rendered(Some(path), Vec::new());
        assert_eq!(validate::files(&plan.files, &resolved.secrets), []);
        let shown: String = plan
            .files
            .iter()
            .filter(|(path, _)| !path.starts_with("entrypoint/"))
            .map(|(path, text)| format!("==> {path} <==\n{text}\n"))
            .collect();
        let secrets = std::fs::read_to_string(path).unwrap();
        assert!(!secrets.contains("do-not-render-me") || plan.secrets.is_some());
        assert!(!shown.contains("do-not-render-me"), "a secret was rendered");
        insta::assert_snapshot!(shown);
    });
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    let spec = Path::new("tests/specs/otlp-headers.yaml");
    assert_eq!(
        rendered(Some(spec), Vec::new()).1,
        rendered(Some(spec), Vec::new()).1
    );
}

#[test]
fn every_release_and_backend_renders() {
    for backend in chroma_otel_deploy::backend::names() {
        for version in chroma_otel_init::ChromaVersion::releases() {
            for image in ["wrapped", "stock"] {
                // Only this backend has no endpoint of its own; blank is not set.
                let endpoint = if backend == "otlp" {
                    "http://backend.example:4317"
                } else {
                    ""
                };
                let flag = |key, value: &str| Override {
                    key,
                    flag: "--flag",
                    value: value.into(),
                };
                let (resolved, plan) = rendered(
                    None,
                    vec![
                        flag("target", "docker"),
                        flag("tracing.backend", &backend),
                        flag("chroma.version", &version.to_string()),
                        flag("chroma.image", image),
                        flag("tracing.endpoint", endpoint),
                    ],
                );
                assert_eq!(
                    validate::files(&plan.files, &resolved.secrets),
                    [],
                    "{backend} {version} {image}"
                );
                assert_eq!(plan.files.contains_key("Dockerfile"), image == "wrapped");
            }
        }
    }
}
