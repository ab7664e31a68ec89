//! The command line.
//!
//! Invariant: every flag of [`SpecArgs`] is a key of the spec, and wins over the file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::{Map, Value, json};

use crate::input::file::Override;

/// Renders deployments of the Chroma vector database whose OpenTelemetry tracing works.
#[derive(Debug, Parser)]
#[command(name = "chroma-otel-deploy", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the deployment
    Gen(GenArgs),
    /// Say what `gen` would change; exit 1 with the difference if anything
    Check(CheckArgs),
    /// Check the spec and every file of the deployment; with --out and no spec, any folder
    Validate(CheckArgs),
    /// Write the folder that the images with the entrypoint are built from, to build them once for
    /// all deployments that have `chroma.image: published`
    Image(ImageArgs),
    /// Show what there is to choose from
    List {
        /// Of what
        what: List,
    },
    /// Print the JSON Schema of the spec, for editors
    Schema,
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What `list` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum List {
    /// Where a deployment can go
    Targets,
    /// Where traces can go
    Backends,
}

/// Arguments of `gen`.
#[derive(Debug, Args)]
pub struct GenArgs {
    /// What to deploy.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// The folder.
    #[command(flatten)]
    pub folder: FolderArgs,
    /// Print the files instead of writing them; never the secrets
    #[arg(long, conflicts_with_all = ["force", "prune", "dry_run"])]
    pub stdout: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace files that `gen` did not write or that were edited since
    #[arg(long)]
    pub force: bool,
    /// Remove files that are no longer part of the deployment
    #[arg(long)]
    pub prune: bool,
}

/// Arguments of `check` and `validate`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// What to deploy.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// The folder.
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// Arguments of `image`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// What to build: the release of Chroma, the repositories, the registry.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// The folder
    #[arg(long, value_name = "DIR", default_value = "image")]
    pub out: PathBuf,
    /// Replace files that `image` did not write or that were edited since
    #[arg(long)]
    pub force: bool,
}

/// Where the deployment is.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The deployment's folder [default: the spec file's own, or deploy/TARGET]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The spec file, and the keys of it that have a flag.
#[derive(Debug, Args)]
pub struct SpecArgs {
    /// The spec [default: chroma-otel.yaml, if there is one here]
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Where to deploy
    #[arg(long)]
    target: Option<String>,
    /// Name of the deployment
    #[arg(long)]
    name: Option<String>,
    /// On a cloud, what Chroma runs on: vm, kubernetes
    #[arg(long)]
    platform: Option<String>,
    /// What the files are written for: compose, cloudformation, terraform, manifests
    #[arg(long)]
    format: Option<String>,
    /// A release of Chroma, such as 1.5.9
    #[arg(long, value_name = "VERSION")]
    chroma_version: Option<String>,
    /// Chroma's image: with the entrypoint, built (`wrapped`) or pulled from --registry (`published`);
    /// or without changes (`stock`) [possible values: wrapped, published, stock]
    #[arg(long)]
    image: Option<String>,
    /// Address of this machine that Chroma is published on
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<String>,
    /// Port of this machine that Chroma is published on
    #[arg(long)]
    port: Option<String>,
    /// Memory limit of Chroma, such as 4GiB
    #[arg(long)]
    memory: Option<String>,
    /// Where the traces end up; several times for several
    #[arg(long, value_name = "NAME")]
    backend: Vec<String>,
    /// A backend of your own, by its file
    #[arg(long, value_name = "FILE")]
    backend_file: Vec<String>,
    /// Where the backend keeps your data, if it has several places
    #[arg(long)]
    region: Option<String>,
    /// What else a backend wants to know: NAME=VALUE, or BACKEND.NAME=VALUE for one of several
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    setting: Vec<(String, String)>,
    /// The backend's OTLP endpoint (CHROMA_OTEL_COLLECTION_ENDPOINT)
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Headers for the backend (CHROMA_OTEL_COLLECTION_HEADERS): go to .env and nowhere else.
    /// Other users of this machine can read a command line: the variable of that name is safer
    #[arg(long, value_name = "JSON|K=V,…")]
    headers: Option<String>,
    /// The name the spans carry (CHROMA_OTEL_SERVICE_NAME)
    #[arg(long, value_name = "NAME")]
    service_name: Option<String>,
    /// none, operation, operation_and_segment or all (CHROMA_OTEL_GRANULARITY)
    #[arg(long)]
    granularity: Option<String>,
    /// Attribute deployment.environment.name of every span
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// On a cloud, the machine's type, such as t4g.medium
    #[arg(long, value_name = "TYPE")]
    machine_type: Option<String>,
    /// On a cloud, size of the data disk, such as 20GiB
    #[arg(long, value_name = "SIZE")]
    disk: Option<String>,
    /// On gcp, the project's id
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// On azure, the subscription's id
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// On azure, the resource group
    #[arg(long, value_name = "NAME")]
    resource_group: Option<String>,
    /// On aws and gcp, the network; on aws the VPC's id
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// On a cloud, the subnet: on aws its id, on gcp its name, on azure its whole id
    #[arg(long, value_name = "NAME")]
    subnet: Option<String>,
    /// On a cloud, the availability zone
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
    /// On a cloud, who may connect to Chroma: a range of addresses, or on aws a security group's id
    #[arg(long, value_name = "RANGE")]
    allow_from: Option<String>,
    /// On Kubernetes, the namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// On Kubernetes, the storage class of the data's volume
    #[arg(long, value_name = "NAME")]
    storage_class: Option<String>,
    /// Registry of the images with the entrypoint, such as registry.example.com/search
    #[arg(long, value_name = "REGISTRY")]
    registry: Option<String>,
    /// On Kubernetes, how the collector runs: gateway, tiered, none
    #[arg(long, value_name = "MODE")]
    collector_mode: Option<String>,
    /// On a cloud with Kubernetes, the region of the cluster
    #[arg(long, value_name = "REGION")]
    cluster_region: Option<String>,
    /// The share of the traces that the backend gets, such as 0.1
    #[arg(long, value_name = "RATIO")]
    sample: Option<f64>,
    /// Keep every trace with an answer of 500 or above, and --sample of the rest
    #[arg(long)]
    keep_errors: bool,
    /// Keep every trace with a request that took longer, such as 500ms, and --sample of the rest
    #[arg(long, value_name = "TIME")]
    keep_slower_than: Option<String>,
    /// Names of tenants, databases and collections leave as: hash, remove
    #[arg(long, value_name = "HOW")]
    redact_names: Option<String>,
    /// Send metrics to the backend, too
    #[arg(long)]
    metrics_to_backend: bool,
    /// Render alert rules and a dashboard
    #[arg(long)]
    monitoring: bool,
    /// Render an example of an application that sends spans, too: python, openllmetry, openlit
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,
}

