//! What is wrong in the deployment files that people copy today is in none of ours: every target,
//! both images, old and new servers, backends with and without a container of their own.
//!
//! What a file is on a machine in a cloud is read out of the template that delivers it. What needs a
//! running engine or a stand-in of the cloud is in `tests/e2e`.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chroma_otel_deploy::spec::file::Override;
use chroma_otel_deploy::spec::{Resolved, Spec, file, resolve};
use chroma_otel_deploy::target::Target;
use chroma_otel_init::Server;
use serde_yaml::Value;

/// A value that nobody may find in a file.
const KEY: &str = "do-not-render-this-key";

/// A rendered deployment: its own files, and those it puts on a machine (absolute paths).
struct Deployment {
    name: String,
    spec: Spec,
    files: BTreeMap<String, String>,
}

impl Deployment {
    /// Files that a program reads.
    fn read(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self
            .files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(|(path, _)| !path.starts_with("entrypoint/") && !path.ends_with(".md"))
    }

    /// The same, by line, without comments.
    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self
            .read()
            .flat_map(|(path, text)| text.lines().map(move |line| (path, line.trim())));
        lines.filter(|(_, line)| !line.starts_with('#'))
    }

    fn on_machine(&self) -> bool {
        self.spec.target != Target::Docker
    }

    /// The one file of that name, wherever it is.
    fn file(&self, name: &str) -> &str {
        let mut found = self
            .files
            .iter()
            .filter(|(path, _)| path.rsplit('/').next() == Some(name));
        let (_, text) = found
            .next()
            .unwrap_or_else(|| panic!("{}: no {name}", self.name));
        text
    }

    fn yaml(&self, name: &str) -> Value {
        let mut tree: Value = serde_yaml::from_str(self.file(name)).unwrap();
        tree.apply_merge().unwrap();
        tree
    }

    fn scripts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.read().filter(|(_, text)| text.starts_with("#!"))
    }
}

/// Every target with specs that differ in what a target has to treat differently.
static DEPLOYMENTS: LazyLock<Vec<Deployment>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for target in Target::ALL {
        // Only a machine in AWS has the identity that X-Ray asks for.
        let own = if target == Target::Docker {
            "debug"
        } else {
            "aws-xray"
        };
        for version in ["1.5.9", "0.6.3"] {
            for image in ["wrapped", "stock"] {
                for backend in ["honeycomb", "jaeger", "zipkin", "otlp", own] {
                    all.push(deployment(target, image, version, backend));
                }
            }
        }
    }
    all
});

fn deployment(target: Target, image: &str, version: &str, backend: &str) -> Deployment {
    let flag = |key, value: &str| Override {
        key,
        flag: "--flag",
        value: value.into(),
    };
    let overrides = vec![
        flag("target", target.name()),
        flag("chroma.image", image),
        flag("chroma.version", version),
        flag("tracing.backend", backend),
        flag(
            "tracing.endpoint",
            if backend == "otlp" {
                "https://otlp.example.com:4317"
            } else {
                ""
            },
        ),
    ];
    let given = |name: &str| match name {
        "HONEYCOMB_API_KEY" => Some(KEY.to_owned()),
        "CHROMA_OTEL_COLLECTION_HEADERS" if backend == "otlp" => Some(format!("x-api-key={KEY}")),
        _ => None,
    };
    let resolved: Resolved = resolve(file::read(None, overrides).unwrap(), &given).unwrap();
    let mut files = target.plan(&resolved).unwrap().files;
    let template = files
        .get("template.yaml")
        .map(|text| serde_yaml::from_str(text).unwrap());
    files.extend(template.as_ref().into_iter().flat_map(delivered));
    Deployment {
        name: format!("{} {image} {version} {backend}", target.name()),
        spec: resolved.spec,
        files,
    }
}

/// The files that a template puts on its machine; one that it puts together is in its YAML form.
fn delivered(template: &Value) -> BTreeMap<String, String> {
    let resources = template["Resources"].as_mapping().unwrap().values();
    let init = resources.filter_map(|one| one.get("Metadata")?.get("AWS::CloudFormation::Init"));
    let files = init.flat_map(|init| init["config"]["files"].as_mapping().unwrap());
    let text = |content: &Value| match content.as_str() {
        Some(text) => text.to_owned(),
        None => serde_yaml::to_string(content).unwrap(),
    };
    files
        .map(|(path, file)| (path.as_str().unwrap().to_owned(), text(&file["content"])))
        .collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase() || c == b'_')
}

