//! Machines: closed, and without operators' values in scripts.

use chroma_otel_deploy::spec::Format;
use chroma_otel_deploy::spec::target::Target;
use serde_yaml::Value;

use crate::cluster;
use crate::deployment::{Deployment, Starter, lines_with, none};

/// A machine downloads only images by their tag, packages of its distribution, and responses of the
/// cloud's own services.
#[test]
fn nothing_is_downloaded_unchecked() {
    const CLOUDS: [&str; 4] = [
        ".googleapis.com/",
        "://169.254.169.254/",
        ".monitoring.azure.com/",
        "https://$host/oauth2/",
    ];
    none(|one| {
        lines_with(one, |line| {
            let fetches = ["curl ", "wget ", "ADD "]
                .iter()
                .any(|word| line.starts_with(word) || line.contains(&format!(" {word}")));
            let pipes = line.split('|').skip(1).any(|command| {
                ["sh", "bash"].contains(&command.split_whitespace().next().unwrap_or_default())
            });
            let saves = [" -o ", " -O ", "--output ", "--remote-name"]
                .iter()
                .any(|word| line.contains(word) && !line.contains("--output /dev/null"));
            let elsewhere = line.contains("https://")
                || line.contains("http://") && !line.contains("http://127.0.0.1");
            let asks = CLOUDS.iter().any(|cloud| line.contains(cloud)) && !saves;
            fetches && elsewhere && !asks || pipes
        })
    });
}

#[test]
fn nothing_is_open_to_the_world() {
    none(|one| match (one.starter(), one.spec.format) {
        (Starter::Kubernetes, _) => cluster::open(one),
        (Starter::Systemd, Format::Terraform) => open_in_module(one),
        (Starter::Systemd, _) => lines_with(one, |line| {
            let opens = opens(line) && !line.contains("Outgoing traffic");
            opens || line.contains("FromPort: 22") || line.contains("KeyName")
        }),
        (Starter::Compose, _) => {
            let compose = one.yaml("docker-compose.yaml");
            let services = compose["services"].as_mapping().unwrap().values();
            let ports = services
                .filter_map(|service| service.get("ports")?.as_sequence())
                .flatten();
            let open = ports
                .filter_map(Value::as_str)
                .filter(|port| !port.starts_with("127.0.0.1:"));
            open.map(str::to_owned).collect()
        }
    });
}

fn opens(text: &str) -> bool {
    ["0.0.0.0/0", "::/0", "Internet"]
        .iter()
        .any(|world| text.contains(world))
}

/// Returns resources of a Terraform module that allow access from the world.
fn open_in_module(one: &Deployment) -> Vec<String> {
    // The resource that allows access, and the attribute with the peers; a rule that denies access
    // may name everyone.
    let (of_type, from): (_, &[&str]) = match one.spec.target {
        Target::Aws => (
            "aws_vpc_security_group_ingress_rule",
            &["cidr_ipv4", "cidr_ipv6"],
        ),
        Target::Gcp => ("google_compute_firewall", &["source_ranges"]),
        Target::Azure => (
            "azurerm_network_security_rule",
            &["source_address_prefix", "source_address_prefixes"],
        ),
        Target::Docker | Target::Kubernetes(_) => unreachable!("it has no module"),
    };
    let rules = one.resources(of_type);
    let mut wrong = Vec::new();
    let mut allowing = 0;
    for rule in &rules {
        let attribute = |name: &str| {
            let mut all = rule.body.attributes();
            let found = all.find(|attribute| attribute.key.as_str() == name);
            found.map(|attribute| hcl::format::to_string(&attribute.expr).unwrap())
        };
        let denies = attribute("access").is_some_and(|access| access == "\"Deny\"")
            || rule
                .body
                .blocks()
                .any(|block| block.identifier.as_str() == "deny");
        let froms: Vec<String> = from.iter().filter_map(|name| attribute(name)).collect();
        allowing += usize::from(!denies);
        if !denies && froms.iter().any(|from| opens(from) || from == "\"*\"") {
            wrong.push(format!("{:?} is open to {froms:?}", rule.labels));
        }
    }
    assert!(allowing > 0, "{}: no client may connect", one.name);
    let denied = rules.len() > allowing;
    // A network of GCP or Azure allows access by default.
    if !denied && one.spec.target != Target::Aws {
        wrong.push("nothing keeps others out".to_owned());
    }
    wrong.extend(lines_with(one, |line| {
        [
            "access_config",
            "azurerm_public_ip",
            "public_ip_address_id",
            "aws_eip",
            "associate_public_ip_address = true",
            "nat_ip",
        ]
        .iter()
        .any(|word| line.contains(word))
    }));
    wrong
}

