//! Completions, asked of the shells themselves.
//!
//! A shell that is not installed is skipped, and named on standard error; with `CI=true` it fails.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use chroma_otel_deploy::backend::names;
use chroma_otel_deploy::spec::Target;

use crate::command::{folder, run};

/// The program by its name, as completions know it.
const PROGRAM: &str = "chroma-otel-deploy";

/// What is typed, and what a shell has to offer for the last word, among others or alone.
struct Case {
    typed: &'static [&'static str],
    offered: Vec<String>,
}

fn cases() -> Vec<Case> {
    let case = |typed: &'static [&'static str], offered: &[&str]| Case {
        typed,
        offered: offered.iter().map(|&word| word.to_owned()).collect(),
    };
    vec![
        case(&["sch"], &["schema"]),
        case(&["gen", "--targ"], &["--target"]),
        Case {
            typed: &["gen", "--target", ""],
            offered: Target::names(),
        },
        Case {
            typed: &["check", "--backend", ""],
            offered: names(),
        },
        case(
            &["gen", "--granularity", "operation_"],
            &["operation_and_segment"],
        ),
        case(&["gen", "--image", ""], &["wrapped", "published", "stock"]),
        case(
            &["gen", "--format", ""],
            &["compose", "cloudformation", "terraform", "manifests"],
        ),
        case(
            &["gen", "--client", ""],
            &["python", "openllmetry", "openlit"],
        ),
        case(
            &["gen", "--collector-mode", ""],
            &["gateway", "tiered", "none"],
        ),
        case(&["gen", "--redact-names", ""], &["hash", "remove"]),
        case(
            &["list", ""],
            &["targets", "backends", "versions", "clients", "variables"],
        ),
        case(&["list", "backends", "honeyc"], &["honeycomb"]),
        case(&["help", "exit"], &["exit-codes"]),
        case(&["completions", "b"], &["bash"]),
    ]
}

/// The path of a shell, if it is installed.
fn shell(name: &str) -> Option<String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).find(|folder| folder.join(name).is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{name} is not installed"
        );
        // Not by the macro, whose text nobody sees of a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: completions of {name}, which is not installed"
        );
    }
    found.map(|folder| folder.join(name).display().to_string())
}

/// Writes the completions of a shell to `script` in the folder.
fn write_script(home: &Path, shell: &str) {
    let (code, script, _) = run(home, &["completions", shell]);
    assert_eq!(code, 0);
    fs::write(home.join("script"), script).unwrap();
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

fn check(case: &Case, offered: &[&str]) {
    for word in &case.offered {
        assert!(
            offered.contains(&word.as_str()),
            "{:?}: {word} is not in {offered:?}",
            case.typed
        );
    }
    assert!(
        !offered.contains(&"script"),
        "{:?} offers the files of the folder",
        case.typed
    );
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let Some(bash) = shell("bash") else { return };
    let home = folder();
    write_script(home.path(), "bash");
    // What readline does: the function that `complete` names, with the words and their number.
    let ask = r#"
        source ./script
        words=("$@")
        COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
        function=$(complete -p chroma-otel-deploy | sed 's/.*-F \([^ ]*\).*/\1/')
        compopt() { :; }
        "$function" chroma-otel-deploy "${words[-1]}" "${words[-2]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for case in cases() {
        let mut command = Command::new(&bash);
        command
            .args(["--norc", "-c", ask, "bash", PROGRAM])
            .args(case.typed);
        let offered = output(command.current_dir(home.path()));
        check(&case, &offered.lines().collect::<Vec<_>>());
    }
}

#[test]
fn fish_completes_commands_flags_and_values() {
    let Some(fish) = shell("fish") else { return };
    let home = folder();
    write_script(home.path(), "fish");
    for case in cases() {
        let typed = format!("{PROGRAM} {}", case.typed.join(" "));
        let ask = format!("source ./script; complete --do-complete '{typed}'");
        let mut command = Command::new(&fish);
        command
            .args(["--no-config", "--command", &ask])
            .env("HOME", home.path());
        let offered = output(command.current_dir(home.path()));
        let words = offered.lines().map(|line| line.split('\t').next().unwrap());
        check(&case, &words.collect::<Vec<_>>());
    }
}

#[test]
fn zsh_completes_commands_flags_and_values() {
    let Some(zsh) = shell("zsh") else { return };
    let home = folder();
    write_script(home.path(), "zsh");
    fs::create_dir(home.path().join("functions")).unwrap();
    fs::rename(
        home.path().join("script"),
        home.path().join("functions/_chroma-otel-deploy"),
    )
    .unwrap();
    // What is offered is what the completion hands to `compadd`, unless that is asked to search an array.
    let setup = r#"
        PS1=; fpath=(./functions $fpath); autoload -Uz compinit; compinit -u -D
        compadd() {
            local -a offered; local options=${@[1,(i)(-|--)]}
            if [[ $options != *-[OAD]\ * ]]; then
                builtin compadd -A offered "$@"; print -rl -- $offered >> offered
            fi
            builtin compadd "$@"
        }
        offer() { _main_complete; : > finished }
        zle -C offer complete-word offer; bindkey "^I" offer; : > ready
    "#;
    fs::write(home.path().join("setup"), setup).unwrap();
    // A terminal with a shell in it, which is waited for 30 s at most.
    let ask = r#"
        zmodload zsh/zpty
        wait_for() {
            integer n
            for ((n = 0; n < 600; n++)); do
                zpty -r -t inner >/dev/null; [[ -e $1 ]] && return; sleep 0.05
            done
            print -u 2 "waited for $1"; exit 1
        }
        rm -f ready finished offered
        zpty -b inner zsh -f -i
        zpty -w inner 'source ./setup'
        wait_for ready
        zpty -w -n inner "$1"$'\t'
        wait_for finished
        zpty -d inner
        cat offered
    "#;
    for case in cases() {
        let typed = format!("{PROGRAM} {}", case.typed.join(" "));
        let mut command = Command::new(&zsh);
        command
            .args(["-f", "-c", ask, "zsh", &typed])
            .env("HOME", home.path())
            .env("TERM", "dumb");
        let offered = output(command.current_dir(home.path()));
        check(&case, &offered.lines().collect::<Vec<_>>());
    }
}
