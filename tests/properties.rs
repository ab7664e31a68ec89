//! Specs with arbitrary values: each is rejected by the field's name, or every rendered file parses
//! and has the values of the spec.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

use std::sync::LazyLock;

use chroma_otel_deploy::deployment::Deployment;
use chroma_otel_deploy::input::file::Override;
use chroma_otel_deploy::input::{file, resolve};
use chroma_otel_deploy::spec::target::Target;
use chroma_otel_deploy::targets;
use chroma_otel_deploy::validate;
use hcl::eval::Evaluate;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_yaml::Value as Yaml;

/// Values that some key accepts.
const SOUND: [&str; 23] = [
    "kubernetes",
    "honeycomb",
    "zipkin",
    "debug",
    "tiered",
    "none",
    "shop",
    "gp3",
    "chroma.example.com",
    "registry.example.com/search",
    "SecretStore/vault",
    "gateways/public/https",
    "0 4 * * 1-5",
    "30GiB",
    "my-backups",
    "https://s3.example.com",
    "http://otel.monitoring.svc:4317",
    "10.0.0.0/8",
    "0.6.3",
    "stock",
    "eu1",
    "hash",
    "500ms",
];

/// Generates text with characters that are special in one of the formats.
fn text() -> impl Strategy<Value = String> {
    let signs = prop::sample::select(vec![
        "'",
        "\"",
        "`",
        "$",
        "${",
        "$$",
        "${env:HOME}",
        "{{",
        "}}",
        "%{",
        "{%",
        "\n",
        "\r\n",
        "\t",
        "\\",
        "\\n",
        ": ",
        " #",
        "- ",
        "#",
        "é",
        "😀",
        "\u{0}",
        "\u{feff}",
        "\u{2028}",
        "!",
        "&a",
        "*a",
        "|",
        ">",
        "@",
        "=",
        ",",
        "~",
        "null",
        "true",
        "1e3",
        "0x1",
        "a",
        "b c",
        "../",
    ]);
    prop_oneof![
        3 => prop::collection::vec(signs, 0..6).prop_map(|parts| parts.concat()),
        1 => any::<String>(),
        1 => "[a-z0-9.:/-]{0,12}",
        1 => prop::sample::select(&SOUND[..]).prop_map(str::to_owned),
    ]
}

/// Generates a value of any kind, mostly text.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => (1_u64..9000).prop_map(Value::from),
        1 => (0.0_f64..1.1).prop_map(Value::from),
        1 => Just(json!({})),
        1 => prop::collection::vec(text(), 0..3).prop_map(|list| json!(list)),
        1 => prop::collection::btree_map(text(), text(), 0..3).prop_map(|map| json!(map)),
    ]
}

/// Every key of the spec except `target`, which every case sets.
static KEYS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let schema = file::schema();
    let mut keys = keys_of(&schema, &schema, "");
    keys.retain(|key| key != "target");
    keys.into_iter().map(|key| &*key.leak()).collect()
});

/// Returns the keys of a part of the schema, including nested keys; for a mapping, the keys in its
/// examples.
fn keys_of(schema: &Value, part: &Value, prefix: &str) -> Vec<String> {
    let definition = part["$ref"]
        .as_str()
        .map(|name| name.trim_start_matches('#'));
    let part = definition.map_or(part, |name| schema.pointer(name).unwrap());
    let examples = part["examples"].as_array().into_iter().flatten();
    let examples = examples.filter_map(Value::as_object).flatten();
    let properties = part["properties"].as_object().into_iter().flatten();
    let mut keys = Vec::new();
    for (name, part) in properties.chain(examples) {
        let key = format!("{prefix}{name}");
        keys.push(key.clone());
        keys.extend(keys_of(schema, part, &format!("{key}.")));
    }
    keys
}

#[test]
fn keys_of_the_schema_have_every_level() {
    for key in [
        "clients",
        "kubernetes",
        "machine.log_days",
        "backup.keep",
        "tracing.settings.region",
    ] {
        assert!(KEYS.contains(&key), "{key}");
    }
    assert!(!KEYS.contains(&"target"));
}

