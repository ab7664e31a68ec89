"""The files that the rendered template or module delivers to the machine."""

from booted_machine import HOSTILE, generate
from cloudformation import load, machine_files
from conftest import NEWEST
from terraform.module import module_in

from machine_aws.aws_services import REGION

SPEC = f"""
target: aws
chroma: {{version: {NEWEST}, environment: {{SECRET: null}}}}
tracing: {{backend: otlp}}
"""
STOCK = f"""
target: aws
chroma: {{version: {NEWEST}, image: stock}}
tracing: {{backend: jaeger, redact: {{names: hash}}}}
clients: [python]
metrics: {{monitoring: true}}
"""


def rendered_files(tools, folder, cloud, spec, parameters):
    """The machine's files as the rendered template delivers them: {path: (mode, text)}."""
    out = generate(tools, folder, spec)
    network = {"VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailabilityZone": f"{REGION}a", "AllowedCidr": "10.0.0.0/8"}
    made = {"DataVolume": cloud.volume, "Logs": "/chroma"}
    return machine_files(load(out / "template.yaml"), network | parameters, made)


def terraforms(tools, folder, path):
    """The file with this path on a machine created by Terraform."""
    import yaml

    module = module_in(generate(tools, folder, SPEC, "--format", "terraform"))
    tree = yaml.safe_load((module / "cloud-config.yaml.tftpl").read_text())
    [text] = [file["content"] for file in tree["write_files"] if file["path"] == path]
    return text.replace("$${", "${").replace("%%{", "%{")


def wrapped_files(tools, folder, cloud, endpoint):
    parameters = {
        "AlarmTopicArn": f"arn:aws:sns:{REGION}:123456789012:alarms",
        "ChromaOtelCollectionEndpoint": endpoint,
        "ChromaOtelServiceName": HOSTILE,
        "ChromaOtelCollectionHeadersSecretArn": cloud.headers,
        "SecretSecretArn": cloud.extra,
    }
    return rendered_files(tools, folder, cloud, SPEC, parameters)
