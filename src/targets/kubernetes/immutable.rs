//! Changes of existing resources that Kubernetes rejects, and what replaces the resource.
//!
//! Invariant: no command deletes a claim, a volume or its data.

use serde_yaml::Value;

use super::manifest::{Resource, documents};
use crate::plan::Change;

/// A change that Kubernetes rejects.
struct Rejected {
    note: String,
    /// The command that makes room for the new resource, before it is applied.
    command: Option<String>,
}

/// A field that cannot change.
struct Field {
    kind: &'static str,
    /// Path of the field.
    path: &'static str,
    /// The consequence of the change, after "… changes from A to B".
    effect: &'static str,
    /// Options of the `kubectl delete` that lets the new resource be created.
    delete: Option<&'static str>,
}

/// Fields that differ between specs. The size and the storage class of Chroma's volume have their own
/// notes (`database.rs`).
static FIELDS: [Field; 5] = [
    Field {
        kind: "statefulset",
        path: "/spec/serviceName",
        effect: "which Kubernetes rejects: the command below replaces the StatefulSet around its running pods",
        delete: Some(" --cascade=orphan"),
    },
    Field {
        kind: "service",
        path: "/spec/loadBalancerClass",
        effect: "which Kubernetes rejects: the command below deletes the load balancer, and the new one has another address",
        delete: Some(""),
    },
    Field {
        kind: "storageclass",
        path: "/provisioner",
        effect: "which Kubernetes rejects, and existing volumes keep the old one: create a backup and restore it to a new deployment",
        delete: None,
    },
    Field {
        kind: "storageclass",
        path: "/parameters",
        effect: "which Kubernetes rejects: delete the class before you apply `keep.yaml`; existing volumes do not change",
        delete: None,
    },
    Field {
        kind: "persistentvolumeclaim",
        path: "/spec/storageClassName",
        effect: "which Kubernetes rejects: it keeps its class until you delete the claim with its backups",
        delete: None,
    },
];

/// Returns notes on a change of a file.
pub(super) fn notes(change: &Change) -> Vec<String> {
    rejected(change).into_iter().map(|one| one.note).collect()
}

/// Returns the commands that make room for the new resources.
pub(super) fn commands(changes: &[Change]) -> Vec<String> {
    let rejected = changes.iter().flat_map(rejected);
    rejected.filter_map(|one| one.command).collect()
}

fn rejected(change: &Change) -> Vec<Rejected> {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return Vec::new();
    };
    if !change.path.ends_with(".yaml") {
        return Vec::new();
    }
    let (before, after) = (documents(before), documents(after));
    let pairs = before.iter().filter_map(|(resource, old)| {
        let (_, new) = after.iter().find(|(other, _)| other == resource)?;
        Some((resource, old, new))
    });
    pairs
        .flat_map(|(resource, old, new)| {
            let fields = FIELDS
                .iter()
                .filter(move |field| field.kind == resource.kind);
            fields.filter_map(move |field| field.rejected(resource, old, new))
        })
        .collect()
}

impl Field {
    fn rejected(&self, resource: &Resource, old: &Value, new: &Value) -> Option<Rejected> {
        let (old, new) = (at(old, self.path), at(new, self.path));
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let of = resource.reference();
        let command = self.delete.map(|how| {
            let namespace = resource.namespace.as_deref().unwrap_or_default();
            format!("kubectl delete --ignore-not-found{how} --namespace {namespace} {of}")
        });
        (old != new).then(|| Rejected {
            note: format!(
                "`{name}` of `{of}` changes from {} to {}, {}",
                shown(old),
                shown(new),
                self.effect
            ),
            command,
        })
    }
}

/// Returns the value at a path.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.split('/').skip(1);
    names.try_fold(value, |value, name| value.get(name))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "the default".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(_) => "other values".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::deployment::sound;
    use crate::plan::Kind;
    use crate::targets::kubernetes::plan;

    /// Returns the notes and the commands for a change of the spec.
    fn changed(
        before: &[(&'static str, Json)],
        after: &[(&'static str, Json)],
    ) -> (String, String) {
        let files = |keys: &[(&'static str, Json)]| plan(&sound(keys)).expect("it renders").files;
        let (before, after) = (files(before), files(after));
        let changes: Vec<Change> = before
            .iter()
            .map(|(path, text)| Change {
                path: path.clone(),
                kind: Kind::Update,
                before: Some(text.clone()),
                after: after.get(path).cloned(),
            })
            .collect();
        let notes: Vec<String> = changes.iter().flat_map(notes).collect();
        (notes.join("\n"), commands(&changes).join("\n"))
    }

    fn eks(more: &[(&'static str, Json)]) -> Vec<(&'static str, Json)> {
        let cluster = [
            ("target", json!("aws")),
            ("platform", json!("kubernetes")),
            ("kubernetes.region", json!("eu-central-1")),
            ("machine.allow_from", json!("10.0.0.0/16")),
            ("kubernetes.internal_load_balancer", json!(true)),
        ];
        [&cluster, more].concat()
    }

    #[test]
    fn notes_changes_that_kubernetes_rejects() {
        let (notes, commands) = changed(&eks(&[]), &eks(&[("kubernetes.auto_mode", json!(true))]));
        insta::assert_snapshot!(notes, @r"
        `provisioner` of `storageclass/chroma-data` changes from `ebs.csi.aws.com` to `ebs.csi.eks.amazonaws.com`, which Kubernetes rejects, and existing volumes keep the old one: create a backup and restore it to a new deployment
        `loadBalancerClass` of `service/chroma-internal` changes from `service.k8s.aws/nlb` to `eks.amazonaws.com/nlb`, which Kubernetes rejects: the command below deletes the load balancer, and the new one has another address
        ");
        assert_eq!(
            commands,
            "kubectl delete --ignore-not-found --namespace chroma service/chroma-internal"
        );
        let backup = |class: &str| {
            [
                ("target", json!("kubernetes")),
                ("backup", json!({})),
                ("kubernetes.storage_class", json!(class)),
            ]
        };
        let (notes, commands) = changed(&backup("a"), &backup("b"));
        insta::assert_snapshot!(notes, @"`storageClassName` of `persistentvolumeclaim/chroma-backup` changes from `a` to `b`, which Kubernetes rejects: it keeps its class until you delete the claim with its backups");
        assert_eq!(commands, "");
        let (notes, _) = changed(&eks(&[]), &eks(&[("chroma.memory", json!("4GiB"))]));
        assert_eq!(notes, "");
    }

    #[test]
    fn replaces_a_stateful_set_of_another_service_around_its_pods() {
        let files = plan(&sound(&[("target", json!("kubernetes"))]))
            .expect("it renders")
            .files;
        let new = &files["chroma.yaml"];
        let change = Change {
            path: "chroma.yaml".to_owned(),
            kind: Kind::Update,
            before: Some(new.replace("serviceName: chroma-headless", "serviceName: chroma-api")),
            after: Some(new.clone()),
        };
        insta::assert_snapshot!(notes(&change).join("\n"), @"`serviceName` of `statefulset/chroma` changes from `chroma-api` to `chroma-headless`, which Kubernetes rejects: the command below replaces the StatefulSet around its running pods");
        assert_eq!(
            commands(&[change]),
            [
                "kubectl delete --ignore-not-found --cascade=orphan --namespace chroma statefulset/chroma"
            ]
        );
    }
}