fn overrides(target: &str, pairs: Vec<(&'static str, Value)>) -> Vec<Override> {
    let pairs = std::iter::once(("target", json!(target))).chain(pairs);
    pairs
        .map(|(key, value)| Override {
            key,
            flag: key,
            value,
        })
        .collect()
}

/// Returns a container's value for a value in a Compose file, without `.env` and variables of the
/// shell.
fn interpolated(value: &str) -> String {
    let mut text = value;
    while let Some((_, default)) = text
        .strip_prefix("${")
        .and_then(|rest| rest.split_once(":-"))
    {
        text = default.strip_suffix('}').unwrap();
    }
    text.replace("$$", "$")
}

/// Returns the only document of this kind and name in a manifest.
fn document(manifest: &str, kind: &str, name: &str) -> Yaml {
    let all = serde_yaml::Deserializer::from_str(manifest);
    let mut all = all.map(|document| Yaml::deserialize(document).unwrap());
    let found = all.find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Returns the texts in a file of a Terraform module that contain no variable.
fn texts_of_module(file: &str) -> Vec<String> {
    fn texts(expression: &hcl::Expression, found: &mut Vec<String>) {
        match expression {
            hcl::Expression::Array(list) => list.iter().for_each(|one| texts(one, found)),
            hcl::Expression::FuncCall(call) => call.args.iter().for_each(|one| texts(one, found)),
            other => {
                let read = other.evaluate(&hcl::eval::Context::new());
                found.extend(read.ok().and_then(|value| Some(value.as_str()?.to_owned())));
            }
        }
    }
    let body = hcl::parse(file).unwrap();
    let mut found = Vec::new();
    for attribute in body.blocks().flat_map(|block| block.body().attributes()) {
        texts(attribute.expr(), &mut found);
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_spec_is_rejected_or_renders_valid_files(target in prop::sample::select(Target::names()), pairs in prop::collection::vec((prop::sample::select(KEYS.as_slice()), value()), 0..4)) {
        let input = file::read(None, overrides(&target, pairs)).expect("flags always read");
        let Ok(resolved) = resolve(input, &|_| None) else { return Ok(()) };
        let deployment = Deployment::new(resolved).unwrap();
        if !targets::problems(&deployment).is_empty() {
            return Ok(());
        }
        let plan = targets::plan(&deployment).unwrap();
        prop_assert_eq!(validate::files(&plan.all_files(), &deployment.given), []);
    }

    #[test]
    fn accepted_text_arrives_unchanged(variable in text(), service in text(), environment in text()) {
        let pairs = vec![
            ("chroma.environment", json!({"X": variable})),
            ("tracing.service_name", json!(service)),
            ("tracing.environment", json!(environment)),
        ];
        let input = file::read(None, overrides("docker", pairs)).expect("flags always read");
        let resolved = match resolve(input, &|_| None) {
            Ok(resolved) => resolved,
            Err(problems) => {
                prop_assert!(problems.iter().all(|problem| ["chroma.environment", "tracing."].iter().any(|key| problem.at.contains(key))), "{:?}", problems);
                return Ok(());
            }
        };
        let deployment = Deployment::new(resolved).unwrap();
        let problems = targets::problems(&deployment);
        if !problems.is_empty() {
            prop_assert!(problems.iter().all(|problem| problem.at == "tracing.service_name"));
            return Ok(());
        }
        let plan = targets::plan(&deployment).unwrap();
        let compose: Yaml = serde_yaml::from_str(&plan.files["docker-compose.yaml"]).unwrap();
        let variables = &compose["services"]["chroma"]["environment"];
        if !variable.trim().is_empty() {
            prop_assert_eq!(interpolated(variables["X"].as_str().unwrap()), variable);
        }
        prop_assert_eq!(interpolated(variables["CHROMA_OTEL_SERVICE_NAME"].as_str().unwrap()), service.trim());
        let collector: Yaml = serde_yaml::from_str(&plan.files["otel-collector.yaml"]).unwrap();
        let attributes = collector["processors"]["resource"]["attributes"].as_sequence().unwrap();
        let environment_attribute = attributes.iter().find(|one| one["key"] == "deployment.environment.name").unwrap();
        prop_assert_eq!(environment_attribute["value"].as_str().unwrap().replace("$$", "$"), environment.trim());
    }

    #[test]
    fn accepted_text_arrives_in_every_module(target in prop::sample::select(vec!["aws", "gcp", "azure"]), variable in text(), service in text()) {
        // hcl-rs 0.20 reads `$$${` as `${`, and does not parse `$%${`. OpenTofu 1.12 reads both correctly.
        let is_known = |text: &str| ["$${", "%%{", "$%{", "%${"].iter().any(|bad| text.contains(bad));
        prop_assume!(!is_known(&variable) && !is_known(&service));
        let pairs = vec![
            ("format", json!("terraform")),
            ("chroma.environment", json!({"X": variable})),
            ("tracing.service_name", json!(service)),
        ];
        let input = file::read(None, overrides(target, pairs)).expect("flags always read");
        let Ok(resolved) = resolve(input, &|_| None) else { return Ok(()) };
        let deployment = Deployment::new(resolved).unwrap();
        prop_assert_eq!(targets::problems(&deployment), []);
        let plan = targets::plan(&deployment).unwrap();
        if !variable.trim().is_empty() {
            let lines = texts_of_module(&plan.files["chroma/machine.tf"]);
            prop_assert!(lines.contains(&format!("X={variable}")), "{:?}", lines);
        }
        let service = service.trim();
        for file in ["chroma/variables.tf", "main.tf"] {
            let given = texts_of_module(&plan.files[file]);
            prop_assert!(service.is_empty() || given.iter().any(|one| one == service), "{}: {:?}", file, given);
        }
    }

    #[test]
    fn accepted_text_arrives_in_a_cluster(variable in text(), service in text(), environment in text(), annotation in text()) {
        let pairs = vec![
            ("chroma.environment", json!({"X": variable})),
            ("tracing.service_name", json!(service)),
            ("tracing.environment", json!(environment)),
            ("kubernetes.annotations", json!({"example.com/x": annotation})),
        ];
        let input = file::read(None, overrides("kubernetes", pairs)).expect("flags always read");
        let Ok(resolved) = resolve(input, &|_| None) else { return Ok(()) };
        let deployment = Deployment::new(resolved).unwrap();
        prop_assert_eq!(targets::problems(&deployment), []);
        let plan = targets::plan(&deployment).unwrap();
        let given = &document(&plan.files["chroma.yaml"], "ConfigMap", "chroma-environment")["data"];
        if !variable.trim().is_empty() {
            prop_assert_eq!(given["X"].as_str().unwrap(), variable);
        }
        prop_assert_eq!(given["CHROMA_OTEL_SERVICE_NAME"].as_str().unwrap(), service.trim());
        let server = document(&plan.files["chroma.yaml"], "StatefulSet", "chroma");
        for metadata in [&server["metadata"], &server["spec"]["template"]["metadata"]] {
            prop_assert_eq!(metadata["annotations"]["example.com/x"].as_str().unwrap(), &annotation);
        }
        let config = document(&plan.files["collector.yaml"], "ConfigMap", "chroma-otel-collector-config");
        let collector: Yaml = serde_yaml::from_str(config["data"]["config.yaml"].as_str().unwrap()).unwrap();
        let attributes = collector["processors"]["resource"]["attributes"].as_sequence().unwrap();
        let environment_attribute = attributes.iter().find(|one| one["key"] == "deployment.environment.name").unwrap();
        prop_assert_eq!(environment_attribute["value"].as_str().unwrap().replace("$$", "$"), environment.trim());
    }

    #[test]
    fn any_text_is_parsed_or_rejected_as_a_spec_file(text in text()) {
        let home = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(home.path(), format!("target: docker\nname: {text}\n")).unwrap();
        if let Ok(input) = file::read(Some(home.path()), Vec::new()) {
            let _ = resolve(input, &|_| None);
        }
    }
}
