//! A machine in Google Cloud: which files, what of the spec it cannot have, what the operator does next.
//!
//! Invariant: no file holds the value of a secret; the module's variables and Secret Manager do.

mod module;
pub(super) mod patterns;
pub(super) mod problems;

use anyhow::Result;
use minijinja::{Value, context};

use self::module::MODULE;
use crate::backend::Backend;

use super::machine::env_files::{self, EnvFile, EnvLine, Segment};
use super::machine::{self, CloudMachine, RequiredKey};
use super::registry::Source;
use super::secrets;
use super::terraform;
use crate::image::{self, Tags};
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::spec::{Resolved, Spec};
use crate::values::Peer;

fn cloud(spec: &Spec) -> CloudMachine {
    CloudMachine {
        log_options: &["$LOG_OPTIONS"],
        chooses_logs: true,
        detector: "gcp",
        metadata_addresses: &["169.254.169.254"],
        says_whether_chroma_answers: true,
        system_memory: 512, // Google's agents are in it
        arm: patterns::is_arm(spec.machine.kind.as_str()),
        place: "$(gcloud config get project)",
    }
}

/// What Google Cloud cannot have, of a spec that is sound otherwise.
pub fn problems(resolved: &Resolved) -> Vec<Problem> {
    problems::of(&resolved.spec)
}

/// The files of the deployment.
///
/// # Errors
/// A template is wrong: a bug.
pub fn plan(resolved: &Resolved) -> Result<Plan> {
    let spec = &resolved.spec;
    let (mut plan, tags) = image::built(spec)?;
    let context = machine::context(spec, &tags, &cloud(spec), own(spec));
    terraform::add(&mut plan, spec, &MODULE, context, &lines(spec, &tags))?;
    Ok(plan)
}

/// What only the templates in `templates/gcp` read.
fn own(spec: &Spec) -> Value {
    let machine = &spec.machine;
    let arm = patterns::is_arm(machine.kind.as_str());
    let missing = places(spec).iter().any(|place| place.missing);
    context! {
        services => services(spec),
        missing_places => missing,
        wait => wait(spec),
        logs => logs(spec, ""),
        collector_log => logs(spec, "'jsonPayload.container.name:\"otel-collector\"' "),
        machine => context! {
            type => machine.kind.as_str(),
            architecture => if arm { "arm64" } else { "x86_64" },
            project => machine.project.as_ref().map(|name| name.as_str()),
            network => machine.network.as_ref().map(|name| name.as_str()),
            subnet => machine.subnet.as_ref().map(|name| name.as_str()),
            zone => machine.zone.as_ref().map(|name| name.as_str()),
            allowed_range => match &machine.allow_from {
                Some(Peer::Range(range)) => Some(range.as_str()),
                _ => None,
            },
            disk_gib => machine.disk.as_mebibytes() / 1024,
            restore_from => machine.restore_from.as_ref().map_or("", |name| name.as_str()),
            snapshots => machine.snapshots,
            log_days => machine.log_days,
            alarms => machine.alarms.as_ref().map_or("", |name| name.as_str()),
        },
        forms => context! {
            machine_type => patterns::MACHINE_TYPE,
            project => patterns::PROJECT,
            zone => patterns::ZONE,
            name => patterns::NAME,
            name_or_blank => patterns::NAME_OR_BLANK,
            channel_or_blank => patterns::CHANNEL_OR_BLANK,
        },
    }
}

/// The command that waits until the machine says how its boot went, for a quarter of an hour.
fn wait(spec: &Spec) -> String {
    format!(
        "for _ in {{1..90}}; do\n  \
         SAID=$(gcloud compute instances get-guest-attributes {} --query-path chroma-otel/boot --format 'value(value)' 2>/dev/null)\n  \
         if [ -n \"$SAID\" ]; then break; fi\n  \
         sleep 10\n\
         done\n\
         echo \"${{SAID:-it has said nothing yet}}\"",
        spec.name
    )
}

/// The command that shows the logs of the last hour (`--freshness` is ignored with another order): those that
/// `filter` lets through, which is nothing or ends with a space.
fn logs(spec: &Spec, filter: &str) -> String {
    format!(
        "zone=$(gcloud config get compute/zone)\n\
         gcloud logging read {filter}--bucket {}-logs --location \"${{zone%-*}}\" --view _AllLogs --freshness 1h --limit 100 \\\n  \
         --format 'value(timestamp, jsonPayload.container.name, jsonPayload.message, textPayload)'",
        spec.name
    )
}

/// Google's services that the deployment needs, but for Compute Engine and those of alarms.
fn services(spec: &Spec) -> Vec<String> {
    let mut services = vec![
        "cloudresourcemanager.googleapis.com",
        "iam.googleapis.com",
        "iap.googleapis.com",
        "logging.googleapis.com",
    ];
    if Source::of(spec).logs_in() {
        services.push("artifactregistry.googleapis.com");
    }
    if !secrets::secrets(spec).is_empty() {
        services.push("secretmanager.googleapis.com");
    }
    let backends = spec.tracing.backends().flat_map(Backend::services);
    services.extend(backends.map(String::as_str));
    services.sort_unstable();
    services.dedup();
    services.into_iter().map(str::to_owned).collect()
}

/// The files of lines on the machine.
fn lines(spec: &Spec, tags: &Tags) -> Vec<EnvFile> {
    let project = || EnvLine::variable("GOOGLE_CLOUD_PROJECT", Segment::Parameter("PROJECT_ID"));
    let own = vec![
        project(),
        EnvLine::variable("DEPLOYMENT", Segment::Name),
        EnvLine::variable("DATA_DEVICE", Segment::Local("data_device")),
    ];
    env_files::of(spec, tags, own, vec![project()])
}

fn places(spec: &Spec) -> [RequiredKey; 5] {
    let at = &spec.machine;
    [
        RequiredKey::new(
            "machine.project",
            "project_id",
            "the project's id",
            &at.project,
        ),
        RequiredKey::new(
            "machine.network",
            "network",
            "the VPC network's name",
            &at.network,
        ),
        RequiredKey::new(
            "machine.subnet",
            "subnet",
            "the name of a subnet with a way out",
            &at.subnet,
        ),
        RequiredKey::new(
            "machine.zone",
            "zone",
            "a zone of the subnet's region",
            &at.zone,
        ),
        RequiredKey::new(
            "machine.allow_from",
            "allowed_cidr",
            "who may connect: a range such as `10.0.0.0/16`",
            &at.allow_from,
        ),
    ]
}

/// What the operator still has to say.
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    let secret = "the name of a secret in Secret Manager";
    machine::needs(resolved, &places(&resolved.spec), secret)
}

/// What a change of a file means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    match change.path.as_str() {
        "main.tf" => machine::version_note(change),
        _ => Vec::new(),
    }
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    terraform::next_steps(&resolved.spec)
}
