//! A spec that moves from one target to another: the same Chroma, the same traces.

use std::collections::BTreeMap;

use crate::deployment::{DEPLOYMENTS, Deployment};

/// The deployments of one spec, on every machine of every cloud.
fn moved() -> BTreeMap<String, Vec<&'static Deployment>> {
    let mut specs: BTreeMap<String, Vec<&Deployment>> = BTreeMap::new();
    for one in DEPLOYMENTS.iter().filter(|one| one.on_machine()) {
        let words: Vec<&str> = one.name.split(' ').skip(2).collect();
        specs.entry(words.join(" ")).or_default().push(one);
    }
    // Each cloud's own backend is nowhere else.
    specs.retain(|_, deployments| deployments.len() == 4);
    assert_eq!(specs.len(), 16);
    specs
}

/// The lines of a file that are not the cloud's own.
fn shared_lines(one: &Deployment, file: &str, own: &[&str]) -> Vec<String> {
    let lines = one.file(file).lines();
    lines
        .filter(|line| !own.iter().any(|word| line.contains(word)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_runs_on_a_machine_is_the_same_in_every_cloud() {
    // Where logs go, who the machine is, and what it has to do to boot there.
    let logs = &["--log-", "logs.env", "choose_logs"];
    let files: [(&str, &[&str]); 4] = [
        ("otel-collector.yaml", &["detectors:"]),
        ("otel-collector.service", logs),
        ("chroma.service", logs),
        ("chroma-otel.service", &[]),
    ];
    for (spec, deployments) in moved() {
        let (first, others) = deployments.split_first().unwrap();
        for (file, own) in files {
            let expected = shared_lines(first, file, own);
            assert!(expected.len() > 5, "{spec}: {file}");
            for other in others {
                assert_eq!(
                    shared_lines(other, file, own),
                    expected,
                    "{}: {file}",
                    other.name
                );
            }
        }
    }
}

/// The variables of a container as the modules write them: where Terraform fills in a value, its name.
#[test]
fn containers_are_given_the_same_in_every_module() {
    let lines = |one: &Deployment, name: &str| -> Vec<String> {
        let lines = one.file("machine.tf").lines();
        let start = format!("  {name} = compact([");
        let of = lines.skip_while(|line| *line != start).skip(1);
        of.take_while(|line| *line != "  ])")
            .map(str::to_owned)
            .collect()
    };
    for (spec, deployments) in moved() {
        let modules: Vec<_> = deployments
            .into_iter()
            .filter(|one| one.files.contains_key("machine.tf"))
            .collect();
        assert_eq!(modules.len(), 3);
        for file in ["chroma_env", "collector_env"] {
            // Who the machine is.
            let given = |one: &Deployment| -> Vec<String> {
                let own = ["\"AWS_REGION=", "\"GOOGLE_CLOUD_PROJECT=", "\"AZURE_"];
                let mut lines = lines(one, file);
                lines.retain(|line| !own.iter().any(|name| line.contains(name)));
                lines
            };
            assert!(given(modules[0]).len() > 1, "{spec}: {file}");
            for module in &modules[1..] {
                assert_eq!(given(module), given(modules[0]), "{}: {file}", module.name);
            }
        }
    }
}
