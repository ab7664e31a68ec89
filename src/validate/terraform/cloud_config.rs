//! A machine's first boot as cloud-init reads it.

use serde_yaml::Value;

use super::first_boot::{Delivered, FILLED, FirstBoot};
use crate::problem::Problem;
use crate::validate::texts;

/// What the first boot does, of the file at `path` that has this text.
pub(super) fn read(path: &str, text: &str, findings: &mut Vec<Problem>) -> FirstBoot {
    if text.lines().next() != Some("#cloud-config") {
        findings.push(Problem::new(
            path,
            "does not begin with `#cloud-config`: nobody would read it",
        ));
    }
    let tree: Value = match serde_yaml::from_str(text) {
        Ok(tree) => tree,
        Err(error) => {
            findings.push(Problem::new(path, format!("not YAML: {error}")));
            return FirstBoot::default();
        }
    };
    let list = |name: &str| tree.get(name).and_then(Value::as_sequence);
    let commands = list("runcmd").into_iter().flatten();
    let words = commands.flat_map(|line| texts(Some(line)));
    FirstBoot {
        files: list("write_files")
            .into_iter()
            .flatten()
            .map(delivered)
            .collect(),
        services: words
            .filter(|word| word.ends_with(".service"))
            .map(str::to_owned)
            .collect(),
    }
}

fn delivered(file: &Value) -> Delivered {
    let field = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = match (field("encoding"), field("content")) {
        ("b64", FILLED) => None,
        ("", content) => Some(content.to_owned()),
        _ => Some(String::new()),
    };
    Delivered {
        path: field("path").to_owned(),
        mode: field("permissions").to_owned(),
        text,
    }
}