/// Values are delivered to the machine in files that no shell parses.
#[test]
fn operators_values_are_not_in_scripts() {
    none(|one| {
        if !one.on_machine() {
            return Vec::new();
        }
        let mut wrong = Vec::new();
        // A script with a function inside would begin with the YAML form of the function.
        let scripts: Vec<_> = one.scripts().map(|(path, _)| path).collect();
        for path in [
            "/etc/chroma-otel/boot",
            "/etc/chroma-otel/cloud",
            "/etc/chroma-otel/watch",
        ] {
            if !scripts.contains(&path) {
                wrong.push(format!("{path} is put together from values"));
            }
        }
        // Expressions that Terraform fills in: each value is complete, and encoded.
        for (path, text) in one
            .files
            .iter()
            .filter(|(path, _)| path.ends_with(".tftpl"))
        {
            let text = text.replace("$${", "");
            for part in text.split("${").skip(1) {
                let name = part.split('}').next().unwrap();
                let module = one.file("machine.tf");
                let encoded = |line: &str| {
                    let line = line.trim();
                    line.starts_with(name) && line.contains(" = base64encode(")
                };
                if !module.lines().any(encoded) {
                    wrong.push(format!("{path} has ${{{name}}} as it is"));
                }
            }
        }
        let Some(text) = one.files.get("template.yaml") else {
            return wrong;
        };
        let template: Value = serde_yaml::from_str(text).unwrap();
        // User data contains only the stack's name and region as plain values; the others are
        // encoded.
        let begin = text.find("#!/bin/bash\n").unwrap();
        let user_data: String = text[begin..]
            .lines()
            .take_while(|line| !line.trim().starts_with("- Fingerprint"))
            .collect();
        for part in user_data.split("${").skip(1) {
            let name = part.split('}').next().unwrap();
            if !["AWS::StackName", "AWS::Region", "Fingerprint"].contains(&name) {
                wrong.push(format!("user data has ${{{name}}}"));
            }
        }
        assert!(template["Parameters"].as_mapping().unwrap().len() > 5);
        wrong
    });
}

/// In a quoted here-document `\$` is unchanged; in an unquoted one the shell expands values.
#[test]
fn here_documents_contain_no_dollar() {
    none(|one| {
        let mut wrong = Vec::new();
        // The scripts of a module are checked as they are on the machine.
        let scripts = one.scripts().filter(|(path, _)| !path.ends_with(".tftpl"));
        for (path, text) in scripts {
            let mut end: Option<String> = None;
            for line in text.lines() {
                match &end {
                    Some(word) if line.trim() == word => end = None,
                    Some(_) if line.contains('$') => wrong.push(format!("{path}: {line}")),
                    Some(_) => {}
                    None => end = here_document(line),
                }
            }
        }
        wrong
    });
}

/// Returns the word that ends the here-document which begins on a line; `<<<` begins none.
fn here_document(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("<<")?;
    let word: String = rest
        .trim_start_matches('-')
        .trim_start()
        .trim_start_matches(['\'', '"', '\\'])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    (!rest.starts_with('<') && !word.is_empty() && !line.trim().starts_with('#')).then_some(word)
}

#[test]
fn here_documents_are_recognised() {
    assert_eq!(here_document("cat <<EOF >x"), Some("EOF".to_owned()));
    assert_eq!(here_document("cat <<-'END'"), Some("END".to_owned()));
    assert_eq!(here_document("cat <<<\"$x\""), None);
}
