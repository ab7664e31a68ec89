//! Charts compared with manifests of the same spec.

use std::collections::BTreeMap;
use std::path::Path;

use chroma_otel_deploy::plan::Plan;
use chroma_otel_deploy::validate;
use serde::Deserialize as _;
use serde_json::Value as Json;
use serde_yaml::{Deserializer, Value};

use super::{flag, rendered, specs};

/// Kind, namespace and name to the object.
type Objects = BTreeMap<[String; 3], Value>;

#[test]
fn every_chart_gives_the_objects_of_the_manifests() {
    let mut compared = 0;
    for path in specs() {
        let plan = |format| rendered(Some(&path), vec![flag("format", format)]).1;
        let (deployment, _) = rendered(Some(&path), Vec::new());
        if !deployment.spec.target.is_kubernetes() {
            continue;
        }
        let (chart, manifests) = (objects(&plan("helm")), objects(&plan("manifests")));
        assert_eq!(chart, manifests, "{}", path.display());
        assert!(manifests.len() > 5);
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

/// Returns the objects of a deployment, except for the test of a chart and what only a chart adds.
fn objects(plan: &Plan) -> Objects {
    let files = validate::manifests(&plan.files);
    let is_manifest = |path: &str| {
        let folder = path.starts_with("chart/templates/") || !path.contains('/');
        folder && path.ends_with(".yaml") && !path.starts_with("chart/templates/tests/")
    };
    let files = files.iter().filter(|(path, _)| is_manifest(path));
    let documents =
        files.flat_map(|(_, text)| Deserializer::from_str(text).map(Value::deserialize));
    let documents = documents.map(Result::unwrap);
    let documents = documents.filter(|one| one["kind"] != "Kustomization" && !one.is_null());
    let object = |mut tree: Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &tree["metadata"];
        let id = [&tree["kind"], &metadata["namespace"], &metadata["name"]].map(text);
        without_policy(&mut tree);
        (id, tree)
    };
    documents.map(object).collect()
}

fn without_policy(tree: &mut Value) {
    let metadata = tree["metadata"].as_mapping_mut().unwrap();
    let annotations = metadata
        .get_mut("annotations")
        .and_then(Value::as_mapping_mut);
    let was_empty = annotations.is_some_and(|annotations| {
        annotations.remove("helm.sh/resource-policy").is_some() && annotations.is_empty()
    });
    if was_empty {
        metadata.remove("annotations");
    }
}

#[test]
fn every_value_is_in_the_schema_and_the_schema_rejects_others() {
    for spec in ["helm", "helm-eks"] {
        let path = format!("tests/specs/{spec}.yaml");
        let (_, plan) = rendered(Some(Path::new(&path)), Vec::new());
        let schema: Json = serde_json::from_str(&plan.files["chart/values.schema.json"]).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let values: Json = serde_yaml::from_str(&plan.files["chart/values.yaml"]).unwrap();
        assert_eq!(schema.iter_errors(&values).count(), 0, "{values}");
        let with = |path: &str, value: Json| {
            let mut values = values.clone();
            let place = path
                .split(' ')
                .fold(&mut values, |tree, key| &mut tree[key]);
            *place = value;
            schema.is_valid(&values)
        };
        assert!(with("labels team", "search".into()));
        assert!(with("resources chroma limits cpu", 2.into()));
        for (path, value) in [
            ("image", "x".into()),
            ("images chrome", "x".into()),
            ("images chroma", "".into()),
            ("labels app.kubernetes.io/name", "other".into()),
            ("storage data", "20GB".into()),
            ("pod hostNetwork", true.into()),
            ("resources chroma limit", 2.into()),
        ] {
            assert!(!with(path, value), "{spec}: {path}");
        }
        assert!(!with("resources collector limits memory", "1Gi".into()));
    }
}

#[test]
fn a_chart_has_no_file_that_belongs_to_the_operator() {
    let spec = Path::new("tests/specs/helm.yaml");
    let (_, plan) = rendered(Some(spec), Vec::new());
    let own = plan.files.keys().filter(|path| !path.starts_with("chart/"));
    let own: Vec<&str> = own
        .map(String::as_str)
        .filter(|path| !path.contains('/'))
        .collect();
    assert_eq!(
        own,
        [".env.example", ".gitignore", "README.md", "keep.yaml"]
    );
    assert!(plan.files["keep.yaml"].contains("kind: Namespace"));
}
