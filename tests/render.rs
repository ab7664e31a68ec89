//! Every spec in `tests/specs`, rendered: one snapshot each, and the checks of `validate`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop where it stands, and writes what it needs"
)]

use std::path::Path;

use chroma_otel_deploy::backend;
use chroma_otel_deploy::image::BuildContext;
use chroma_otel_deploy::input::file::Override;
use chroma_otel_deploy::input::{file, resolve};
use chroma_otel_deploy::plan::Plan;
use chroma_otel_deploy::spec::target::Target;
use chroma_otel_deploy::spec::{Format, Image, Resolved};
use chroma_otel_deploy::targets;
use chroma_otel_deploy::validate;
use chroma_otel_deploy::values::Cloud;
use chroma_otel_init::{ChromaVersion, Server};

/// Renders as `gen` does, with nothing taken from the environment.
fn rendered(spec: Option<&Path>, overrides: Vec<Override>) -> (Resolved, Plan) {
    let input = file::read(spec, overrides).expect("the spec reads");
    let resolved = resolve(input, &|_| None).expect("the spec is sound");
    assert_eq!(targets::problems(&resolved), []);
    let plan = targets::plan(&resolved).expect("the templates render");
    (resolved, plan)
}

#[test]
fn specs() {
    insta::glob!("specs/*.yaml", |path| {
        let (resolved, plan) = rendered(Some(path), Vec::new());
        assert_eq!(validate::files(&plan.all_files(), &resolved.secrets), []);
        let files = plan.all_files();
        let shown: String = files
            .iter()
            .filter(|(path, _)| !path.trim_start_matches("../").starts_with("image/"))
            .map(|(path, text)| format!("==> {path} <==\n{text}\n"))
            .collect();
        // Else every change of a source would be one of every snapshot.
        let build = BuildContext::of(&resolved.spec).unwrap();
        let shown = shown.replace(build.hash(), "HASH");
        let secrets = std::fs::read_to_string(path).unwrap();
        assert!(!secrets.contains("do-not-render-me") || !resolved.secrets.is_empty());
        assert!(!shown.contains("do-not-render-me"), "a secret was rendered");
        assert_pastes(&plan.files["README.md"]);
        assert_placed(&plan);
        insta::assert_snapshot!(shown);
    });
}

/// The folder depends on nothing but the release and the repositories.
#[test]
fn image_contexts() {
    for release in ["0.6.3", "1.5.9"] {
        let version = Override {
            key: "chroma.version",
            flag: "--chroma-version",
            value: release.into(),
        };
        let spec = Path::new("tests/specs/default.yaml");
        let spec = rendered(Some(spec), vec![version]).0.spec;
        let build = BuildContext::of(&spec).unwrap();
        let hash = build.hash().to_owned();
        let files = build.into_files(&spec).unwrap();
        let files = files.iter().filter(|(path, _)| !validate::is_source(path));
        let shown = files.map(|(path, text)| format!("==> {path} <==\n{text}\n"));
        let shown = shown.collect::<String>().replace(&hash, "HASH");
        insta::assert_snapshot!(format!("image_context-{release}"), shown);
    }
}

/// What a README says to run can be pasted into a terminal. Interactive zsh takes `#` for an argument,
/// and in `"$name:l"` it makes the value lower-case.
fn assert_pastes(readme: &str) {
    for block in readme.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for line in block.lines() {
            let comment = line.starts_with('#') || line.contains(" #");
            let names = line.split('$').skip(1);
            let modified = names.into_iter().any(|name| {
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                end.is_some_and(|end| end > 0 && name[end..].starts_with(':'))
            });
            assert!(!comment && !modified, "{line}");
        }
    }
}

/// What a person reads has no placeholder of a backend's in it; a shell's `${region}` is none.
fn assert_placed(plan: &Plan) {
    let texts = plan.files.iter().filter(|(path, _)| path.ends_with(".md"));
    for (path, text) in texts {
        let mut lines = text.lines();
        let open =
            lines.find(|line| chroma_otel_deploy::values::has_place(&line.replace("${", "")));
        assert_eq!(open, None, "{path}");
    }
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    let spec = Path::new("tests/specs/otlp-headers.yaml");
    assert_eq!(
        rendered(Some(spec), Vec::new()).1,
        rendered(Some(spec), Vec::new()).1
    );
}

