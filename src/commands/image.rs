//! `image`: writes the build context of the images with the entrypoint, once for all
//! deployments that pull them.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::generate::{may, refuse_edited};
use super::location::{Location, plain};
use super::{Answer, cd, resolved, values};
use crate::cli::{FolderArgs, ImageArgs};
use crate::image::{BAKE, BuildContext};
use crate::plan::Plan;
use crate::report::{Output, count};
use crate::spec::Secrets;
use crate::values::ImageRepository;
use crate::{folder, plan::Change};

/// Runs `image`.
///
/// # Errors
/// Invalid input, or an I/O error.
pub(super) fn run(args: &ImageArgs, output: &mut Output) -> Result<Answer> {
    let file = Location::new(&args.spec, &FolderArgs { out: None }).spec;
    // The images are the same for every target.
    let mut spec = resolved(&values(&args.spec), file.as_deref(), Some("docker"), output)?.spec;
    let folder = plain(&args.out);
    if spec.chroma.registry.is_none() {
        spec.chroma.registry = registry_in(&folder);
    }
    let plan = Plan {
        files: BuildContext::new(&spec.chroma, &spec.collector)?.into_files()?,
        ..Plan::default()
    };
    let changes = folder::compare(&plan, &folder)?;
    let (done, refused): (Vec<Change>, Vec<Change>) = changes
        .into_iter()
        .partition(|change| args.force || may(change.kind));
    if !refused.is_empty() {
        return Ok(refuse_edited(&refused, &Secrets::default(), output));
    }
    folder::apply(&plan, &done, &folder, None)?;
    let registry = spec.chroma.registry.is_some();
    say(registry, &folder, (&done, plan.count()), output);
    Ok(Answer::Yes)
}

/// Returns the registry in the folder's bake file, which an earlier run has saved.
fn registry_in(folder: &Path) -> Option<ImageRepository> {
    let bake = fs::read_to_string(folder.join(BAKE)).ok()?;
    let mut lines = bake.lines().map(str::trim);
    let registry = lines.find_map(|line| line.strip_prefix("default = "))?;
    registry.trim_matches('"').parse().ok()
}

fn say(registry: bool, folder: &Path, (done, all): (&[Change], usize), output: &mut Output) {
    let shown = folder.display().to_string();
    let all = count(all, "file");
    output.title(&match done.len() {
        0 => format!("{shown}: {all}, up to date"),
        written => format!("{shown}: wrote {written} of {all}"),
    });
    output.changes(done);
    let build = if registry {
        "docker buildx bake --builder chroma-otel --push"
    } else {
        "# build and push: REGISTRY=registry.example.com/search docker buildx bake --builder chroma-otel --push"
    };
    output.next(&[
        "docker buildx inspect chroma-otel >/dev/null 2>&1 || docker buildx create --name chroma-otel"
            .to_owned(),
        cd(&shown),
        build.to_owned(),
        "# in each spec: `chroma.image: published`, `chroma.registry` with that registry"
            .to_owned(),
    ]);
}
