//! A valid folder, and for each check a mistake that it must find.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

const SOUND: &str = include_str!("tests/sound.yaml");
const KEEP: &str = include_str!("tests/keep.yaml");
const KUSTOMIZATION: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - sound.yaml
";
const VARIABLES: &str = "\
# kubectl create secret generic db-keys --namespace search --from-env-file .env
#HONEYCOMB_API_KEY=
";

fn folder() -> BTreeMap<String, String> {
    let files = [
        ("sound.yaml", SOUND),
        ("keep.yaml", KEEP),
        ("kustomization.yaml", KUSTOMIZATION),
        (".env.example", VARIABLES),
    ];
    files
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into()
}

fn found(files: &BTreeMap<String, String>) -> Vec<String> {
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    let problems = super::check(files, &paths).problems;
    let hintless = problems.iter().find(|problem| problem.hint.is_none());
    assert_eq!(hintless, None, "a problem without a hint");
    problems.iter().map(ToString::to_string).collect()
}

/// Returns the problems of the valid folder with one text of a file replaced; the text must exist.
fn with(file: &str, old: &str, new: &str) -> Vec<String> {
    let mut files = folder();
    let text = files.get_mut(file).expect("a file of the folder");
    assert!(text.contains(old), "{file} has no `{old}`");
    *text = text.replacen(old, new, 1);
    found(&files)
}

#[test]
fn accepts_a_valid_folder_and_names_kinds_without_schema() {
    assert_eq!(found(&folder()), Vec::<String>::new());
    let skipped = super::check(&folder(), &["sound.yaml"]).without_schema;
    let expected = [
        "ExternalSecret",
        "HTTPRoute",
        "OpenTelemetryCollector",
        "PodMonitor",
        "SecretStore",
        "ServiceMonitor",
    ];
    assert_eq!(Vec::from_iter(skipped), expected);
}

/// A change of `sound.yaml`, and all problems that it causes.
#[derive(Deserialize)]
struct Mistake {
    was: String,
    is: String,
    found: Vec<String>,
}

#[test]
fn finds_exactly_the_mistakes() {
    let mistakes: Vec<Mistake> =
        serde_yaml::from_str(include_str!("tests/mistakes.yaml")).expect("mistakes");
    for Mistake { was, is, found } in &mistakes {
        let problems = with("sound.yaml", was, is);
        let problems: Vec<&str> = problems
            .iter()
            .map(|one| one.strip_prefix("sound.yaml: ").unwrap_or(one))
            .collect();
        assert_eq!(problems, *found, "`{was}` to `{is}`");
        assert!(!problems.is_empty(), "`{was}` to `{is}` is not a mistake");
    }
    assert!(mistakes.len() > 30, "the list is incomplete");
}

#[test]
fn resources_of_a_kustomization_are_files_of_the_folder() {
    let missing = "kustomization.yaml: resources: file `loud.yaml` not found";
    assert_eq!(
        with("kustomization.yaml", "- sound.yaml", "- loud.yaml"),
        [missing]
    );
    let elsewhere = "- ../base\n  - github.com/a/b?ref=v1\n  - ./sound.yaml";
    assert_eq!(
        with("kustomization.yaml", "- sound.yaml", elsewhere),
        Vec::<String>::new()
    );
    let broken = with("kustomization.yaml", "kind: Kustomization", "kind: [");
    assert!(
        broken[0].starts_with("kustomization.yaml: cannot parse as YAML"),
        "{broken:?}"
    );
}

#[test]
fn a_kustomization_declares_what_it_generates_and_names_its_patches() {
    let generated = "\nconfigMapGenerator:\n  - {name: db-config, literals: [a=b]}\nsecretGenerator:\n  - {name: db-keys}\npatches:\n  - {path: part.yaml}\n";
    let mut files = folder();
    files.insert(
        "kustomization.yaml".to_owned(),
        format!("{KUSTOMIZATION}{generated}"),
    );
    files.insert(
        "part.yaml".to_owned(),
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: proxy}\n".to_owned(),
    );
    files.remove(".env.example");
    let sound = SOUND.replacen(
        "kind: ConfigMap\nmetadata: {name: db-config",
        "kind: ConfigMap\nmetadata: {name: other",
        1,
    );
    files.insert("sound.yaml".to_owned(), sound);
    assert_eq!(found(&files), Vec::<String>::new());
}

