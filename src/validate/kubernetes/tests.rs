//! One sound folder, and each rule with a mistake that it must find.

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
    super::check(files)
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The findings in the sound folder with one place of a file changed; the place must be there.
fn with(file: &str, old: &str, new: &str) -> Vec<String> {
    let mut files = folder();
    let text = files.get_mut(file).expect("a file of the folder");
    assert!(text.contains(old), "{file} has no `{old}`");
    *text = text.replacen(old, new, 1);
    found(&files)
}

#[test]
fn a_sound_folder_has_no_findings() {
    assert_eq!(found(&folder()), Vec::<String>::new());
}

/// A change of `sound.yaml`, and all that it brings about.
#[derive(Deserialize)]
struct Mistake {
    was: String,
    is: String,
    found: Vec<String>,
}

#[test]
fn every_mistake_is_found_and_nothing_else() {
    let mistakes: Vec<Mistake> =
        serde_yaml::from_str(include_str!("tests/mistakes.yaml")).expect("mistakes");
    for Mistake { was, is, found } in &mistakes {
        let told = with("sound.yaml", was, is);
        let told: Vec<&str> = told
            .iter()
            .map(|one| one.strip_prefix("sound.yaml: ").unwrap_or(one))
            .collect();
        assert_eq!(told, *found, "`{was}` to `{is}`");
        assert!(!told.is_empty(), "`{was}` to `{is}` is no mistake");
    }
    assert!(mistakes.len() > 100, "the list is cut off");
}

#[test]
fn the_kustomization_names_what_is_there() {
    for (old, new, finding) in [
        (
            "- sound.yaml",
            "- loud.yaml",
            "resources[0]: there is no file `loud.yaml`",
        ),
        (
            "- sound.yaml",
            "- sound.yaml\n  - sound.yaml",
            "resources[1]: `sound.yaml` is there twice",
        ),
        (
            "- sound.yaml",
            "- sound.yaml\n  - keep.yaml",
            "resources[1]: `keep.yaml` is applied by hand: what deletes the kustomization would delete data",
        ),
        (
            "resources:",
            "resource:",
            "resource: there is no such field",
        ),
        (
            "  - sound.yaml",
            "  []",
            "resources: does not name `sound.yaml`, which would never be applied",
        ),
        (
            "v1beta1",
            "v1",
            "apiVersion: is not `kustomize.config.k8s.io/v1beta1`",
        ),
        ("kind: Kustomization", "kind: [", "not YAML"),
    ] {
        let told = with("kustomization.yaml", old, new);
        let known = |one: &String| one.starts_with("kustomization.yaml: ") && one.contains(finding);
        assert!(told.iter().any(known), "`{old}` to `{new}`: {told:#?}");
    }
}

#[test]
fn what_the_kustomization_brings_is_there() {
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
fn what_is_applied_by_hand_is_checked_as_well() {
    let unread = "sound.yaml: CronJob backup: spec.jobTemplate.spec.template.spec.volumes[1]: there is no PersistentVolumeClaim `backups`";
    for (old, new, finding) in [
        (
            "reclaimPolicy",
            "reclaimPolizy",
            "keep.yaml: StorageClass search: reclaimPolizy: there is no such field",
        ),
        (
            "reclaimPolicy: Retain",
            "reclaimPolicy: Recycle",
            "keep.yaml: StorageClass search: reclaimPolicy: `Recycle` is not one of `Retain`, `Delete`",
        ),
        (
            "metadata: {name: search}\nprov",
            "metadata: {name: search, namespace: search}\nprov",
            "keep.yaml: StorageClass search: metadata.namespace: a StorageClass is in none",
        ),
        (
            "kind: Namespace\nmetadata: {name: search}",
            "kind: Namespace\nmetadata: {name: serch}",
            "keep.yaml: Namespace serch: metadata.name: everything else is in `search`",
        ),
        ("name: backups", "name: backup", unread),
    ] {
        assert_eq!(with("keep.yaml", old, new), [finding], "`{old}` to `{new}`");
    }
}

#[test]
fn the_example_of_the_variables_says_which_secret_it_makes() {
    let place = "sound.yaml: StatefulSet db: spec.template.spec.containers[0].env[0]: ";
    let unknown = format!(
        "{place}nothing says how Secret `db-keys` is made: no ExternalSecret, and not `.env.example`"
    );
    assert_eq!(with(".env.example", "db-keys", "keys"), [unknown]);
    let other = format!("{place}Secret `db-keys` gets no key `HONEYCOMB_API_KEY`");
    assert_eq!(with(".env.example", "#HONEYCOMB", "#HONIGCOMB"), [other]);
}

#[test]
fn what_is_no_manifest_is_no_panic() {
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

/// A key that no one knows, in the place of any that has a meaning.
#[test]
fn no_misspelt_field_gets_through() {
    // Of others' kinds the fields of the spec are known, and no more.
    let known = [
        "ExternalSecret",
        "HTTPRoute",
        "OpenTelemetryCollector",
        "PodMonitor",
        "SecretStore",
        "ServiceMonitor",
    ];
    let mut tried = 0;
    for document in serde_yaml::Deserializer::from_str(SOUND) {
        let document = Value::deserialize(document).expect("YAML");
        let kind = document
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        for which in 0..count(&document) {
            let mut changed = document.clone();
            let Some(path) = misspell(&mut changed, which, &mut 0, "", known.contains(&kind))
            else {
                continue;
            };
            tried += 1;
            let text = serde_yaml::to_string(&changed).expect("YAML");
            let (mut documents, mut unread) = (Vec::new(), 0);
            super::read("a.yaml", &text, &mut documents, &mut |_, _| unread += 1);
            let fields = documents.iter().flat_map(super::decode::check).count();
            assert_ne!(unread + fields, 0, "{kind}: {path}");
        }
    }
    assert!(tried > 300, "{tried} fields");
}

/// How many keys there are.
fn count(value: &Value) -> usize {
    match value {
        Value::Mapping(map) => map.values().map(|inner| 1 + count(inner)).sum(),
        Value::Sequence(list) => list.iter().map(count).sum(),
        _ => 0,
    }
}

/// Appends a letter to the key of that number, and gives its path; not where any key goes.
fn misspell(
    value: &mut Value,
    which: usize,
    seen: &mut usize,
    at: &str,
    shallow: bool,
) -> Option<String> {
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
                    if is_free || shallow && at.matches('.').count() > 1 {
                        return None;
                    }
                    let inner = map.remove(&key)?;
                    map.insert(format!("{name}x").into(), inner);
                    return Some(path);
                }
                *seen += 1;
                let found = misspell(map.get_mut(&key)?, which, seen, &path, shallow);
                if found.is_some() || *seen > which {
                    return found;
                }
            }
            None
        }
        Value::Sequence(list) => {
            for (index, inner) in list.iter_mut().enumerate() {
                let found = misspell(inner, which, seen, &format!("{at}[{index}]"), shallow);
                if found.is_some() || *seen > which {
                    return found;
                }
            }
            None
        }
        _ => None,
    }
}
