"""The files that the rendered template or module delivers to the machine."""

from booted_machine import HOSTILE, generate
from cloudformation import load, machine_files
from conftest import NEWEST
from terraform.module import module_in

from machine_aws.aws_services import BUCKET, REGION

SPEC = f"""
target: aws
chroma: {{version: {NEWEST}, environment: {{SECRET: null}}}}
tracing: {{backend: otlp}}
backup: {{bucket: {BUCKET}, prefix: search, keep: 2}}
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

    module = module_in(generate(tools, folder, SPEC.partition("backup:")[0], "--format", "terraform"))
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
    files = rendered_files(tools, folder, cloud, SPEC, parameters)
    # The store is at another address, without TLS and subdomains.
    mode, text = files["/etc/chroma-otel/backup.env"]
    text = text.replace("RCLONE_S3_PROVIDER=AWS", "RCLONE_S3_PROVIDER=Other") + f"RCLONE_S3_ENDPOINT={cloud.url}\n"
    return files | {"/etc/chroma-otel/backup.env": (mode, text)}
