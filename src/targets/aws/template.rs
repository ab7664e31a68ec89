//! Input of `templates/aws`.
//!
//! Invariant: every decision is made here and in `lines`; the template only inserts values.

use anyhow::Result;
use chroma_otel_init::{Server, variable};
use minijinja::Value;
use serde::Serialize;

use super::cloudformation::{StackFile, StackLines};
use super::expressions::{CONSOLE, in_stack_region, scalar_text};
use super::parameters::{further_peers, image, name_of};
use super::stack::{self, AwsTemplate};
use super::volume;
use crate::deployment::Deployment;
use crate::deployment::secrets::{Container, SecretVariable};
use crate::render::{as_is, is_plain};
use crate::spec::{Image, Organization, Spec, Tracing};
use crate::targets::machine::{self, MachineTemplate, parameters};
use crate::targets::terraform::capitalized;
use crate::values::{DnsLabel, Peer, has_place, is_in_console};

/// Input of the stack's templates.
#[derive(Serialize)]
pub(super) struct StackTemplate<'a> {
    #[serde(flatten)]
    machine: MachineTemplate<'a, AwsTemplate<'a>>,
    description: String,
    /// The parameters of the group "Tracing".
    tracing_parameters: Vec<String>,
    /// The parameters of Chroma's secrets.
    chroma_secrets: Vec<String>,
    version_pattern: Value,
    /// The parameter for the endpoint, if the first backend accepts one.
    endpoint: Option<EndpointTemplate>,
    /// The machine's image, or the parameter of Systems Manager with it.
    image_id: String,
    /// `None` if a template cannot contain the name, which is then only in `parameters.json`.
    default_service_name: Option<&'a str>,
    service_name_pattern: Value,
    /// The secrets of the deployment.
    secrets: Vec<SecretParameter<'a>>,
    /// The secrets without which the deployment does not start.
    keys: Vec<SecretParameter<'a>>,
    /// True if conditions choose the level of detail of spans.
    shows_detail: bool,
    /// The allowed clients that no parameter contains.
    further_peers: Vec<PeerTemplate<'a>>,
    /// Location of each backend's traces.
    traces: Vec<Traces>,
    /// The logical ID of the data volume.
    data_volume: String,
    /// Value whose change replaces the instance.
    fingerprint: Value,
    files: Vec<StackFile>,
    /// The command that creates and changes the stack.
    deploy: String,
}

/// The parameter for the endpoint.
#[derive(Serialize)]
struct EndpointTemplate {
    default: Option<Value>,
    /// True if blank stands for the backend's own endpoint.
    fallback: bool,
    pattern: Value,
    description: &'static str,
}

/// The parameters for a secret: a value, or the ARN of an existing secret.
#[derive(Clone, Serialize)]
struct SecretParameter<'a> {
    id: String,
    variable: &'a str,
    required: bool,
    description: String,
    arn_description: String,
    what: &'a str,
}

/// An allowed client in a rule.
#[derive(Serialize)]
struct PeerTemplate<'a> {
    /// The property of the rule.
    property: &'static str,
    value: &'a str,
}

/// Location of a backend's traces.
#[derive(Serialize)]
struct Traces {
    /// Suffix of its output's name, after `Traces`.
    id: Value,
    /// The address.
    place: Value,
}

