"""Backups in the cloud's own store, by the identity of the pod or of the machine: real rclone with the rendered
variables, and stand-ins for the stores and for what gives an identity.

Not tested: the clouds' permissions. Names of the clouds resolve to the stand-ins, in a mount namespace.
"""

import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from backends import own_address
from conftest import ROOT
from entra import CLIENT, TENANT, TOKEN, Entra, certificate_of, with_hosts
from object_stores import BlobStorage, CloudStorage, ObjectStore

pytestmark = pytest.mark.kubernetes

BUCKET, PREFIX = "acme-chroma", "search"
OLD = [f"chroma-2026010{day}T031700Z.tar.gz" for day in (1, 2)]
NEW = "chroma-20260103T031700Z.tar.gz"


MODULE = """
target: {0}
backup: {{bucket: {1}, prefix: {2}, keep: 9, keep_days: 1, account: acmechroma}}
"""


class Issuer:
    """Answers GET requests that have the header with a JSON document."""

    def __init__(self, header, value, document):
        issuer = self
        self.refused, self.asked, self.issued = [], [], 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                allowed = self.headers[header] == value
                if allowed:
                    issuer.issued += 1
                else:
                    issuer.refused.append(self.path)
                text = json.dumps(document).encode() if allowed else b""
                self.send_response(200 if allowed else 403)
                self.send_header("Content-Type", "application/json")
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Jobs:
    """The rendered steps that use the store, run on this machine."""

    def __init__(self, rendered, tools, home, injected, hosts):
        import yaml

        trees = [*yaml.safe_load_all((rendered / "backup.yaml").read_text())]
        trees.append(yaml.safe_load((rendered / "restore.yaml").read_text()))
        self.by_kind = {tree["kind"]: tree for tree in trees}
        self.home, self.tools, self.injected, self.hosts = home, tools, injected, hosts
        self.scripts, self.backups = home / "scripts", home / "backups"
        for folder in (self.scripts, self.backups):
            folder.mkdir()
        for name, text in self.by_kind["ConfigMap"]["data"].items():
            (self.scripts / name).write_text(text)
        self.pod = self.by_kind["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        self.send = self.pod["containers"][0]
        self.fetch = self.by_kind["Job"]["spec"]["template"]["spec"]["initContainers"][0]

    def run(self, step):
        """Runs a step with its variables and those that the cloud injects, and returns its output."""
        assert all("value" in variable for variable in step["env"]), "no keys"
        environment = {variable["name"]: variable["value"] for variable in step["env"]}
        path = f"{self.tools.part('rclone/rclone').parent}:{os.environ['PATH']}"
        environment |= {"BACKUPS": str(self.backups), "PATH": path, "HOME": str(self.home)}
        command = [word.replace("/scripts/", f"{self.scripts}/") for word in step["command"]]
        through = with_hosts(self.home, self.hosts)
        done = subprocess.run(
            [*through, *command], env={**environment, **self.injected}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def round_trip(self, stored, content, kept=(OLD[1], NEW), said="keeping 2"):
        """Sends a backup, and fetches it again."""
        (self.backups / NEW).write_bytes(content)
        assert f"{OLD[0]}: deleted, {said}" in self.run(self.send)
        assert sorted(stored()) == [f"{PREFIX}/{name}" for name in kept]
        (self.backups / NEW).unlink()
        self.run(self.fetch)
        assert (self.backups / NEW).read_bytes() == content


@pytest.fixture
def jobs(render, tools, tmp_path):
    """jobs(target, injected, hosts, **backup) -> Jobs"""

    def make(target, injected, hosts, **backup):
        spec = {
            "target": target,
            "platform": "kubernetes",
            "tracing": {"backend": "debug"},
            "kubernetes": {
                "region": {"aws": "eu-central-1", "gcp": "europe-west3", "azure": "westeurope"}[target],
            },
            "backup": {"bucket": BUCKET, "prefix": PREFIX, "keep": 2, **backup},
        }
        (tmp_path / "spec.yaml").write_text(json.dumps(spec))
        rendered = render(spec="spec.yaml", target=target)
        return Jobs(rendered, tools, tmp_path, {**injected, "SSL_CERT_FILE": str(tmp_path / "ca")}, hosts)

    return make


class MachineJobs(Jobs):
    """The programs of a machine with the variables that its module delivers, run on this machine."""

    def __init__(self, rendered, tools, home, injected, hosts):
        self.home, self.tools, self.injected, self.hosts = home, tools, injected, hosts
        self.scripts, self.backups = ROOT / "templates/backup", home / "backups"
        self.backups.mkdir()
        lines = re.search(r"backup_env = compact\(\[(.*?)\]\)", (rendered / "chroma/machine.tf").read_text(), re.S)[1]
        lines = lines.replace("${local.client_id}", CLIENT)
        self.variables = dict(re.findall(r'"(\w+)=(.*)"', lines))
        self.send, self.fetch = (["/bin/sh", f"/scripts/{name}.sh"] for name in ("send", "fetch"))

    def run(self, command):
        named = [{"name": name, "value": value} for name, value in self.variables.items()]
        named.append({"name": "ARCHIVE", "value": "newest"})
        return super().run({"env": named, "command": command})


def filled(store):
    store.objects |= {f"{PREFIX}/{name}": b"old" for name in OLD}
    return store


def test_backup_uses_cloud_storage_by_workload_identity_of_gke(jobs, tmp_path):
    token = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
    metadata, address = Issuer("Metadata-Flavor", "Google", token), own_address()
    name = "storage.googleapis.com"
    store = filled(ObjectStore(CloudStorage, address, certificate_of(tmp_path, name), BUCKET))
    made = jobs("gcp", {"GCE_METADATA_HOST": metadata.address}, {name: address})
    made.round_trip(lambda: store.objects, os.urandom(300_000))
    assert store.refused == metadata.refused == [] and metadata.issued > 0


def test_backup_uses_blob_storage_by_workload_identity_of_aks(jobs, tmp_path):
    login, blobs = "login.microsoftonline.com", "acmechroma.blob.core.windows.net"
    certificate = certificate_of(tmp_path, login, blobs)
    hosts = {login: own_address(), blobs: own_address()}
    entra = Entra((hosts[login], 443), certificate, "https://storage.azure.com")
    store = filled(ObjectStore(BlobStorage, hosts[blobs], certificate, BUCKET))
    (tmp_path / "token").write_text("token of the account")
    # As Workload Identity's webhook sets them.
    injected = {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token"),
        "AZURE_AUTHORITY_HOST": f"https://{login}/",
    }
    made = jobs("azure", injected, hosts, account="acmechroma", identity=CLIENT)
    annotations = made.by_kind["ServiceAccount"]["metadata"]["annotations"]
    assert annotations["azure.workload.identity/client-id"] == CLIENT
    made.round_trip(lambda: store.objects, os.urandom(300_000))
    assert store.refused == entra.refused == []


def machine(render, tools, tmp_path, target, injected, hosts):
    (tmp_path / "spec.yaml").write_text(MODULE.format(target, BUCKET, PREFIX))
    rendered = render(spec="spec.yaml", target=target)
    return MachineJobs(rendered, tools, tmp_path, {**injected, "SSL_CERT_FILE": str(tmp_path / "ca")}, hosts)


def test_machine_in_google_cloud_keeps_backups_by_age_in_cloud_storage(render, tools, tmp_path):
    token = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
    metadata, address, name = Issuer("Metadata-Flavor", "Google", token), own_address(), "storage.googleapis.com"
    store = filled(ObjectStore(CloudStorage, address, certificate_of(tmp_path, name), BUCKET))
    made = machine(render, tools, tmp_path, "gcp", {"GCE_METADATA_HOST": metadata.address}, {name: address})
    made.round_trip(lambda: store.objects, os.urandom(300_000), kept=[NEW], said="keeping 9 of the last 1 days")
    assert store.refused == metadata.refused == [] and metadata.issued > 0


def test_machine_in_azure_keeps_backups_by_age_in_blob_storage(render, tools, tmp_path):
    token = {"access_token": TOKEN, "expires_in": "3599", "expires_on": "4102444800", "token_type": "Bearer"}
    metadata, blobs = Issuer("Metadata", "true", token), "acmechroma.blob.core.windows.net"
    hosts = {blobs: own_address()}
    store = filled(ObjectStore(BlobStorage, hosts[blobs], certificate_of(tmp_path, blobs), BUCKET))
    # The metadata service has a fixed address and no TLS.
    injected = {"HTTP_PROXY": f"http://{metadata.address}"}
    made = machine(render, tools, tmp_path, "azure", injected, hosts)
    made.round_trip(lambda: store.objects, os.urandom(300_000), kept=[NEW], said="keeping 9 of the last 1 days")
    assert store.refused == [] and metadata.issued > 0
    asked = [
        path for path in metadata.asked if path.startswith("http://169.254.169.254/metadata/identity/oauth2/token?")
    ]
    assert all(f"client_id={CLIENT}" in path and "storage.azure.com" in path for path in asked) and asked


def test_backup_uses_s3_by_pod_identity_of_eks(jobs, tools, start, tmp_path):
    import boto3

    keys = {"AccessKeyId": "ASIA1", "SecretAccessKey": "S3CR3T", "Token": TOKEN, "Expiration": "2126-01-01T00:00:00Z"}
    agent, address = Issuer("Authorization", "token of the account", keys), own_address()
    names = [f"{BUCKET}.s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com"]
    certificate_of(tmp_path, *names)
    files = ["--ssl-cert", tmp_path / "ca", "--ssl-key", tmp_path / "certificate.pem"]
    store = start("store", [tools.part("aws/bin/moto_server"), "-H", address, "-p", "443", *files])
    store.until(lambda: "Running on" in store.log, "a store")
    s3 = boto3.client(
        "s3",
        endpoint_url=f"https://{address}",
        verify=False,
        region_name="eu-central-1",
        aws_access_key_id="id",
        aws_secret_access_key="key",
    )
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for name in OLD:
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"old")
    (tmp_path / "token").write_text("token of the account")
    # As the webhook of EKS Pod Identity sets them.
    injected = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{agent.address}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    made = jobs("aws", injected, dict.fromkeys(names, address))
    stored = lambda: [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    made.round_trip(stored, os.urandom(300_000))
    assert agent.refused == [] and agent.issued > 0