/// Fails with what `wrong` finds in any deployment.
fn none(wrong: impl Fn(&Deployment) -> Vec<String>) {
    let found: Vec<String> = DEPLOYMENTS
        .iter()
        .flat_map(|one| {
            wrong(one)
                .into_iter()
                .map(|what| format!("{}: {what}", one.name))
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

fn lines_with(one: &Deployment, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = one.lines().filter(|(_, line)| wrong(line));
    lines
        .map(|(path, line)| format!("{path}: {line}"))
        .collect()
}

/// The default stack of others writes them empty, and the server panics.
#[test]
fn no_variable_is_set_empty() {
    none(|one| lines_with(one, sets_empty));
}

/// Whether a line of an environment file, a script or YAML sets one of our variables to nothing.
fn sets_empty(line: &str) -> bool {
    let starts = ["CHROMA_", "OTEL_"].into_iter();
    let mut places = starts.flat_map(|start| line.match_indices(start).map(|(at, _)| at));
    places.any(|at| {
        let (before, name) = line.split_at(at);
        let end = name.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let value = name.split_at(end.unwrap_or(name.len())).1;
        let is_nothing = ["", "''", "\"\"", "\"", "'"];
        match value.strip_prefix('=') {
            _ if before.ends_with(|c: char| c.is_ascii_alphanumeric() || "_$!{".contains(c)) => {
                false
            }
            Some(value) => is_nothing.contains(&value.trim()),
            // `NAME:` in Compose hands on what there is, and nothing if there is none.
            None => [": ''", ": \"\""]
                .iter()
                .any(|empty| value.starts_with(empty)),
        }
    })
}

#[test]
fn an_empty_variable_is_recognised() {
    for line in [
        "CHROMA_X=",
        "- \"CHROMA_X=\"",
        "!Sub \"OTEL_X=\"",
        "CHROMA_X: \"\" # none",
        "export OTEL_X=''",
    ] {
        assert!(sets_empty(line), "{line}");
    }
    for line in [
        "CHROMA_X=a",
        "CHROMA_X:",
        "- !Sub \"OTEL_X=${Y}\"",
        "MY_CHROMA_X=",
        "[[ $CHROMA_X ]]",
        "CHROMA_X: a",
    ] {
        assert!(!sets_empty(line), "{line}");
    }
}

#[test]
fn data_is_mounted_where_this_server_writes_it() {
    none(|one| {
        let directory = one.spec.chroma.version.data_directory();
        let mount = match one.on_machine() {
            true => format!("source=/var/lib/chroma-otel/data,target={directory} "),
            false => format!("- data:{directory} "),
        };
        let place = one.file(if one.on_machine() {
            "chroma.service"
        } else {
            "docker-compose.yaml"
        });
        let mut wrong = Vec::new();
        if !place.replace('\n', " ").contains(&mount) {
            wrong.push(format!("nothing is mounted at {directory}"));
        }
        if one.spec.chroma.version.server() == Server::Rust
            && one.yaml("config.yaml")["persist_path"].as_str() != Some(directory)
        {
            wrong.push("Chroma does not write there".to_owned());
        }
        wrong
    });
}

#[test]
fn whatever_ends_is_started_again() {
    none(|one| match one.on_machine() {
        true => {
            let units = one
                .read()
                .filter(|(path, text)| path.ends_with(".service") && text.contains("docker run"));
            let units: Vec<_> = units.collect();
            assert!(units.len() >= 2);
            let ends = units
                .iter()
                .filter(|(_, text)| !text.contains("\nRestart=always\n"));
            ends.map(|(path, _)| format!("{path} stays dead")).collect()
        }
        false => {
            let compose = one.yaml("docker-compose.yaml");
            let services = compose["services"].as_mapping().unwrap().iter();
            // One that only prepares a volume ends by itself.
            let ends = services.filter(|(_, service)| {
                service.get("mem_limit").is_some()
                    && service["restart"].as_str() != Some("unless-stopped")
            });
            ends.map(|(name, _)| format!("{name:?} stays dead"))
                .collect()
        }
    });
}

/// There is neither in the image of 1.x.
#[test]
fn no_health_check_calls_curl_inside_the_image() {
    none(|one| {
        let mut wrong = lines_with(one, |line| {
            (line.contains("docker exec")
                || line.contains("--health-cmd")
                || line.starts_with("HEALTHCHECK"))
                && (line.contains("curl") || line.contains("wget"))
        });
        if !one.on_machine() {
            let compose = one.yaml("docker-compose.yaml");
            for name in ["chroma", "otel-collector"] {
                let check = compose["services"][name]
                    .get("healthcheck")
                    .unwrap_or(&Value::Null);
                let check = serde_yaml::to_string(check).unwrap();
                let has_curl =
                    name == "chroma" && one.spec.chroma.version.server() == Server::Python;
                if !has_curl && (check.contains("curl") || check.contains("wget")) {
                    wrong.push(format!("{name}: {check}"));
                }
            }
        }
        wrong
    });
}

#[test]
fn images_are_pinned_and_the_machines_is_todays() {
    none(|one| {
        lines_with(one, |line| {
            let mut words = line.split(|c: char| c.is_whitespace() || "\"'=,".contains(c));
            let id = |word: &str| {
                word.strip_prefix("ami-")
                    .is_some_and(|id| id.len() >= 8 && id.bytes().all(|c| c.is_ascii_hexdigit()))
            };
            words.any(|word| word.ends_with(":latest") || id(word)) || line.contains("amzn2")
        })
    });
}

/// What a machine gets from elsewhere is an image by its tag or a package of its distribution.
#[test]
fn nothing_is_downloaded_unchecked() {
    none(|one| {
        lines_with(one, |line| {
            let fetches = ["curl ", "wget ", "ADD "]
                .iter()
                .any(|word| line.starts_with(word) || line.contains(&format!(" {word}")));
            let pipes = line.split('|').skip(1).any(|command| {
                ["sh", "bash"].contains(&command.split_whitespace().next().unwrap_or_default())
            });
            fetches
                && (line.contains("https://")
                    || line.contains("http://") && !line.contains("http://127.0.0.1"))
                || pipes
        })
    });
}

#[test]
fn nothing_is_open_to_the_world() {
    none(|one| match one.on_machine() {
        true => lines_with(one, |line| {
            line.contains("0.0.0.0/0")
                || line.contains("::/0")
                || line.contains("FromPort: 22")
                || line.contains("KeyName")
        }),
        false => {
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

#[test]
fn no_key_is_in_any_file() {
    let wants = |one: &Deployment| {
        one.files
            .values()
            .any(|text| text.contains("HONEYCOMB_API_KEY"))
    };
    assert!(DEPLOYMENTS.iter().any(wants), "no deployment has a key");
    none(|one| {
        let shown = one.files.iter().filter(|(_, text)| text.contains(KEY));
        shown.map(|(path, _)| path.clone()).collect()
    });
}

/// Values reach the machine in files that no shell reads.
#[test]
fn no_value_of_the_operators_is_pasted_into_a_script() {
    none(|one| {
        let Some(text) = one.files.get("template.yaml") else {
            return Vec::new();
        };
        let template: Value = serde_yaml::from_str(text).unwrap();
        let mut wrong = Vec::new();
        // A script with a function in it would begin with the YAML form of the function.
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
        // Of values, user data has the stack's name and region, and the others only encoded.
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

/// In a quoted here-document `\$` stays as it is; in an unquoted one the shell expands values.
#[test]
fn no_here_document_holds_a_dollar() {
    none(|one| {
        let mut wrong = Vec::new();
        for (path, text) in one.scripts() {
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

/// The word that ends the here-document which a line begins; `<<<` begins none.
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

/// What holds the data is the same text, whatever else changes.
#[test]
fn no_change_of_a_version_or_variable_touches_the_data() {
    let holder = |one: &Deployment| match one.on_machine() {
        true => {
            let template = one.yaml("template.yaml");
            let resources = template["Resources"].as_mapping().unwrap();
            let mut volumes = resources
                .iter()
                .filter(|(_, resource)| resource["Type"] == "AWS::EC2::Volume");
            let volume = serde_yaml::to_string(&volumes.next().expect("a volume")).unwrap();
            assert_eq!(volumes.count(), 0);
            assert!(
                !volume.contains("Chroma") && !volume.contains("Instance"),
                "{volume}"
            );
            volume
        }
        false => serde_yaml::to_string(&one.yaml("docker-compose.yaml")["volumes"]).unwrap(),
    };
    for target in Target::ALL {
        let first = holder(&deployment(target, "wrapped", "1.5.9", "otlp"));
        assert!(first.len() > 20, "{first}");
        for (image, version) in [
            ("stock", "1.5.9"),
            ("wrapped", "1.0.20"),
            ("wrapped", "0.6.3"),
        ] {
            let other = deployment(target, image, version, "otlp");
            assert_eq!(holder(&other), first, "{}", other.name);
        }
    }
}

#[test]
fn data_outlives_the_machine_and_the_stack() {
    none(|one| {
        let mut wrong = Vec::new();
        if one.on_machine() {
            let template = one.file("template.yaml");
            for line in [
                "DeletionPolicy: Snapshot",
                "UpdateReplacePolicy: Snapshot",
                "Type: AWS::DLM::LifecyclePolicy",
            ] {
                if !template.contains(line) {
                    wrong.push(format!("no `{line}`"));
                }
            }
        }
        wrong
    });
}

/// Every variable that an operator is offered does something. (CloudFormation's parameters: `validate`.)
#[test]
fn every_variable_that_is_offered_is_used() {
    none(|one| {
        let Some(offered) = one.files.get(".env.example") else {
            return Vec::new();
        };
        let names = offered
            .lines()
            .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='));
        let names: Vec<&str> = names
            .map(|(name, _)| name)
            .filter(|name| is_name(name))
            .collect();
        let compose = one.file("docker-compose.yaml");
        names
            .into_iter()
            .filter(|name| !compose.contains(name))
            .map(|name| format!("{name} is offered and not used"))
            .collect()
    });
}

#[test]
fn the_collector_is_one_of_today() {
    none(|one| {
        let collector = one.yaml("otel-collector.yaml");
        let mut wrong = Vec::new();
        let exporters = collector["exporters"].as_mapping().unwrap();
        for removed in ["logging", "jaeger", "jaeger_thrift", "loki", "opencensus"] {
            if exporters
                .keys()
                .any(|name| name.as_str().unwrap().split('/').next() == Some(removed))
            {
                wrong.push(format!("the exporter `{removed}` was removed"));
            }
        }
        for protocol in ["grpc", "http"] {
            let endpoint = collector["receivers"]["otlp"]["protocols"][protocol]["endpoint"]
                .as_str()
                .unwrap_or("");
            if endpoint.is_empty()
                || endpoint.starts_with("localhost")
                || endpoint.starts_with("127.")
            {
                wrong.push(format!(
                    "Chroma cannot reach the receiver for {protocol} at `{endpoint}`"
                ));
            }
        }
        let pipelines = collector["service"]["pipelines"].as_mapping().unwrap();
        for signal in ["traces", "metrics"] {
            if !pipelines.keys().any(|name| name == signal) {
                wrong.push(format!("no pipeline for {signal}"));
            }
        }
        for (name, pipeline) in pipelines {
            let receives = pipeline["receivers"]
                .as_sequence()
                .unwrap()
                .iter()
                .any(|one| one == "otlp");
            if receives && pipeline["processors"][0] != "memory_limiter" {
                wrong.push(format!("{name:?} has no memory limit"));
            }
        }
        // What sends to the backend waits for it, on the disk; `debug` and Prometheus send nothing.
        let sending = exporters
            .iter()
            .filter(|(name, _)| !["debug", "prometheus"].contains(&name.as_str().unwrap()));
        for (name, exporter) in sending {
            let queue = &exporter["sending_queue"];
            if queue["storage"].as_str().is_none() {
                wrong.push(format!("{name:?} has no queue on the disk"));
            }
        }
        wrong
    });
}
