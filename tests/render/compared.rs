//! Renderings as differences from a base: the deployment in `deploy` for the same target and
//! format, or the rendering of a spec that contains only these two keys.
//!
//! Invariant: [`Shown::restored`] returns every file from the output of [`Shown::add`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use chroma_otel_deploy::deployment::Deployment;
use chroma_otel_deploy::image::BuildContext;
use chroma_otel_deploy::plan::Plan;
use chroma_otel_deploy::spec::Format;
use chroma_otel_deploy::spec::Target;
use chroma_otel_init::ChromaVersion;

use super::{difference, flag, rendered};

/// Path of a file to its text.
pub(crate) type Files = BTreeMap<String, String>;

/// Returns the files of a spec, with `NEWEST` for the newest release, so that a new release of Chroma
/// changes a snapshot only if it changes the deployment.
pub(crate) fn files_of(spec: Option<&Path>, flags: &[(&'static str, &str)]) -> Files {
    let files_of = |more: &[(&'static str, &str)]| {
        let flags = flags.iter().chain(more);
        let flags = flags.map(|(key, value)| flag(key, *value)).collect();
        let (deployment, plan) = rendered(spec, flags);
        (
            deployment.spec.chroma.version,
            without_image(&deployment, &plan),
        )
    };
    let (version, mut files) = files_of(&[]);
    if version == ChromaVersion::NEWEST {
        let next = ChromaVersion::new(version.major, version.minor, version.patch + 1).to_string();
        let (_, others) = files_of(&[("chroma.version", &next)]);
        for (path, text) in &mut files {
            // Releases after 1.5.9 continue the caller's trace, so their clients differ.
            let lines = |text: &str| text.lines().count();
            if path.starts_with("clients/") && lines(text) != lines(&others[path]) {
                continue;
            }
            *text = without_newest(text, &others[path], &next);
        }
    }
    files
}

/// Replaces the newest release by `NEWEST` in lines that differ for the next one, and checksums that
/// depend on it by `CHECKSUM`. Other lines can name a measured release.
fn without_newest(text: &str, other: &str, next: &str) -> String {
    let (lines, others) = (text.split_inclusive('\n'), other.split_inclusive('\n'));
    assert_eq!(
        lines.clone().count(),
        others.clone().count(),
        "the next release is another deployment"
    );
    let newest = ChromaVersion::NEWEST.to_string();
    let lines = lines.zip(others).map(|(line, other)| {
        if line == other {
            return line.to_owned();
        }
        let (line, other) = (
            line.replace(&newest, "NEWEST"),
            other.replace(next, "NEWEST"),
        );
        let masked = without_checksums(&line);
        if masked == without_checksums(&other) {
            masked
        } else {
            line // the next release is configured in another way
        }
    });
    lines.collect()
}

fn without_checksums(line: &str) -> String {
    let word = |text: &str| {
        let is_checksum = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = if is_checksum { "CHECKSUM" } else { text };
        text.to_owned()
    };
    let words = line.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let line: String = words
        .map(|part| match part.char_indices().last() {
            Some((end, last)) if !last.is_ascii_alphanumeric() => {
                format!("{}{last}", word(&part[..end]))
            }
            _ => word(part),
        })
        .collect();
    // A checksum that could be a number is quoted.
    line.replace("\"CHECKSUM\"", "CHECKSUM")
}

/// Returns the files of a plan, except the build context of the images, which has its own
/// snapshots.
fn without_image(deployment: &Deployment, plan: &Plan) -> Files {
    let build = BuildContext::new(&deployment.spec.chroma, &deployment.spec.collector).unwrap();
    let all = plan.all_files().into_owned();
    let whole = |text: &String| text.ends_with('\n') && !text.contains('\r');
    assert!(
        all.values().all(whole),
        "insta does not distinguish line ends"
    );
    let all = all.into_iter();
    all.filter(|(path, _)| !path.trim_start_matches("../").starts_with("image/"))
        // Otherwise a change of any source would change every snapshot.
        .map(|(path, text)| {
            let text = text.replace(build.hash(), "HASH");
            (path, without_fingerprint(text))
        })
        .collect()
}

/// Removes the fingerprint at the end of CloudFormation's user data: it covers the machine's files, which
/// contain tags of images.
fn without_fingerprint(mut text: String) -> String {
    let end = text.find("Fn::Base64: !Join [\"|\"").and_then(|start| {
        let line = text[start..].lines().next()?;
        line.strip_suffix("]]").map(|line| start + line.len())
    });
    if let Some(end) = end {
        let start = end - 16;
        let hex = text[start..end]
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit());
        assert!(hex, "no fingerprint");
        text.replace_range(start..end, "FINGERPRINT");
    }
    text
}

/// A base of renderings.
pub(crate) struct Base {
    /// A folder in `deploy`, or the name of a snapshot.
    pub(crate) name: String,
    pub(crate) files: Files,
    of: (Target, Format),
}

impl Base {
    /// Returns one base for each target and format.
    pub(crate) fn all() -> Vec<Self> {
        let targets = Target::ALL.into_iter();
        let own = targets.filter(|target| *target == general(*target));
        let formats =
            own.flat_map(|target| target.info().formats.iter().map(move |one| (target, *one)));
        formats.map(Self::of).collect()
    }

    fn of((target, format): (Target, Format)) -> Self {
        let of = (target, format);
        let name = format!("deploy/{}", target.info().folder);
        let recipe = Path::new(&name).join("chroma-otel.yaml");
        let (deployment, _) = rendered(Some(&recipe), Vec::new());
        if deployment.spec.format == format {
            let files = files_of(Some(&recipe), &[]);
            return Self { name, files, of };
        }
        let flags = [("target", target.info().name), ("format", format.name())];
        let name = format!("default@{}-{}", target.info().name, format.name());
        let files = files_of(None, &flags);
        Self { name, files, of }
    }

    /// Returns true if it is a snapshot, not a folder in `deploy`.
    pub(crate) fn is_snapshot(&self) -> bool {
        !self.name.starts_with("deploy/")
    }

    /// Returns every file.
    pub(crate) fn shown(&self) -> String {
        let files = self.files.iter();
        let files = files.map(|(path, text)| format!("==> {path} <==\n{text}"));
        files.collect()
    }

    /// Returns true if a spec is compared with it.
    pub(crate) fn is_of(&self, deployment: &Deployment) -> bool {
        let spec = &deployment.spec;
        self.of == (general(spec.target), spec.format)
    }
}

/// A cloud's Kubernetes is compared with any other.
fn general(target: Target) -> Target {
    if target.is_kubernetes() {
        Target::Kubernetes(None)
    } else {
        target
    }
}

/// The files that are shown in full, and their locations: a path, names and texts.
#[derive(Default)]
pub(crate) struct Shown(BTreeMap<String, Vec<(String, String)>>);

/// The entry of a file in a rendering.
struct Entry {
    /// The note after its path.
    note: String,
    body: String,
}

impl Shown {
    /// Records the files that the bases show.
    pub(crate) fn of(bases: &[Base]) -> Self {
        let mut shown = Self::default();
        for base in bases {
            for (path, text) in &base.files {
                shown.add_file(path, &base.name, text);
            }
        }
        shown
    }

    /// Returns the differences of a rendering from its base. A file that the base does not have is
    /// shown in full, or as differences from one that is.
    pub(crate) fn add(&mut self, name: &str, base: &Base, files: &Files) -> String {
        let mut shown = format!("Differences from {}\n", base.name);
        let paths: BTreeSet<&String> = base.files.keys().chain(files.keys()).collect();
        for path in paths {
            let entry = match (base.files.get(path), files.get(path)) {
                (Some(old), Some(new)) if old == new => continue,
                (_, None) => Entry::new(" (absent)", ""),
                (Some(old), Some(new)) => {
                    let changed = difference::shown(path, old, new);
                    self.shortest(name, path, new, [Entry::new("", &changed)].into())
                }
                (None, Some(new)) => {
                    let others = self.0.get(path).into_iter().flatten();
                    let entries =
                        others.map(|(other, old)| Entry::from_other(path, other, old, new));
                    let entries = entries.collect();
                    self.shortest(name, path, new, entries)
                }
            };
            write!(shown, "==> {path}{} <==\n{}", entry.note, entry.body).unwrap();
        }
        shown
    }

    /// Returns the shortest of these entries, unless the whole file is shorter.
    fn shortest(&mut self, name: &str, path: &str, text: &str, entries: Vec<Entry>) -> Entry {
        let length = |entry: &Entry| entry.body.lines().count();
        match entries.into_iter().min_by_key(length) {
            Some(entry) if length(&entry) < text.lines().count() => entry,
            _ => {
                self.add_file(path, name, text);
                Entry::new(" (in full)", text)
            }
        }
    }

    fn add_file(&mut self, path: &str, name: &str, text: &str) {
        let all = self.0.entry(path.to_owned()).or_default();
        all.push((name.to_owned(), text.to_owned()));
    }

    /// Returns the files of a rendering from its entries.
    pub(crate) fn restored(&self, base: &Base, shown: &str) -> Files {
        let mut files = base.files.clone();
        for (head, body) in entries(shown) {
            let (path, note) = head.split_once(" (").unwrap_or((head, ""));
            let text = match note.trim_end_matches(')') {
                "absent" => {
                    files.remove(path);
                    continue;
                }
                "in full" => body,
                "" => difference::restored(path, &base.files[path], &body),
                other => {
                    let (_, name) = other.rsplit_once(' ').unwrap();
                    let mut all = self.0[path].iter();
                    let (_, old) = all.find(|(one, _)| one == name).unwrap();
                    difference::restored(path, old, &body)
                }
            };
            files.insert(path.to_owned(), text);
        }
        files
    }
}

/// Returns the text between `==>` and `<==`, and the lines below.
fn entries(shown: &str) -> Vec<(&str, String)> {
    let mut all: Vec<(&str, String)> = Vec::new();
    for line in shown.split_inclusive('\n') {
        let head = line.strip_prefix("==> ");
        match (
            head.and_then(|head| head.strip_suffix(" <==\n")),
            all.last_mut(),
        ) {
            (Some(head), _) => all.push((head, String::new())),
            (None, Some((_, body))) => body.push_str(line),
            (None, None) => {} // the name of the base
        }
    }
    all
}

impl Entry {
    fn new(note: &str, body: &str) -> Self {
        Self {
            note: note.to_owned(),
            body: body.to_owned(),
        }
    }

    fn from_other(path: &str, other: &str, old: &str, new: &str) -> Self {
        let body = difference::shown(path, old, new);
        let how = if body.is_empty() {
            "same as"
        } else {
            "differences from"
        };
        Self {
            note: format!(" ({how} {other})"),
            body,
        }
    }
}