#[test]
fn every_range_of_releases_backend_and_format_renders() {
    let places = Target::ALL.into_iter().flat_map(|target| {
        let formats = target.info().formats.iter();
        formats.map(move |format| (target, *format))
    });
    let refused = |(target, format)| {
        let names = backend::names().into_iter();
        names
            .filter(|backend| !renders(target, format, backend))
            .count()
    };
    let foreign = |(target, _): (Target, Format)| {
        let backends = backend::names()
            .into_iter()
            .map(|name| backend::load(&name).unwrap().unwrap());
        let clouds = backends.filter_map(|backend| backend.cloud());
        clouds
            .filter(|cloud| Some(*cloud) != target.cloud())
            .count()
    };
    let expected: usize = places.clone().map(foreign).sum();
    let refused: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = places
            .map(|place| scope.spawn(move || refused(place)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(refused, expected, "nobody takes a backend of another cloud");
}

/// A region, for a cloud's own backend that wants one.
fn region(target: Target) -> &'static str {
    match target.cloud() {
        Some(Cloud::Aws) => "eu-central-1",
        _ => "", // blank is not set
    }
}

/// Renders a release of each range (of the default backend; else one of each server) with every image, unless the target refuses the backend.
fn renders(target: Target, format: Format, backend: &str) -> bool {
    let loaded = backend::load(backend).unwrap().unwrap();
    let cloud = loaded.cloud().map(|cloud| cloud.target());
    if cloud.is_some_and(|cloud| cloud != target.info().name) {
        return false; // tests/cli has the message
    }
    // Some have no endpoint of their own; blank is not set.
    let known = loaded.endpoint.is_some() || !loaded.wants_endpoint();
    let endpoint = if known { "" } else { loaded.endpoint_example() };
    // What has no default must be said.
    let settings: serde_json::Map<String, serde_json::Value> = loaded
        .settings
        .iter()
        .filter(|(_, setting)| setting.default.is_none())
        .map(|(name, setting)| {
            let choice = setting
                .choices
                .as_ref()
                .and_then(|choices| choices.keys().next());
            (name.clone(), choice.map_or("word-1", String::as_str).into())
        })
        .collect();
    let every = backend == target.info().default_backend;
    let some = ["0.6.3", "1.5.9"].map(|text| text.parse().unwrap());
    let ranges = if every { ChromaVersion::RANGES } else { &[] };
    for version in ranges.iter().copied().chain(some) {
        if target.is_machine() && !version.traces() {
            continue; // refused: tests/cli
        }
        for (image, name) in Image::ALL {
            let python = version.server() == Server::Python;
            // Blank is not set.
            let registry = if image == Image::Published {
                "registry.example.com/search"
            } else {
                ""
            };
            if target.is_kubernetes() && python && image == Image::Stock {
                continue; // refused: tests/cli
            }
            let platform = if target.is_kubernetes() {
                "kubernetes"
            } else {
                "vm"
            };
            let pairs = [
                ("target", target.info().name),
                ("platform", platform),
                ("kubernetes.region", region(target)),
                ("machine.project", "my-project"),
                ("format", format.name()),
                ("tracing.backend", backend),
                ("chroma.version", &version.to_string()),
                ("chroma.image", name),
                ("chroma.registry", registry),
                ("tracing.endpoint", endpoint),
            ];
            let mut flags: Vec<Override> = pairs
                .map(|(key, value)| Override {
                    key,
                    flag: "--flag",
                    value: value.into(),
                })
                .into();
            flags.push(Override {
                key: "tracing.settings",
                flag: "--setting",
                value: settings.clone().into(),
            });
            if some.contains(&version) && version.server() == Server::Rust {
                // Their READMEs say where the traces are, too.
                flags.push(Override {
                    key: "clients",
                    flag: "--client",
                    value: vec!["python"].into(),
                });
            }
            let (resolved, plan) = rendered(None, flags);
            let findings = validate::files(&plan.all_files(), &resolved.secrets);
            assert_eq!(
                findings,
                [],
                "{target:?} {format:?} {backend} {version} {name}"
            );
            let builds = plan.files.contains_key("image/Dockerfile");
            assert_eq!(builds, image.is_built());
            assert_pastes(&plan.files["README.md"]);
            assert_placed(&plan);
            // What it delivers comes back with `?` in the place of any other character.
            assert!(
                plan.files
                    .get("template.yaml")
                    .is_none_or(|text| text.is_ascii())
            );
        }
    }
    true
}
