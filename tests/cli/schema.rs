//! The schema for editors: as strict as the parser where possible, never stricter, and the only
//! source of docs/keys.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use chroma_otel_deploy::input::file::{Override, flags, read, schema};
use chroma_otel_deploy::input::resolve;
use jsonschema::Validator;
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::validator_for(&SCHEMA).unwrap());

/// A key of the schema, and its description.
struct Key {
    path: String,
    schema: &'static Value,
}

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| keys(&SCHEMA, ""));

fn keys(section: &'static Value, prefix: &str) -> Vec<Key> {
    let mut found = Vec::new();
    for (name, schema) in section["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{name}");
        let below = keys(schema, &format!("{path}."));
        found.push(Key { path, schema });
        found.extend(below);
    }
    found
}

/// Returns a spec of these keys.
fn spec(pairs: &[(&str, Value)]) -> Value {
    let mut spec = json!({"target": "docker"});
    for (key, value) in pairs {
        let pointer = format!("/{}", key.replace('.', "/"));
        let (section, _) = pointer.rsplit_once('/').unwrap();
        let mut place = String::new();
        for part in section.split('/').skip(1) {
            let above = spec.pointer_mut(&place).unwrap();
            if above.get(part).is_none() {
                above[part] = json!({});
            }
            place += &format!("/{part}");
        }
        let name = key.rsplit('.').next().unwrap();
        spec.pointer_mut(section).unwrap()[name] = value.clone();
    }
    spec
}

fn schema_takes(key: &str, value: &Value) -> bool {
    VALIDATOR.is_valid(&spec(&[(key, value.clone())]))
}

/// Returns true if parsing reports no problem of the key.
fn parser_takes(key: &'static str, value: &Value) -> bool {
    let given = Override {
        key,
        flag: key,
        value: value.clone(),
    };
    let mut overrides = vec![given];
    if key != "target" {
        overrides.push(Override {
            key: "target",
            flag: "target",
            value: json!("aws"),
        });
    }
    match resolve(read(None, overrides).unwrap(), &|_| None) {
        Ok(_) => true,
        Err(problems) => !problems.iter().any(|one| {
            one.at == key
                || one.at.ends_with(&format!(": {key}"))
                || one.at.contains(&format!("{key}."))
        }),
    }
}

#[test]
fn rejects_wrong_values_as_gen_does() {
    let wrong: [(&str, &[Value]); 20] = [
        ("target", &[json!("dcoker"), json!(1)]),
        ("name", &[json!("Upper"), json!("-a")]),
        ("platform", &[json!("k8s")]),
        ("format", &[json!("kustomize")]),
        ("clients", &[json!(["ruby"])]),
        ("chroma.version", &[json!("latest"), json!("1.5")]),
        ("chroma.image", &[json!("stok")]),
        ("chroma.image_context", &[json!("/abs"), json!("a b")]),
        ("chroma.repository", &[json!("chromadb/chroma:latest")]),
        ("chroma.memory", &[json!("1GB"), json!("lots"), json!("2")]),
        ("chroma.port", &[json!(0), json!(70000), json!("abc")]),
        ("chroma.replicas", &[json!(2), json!(0)]),
        ("chroma.cors_allow_origins", &[json!(["example.com"])]),
        (
            "tracing.backend",
            &[json!("honycomb"), json!(["jaeger", "honycomb"])],
        ),
        ("tracing.granularity", &[json!("operations")]),
        (
            "tracing.sampling.ratio",
            &[json!(3), json!(-0.1), json!("10%")],
        ),
        ("tracing.sampling.slower_than", &[json!("5"), json!("1.5s")]),
        ("tracing.redact.names", &[json!("keep")]),
        (
            "machine.allow_from",
            &[json!("0.0.0.0/0"), json!("10.0.0.0")],
        ),
        ("collector.mode", &[json!("daemonset")]),
    ];
    for (key, values) in wrong {
        for value in values {
            assert!(!schema_takes(key, value), "the schema takes {key}: {value}");
            assert!(!parser_takes(key, value), "the parser takes {key}: {value}");
        }
    }
    for address in ["0.0.0.0", "203.0.113.7", "localhost", "::"] {
        assert!(!schema_takes("chroma.bind", &json!(address)), "{address}");
    }
    let open = [
        ("chroma.bind", json!("0.0.0.0")),
        ("chroma.open_to_world", json!(true)),
    ];
    assert!(VALIDATOR.is_valid(&spec(&open)));
}

