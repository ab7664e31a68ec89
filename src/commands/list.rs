//! `list`: the values that a spec can have.

mod backend;
mod table;

use anyhow::Result;
use chroma_otel_init::{ChromaVersion, Server, variable};
use serde_json::{Value, json};

use super::{Answer, refuse};
use crate::backend::{self as backends, Backend};
use crate::cli::List;
use crate::deployment::secrets::{OTHER_TOKENS, TOKEN};
use crate::input::file::{self, Flag, flags};
use crate::problem::Problem;
use crate::report::Output;
use crate::spec::Target;
use crate::spec::signals::{Client, NAMES_KEY};
use table::{table, wrapped};

/// Runs `list`.
///
/// # Errors
/// Unknown backend, or a built-in backend cannot be read (a bug).
pub(super) fn run(what: &List, output: &mut Output) -> Result<Answer> {
    match what {
        List::Targets => targets(output),
        List::Backends { name: None } => all_backends(output)?,
        List::Backends { name: Some(name) } => match backends::load(name)? {
            Some(one) => {
                output.data("backend", backend::data(&one), &backend::description(&one));
            }
            None => {
                let names = backends::names();
                return refuse(&[Problem::unknown("list backends", name, &names)], output);
            }
        },
        List::Versions => versions(output),
        List::Clients => clients(output),
        List::Variables => variables(output)?,
        List::Keys => spec_keys(output),
    }
    Ok(Answer::Yes)
}

/// Adds the rows for `--json`.
fn data(rows: &[(String, String)]) -> Value {
    let rows = rows.iter();
    rows.map(|(name, summary)| json!({"name": name, "summary": summary}))
        .collect()
}

fn targets(output: &mut Output) {
    let rows = Target::ALL.map(|target| (target.flags(), target.info().summary.to_owned()));
    output.data("rows", data(&rows), &table(&rows));
}

fn all_backends(output: &mut Output) -> Result<()> {
    let rows = backends::all().map(|one| one.map(|one| (one.name, one.summary)));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    output.data("rows", data(&rows), &table(&rows));
    output.say("`list backends NAME` shows the keys and settings of a backend");
    Ok(())
}

/// Returns the names of the backends that a target can use, for a terminal.
///
/// # Errors
/// A built-in backend cannot be read (a bug).
pub(super) fn backends_for(target: Option<Target>) -> Result<String> {
    let cloud = target.and_then(Target::cloud);
    let mut names = Vec::new();
    for backend in backends::all() {
        let backend = backend?;
        if backend.only_cloud().is_none_or(|only| Some(only) == cloud) {
            names.push(backend.name);
        }
    }
    Ok(wrapped(&format!("Backends: {}", names.join(", ")), 0))
}

fn versions(output: &mut Output) {
    let newest = ChromaVersion::NEWEST;
    let text = format!("{newest} is the newest tested release, and the default.\n\nFrom\n");
    output.data("default", newest.to_string().into(), &text);
    let mut rows: Vec<(String, String)> = ChromaVersion::RANGES
        .iter()
        .map(|first| (first.to_string(), differences(*first)))
        .collect();
    // Some ranges differ only for the entrypoint.
    rows.dedup_by(|next, first| next.1 == first.1);
    rows.reverse();
    output.data("rows", data(&rows), &table(&rows));
}

/// Describes a range of versions for an operator.
fn differences(version: ChromaVersion) -> String {
    let server = match version.server() {
        Server::Rust => "Rust server",
        _ => "Python server",
    };
    let traces = if version.traces() {
        ""
    } else {
        ", cannot be traced"
    };
    let (data, health) = (version.data_directory(), version.health_path());
    format!("{server}{traces}, data in {data}, health check {health}")
}

fn clients(output: &mut Output) {
    let rows = Client::ALL.map(|client| (client.name().to_owned(), client.summary().to_owned()));
    output.data("rows", data(&rows), &table(&rows));
}

/// Prints every key of the spec with the first sentence of its description.
fn spec_keys(output: &mut Output) {
    fn add(section: &Value, prefix: &str, rows: &mut Vec<(String, String)>) {
        let properties = section.get("properties").and_then(Value::as_object);
        for (name, key) in properties.into_iter().flatten() {
            let path = format!("{prefix}{name}");
            let about = key
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let about = about.replace('\n', " ");
            let first = about.split(". ").next().unwrap_or_default();
            rows.push((path.clone(), first.trim_end_matches('.').to_owned()));
            add(key, &format!("{path}."), rows);
        }
    }
    let mut rows = Vec::new();
    add(&file::schema(), "", &mut rows);
    output.data("rows", data(&rows), &table(&rows));
}

/// Prints the variables that are read when a deployment is generated or runs.
///
/// # Errors
/// A built-in backend cannot be read (a bug).
pub(super) fn variables(output: &mut Output) -> Result<()> {
    let contract = [
        variable::ENDPOINT,
        variable::HEADERS,
        variable::SERVICE_NAME,
        variable::GRANULARITY,
    ];
    let rows = contract.map(|name| (name.to_owned(), set_by(name)));
    let synonyms = [
        (variable::RUST_ENDPOINT, variable::ENDPOINT, ""),
        (
            variable::OTLP_HEADERS,
            variable::HEADERS,
            ", for that endpoint only",
        ),
        (variable::RUST_SERVICE_NAME, variable::SERVICE_NAME, ""),
    ];
    let synonyms =
        synonyms.map(|(name, of, only)| (name.to_owned(), format!("synonym of {of}{only}")));
    let rows: Vec<(String, String)> = rows.into_iter().chain(synonyms).collect();
    let mut text = format!(
        "Variables of a deployment. Exported ones override the spec, and flags override\nboth. `gen` saves them in the spec, except the values of headers:\n\n{}",
        table(&rows)
    );
    let keys = keys_of_backends()?;
    text += &format!(
        "\nSecrets that `gen` reads from its own environment:\n\n{}",
        table(&keys)
    );
    let tokens = [(TOKEN, "the token that clients send")]
        .into_iter()
        .chain(OTHER_TOKENS)
        .map(|(name, what)| (name.to_owned(), what.to_owned()));
    let tokens: Vec<_> = tokens.collect();
    text += &format!(
        "\nTokens of the proxy in front of Chroma, in `.env` or in the secret store:\n\n{}",
        table(&tokens)
    );
    let rows = [&rows[..], &keys, &tokens].concat();
    output.data("rows", data(&rows), &text);
    Ok(())
}

/// Returns the variables of keys, and the backends that require them.
fn keys_of_backends() -> Result<Vec<(String, String)>> {
    let mut keys = vec![(
        NAMES_KEY.to_owned(),
        "key of the tokens with `redact.names: hash`".to_owned(),
    )];
    for backend in backends::all() {
        let Backend {
            name, keys: own, ..
        } = backend?;
        for key in own {
            match keys
                .iter_mut()
                .find(|(variable, _)| *variable == key.variable)
            {
                Some((_, of)) => *of += &format!(", {name}"),
                None => keys.push((key.variable, format!("key of {name}"))),
            }
        }
    }
    Ok(keys)
}

/// Returns the key and the flag of a variable: the key whose description names it.
fn set_by(variable: &str) -> String {
    let named = |flag: &&Flag| flag.description().contains(variable);
    flags().iter().find(named).map_or_else(String::new, |flag| {
        let default = flag
            .default()
            .map(|default| format!(" [default: {default}]"));
        format!("{}, {}{}", flag.key, flag.name, default.unwrap_or_default())
    })
}
