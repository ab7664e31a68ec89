//! Backends that follow from an endpoint, and headers that a preset makes.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{folder, relative, run, run_with, texts};

/// Output and the files of `gen --target docker`, with these flags and variables.
fn written(flags: &[&str], environment: &[(&str, &str)]) -> (String, BTreeMap<String, String>) {
    let home = folder();
    let arguments = [&["gen", "--target", "docker", "--out", "."], flags].concat();
    let (code, _, message) = texts(&run_with(home.path(), &arguments, environment));
    assert_eq!(code, 0, "{message}");
    let files = relative(home.path()).into_iter();
    let files = files.filter_map(|(path, bytes)| Some((path, String::from_utf8(bytes).ok()?)));
    (message, files.collect())
}

#[test]
fn endpoint_without_backend_means_otlp_on_every_target() {
    for target in ["docker", "kubernetes", "aws", "gcp", "azure"] {
        for platform in ["vm", "kubernetes"] {
            let home = folder();
            let spec = format!(
                "target: {target}\nplatform: {platform}\ntracing: {{endpoint: 'https://otlp.example.com'}}\n"
            );
            fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
            let (code, files, message) = run(home.path(), &["gen", "--stdout"]);
            assert_eq!(code, 0, "{target} {platform}: {message}");
            assert!(files.contains("otlp.example.com"), "{target} {platform}");
            for other in [
                "jaegertracing/jaeger",
                "xray.",
                "telemetry.googleapis.com/v1",
            ] {
                assert!(!files.contains(other), "{target} {platform}: {other}");
            }
        }
    }
    let flags = ["--endpoint", "http://traces.example.com:4317"];
    let (_, files) = written(&flags, &[]);
    assert!(!files["docker-compose.yaml"].contains("jaeger"));
    let (_, files) = written(&[&flags[..], &["--backend", "jaeger"]].concat(), &[]);
    assert!(files["docker-compose.yaml"].contains("with traces to Jaeger"));
}

#[test]
fn endpoint_of_a_preset_names_the_preset() {
    let note =
        "note: `api.eu1.honeycomb.io` is Honeycomb: `--backend honeycomb` also sets its headers\n";
    let flags = ["--endpoint", "api.eu1.honeycomb.io"];
    let (message, _) = written(&flags, &[]);
    assert!(message.contains(note), "{message}");
    for others in [
        &["--endpoint", "https://otlp.example.com"][..],
        &["--endpoint", "api.eu1.honeycomb.io", "--backend", "otlp"],
    ] {
        let (message, _) = written(others, &[]);
        assert!(!message.contains("is Honeycomb"), "{message}");
    }
}

#[test]
fn header_that_the_preset_makes_fills_its_key() {
    let honeycomb = ["--backend", "honeycomb"];
    let header = ["--headers", "X-Honeycomb-Team=s3cret,x-other=b"];
    let (message, files) = written(&[honeycomb, header].concat(), &[]);
    assert_eq!(
        files[".env"],
        "CHROMA_OTEL_COLLECTION_HEADERS='{\"x-other\":\"b\"}'\nHONEYCOMB_API_KEY='s3cret'\n"
    );
    assert!(!message.contains("you still have to set"), "{message}");
    let variable = [("CHROMA_OTEL_COLLECTION_HEADERS", "x-honeycomb-team=s3cret")];
    let (_, files) = written(&honeycomb, &variable);
    assert_eq!(files[".env"], "HONEYCOMB_API_KEY='s3cret'\n");
    // The flag overrides the variable of the key, which overrides the variable of the headers.
    let variables = [variable[0], ("HONEYCOMB_API_KEY", "of-the-key")];
    let (_, files) = written(&honeycomb, &variables);
    assert_eq!(files[".env"], "HONEYCOMB_API_KEY='of-the-key'\n");
    let (_, files) = written(&[honeycomb, header].concat(), &variables);
    assert!(files[".env"].contains("HONEYCOMB_API_KEY='s3cret'\n"));
}

#[test]
fn header_name_that_the_preset_makes_is_ignored_with_a_note() {
    let spec = |headers: &str| {
        let home = folder();
        let spec = format!("target: docker\ntracing: {{backend: honeycomb, headers: {headers}}}\n");
        fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
        let (code, _, message) = run(home.path(), &["gen"]);
        assert_eq!(code, 0, "{message}");
        message
    };
    let message = spec("[x-honeycomb-team]");
    let note = "note: backend `honeycomb` sets the header `x-honeycomb-team` from `HONEYCOMB_API_KEY`: its name is ignored\n";
    assert!(message.contains(note), "{message}");
    assert!(!message.contains("COLLECTION_HEADERS"), "{message}");
    let message = spec("{x-honeycomb-team: s3cret}");
    let note = "from `HONEYCOMB_API_KEY`: remove it from the spec once the key is in `.env`\n";
    assert!(message.contains(note), "{message}");
}
