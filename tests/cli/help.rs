//! Documentation in the program: help, lists, manual pages.

use chroma_otel_deploy::backend::{load, names};
use chroma_otel_deploy::cli;
use chroma_otel_deploy::input::file::flags;
use chroma_otel_deploy::spec::Target;

use crate::command::{folder, run};

fn answer(arguments: &[&str]) -> String {
    let (code, answer, message) = run(folder().path(), arguments);
    assert_eq!(code, 0, "{arguments:?}: {message}");
    answer
}

fn commands() -> Vec<String> {
    let command = cli::command();
    let names = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned());
    names.collect()
}

/// Returns a text without line breaks.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns longer lines, except addresses, which cannot be wrapped.
fn longer(text: &str, width: usize) -> Vec<&str> {
    let lines = text.lines().filter(|line| line.chars().count() > width);
    lines.filter(|line| !line.contains("://")).collect()
}

#[test]
fn help_fits_a_terminal_and_names_its_exit_codes() {
    for command in commands() {
        for flag in ["-h", "--help"] {
            let help = answer(&[&command, flag]);
            assert_eq!(longer(&help, 100), [""; 0], "{command} {flag}");
        }
        if ["gen", "check", "validate", "image"].contains(&command.as_str()) {
            assert!(
                answer(&[&command, "-h"]).contains("Exit codes:\n  0 "),
                "{command}"
            );
        }
    }
    let (short, long) = (answer(&["gen", "-h"]), answer(&["gen", "--help"]));
    assert!(short.len() < long.len());
    insta::assert_snapshot!("gen_help", short);
    insta::assert_snapshot!("program_help", answer(&["--help"]));
}

#[test]
fn help_of_a_flag_is_the_description_of_its_key() {
    let help = answer(&["gen", "--help"]);
    let help = words(&help);
    for flag in flags() {
        let description = flag.description();
        let (text, _) = description
            .split_once(" Default: ")
            .unwrap_or((&description, ""));
        let first = text.split(". ").next().unwrap().trim_end_matches('.');
        assert!(help.contains(&words(first)), "{}: {first}", flag.name);
        if let Some(values) = flag.values().filter(|values| values.len() <= 8) {
            let shown = format!("[possible values: {}]", values.join(", "));
            assert!(help.contains(&shown), "{}: {shown}", flag.name);
        }
    }
}

#[test]
fn json_of_a_backend_contains_no_placeholder() {
    for name in names() {
        let text = answer(&["list", "backends", &name, "--json"]);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in ["endpoint", "traces"] {
            let value = document["backend"][key].to_string();
            assert!(!value.contains('{'), "{name}: {value}");
        }
    }
}

#[test]
fn help_topics_and_commands_are_explained() {
    assert!(answer(&["help", "exit-codes"]).contains("\n  2  "));
    let environment = answer(&["help", "environment"]);
    for variable in [
        "CHROMA_OTEL_COLLECTION_ENDPOINT",
        "HONEYCOMB_API_KEY",
        "NO_COLOR",
    ] {
        assert!(environment.contains(variable), "{variable}");
    }
    assert_eq!(answer(&["help", "gen"]), answer(&["gen", "--help"]));
    assert_eq!(answer(&["help"]), answer(&["--help"]));
    let (code, _, message) = run(folder().path(), &["help", "chek"]);
    assert!(
        code == 2 && message.contains("did you mean `check`?"),
        "{message}"
    );
}

#[test]
fn lists_name_everything_and_fit_a_terminal() {
    let of = |what| answer(&["list", what]);
    for target in Target::ALL {
        assert!(words(&of("targets")).contains(target.info().summary));
    }
    let backends = of("backends");
    for name in names() {
        assert!(
            backends
                .lines()
                .any(|line| line.starts_with(&format!("{name} "))),
            "{name}"
        );
        let backend = load(&name).unwrap().unwrap();
        let one = answer(&["list", "backends", &name]);
        assert_eq!(longer(&one, 80), [""; 0], "{name}");
        assert!(!one.contains('{'), "a placeholder is left: {one}");
        let keys = backend.keys.iter().map(|key| &key.variable);
        for told in keys
            .chain(backend.settings.keys())
            .chain([&backend.documentation])
        {
            assert!(one.contains(told.as_str()), "{name}: {told}");
        }
    }
    for what in ["targets", "backends", "versions", "clients", "variables"] {
        assert_eq!(longer(&of(what), 80), [""; 0], "{what}");
    }
    insta::assert_snapshot!(
        "list_backend",
        answer(&["list", "backends", "grafana-cloud"])
    );
    insta::assert_snapshot!("list_variables", of("variables"));
    insta::assert_snapshot!("list_versions", of("versions"));
    let (code, _, message) = run(folder().path(), &["list", "backends", "honycomb"]);
    assert!(
        code == 2 && message.contains("did you mean `honeycomb`?"),
        "{message}"
    );
}

#[test]
fn manual_pages_are_roff() {
    assert!(answer(&["man"]).contains(".TH chroma-otel-deploy 1"));
    for command in commands() {
        let page = answer(&["man", &command]);
        assert!(
            page.contains(&format!(".TH chroma-otel-deploy-{command} 1")),
            "{command}"
        );
    }
}

#[test]
fn lists_keys_with_and_without_a_flag() {
    let (code, keys, _) = run(folder().path(), &["list", "keys"]);
    assert_eq!(code, 0);
    for key in [
        "backup.schedule ",
        "chroma.access.token ",
        "chroma.port ",
        "tracing.sampling.ratio ",
    ] {
        assert!(
            keys.lines().any(|line| line.starts_with(key)),
            "{key}: {keys}"
        );
    }
    assert!(
        keys.lines().all(|line| line.chars().count() <= 100),
        "{keys}"
    );
}
