//! Renders every spec in `tests/specs`: one snapshot each, and the checks of `validate`. A snapshot
//! contains the differences from `deploy/TARGET`, which `tests/deploy.rs` compares with the
//! rendered files.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

#[path = "render/chart.rs"]
mod chart;
#[path = "render/combinations.rs"]
mod combinations;
#[path = "render/compared.rs"]
mod compared;
#[path = "render/difference.rs"]
mod difference;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chroma_otel_deploy::deployment::Deployment;
use chroma_otel_deploy::image::BuildContext;
use chroma_otel_deploy::input::file::Override;
use chroma_otel_deploy::input::{file, resolve};
use chroma_otel_deploy::plan::Plan;

use chroma_otel_deploy::targets;
use chroma_otel_deploy::validate;
use serde_json::Value;

use compared::{Base, Shown, files_of};

fn flag(key: &'static str, value: impl Into<Value>) -> Override {
    Override {
        key,
        flag: key,
        value: value.into(),
    }
}

/// Renders as `gen` does, with an empty environment.
fn rendered(spec: Option<&Path>, overrides: Vec<Override>) -> (Deployment, Plan) {
    let input = file::read(spec, overrides).expect("the spec reads");
    let resolved = resolve(input, &|_| None).expect("the spec is sound");
    let deployment = Deployment::new(resolved).expect("the templates render");
    assert_eq!(targets::problems(&deployment), []);
    let plan = targets::plan(&deployment).expect("the templates render");
    (deployment, plan)
}

#[test]
fn every_base_without_a_recipe_has_a_snapshot() {
    for base in Base::all().iter().filter(|base| base.is_snapshot()) {
        insta::assert_snapshot!(base.name.as_str(), base.shown());
    }
}

#[test]
fn every_spec_renders_as_in_its_snapshot() {
    let bases = Base::all();
    let mut shown = Shown::of(&bases);
    let mut snapshots = BTreeMap::new();
    for path in specs() {
        let (deployment, plan) = rendered(Some(&path), Vec::new());
        check(&path, &deployment, &plan);
        let base = bases.iter().find(|base| base.is_of(&deployment)).unwrap();
        let files = files_of(Some(&path), &[]);
        let name = path.file_stem().unwrap().to_str().unwrap();
        let snapshot = shown.add(name, base, &files);
        // Every change of a file must change its snapshot.
        assert_eq!(shown.restored(base, &snapshot), files, "{name}");
        snapshots.insert(path.file_name().unwrap().to_owned(), snapshot);
    }
    insta::glob!("specs/*.yaml", |path| {
        let snapshot = &snapshots[path.file_name().unwrap()];
        insta::assert_snapshot!("specs", snapshot);
    });
}

/// Returns the specs in the order of their names: a file of several specs is shown in the first.
fn specs() -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/specs").unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn check(spec: &Path, deployment: &Deployment, plan: &Plan) {
    let files = plan.all_files();
    assert_eq!(validate::files(&files, &deployment.given), []);
    let secrets = fs::read_to_string(spec).unwrap();
    assert!(!secrets.contains("do-not-render-me") || !deployment.given.is_empty());
    let leaks = files.values().any(|text| text.contains("do-not-render-me"));
    assert!(!leaks, "a secret was rendered");
    assert_pastes(&plan.files["README.md"]);
    assert_pushed_once(&plan.files["README.md"]);
    assert_placed(plan);
}

/// The folder depends only on the release and the repositories.
#[test]
fn image_contexts_are_as_in_their_snapshots() {
    for release in ["0.6.3", "1.5.9"] {
        let version = flag("chroma.version", release);
        let spec = Path::new("tests/specs/default.yaml");
        let spec = rendered(Some(spec), vec![version]).0.spec;
        let build = BuildContext::new(&spec.chroma, &spec.collector).unwrap();
        let hash = build.hash().to_owned();
        let files = build.into_files().unwrap();
        let files = files.iter().filter(|(path, _)| !validate::is_source(path));
        let shown = files.map(|(path, text)| format!("==> {path} <==\n{text}\n"));
        let shown = shown.collect::<String>().replace(&hash, "HASH");
        insta::assert_snapshot!(format!("image_context-{release}"), shown);
    }
}

/// Asserts that the commands of a README can be pasted into a terminal. Interactive zsh parses `#`
/// as an argument, and converts the value of `"$name:l"` to lower case.
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

/// Asserts that a tag is pushed with all platforms: a registry with immutable tags rejects a second push
/// for another type of machine.
fn assert_pushed_once(readme: &str) {
    for line in readme.lines().filter(|line| line.contains("--push")) {
        let builder = line.contains(" --builder ");
        assert!(builder && !line.contains("platform"), "{line}");
    }
}

/// Asserts that texts for people contain no placeholder of a backend; `${region}` of a shell is
/// allowed.
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
