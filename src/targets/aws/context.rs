//! What the templates in `templates/aws` read.
//!
//! Invariant: every choice is made here and in `lines`; the template only places values.

use anyhow::Result;
use chroma_otel_init::{Server, variable};
use minijinja::{Value, context};

use super::expressions::{in_stack_region, scalar_text};
use super::parameters::{image, name_of};
use super::{cloudformation, stack};
use crate::image::Tags;
use crate::render::{as_is, is_plain};
use crate::spec::{Image, Spec};
use crate::targets::machine::{self, parameters};
use crate::targets::secrets::{Container, SecretVariable, secrets};
use crate::targets::terraform::capitalized;
use crate::values::has_place;

/// What the templates read.
pub(super) fn of(spec: &Spec, tags: &Tags) -> Result<Value> {
    let context = stack::of(spec, tags);
    let files = machine::files(spec, "aws", &context)?;
    let lines = stack::lines(spec, tags);
    let backend = &spec.tracing.backend;
    let summary = context.get_attr("backend")?.get_attr("summary")?;
    let names = |container: Container| -> Vec<String> {
        let of = secrets(spec)
            .into_iter()
            .filter(|one| one.container == container);
        of.flat_map(|one| {
            let name = name_of(&one.variable);
            [format!("{name}SecretArn"), name]
        })
        .collect()
    };
    let mut tracing_parameters: Vec<String> = Vec::new();
    if backend.wants_endpoint() {
        tracing_parameters.push(name_of(variable::ENDPOINT));
    }
    tracing_parameters.extend([variable::SERVICE_NAME, variable::GRANULARITY].map(name_of));
    tracing_parameters.extend(names(Container::Collector));
    let version = spec.chroma.version;
    Ok(context! {
        description => format!("Chroma with traces to {summary}. Written by chroma-otel-deploy."),
        tracing_parameters,
        chroma_secrets => names(Container::Chroma),
        version_pattern => as_is(parameters::version_pattern(spec)),
        endpoint => backend.wants_endpoint().then(|| endpoint(spec)),
        image_id => image(spec.machine.kind.as_str()),
        // One that a template cannot carry is in parameters.json alone.
        default_service_name => Some(spec.tracing.service_name.as_str()).filter(|name| is_plain(name)),
        service_name_pattern => as_is(parameters::service_name_pattern(spec)),
        secrets => secret_parameters(spec, |_| true),
        keys => secret_parameters(spec, |secret| secret.required),
        shows_detail => spec.chroma.image == Image::Stock && version.server() == Server::Rust,
        traces => traces(spec),
        fingerprint => cloudformation::fingerprint(&lines, &files),
        files => cloudformation::with(lines, files),
        deploy => deploy_command(spec),
        instance => format!(
            "GROUP=$(aws cloudformation describe-stack-resource --stack-name {0} --logical-resource-id Group --query StackResourceDetail.PhysicalResourceId --output text)\nINSTANCE=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names \"$GROUP\" --query 'AutoScalingGroups[0].Instances[0].InstanceId' --output text)",
            spec.name
        ),
        ..context
    })
}

/// The one line that makes the stack and changes it.
fn deploy_command(spec: &Spec) -> String {
    format!(
        "aws cloudformation deploy --stack-name {} --template-file template.yaml --parameter-overrides file://parameters.json --capabilities CAPABILITY_IAM --s3-bucket \"$BUCKET\"",
        spec.name
    )
}

/// Where the traces of each backend are: what the name of its output has behind `Traces`, and the address.
fn traces(spec: &Spec) -> Vec<Value> {
    let ways = spec.tracing.backends().enumerate();
    let outputs = ways.map(|(index, backend)| {
        let id = match index {
            0 => String::new(),
            _ => format!("In{}", name_of(&backend.name.replace('-', "_"))),
        };
        context! { id => as_is(id), place => regional(&backend.traces) }
    });
    outputs.collect()
}

/// Text with the stack's region in the place of `{region}`, as a value of the template.
fn regional(text: &str) -> Value {
    if has_place(text) {
        as_is(format!("!Sub {}", scalar_text(&in_stack_region(text))))
    } else {
        scalar(text)
    }
}

/// A default of type String: in quotes where YAML would read something else.
fn scalar(text: &str) -> Value {
    as_is(scalar_text(text))
}

fn endpoint(spec: &Spec) -> Value {
    let parameter = parameters::endpoint(spec);
    context! {
        default => parameter.default.as_deref().map(scalar),
        fallback => parameter.fallback,
        pattern => as_is(parameter.pattern),
        description => parameter.description,
    }
}

/// The parameters for the secrets: for each a value, or the ARN of a secret that exists.
fn secret_parameters(spec: &Spec, which: impl Fn(&SecretVariable) -> bool) -> Vec<Value> {
    let parameters = secrets(spec).into_iter().filter(which).map(|secret| {
        let name = name_of(&secret.variable);
        context! {
            id => name.as_str(),
            variable => secret.variable,
            required => secret.required,
            description => format!("{} (to be kept in Secrets Manager).", capitalized(&secret.what)),
            arn_description => format!("Instead of {name}, the full ARN of a secret that is the plain value."),
            what => secret.what,
        }
    });
    parameters.collect()
}