impl<'a> StackTemplate<'a> {
    /// Computes the input for a deployment.
    ///
    /// # Errors
    /// Fails if a template is wrong, which is a bug.
    pub(super) fn new(deployment: &'a Deployment) -> Result<Self> {
        let machine = stack::template(deployment);
        let files = machine::files(deployment, "aws", &machine)?;
        let lines = stack::lines(deployment);
        let Spec {
            chroma,
            tracing,
            machine: at,
            ..
        } = &deployment.spec;
        let wants_endpoint = tracing.backend.wants_endpoint();
        let mut tracing_parameters: Vec<String> = Vec::new();
        if wants_endpoint {
            tracing_parameters.push(name_of(variable::ENDPOINT));
        }
        tracing_parameters.extend([variable::SERVICE_NAME, variable::GRANULARITY].map(name_of));
        tracing_parameters.extend(secret_names(deployment, Container::Collector));
        let secrets: Vec<SecretParameter> = deployment
            .secrets
            .iter()
            .map(SecretParameter::new)
            .collect();
        let keys = secrets.iter().filter(|secret| secret.required);
        let service_name = tracing.service_name.as_str();
        let stack = StackLines {
            data_volume: volume::logical_id(&deployment.spec.machine),
        };
        Ok(Self {
            description: format!(
                "Chroma with traces to {}. Written by chroma-otel-deploy.",
                machine.shared.backend.summary
            ),
            tracing_parameters,
            chroma_secrets: secret_names(deployment, Container::Chroma),
            version_pattern: as_is(parameters::version_pattern(deployment)),
            endpoint: wants_endpoint.then(|| EndpointTemplate::new(deployment)),
            image_id: image(at),
            default_service_name: Some(service_name).filter(|name| is_plain(name)),
            service_name_pattern: as_is(parameters::service_name_pattern(deployment)),
            keys: keys.cloned().collect(),
            secrets,
            shows_detail: chroma.image == Image::Stock && chroma.version.server() == Server::Rust,
            further_peers: further_peers(at).map(PeerTemplate::new).collect(),
            traces: traces(tracing),
            fingerprint: stack.fingerprint(&lines, &files),
            files: stack.files(lines, files),
            data_volume: stack.data_volume,
            deploy: deploy_command(&deployment.spec.name, &deployment.spec.machine.organization),
            machine,
        })
    }
}

/// Returns the parameters of a container's secrets.
fn secret_names(deployment: &Deployment, container: Container) -> Vec<String> {
    let secrets = deployment.secrets.iter();
    let of = secrets.filter(|one| one.container == container);
    of.flat_map(|one| {
        let name = name_of(&one.variable);
        [format!("{name}SecretArn"), name]
    })
    .collect()
}

/// Returns the command, in one line, that creates and changes the stack.
fn deploy_command(name: &DnsLabel, organization: &Organization) -> String {
    let tags: Vec<String> = organization
        .tags
        .iter()
        .map(|(key, value)| format!(" '{key}={}'", value.as_str()))
        .collect();
    let tags = if tags.is_empty() {
        String::new()
    } else {
        format!(" --tags{}", tags.concat())
    };
    format!(
        "aws cloudformation deploy --stack-name {name} --template-file template.yaml --parameter-overrides file://parameters.json --capabilities CAPABILITY_IAM --s3-bucket \"$BUCKET\"{tags}"
    )
}

/// Returns the location of each backend's traces and the suffix of its output's name.
fn traces(tracing: &Tracing) -> Vec<Traces> {
    let outputs = tracing.backends().enumerate().map(|(index, backend)| {
        let id = match index {
            0 => String::new(),
            _ => format!("In{}", name_of(&backend.name.replace('-', "_"))),
        };
        Traces {
            id: as_is(id),
            place: regional(&backend.traces),
        }
    });
    outputs.collect()
}

/// Returns text with the stack's region for `{region}`, as a value of the template.
fn regional(text: &str) -> Value {
    let here = scalar_text(&in_stack_region(text));
    if is_in_console(text) {
        as_is(format!("!Sub [{here}, {{Console: {CONSOLE}}}]"))
    } else if has_place(text) {
        as_is(format!("!Sub {here}"))
    } else {
        scalar(text)
    }
}

/// Returns a default of type String, quoted if YAML would read another type.
fn scalar(text: &str) -> Value {
    as_is(scalar_text(text))
}

impl EndpointTemplate {
    fn new(deployment: &Deployment) -> Self {
        let parameter = parameters::endpoint(deployment);
        Self {
            default: parameter.default.as_deref().map(scalar),
            fallback: parameter.fallback,
            pattern: as_is(parameter.pattern),
            description: parameter.description,
        }
    }
}

impl<'a> PeerTemplate<'a> {
    fn new(peer: &'a Peer) -> Self {
        Self {
            property: match peer {
                Peer::Range(_) => "CidrIp",
                Peer::Ipv6Range(_) => "CidrIpv6",
                Peer::SecurityGroup(_) => "SourceSecurityGroupId",
                Peer::PrefixList(_) => "SourcePrefixListId",
            },
            value: peer.as_str(),
        }
    }
}

impl<'a> SecretParameter<'a> {
    fn new(secret: &'a SecretVariable) -> Self {
        let name = name_of(&secret.variable);
        Self {
            variable: &secret.variable,
            required: secret.required,
            description: format!("{} (stored in Secrets Manager).", capitalized(&secret.what)),
            arn_description: format!(
                "The full ARN of an existing secret whose value is plain text, instead of {name}."
            ),
            what: &secret.what,
            id: name,
        }
    }
}
