//! Every range of releases × backend × image × format, rendered and validated.

use chroma_otel_deploy::backend::{self, Backend};
use chroma_otel_deploy::deployment::Deployment;
use chroma_otel_deploy::input::file::Override;
use chroma_otel_deploy::plan::Plan;
use chroma_otel_deploy::spec::Target;
use chroma_otel_deploy::spec::{Format, Image};
use chroma_otel_deploy::validate;
use chroma_otel_deploy::values::Cloud;
use chroma_otel_init::{ChromaVersion, Server};
use serde_json::{Map, Value};

use super::{assert_pastes, assert_placed, flag, rendered};

#[test]
fn every_range_of_releases_backend_and_format_renders() {
    let places = Target::ALL.into_iter().flat_map(|target| {
        let formats = target.info().formats.iter();
        formats.map(move |format| (target, *format))
    });
    let expected: usize = places
        .clone()
        .map(|(target, _)| of_other_clouds(target))
        .sum();
    let refused: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = places
            .map(|(target, format)| scope.spawn(move || refused(target, format)))
            .collect();
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        counts.sum()
    });
    assert_eq!(
        refused, expected,
        "a cloud's backend is for its targets only"
    );
}

/// Returns the number of backends of clouds other than the target's.
fn of_other_clouds(target: Target) -> usize {
    let names = backend::names().into_iter();
    let clouds = names.filter_map(|name| backend::load(&name).unwrap().unwrap().only_cloud());
    clouds
        .filter(|cloud| Some(*cloud) != target.cloud())
        .count()
}

/// Renders for every backend. Returns the number of backends that the target rejects.
fn refused(target: Target, format: Format) -> usize {
    let names = backend::names().into_iter();
    names
        .filter(|backend| !renders(target, format, backend))
        .count()
}

/// Renders a release of every range (for a backend that is not the default, one of each server)
/// with every image, unless the target rejects the backend.
fn renders(target: Target, format: Format, name: &str) -> bool {
    let backend = backend::load(name).unwrap().unwrap();
    let cloud = backend.only_cloud().map(|cloud| cloud.target());
    if cloud.is_some_and(|cloud| cloud != target.info().name) {
        return false; // tests/cli has the message
    }
    let every = name == target.info().default_backend;
    let one_of_each = [ChromaVersion::new(0, 6, 3), ChromaVersion::NEWEST];
    let ranges = if every { ChromaVersion::RANGES } else { &[] };
    for version in ranges.iter().copied().chain(one_of_each) {
        let chosen = one_of_each.contains(&version);
        if target.is_machine() && !version.traces() {
            continue; // refused: tests/cli
        }
        for (image, _) in Image::ALL {
            let python = version.server() == Server::Python;
            if target.is_kubernetes() && python && image == Image::Stock {
                continue; // refused: tests/cli
            }
            let mut flags = place(target, format);
            flags.extend(chroma(version, image));
            flags.extend(tracing(name, &backend));
            if chosen && !python {
                // The README of a client also contains the location of the traces.
                flags.push(flag("clients", vec!["python"]));
            }
            let (deployment, plan) = rendered(None, flags);
            check(&deployment, &plan, image);
        }
    }
    true
}

/// As in [`chroma`] and [`tracing`], a blank value is equivalent to none.
fn place(target: Target, format: Format) -> Vec<Override> {
    let platform = if target.is_kubernetes() {
        "kubernetes"
    } else {
        "vm"
    };
    let region = match target.cloud() {
        Some(Cloud::Aws) => "eu-central-1", // its own backend needs one
        _ => "",
    };
    let pairs = [
        ("target", target.info().name),
        ("platform", platform),
        ("format", format.name()),
        ("kubernetes.region", region),
        ("machine.project", "my-project"),
    ];
    pairs.map(|(key, value)| flag(key, value)).into()
}

fn chroma(version: ChromaVersion, image: Image) -> [Override; 3] {
    let (_, name) = Image::ALL
        .into_iter()
        .find(|(one, _)| *one == image)
        .unwrap();
    let registry = match image {
        Image::Published => "registry.example.com/search",
        _ => "",
    };
    [
        flag("chroma.version", version.to_string()),
        flag("chroma.image", name),
        flag("chroma.registry", registry),
    ]
}

/// Returns the backend, with values for everything without a default.
fn tracing(name: &str, backend: &Backend) -> [Override; 3] {
    let known = backend.endpoint.is_some() || !backend.wants_endpoint();
    let endpoint = if known {
        ""
    } else {
        backend.endpoint_example()
    };
    let settings = backend.settings.iter();
    let required = settings.filter(|(_, setting)| setting.default.is_none());
    let settings: Map<String, Value> = required
        .map(|(name, setting)| {
            let mut choices = setting.choices.iter().flat_map(|choices| choices.keys());
            let value = choices.next().map_or("word-1", String::as_str);
            (name.clone(), value.into())
        })
        .collect();
    [
        flag("tracing.backend", name),
        flag("tracing.endpoint", endpoint),
        flag("tracing.settings", settings),
    ]
}

fn check(deployment: &Deployment, plan: &Plan, image: Image) {
    let findings = validate::files(&plan.all_files(), &deployment.given);
    assert_eq!(findings, [], "{:?}", deployment.spec);
    assert_eq!(
        plan.files.contains_key("image/Dockerfile"),
        image.is_built()
    );
    assert_pastes(&plan.files["README.md"]);
    assert_placed(plan);
    // CloudFormation replaces every other character by `?`.
    let template = plan.files.get("template.yaml");
    assert!(template.is_none_or(|text| text.is_ascii()));
}