/// Nine wrong values in one spec, as in an editor.
#[test]
fn finds_every_wrong_value_of_a_spec_at_once() {
    let wrong = json!({
        "target": "dcoker",
        "platform": "k8s",
        "format": "kustomize",
        "chroma": {"version": "latest", "memory": "1GB", "bind": "0.0.0.0"},
        "tracing": {"backend": "honycomb", "granularity": "operations", "sampling": {"ratio": 3}},
    });
    let places: BTreeSet<String> = VALIDATOR
        .iter_errors(&wrong)
        .map(|error| error.instance_path().to_string())
        .collect();
    assert_eq!(places.len(), 9, "{places:?}");
}

/// A valid value that the schema rejects would be a false alarm in an editor.
#[test]
fn accepts_values_that_the_parser_accepts() {
    let samples = [
        "docker",
        "kubernetes",
        "compose",
        "honeycomb",
        "stock",
        "1.5.9",
        "v0.6.3",
        "10.0.0.5",
        "127.0.0.1",
        "::1",
        "fd00::1",
        "2GiB",
        "4g",
        "512 MiB",
        "30GiB",
        "hash",
        "tiered",
        "none",
        "500ms",
        "1m",
        "../image",
        "image/x",
        "chromadb/chroma",
        "r.example:5000/a/b-c",
        "shop-1",
        "gp3",
        "chroma.example.com",
        "SecretStore/vault",
        "ClusterSecretStore/vault",
        "gateways/public/https",
        "0 4 * * 1-5",
        " 17 3 * * * ",
        "https://s3.example.com",
        "10.0.0.0/8",
        "sg-0123",
        "arn:aws:sns:eu-central-1:1:x",
        "projects/p/secrets/s",
        "ssh-ed25519 AAAAC3Nz+/= who",
        "search vectors",
        "日本",
        "all",
        "operation_and_segment",
        "NoSchedule",
        "eu1",
        "vpc-0123",
        "/subscriptions/a/b",
        "app.user",
    ];
    let texts = KEYS.iter().filter(|key| key.schema["type"] == "string");
    let mut taken = 0;
    for key in texts.filter(|key| !key.path.contains("settings.")) {
        let path: &'static str = key.path.clone().leak();
        for sample in samples {
            let value = json!(sample);
            if parser_takes(path, &value) && path != "chroma.bind" {
                assert!(schema_takes(path, &value), "{path}: {sample}");
                taken += 1;
            }
        }
    }
    assert!(taken > 200, "{taken}");
    for private in [
        "10.0.0.5",
        "127.0.0.1",
        "192.168.1.2",
        "172.20.0.1",
        "::1",
        "fd00::1",
    ] {
        assert!(schema_takes("chroma.bind", &json!(private)), "{private}");
    }
    for pair in [
        json!({"x-a": null}),
        json!(["x-a"]),
        json!("x-a=b"),
        json!({"x-a": "b"}),
    ] {
        assert!(schema_takes("tracing.headers", &pair), "{pair}");
    }
}

#[test]
fn accepts_every_word_of_a_closed_set() {
    let mut sets = 0;
    for key in KEYS.iter().filter(|key| key.schema["enum"].is_array()) {
        sets += 1;
        for word in key.schema["enum"].as_array().unwrap() {
            // Each target has its own formats.
            let path: &'static str = key.path.clone().leak();
            assert!(
                path == "format" || parser_takes(path, word),
                "{path}: {word}"
            );
        }
    }
    assert!(sets >= 7, "{sets}");
}