impl SpecArgs {
    /// The flags that were given, as values of the spec's keys.
    pub fn overrides(&self) -> Vec<Override> {
        let table: [(&'static str, &'static str, &Option<String>); 30] = [
            ("target", "--target", &self.target),
            ("name", "--name", &self.name),
            ("platform", "--platform", &self.platform),
            ("format", "--format", &self.format),
            ("chroma.version", "--chroma-version", &self.chroma_version),
            ("chroma.image", "--image", &self.image),
            ("chroma.bind", "--bind", &self.bind),
            ("chroma.port", "--port", &self.port),
            ("chroma.memory", "--memory", &self.memory),
            ("tracing.endpoint", "--endpoint", &self.endpoint),
            ("tracing.headers", "--headers", &self.headers),
            ("tracing.service_name", "--service-name", &self.service_name),
            ("tracing.granularity", "--granularity", &self.granularity),
            ("tracing.environment", "--environment", &self.environment),
            ("machine.type", "--machine-type", &self.machine_type),
            ("machine.disk", "--disk", &self.disk),
            ("machine.project", "--project", &self.project),
            ("machine.subscription", "--subscription", &self.subscription),
            (
                "machine.resource_group",
                "--resource-group",
                &self.resource_group,
            ),
            ("machine.network", "--network", &self.network),
            ("machine.subnet", "--subnet", &self.subnet),
            ("machine.zone", "--zone", &self.zone),
            ("machine.allow_from", "--allow-from", &self.allow_from),
            ("kubernetes.namespace", "--namespace", &self.namespace),
            (
                "kubernetes.storage_class",
                "--storage-class",
                &self.storage_class,
            ),
            ("chroma.registry", "--registry", &self.registry),
            ("collector.mode", "--collector-mode", &self.collector_mode),
            (
                "kubernetes.region",
                "--cluster-region",
                &self.cluster_region,
            ),
            (
                "tracing.sampling.slower_than",
                "--keep-slower-than",
                &self.keep_slower_than,
            ),
            ("tracing.redact.names", "--redact-names", &self.redact_names),
        ];
        let given = table
            .into_iter()
            .filter_map(|(key, flag, value)| Some((key, flag, value.as_deref()?)));
        let mut overrides: Vec<Override> = given
            .map(|(key, flag, value)| Override {
                key,
                flag,
                value: typed(key, value),
            })
            .collect();
        overrides.extend(self.others());
        overrides
    }

    /// The flags that are not one text: lists, numbers, switches.
    fn others(&self) -> Vec<Override> {
        let list = |texts: &[String]| (!texts.is_empty()).then(|| json!(texts));
        let on = |switch: bool| switch.then_some(json!(true));
        let region = self.region.iter().map(|region| ("region", region.as_str()));
        let settings: Map<String, Value> = self
            .setting
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(region)
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let setting = if self.setting.is_empty() {
            "--region"
        } else {
            "--setting"
        };
        let table: [(&'static str, &'static str, Option<Value>); 8] = [
            ("tracing.backend", "--backend", list(&self.backend)),
            (
                "tracing.backend_file",
                "--backend-file",
                list(&self.backend_file),
            ),
            (
                "tracing.settings",
                setting,
                (!settings.is_empty()).then_some(Value::Object(settings)),
            ),
            (
                "tracing.sampling.ratio",
                "--sample",
                self.sample.map(|share| json!(share)),
            ),
            (
                "tracing.sampling.errors",
                "--keep-errors",
                on(self.keep_errors),
            ),
            (
                "metrics.to_backend",
                "--metrics-to-backend",
                on(self.metrics_to_backend),
            ),
            ("metrics.monitoring", "--monitoring", on(self.monitoring)),
            ("clients", "--client", list(&self.client)),
        ];
        let given = table.into_iter();
        given
            .filter_map(|(key, flag, value)| {
                Some(Override {
                    key,
                    flag,
                    value: value?,
                })
            })
            .collect()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text
        .split_once('=')
        .filter(|(name, _)| !name.trim().is_empty());
    parts
        .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
        .ok_or_else(|| "write NAME=VALUE".to_owned())
}

/// The one key that is a number in the spec; a port that is none stays text and fails there by name.
fn typed(key: &str, value: &str) -> serde_json::Value {
    match value.trim().parse::<u64>() {
        Ok(number) if key == "chroma.port" => number.into(),
        _ => value.into(),
    }
}
