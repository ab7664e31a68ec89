//! A Compose file: pinned images, the names it uses, and the addresses of published ports.

use serde_yaml::Value;

use super::images::unpinned;
use super::names::missing;
use super::yaml::{entries, keys, text, texts};
use crate::problem::Problem;

/// Returns the problems of the Compose file; `paths` are those of the files in its folder.
pub(super) fn check(tree: &Value, paths: &[&str]) -> Vec<Problem> {
    let services = entries(tree.get("services"));
    let problems = services.flat_map(|(name, service)| {
        let checks = [
            image(service),
            dependencies(tree, service),
            mounts(tree, service, paths),
            ports(service),
        ];
        let problems = checks.into_iter().flatten();
        problems.map(move |problem| problem.within(&format!("services.{name}")))
    });
    problems.collect()
}

fn image(service: &Value) -> Vec<Problem> {
    match text(service.get("image")) {
        "" if service.get("build").is_none() => {
            vec![Problem::new("image", "missing").hint("name an image, or add `build`")]
        }
        "" => Vec::new(),
        image => unpinned("image", image).into_iter().collect(),
    }
}

fn dependencies(tree: &Value, service: &Value) -> Vec<Problem> {
    let depends_on = service.get("depends_on");
    let names = keys(depends_on).chain(texts(depends_on));
    let known = || keys(tree.get("services"));
    names
        .filter_map(|name| missing("depends_on", "service", name, known()))
        .collect()
}

fn mounts(tree: &Value, service: &Value, paths: &[&str]) -> Vec<Problem> {
    let sources = texts(service.get("volumes")).filter_map(|mount| mount.split(':').next());
    let problems = sources.filter_map(|source| match source.strip_prefix("./") {
        // Docker creates a missing folder.
        Some(file) if !file.contains('.') => None,
        Some(file) => missing("volumes", "file", file, paths.iter().copied()),
        None if source.starts_with(['/', '.', '~', '$']) => None,
        None => missing("volumes", "volume", source, keys(tree.get("volumes"))),
    });
    problems.collect()
}

/// Docker's published ports bypass the host's firewall, and Chroma has no authentication.
fn ports(service: &Value) -> Vec<Problem> {
    let open = texts(service.get("ports")).filter(|port| port.matches(':').count() < 2);
    let problem = |port: &str| {
        let message = format!("`{port}` is published on every address of the machine");
        Problem::new("ports", message).hint(format!("name an address: `127.0.0.1:{port}`"))
    };
    open.map(problem).collect()
}

#[cfg(test)]
mod tests {
    const SOUND: &str = "\
services:
  chroma:
    image: chromadb/chroma:1.5.9
    depends_on: {collector: {condition: service_started}}
    volumes: [data:/data, ./config.yaml:/config.yaml:ro, ./folder:/folder, /etc/hosts:/hosts]
    ports: [127.0.0.1:8000:8000]
  collector: {build: .}
volumes: {data: {}}
";

    /// Returns the problems of the file with one text replaced.
    fn found(old: &str, new: &str) -> Vec<String> {
        assert!(SOUND.contains(old), "{old}");
        let tree = serde_yaml::from_str(&SOUND.replacen(old, new, 1)).expect("YAML");
        let problems = super::check(&tree, &["config.yaml"]);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn finds_each_mistake() {
        assert_eq!(found("", ""), Vec::<String>::new());
        for (old, new, problem) in [
            (
                "chroma:1.5.9",
                "chroma:latest",
                "services.chroma: image: image `chromadb/chroma:latest` has the moving tag `latest`",
            ),
            (
                "build: .",
                "restart: always",
                "services.collector: image: missing",
            ),
            (
                "{collector: {",
                "{colector: {",
                "services.chroma: depends_on: service `colector` not found",
            ),
            (
                "[data:",
                "[date:",
                "services.chroma: volumes: volume `date` not found",
            ),
            (
                "./config.yaml:",
                "./conf.yaml:",
                "services.chroma: volumes: file `conf.yaml` not found",
            ),
            (
                "127.0.0.1:8000:8000",
                "8000:8000",
                "services.chroma: ports: `8000:8000` is published on every address of the machine",
            ),
        ] {
            assert_eq!(found(old, new), [problem], "{old} to {new}");
        }
    }
}