#[test]
fn defaults_of_the_schema_are_those_of_the_parser() {
    let base = || {
        let pairs = [
            ("target", json!("docker")),
            ("tracing.sampling.ratio", json!(0.5)),
            ("backup", json!({})),
        ];
        pairs
            .map(|(key, value)| Override {
                key,
                flag: key,
                value,
            })
            .to_vec()
    };
    let resolved = |overrides| {
        let spec = resolve(read(None, overrides).unwrap(), &|_| None)
            .unwrap()
            .spec;
        format!("{spec:?}")
    };
    let without = resolved(base());
    let mut defaults = 0;
    for key in KEYS
        .iter()
        .filter(|key| key.schema.get("default").is_some())
    {
        let mut overrides = base();
        overrides.push(Override {
            key: key.path.clone().leak(),
            flag: "",
            value: key.schema["default"].clone(),
        });
        assert_eq!(resolved(overrides), without, "{}", key.path);
        defaults += 1;
    }
    assert!(defaults > 20, "{defaults}");
}

#[test]
fn is_ready_for_editors() {
    assert_eq!(SCHEMA["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(SCHEMA["$id"].as_str().unwrap().starts_with("https://"));
    let text = SCHEMA.to_string();
    assert!(!text.contains("\"x-") && !text.contains("\"default\":null"));
    for key in KEYS.iter() {
        let (path, schema) = (&key.path, key.schema);
        assert_ne!(
            schema["description"].as_str().unwrap_or_default(),
            "",
            "{path}"
        );
        assert!(!schema["type"].is_array(), "{path} may be null");
        let blank = ["tracing.headers", "chroma.environment"].contains(&path.as_str());
        assert!(
            blank || !schema.to_string().contains("\"null\"") || path.split('.').count() == 1,
            "{path}"
        );
    }
}

#[test]
fn every_flag_is_described_by_its_key() {
    let names: BTreeSet<&str> = flags().iter().map(|flag| flag.name.as_str()).collect();
    assert_eq!(names.len(), flags().len());
    assert!(names.contains("--port") && names.contains("--region") && names.len() > 35);
    for flag in flags() {
        assert!(KEYS.iter().any(|key| key.path == flag.key), "{}", flag.key);
    }
}

/// Returns docs/keys.md, with a table for each section.
fn reference() -> String {
    let mut text = "\
# Keys of the spec

Every key of `chroma-otel.yaml`, with the flag of `gen`, `check`, `validate` and `image` that overrides it. This file is
generated from the schema (`chroma-otel-deploy schema`): `just accept` writes it.
"
    .to_owned();
    let mut section = None;
    let mut keys: Vec<&Key> = KEYS.iter().collect();
    keys.sort_by_key(|key| section_of(key));
    for key in keys {
        let (schema, above) = (key.schema, section_of(key));
        let is_section =
            schema["properties"].is_object() && schema["additionalProperties"] == false;
        if is_section {
            continue;
        }
        if section != Some(above) {
            section = Some(above);
            text += &heading(above);
        }
        let flag = flags().iter().find(|flag| flag.key == key.path);
        let flag = flag.map_or_else(String::new, |flag| format!("`{}`", flag.name));
        let words = schema["enum"].as_array().filter(|words| words.len() <= 8);
        let words = words.map_or_else(String::new, |words| {
            let words: Vec<String> = words
                .iter()
                .map(|word| format!("`{}`", word.as_str().unwrap()))
                .collect();
            format!(" Values: {}.", words.join(", "))
        });
        let description = schema["description"].as_str().unwrap().replace('|', "\\|");
        text += &format!("| `{}` | {flag} | {description}{words} |\n", key.path);
    }
    text
}

/// Returns the section of a key.
fn section_of(key: &Key) -> &str {
    key.path.rsplit_once('.').map_or("", |(above, _)| above)
}

fn heading(section: &str) -> String {
    let table = "| Key | Flag | Meaning |\n|---|---|---|\n";
    if section.is_empty() {
        return format!("\n{table}");
    }
    let key = KEYS.iter().find(|key| key.path == section).unwrap();
    let description = key.schema["description"].as_str().unwrap();
    format!("\n## `{section}`\n\n{description}\n\n{table}")
}

#[test]
fn the_reference_lists_every_key_of_the_schema() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keys.md");
    let reference = reference();
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        fs::write(&file, &reference).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == reference,
        "docs/keys.md is out of date: `just accept` writes it"
    );
    for key in KEYS
        .iter()
        .filter(|key| !key.schema["properties"].is_object())
    {
        assert!(
            reference.contains(&format!("| `{}` |", key.path)),
            "{}",
            key.path
        );
    }
}
