use std::collections::BTreeMap;

use super::{Modules, check};

const MODULE: &str = r#"
variable "name" {
  description = "Name."
  type        = string
  default     = "chroma"

  validation {
    condition     = can(regex("^[a-z]+$", var.name))
    error_message = "Letters."
  }
}

variable "key" {
  description = "Key."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.key != ""
    error_message = "Needed."
  }
}

data "cloud_region" "current" {}

locals {
  lines = compact(["A=${var.name}", data.cloud_region.current.id == "" ? "" : "B=$${x}"])
  tags  = { for key in ["a"] : key => var.name if key != "" }
}

resource "cloud_machine" "chroma" {
  user_data = base64gzip(templatefile("${path.module}/cloud-config.yaml.tftpl", {
    lines = base64encode(join("", [for line in local.lines : "${line}\n"]))
  }))

  dynamic "tag" {
    for_each = local.tags

    content {
      key = tag.key
    }
  }

  lifecycle {
    precondition {
      condition     = self.id != ""
      error_message = "No id."
    }
  }
}

resource "cloud_secret" "key" {
  count     = 1
  string_wo = var.key
}

output "id" {
  value = cloud_machine.chroma.id
}
"#;

const CLOUD_CONFIG: &str = r#"#cloud-config
write_files:
  - path: /etc/a.env
    permissions: "0600"
    encoding: b64
    content: "${lines}"
  - path: /etc/config.yaml
    permissions: "0644"
    content: |
      persist_path: /data # $${HOME}
  - path: /etc/systemd/system/a.service
    permissions: "0644"
    content: |
      [Service]
runcmd:
  - [systemctl, start, a.service]
"#;

/// Returns the problems of the module with one text replaced.
fn found(old: &str, new: &str) -> Vec<String> {
    let in_module = MODULE.contains(old);
    assert!(
        old.is_empty() || in_module != CLOUD_CONFIG.contains(old),
        "{old}"
    );
    let module = MODULE.replacen(old, new, 1);
    let template = if in_module {
        CLOUD_CONFIG.to_owned()
    } else {
        CLOUD_CONFIG.replacen(old, new, 1)
    };
    let files = BTreeMap::from([
        ("main.tf", module.as_str()),
        ("cloud-config.yaml.tftpl", &template),
    ]);
    problems(&BTreeMap::from([("", files)]))
}

/// Returns the problems of modules.
fn problems(modules: &Modules) -> Vec<String> {
    let problems = check(modules);
    assert!(
        problems.iter().all(|problem| problem.hint.is_some()),
        "{problems:?}"
    );
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn accepts_a_valid_module() {
    assert_eq!(found("", ""), Vec::<String>::new());
}

#[test]
fn finds_each_mistake() {
    for (old, new, problem) in [
        (
            "locals {",
            "locals {{",
            "main.tf: line 28, column 9: cannot parse as HCL",
        ),
        (
            "\"${lines}\"",
            "\"${lines\"",
            "cloud-config.yaml.tftpl: line 6, column",
        ),
        (
            "${var.name}\", data",
            "${var.nome}\", data",
            "main.tf: locals: variable `var.nome` not found",
        ),
        (
            "= local.tags",
            "= local.tag",
            "main.tf: resource.cloud_machine.chroma: local value `local.tag` not found",
        ),
        (
            "data.cloud_region.current.id",
            "data.cloud_region.other.id",
            "main.tf: locals: data source `data.cloud_region.other` not found",
        ),
        (
            "value = cloud_machine.chroma.id",
            "value = module.other.id",
            "main.tf: output.id: module `module.other` not found",
        ),
        (
            "\"\"\n  sensitive   = true",
            "\"k\"\n  sensitive   = true",
            "main.tf: var.key: default: a secret in plain text",
        ),
    ] {
        let found = found(old, new);
        assert!(
            matches!(&found[..], [one] if one.starts_with(problem)),
            "{old} to {new}: {found:?}"
        );
    }
}

/// Returns the problems of a root that calls a module with these arguments and outputs.
fn of_call(call: &str) -> Vec<String> {
    let module = "variable \"name\" {}\noutput \"id\" { value = var.name }\n";
    let root = BTreeMap::from([("main.tf", call)]);
    let module = BTreeMap::from([("chroma/main.tf", module)]);
    problems(&BTreeMap::from([("", root), ("chroma", module)]))
}

#[test]
fn finds_unknown_arguments_and_outputs_of_a_called_module() {
    let call = r#"
module "chroma" {
  source     = "./chroma"
  for_each   = toset(["a"])
  depends_on = []
  name       = each.key
}
moved {
  from = cloud_disk.data
  to   = module.chroma.cloud_disk.data
}
output "id" { value = module.chroma.id }
output "ids" { value = values(module.chroma)[*].id }
"#;
    assert_eq!(of_call(call), [""; 0]);
    assert_eq!(
        of_call(&call.replace("name  ", "nam   ")),
        ["main.tf: module.chroma: variable of the module `nam` not found"]
    );
    assert_eq!(
        of_call(&call.replace("chroma.id", "chroma.ids")),
        ["main.tf: output.id: output `module.chroma.ids` not found"]
    );
    // Only `terraform init` finds a module elsewhere.
    let elsewhere = call
        .replace("./chroma", "../chroma")
        .replace("name  ", "nam   ");
    assert_eq!(of_call(&elsewhere), [""; 0]);
}

/// Returns text that cannot be compressed to less than half.
fn random(length: usize) -> String {
    let mut state: u64 = 1;
    let digits = (0..length).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from_digit((state >> 60) as u32, 16).expect("it is below 16")
    });
    digits.collect()
}

#[test]
fn finds_user_data_that_ec2_would_reject() {
    let found = |resource: &str, template: usize, line: usize| {
        let module = format!(
            "locals {{\n  lines = compact([\"A={}\", \"\"])\n}}\nresource \"{resource}\" \"machine\" {{}}\n",
            random(line)
        );
        let template = random(template);
        let files = BTreeMap::from([
            ("chroma/machine.tf", module.as_str()),
            ("chroma/cloud-config.yaml.tftpl", template.as_str()),
        ]);
        problems(&BTreeMap::from([("chroma", files)]))
    };
    // Hexadecimal digits are compressed to a little more than half.
    assert_eq!(found("aws_launch_template", 20_000, 2_000), [""; 0]);
    for (template, line) in [(40_000, 0), (20_000, 10_000)] {
        let problems = found("aws_launch_template", template, line);
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        let expected =
            "chroma/cloud-config.yaml.tftpl: user data of at most 16384 bytes is possible on EC2";
        assert!(problem.starts_with(expected), "{problem}");
        assert_eq!(
            found("azurerm_linux_virtual_machine", template, line),
            [""; 0]
        );
    }
}
