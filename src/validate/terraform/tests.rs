use std::collections::BTreeMap;

use super::check;

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

/// What is found when one text of the module or of the template is another.
fn found(old: &str, new: &str) -> Vec<String> {
    assert!(
        old.is_empty() || MODULE.contains(old) != CLOUD_CONFIG.contains(old),
        "{old}"
    );
    let files: BTreeMap<String, String> = [
        ("main.tf", MODULE),
        ("cloud-config.yaml.tftpl", CLOUD_CONFIG),
    ]
    .map(|(path, text)| {
        (
            path.to_owned(),
            if old.is_empty() {
                text.to_owned()
            } else {
                text.replacen(old, new, 1)
            },
        )
    })
    .into();
    check(&files).iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_module_is_sound() {
    assert_eq!(found("", ""), Vec::<String>::new());
}

#[test]
fn each_mistake_is_found() {
    let mistakes = [
        ("locals {", "locals {{", "not Terraform"),
        ("B=$${x}", "B=${x}", "there is no `x`"),
        (
            "compact([\"A=${var.name}\"",
            "compact([\"A=${var.nome}\"",
            "there is no `var.nome`",
        ),
        (
            "for_each = local.tags",
            "for_each = local.tag",
            "there is no `local.tag`",
        ),
        (
            "for_each = local.tags",
            "for_each = local.lines",
            "local.tags: is never used",
        ),
        (
            "data.cloud_region.current.id",
            "data.cloud_region.other.id",
            "there is no `data.cloud_region.other`",
        ),
        (
            "value = cloud_machine.chroma",
            "value = cloud_machine.other",
            "there is no `cloud_machine.other`",
        ),
        ("key = tag.key", "key = tags.key", "there is no `tags.key`"),
        ("\"${line}\\n\"", "\"${lines}\\n\"", "there is no `lines`"),
        (
            "output \"id\"",
            "variable \"more\" {\n  type = string\n}\noutput \"id\"",
            "var.more: is never used",
        ),
        ("variable \"key\"", "variable \"name\"", "is there twice"),
        ("  description = \"Name.\"\n", "", "has no description"),
        (
            "\"\"\n  sensitive   = true",
            "\"k\"\n  sensitive   = true",
            "the value of a secret",
        ),
        ("  sensitive   = true\n", "", "not `sensitive`"),
        ("  ephemeral   = true\n", "", "not `ephemeral`"),
        (
            "string_wo = var.key",
            "string = var.key",
            "leaves the way to its store",
        ),
        (
            "\"No id.\"",
            "\"No ${var.key}.\"",
            "leaves the way to its store",
        ),
        (
            "cloud-config.yaml.tftpl",
            "cloud.yaml.tftpl",
            "there is no `cloud.yaml.tftpl`",
        ),
        (
            "    lines = base64encode",
            "    line = base64encode",
            "nobody gives `lines`",
        ),
        ("\"${lines}\"", "\"eA==\"", "`lines` is not in"),
        ("\"${lines}\"", "\"${lines.x}\"", "more than a name"),
        ("$${HOME}", "${HOME}", "nobody gives `HOME`"),
        ("$${HOME}", "%{if true}a%{endif}", "has a directive"),
        (
            "#cloud-config",
            "# cloud-config",
            "begin with `#cloud-config`",
        ),
        ("    encoding: b64\n", "", "neither plain text"),
        ("\"0600\"", "\"600\"", "permissions"),
        ("/etc/config.yaml", "/etc/a.env", "there twice"),
        ("persist_path", "persist", "persist_path"),
        ("  - [systemctl", "  - [[systemctl", "not YAML"),
        ("start, a.service", "start, b.service", "starts no service"),
    ];
    for (old, new, finding) in mistakes {
        let found = found(old, new);
        assert!(
            found.iter().any(|one| one.contains(finding)),
            "{old} -> {new}: {found:?}"
        );
    }
}
