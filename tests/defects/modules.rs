//! Terraform modules: every variable is described and used, and a secret is written only to its
//! store.

use std::collections::{BTreeMap, BTreeSet};

use hcl::expr::Expression;

use crate::deployment::none;

/// The texts of a module's files.
type Module<'a> = Vec<&'a str>;

/// Returns the modules, which include the root, by their folders.
fn modules(files: &BTreeMap<String, String>) -> BTreeMap<&str, Module<'_>> {
    let mut modules: BTreeMap<&str, Module> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".tf")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        modules.entry(folder).or_default().push(text);
    }
    modules
}

/// Returns problems of the variables, local values and data sources of modules.
fn wrong(files: &BTreeMap<String, String>) -> Vec<String> {
    modules(files).values().flat_map(wrong_in).collect()
}

fn wrong_in(texts: &Module) -> Vec<String> {
    let mut wrong = Vec::new();
    for block in texts
        .iter()
        .flat_map(|text| hcl::parse(text).unwrap().into_blocks())
    {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        let attribute = |key: &str| {
            let mut attributes = block.body.attributes();
            attributes
                .find(|one| one.key.as_str() == key)
                .map(|one| one.expr.clone())
        };
        match (block.identifier.as_str(), &labels[..]) {
            ("variable", [name]) => {
                wrong.extend(unused(
                    texts,
                    &format!("var.{name}"),
                    &format!("variable \"{name}\""),
                ));
                let missing = ["type", "description"]
                    .into_iter()
                    .filter(|key| attribute(key).is_none());
                wrong.extend(missing.map(|key| format!("var.{name} has no {key}")));
                let is = |key: &str| attribute(key) == Some(Expression::Bool(true));
                if is("sensitive") != is("ephemeral") {
                    wrong.push(format!("var.{name} is shown, or kept in plans"));
                }
                if is("sensitive") {
                    wrong.extend(leaves(texts, name));
                }
            }
            ("data", [kind, name]) => {
                let block = format!("data \"{kind}\" \"{name}\"");
                wrong.extend(unused(texts, &format!("data.{kind}.{name}"), &block));
            }
            ("locals", _) => {
                let names = block.body.attributes().map(|local| local.key.as_str());
                wrong
                    .extend(names.filter_map(|name| unused(texts, &format!("local.{name}"), "\0")));
            }
            _ => {}
        }
    }
    wrong
}

/// Returns an address that is named only in its own block.
fn unused(texts: &[&str], address: &str, block: &str) -> Option<String> {
    let names = |line: &str| {
        let mut rests = line.split(address).skip(1);
        rests.any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c)))
    };
    let mut lines = texts.iter().flat_map(|text| outside(text, block));
    (!lines.any(names)).then(|| format!("{address} is never used"))
}

/// Returns the lines of a file outside blocks that begin like this.
fn outside<'a>(text: &'a str, block: &str) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let begins = line.starts_with(block);
        let is_inside = inside || begins;
        inside = is_inside && *line != "}" && !(begins && line.ends_with('}'));
        !is_inside
    })
}

/// Returns lines that name a secret, and neither write it to its store nor pass it to the module that
/// does.
fn leaves(texts: &[&str], name: &str) -> Vec<String> {
    let block = format!("variable \"{name}\"");
    let address = format!("var.{name}");
    let lines = texts.iter().flat_map(|text| outside(text, &block));
    let named =
        lines.filter(|line| line.contains(&address) && !line.contains(&format!("{address}_")));
    let checks = |line: &str| line.trim_start().starts_with("condition ");
    let writes = |line: &str| {
        line.split('=')
            .next()
            .is_some_and(|key| key.trim().ends_with("_wo"))
    };
    let passes = |line: &str| line.split_whitespace().eq([name, "=", &address]);
    let leaves = named.filter(|line| !writes(line) && !checks(line) && !passes(line));
    leaves
        .map(|line| format!("{address} leaves the way to its store: {line}"))
        .collect()
}

#[test]
fn variables_of_modules_are_described_used_and_kept() {
    none(|one| wrong(&one.files));
}

/// Returns the blocks of a module of this kind, with their labels.
fn blocks(texts: &Module, kind: &str) -> Vec<hcl::Block> {
    let blocks = texts
        .iter()
        .flat_map(|text| hcl::parse(text).unwrap().into_blocks());
    blocks
        .filter(|block| block.identifier.as_str() == kind)
        .collect()
}

fn names(texts: &Module, kind: &str) -> BTreeSet<String> {
    let blocks = blocks(texts, kind).into_iter();
    blocks
        .map(|block| block.labels[0].as_str().to_owned())
        .collect()
}

/// Terraform allows `count`, `for_each` and `depends_on` only for modules without providers.
/// <https://developer.hashicorp.com/terraform/language/modules/develop/providers>
#[test]
fn only_the_root_configures_providers_and_it_passes_every_output() {
    none(|one| {
        let modules = modules(&one.files);
        let (Some(root), Some(module)) = (modules.get(""), modules.get("chroma")) else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        wrong.extend(
            names(module, "provider")
                .into_iter()
                .map(|name| format!("provider {name}")),
        );
        if names(root, "output") != names(module, "output") {
            wrong.push("outputs differ".to_owned());
        }
        let [call] = &blocks(root, "module")[..] else {
            return vec!["not one module".to_owned()];
        };
        let known = names(module, "variable");
        let passed = call
            .body
            .attributes()
            .map(|one| one.key.as_str().to_owned());
        wrong.extend(passed.filter(|name| name != "source" && !known.contains(name)));
        let [moved] = &blocks(root, "moved")[..] else {
            return vec!["not one resource with data".to_owned()];
        };
        let data = moved.body.attributes().next().unwrap().expr.to_string();
        let kept = one.resources(data.split('.').next().unwrap());
        let kept = kept.iter().any(|one| {
            one.labels[1].as_str() == "data"
                && hcl::format::to_string(one)
                    .unwrap()
                    .contains("prevent_destroy = true")
        });
        if !kept {
            wrong.push(format!("{data} is not the protected resource"));
        }
        wrong
    });
}

#[test]
fn mistakes_in_a_module_are_found() {
    let sound = "\
variable \"key\" {
  type = string
  description = \"Key.\"
  sensitive = true
  ephemeral = true
}

locals {
  size = 1
}

data \"a_region\" \"here\" {}

resource \"a_secret\" \"key\" {
  string_wo = var.key
  size = local.size
  region = data.a_region.here.id
}
";
    let found = |old: &str, new: &str| {
        assert!(sound.contains(old), "{old}");
        wrong(&[("main.tf".to_owned(), sound.replacen(old, new, 1))].into())
    };
    assert_eq!(found("", ""), Vec::<String>::new());
    for (old, new) in [
        ("  description = \"Key.\"\n", ""),
        ("  type = string\n", ""),
        ("  ephemeral = true\n", ""),
        ("  sensitive = true\n", ""),
        ("string_wo = var.key", "string_wo = 1"),
        ("string_wo = var.key", "string = var.key"),
        ("local.size", "local.sizes"),
        ("data.a_region.here", "data.a_region.there"),
    ] {
        assert_ne!(found(old, new), Vec::<String>::new(), "{old} to {new}");
    }
}
