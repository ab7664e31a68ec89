//! `image`: writes the build context of the images with the entrypoint, once for all
//! deployments that pull them.

use std::path::Path;

use anyhow::Result;

use super::generate::{may, refuse_edited};
use super::location::{Location, plain};
use super::{Answer, cd, resolved, values};
use crate::cli::{FolderArgs, ImageArgs};
use crate::image::BuildContext;
use crate::plan::Plan;
use crate::report::{Output, count};
use crate::spec::Secrets;
use crate::{folder, plan::Change};

/// Runs `image`.
///
/// # Errors
/// Invalid input, or an I/O error.
pub(super) fn run(args: &ImageArgs, output: &mut Output) -> Result<Answer> {
    let file = Location::new(&args.spec, &FolderArgs { out: None }).spec;
    // The images are the same for every target.
    let spec = resolved(&values(&args.spec), file.as_deref(), Some("docker"), output)?.spec;
    let plan = Plan {
        files: BuildContext::new(&spec.chroma, &spec.collector)?.into_files()?,
        ..Plan::default()
    };
    let folder = plain(&args.out);
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

fn say(registry: bool, folder: &Path, (done, all): (&[Change], usize), output: &mut Output) {
    let shown = folder.display().to_string();
    let all = count(all, "file");
    output.title(&match done.len() {
        0 => format!("{shown}: {all}, up to date"),
        written => format!("{shown}: wrote {written} of {all}"),
    });
    output.changes(done);
    let build = if registry {
        "docker buildx bake --push"
    } else {
        "# build and push: REGISTRY=registry.example.com/search docker buildx bake --push"
    };
    output.next(&[
        cd(&shown),
        build.to_owned(),
        "# in each spec: `chroma.image: published`, `chroma.registry` with that registry"
            .to_owned(),
    ]);
}