#[test]
fn checks_files_that_the_kustomization_does_not_name() {
    let unclaimed = "sound.yaml: CronJob backup: spec.jobTemplate.spec.template.spec.volumes[1].persistentVolumeClaim: PersistentVolumeClaim `backups` not found";
    for (old, new, problem) in [
        (
            "reclaimPolicy",
            "reclaimPolizy",
            "keep.yaml: StorageClass search: reclaimPolizy: unknown field",
        ),
        ("name: backups", "name: backup", unclaimed),
    ] {
        assert_eq!(with("keep.yaml", old, new), [problem], "`{old}` to `{new}`");
    }
}

#[test]
fn the_env_example_declares_a_secret_and_its_keys() {
    let place = "sound.yaml: StatefulSet db: spec.template.spec.containers[0].env[0].valueFrom.secretKeyRef: ";
    let unknown = format!("{place}Secret `db-keys` not found");
    assert_eq!(with(".env.example", "db-keys", "keys"), [unknown]);
    let other = format!("{place}Secret `db-keys`: key `HONEYCOMB_API_KEY` not found");
    assert_eq!(with(".env.example", "#HONEYCOMB", "#HONIGCOMB"), [other]);
}

#[test]
fn third_party_kinds_are_skipped() {
    let mut files = folder();
    let others = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: autoscaling.k8s.io/v1\nkind: VerticalPodAutoscaler\nmetadata: {name: a}\nspec: {any: thing}\n---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {secretName: made}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a, envFrom: [{secretRef: {name: made}}, {secretRef: {name: none, optional: true}}]}]\n";
    files.insert("others.yaml".to_owned(), others.to_owned());
    assert_eq!(found(&files), Vec::<String>::new());
    let skipped = super::check(&files, &["sound.yaml"]).without_schema;
    for kind in ["Service", "VerticalPodAutoscaler", "Certificate"] {
        assert!(skipped.contains(kind), "{skipped:?}");
    }
}

#[test]
fn other_texts_do_not_panic() {
    for text in [
        "",
        "[]",
        "a: b",
        "apiVersion: v1",
        "kind: Pod",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: []",
        "---\n---\n",
    ] {
        let mut files = folder();
        files.insert("sound.yaml".to_owned(), text.to_owned());
        found(&files);
    }
}

#[test]
fn every_misspelt_field_is_found() {
    let mut tried = 0;
    for document in serde_yaml::Deserializer::from_str(SOUND) {
        let document = Value::deserialize(document).expect("YAML");
        let text = serde_yaml::to_string(&document).expect("YAML");
        let known = super::Document::all("a.yaml", &text).expect("a document");
        if known.iter().all(|one| super::decode::check(one).is_none()) {
            continue;
        }
        for which in 0..count(&document) {
            let mut changed = document.clone();
            let Some(path) = misspell(&mut changed, which, &mut 0, "") else {
                continue;
            };
            tried += 1;
            let text = serde_yaml::to_string(&changed).expect("YAML");
            let problems = match super::Document::all("a.yaml", &text) {
                Ok(all) => all
                    .iter()
                    .filter_map(super::decode::check)
                    .flatten()
                    .count(),
                Err(_) => 1,
            };
            assert_ne!(problems, 0, "{path}");
        }
    }
    assert!(tried > 250, "{tried} fields");
}

/// Returns the number of keys.
fn count(value: &Value) -> usize {
    match value {
        Value::Mapping(map) => map.values().map(|inner| 1 + count(inner)).sum(),
        Value::Sequence(list) => list.iter().map(count).sum(),
        _ => 0,
    }
}

/// Appends a letter to the key of that number, and returns its path; not for mappings with free
/// keys.
fn misspell(value: &mut Value, which: usize, seen: &mut usize, at: &str) -> Option<String> {
    match value {
        Value::Mapping(map) => {
            let keys: Vec<Value> = map.keys().cloned().collect();
            for key in keys {
                let name = key.as_str().unwrap_or_default().to_owned();
                let path = format!("{at}.{name}");
                let free = [
                    "labels",
                    "annotations",
                    "matchLabels",
                    "data",
                    "parameters",
                    "requests",
                    "limits",
                ];
                let is_free = free.iter().any(|free| at.ends_with(free)) || at == ".spec.selector";
                if *seen == which {
                    *seen += 1;
                    if is_free {
                        return None;
                    }
                    let inner = map.remove(&key)?;
                    map.insert(format!("{name}x").into(), inner);
                    return Some(path);
                }
                *seen += 1;
                let found = misspell(map.get_mut(&key)?, which, seen, &path);
                if found.is_some() || *seen > which {
                    return found;
                }
            }
            None
        }
        Value::Sequence(list) => {
            for (index, inner) in list.iter_mut().enumerate() {
                let found = misspell(inner, which, seen, &format!("{at}[{index}]"));
                if found.is_some() || *seen > which {
                    return found;
                }
            }
            None
        }
        _ => None,
    }
}
