"""EKS, GKE and AKS: the collector authenticates with the cluster's workload identity, against stand-ins for the
identity services; the README's commands run with the real command-line tools, against stand-ins for the clouds.

Not tested: real accounts. Services without a stand-in (Azure, GKE, Google's registry) are tested only as far as `az`
and `gcloud` parse the commands.
"""

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import HERE, free_ports, get, missing, start_sink
from kubernetes_collector import cluster, document, documents, run  # noqa: F401 (fixtures)
from test_backend_aws import KEY, REGION, SECRET
from test_backend_aws import TOKEN as SESSION
from test_backend_google import PROJECT, TOKEN, google  # noqa: F401 (fixtures)
from test_collector import COMPLAINT, send

pytestmark = pytest.mark.kubernetes

CLUSTER = "search"
ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:honeycomb-AbCdEf"
ISSUER = f"oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF"
SPECS = {
    "aws": {
        "tracing": {"backend": "aws-xray"},
        "machine": {"secrets": {"A_TOKEN": ARN}},
        "kubernetes": {"region": REGION, "registry": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/search"},
    },
    "gcp": {
        "machine": {"project": PROJECT, "secrets": {"A_TOKEN": f"projects/{PROJECT}/secrets/honeycomb"}},
        "kubernetes": {"region": "europe-west3", "registry": f"europe-west3-docker.pkg.dev/{PROJECT}/images"},
    },
    "azure": {
        "machine": {
            "resource_group": "search",
            "secrets": {
                "A_TOKEN": "https://acme.vault.azure.net/secrets/honeycomb",
                "APPLICATIONINSIGHTS_CONNECTION_STRING": "https://acme.vault.azure.net/secrets/insights",
            },
        },
        "kubernetes": {"region": "westeurope", "registry": "acmesearch.azurecr.io/search"},
    },
}


@pytest.fixture
def rendered(render, tmp_path):
    """rendered(cloud) -> the folder of a deployment for which the README has all commands."""

    def rendered(cloud):
        spec = {"target": cloud, "platform": "kubernetes", "chroma": {"environment": {"A_TOKEN": None}}, **SPECS[cloud]}
        spec["kubernetes"] = {"cluster": CLUSTER, **spec["kubernetes"]}
        (tmp_path / "spec.yaml").write_text(json.dumps(spec))
        return render(spec="spec.yaml", target=cloud)

    return rendered


class Service:
    """Records every request and responds with the JSON of `answer(method, path, body)`."""

    def __init__(self, answer):
        self.taken = taken = []

        class Handler(BaseHTTPRequestHandler):
            def take(self):
                length = int(self.headers["Content-Length"] or 0)
                body = self.rfile.read(length).decode()
                path = urllib.parse.unquote(self.path)
                taken.append((self.command, path, self.headers, body))
                page = answer(self.command, path, json.loads(body) if body.startswith("{") else {})
                text = json.dumps(
                    page
                    if page is not None
                    else {"error": {"code": 404, "message": "not there", "status": "NOT_FOUND"}}
                )
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = take

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def service():
    services = []

    def service(answer):
        services.append(Service(answer))
        return services[-1]

    yield service
    for one in services:
        one.server.shutdown()


def recipe(folder):
    """The shell blocks of the README's section for the cloud, in order: ([the blocks but the last], [the block
    that removes everything])."""
    text = (folder / "README.md").read_text()
    [section] = re.findall(r"^## Before the first time: \w+\n(.*?)^## ", text, re.M | re.S)
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)
    removes = [block for block in blocks if "delete" in block or "remove-iam" in block]
    return [block for block in blocks if block not in removes], removes


def shell(blocks, environment, folder, said=""):
    """Runs blocks as pasted, with stubs of `docker` and `kubectl` that always succeed."""
    words = "docker() { cat >/dev/null; }\nkubectl() { cat >/dev/null; }\n"
    script = "set -euo pipefail\n" + words + "\n".join(blocks)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, input=said, capture_output=True, text=True, cwd=folder, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_by(program, refusal, blocks, folder, environment):
    """Lets the real program parse the commands of the blocks without credentials: it parses a command before it
    fails to authenticate. Returns the number of commands."""
    name, docker = program.name, folder / "bin/docker"  # `az acr login` calls docker first
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o755)
    words = f"""kubectl() {{ cat >/dev/null; }}
    {name}() {{
        number=$(mktemp {folder}/asked-XXXXXX)
        printf '%s\\n' "{name} $*" >"$number"
        {program} "$@" </dev/null >/dev/null 2>>"$number"
        echo X
        return 1
    }}
    """
    environment = {"PATH": f"{docker.parent}:{program.parent}:{os.environ['PATH']}", "HOME": str(folder), **environment}
    subprocess.run(
        ["bash", "-c", words + "\n".join(blocks)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,
        timeout=300,
    )
    asked = [file.read_text() for file in folder.glob("asked-*")]
    assert [text for text in asked if refusal not in text] == []
    return len(asked)


@pytest.mark.parametrize("cloud", SPECS)
def test_readme_commands_parse_in_bash_and_zsh(rendered, tmp_path, cloud):
    blocks, removes = recipe(rendered(cloud))
    assert blocks and removes
    shells = ["bash", *(["zsh"] if shutil.which("zsh") else [])]
    for number, block in enumerate(blocks + removes):
        assert not re.search(r"^\s*#|\$[a-zA-Z_]+[:\[]", block, re.M), block  # zsh parses these differently
        file = tmp_path / f"{number}.sh"
        file.write_text(block)
        for program in shells:
            done = subprocess.run([program, "-n", file], capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), block


def test_requests_to_xray_are_signed_with_the_pod_identity(rendered, run, cluster, tools, start, service, tmp_path):
    def agent(method, path, _):
        return (
            {
                "AccessKeyId": KEY,
                "SecretAccessKey": SECRET,
                "Token": SESSION,
                "Expiration": "2099-01-01T00:00:00Z",
            }
            if (method, path) == ("GET", "/v1/credentials")
            else None
        )

    agent = service(agent)
    token = tmp_path / "eks-pod-identity-token"
    token.write_text("the pod's own token")
    sink = start_sink(tools, start, tmp_path, "--tls-dir", tmp_path / "tls")
    folder = rendered("aws")
    variables = document(folder, "ConfigMap", "chroma-otel-collector")["data"]
    assert variables["AWS_REGION"] == REGION
    assert re.fullmatch(
        rf"https://xray\.{REGION}\.amazonaws\.com(:443)?/v1/traces", variables["CHROMA_OTEL_COLLECTION_ENDPOINT"]
    )
    cluster.allowed.add("/api/v1/namespaces/chroma/pods")
    collector = run(
        folder,
        "chroma-otel-collector",
        {
            **variables,
            "CHROMA_OTEL_COLLECTION_ENDPOINT": f"{sink.http.replace('http:', 'https:')}/v1/traces",
            "SSL_CERT_FILE": str(tmp_path / "tls/ca.pem"),
            # EKS sets these variables in the pod; its agent is at 169.254.170.23.
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        },
    )
    send(collector, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    headers, resource = span["headers"], span["resource"]
    assert re.match(
        rf"AWS4-HMAC-SHA256 Credential={KEY}/\d{{8}}/{REGION}/xray/aws4_request, ", headers["authorization"]
    )
    assert headers["x-amz-security-token"] == SESSION
    assert {asked["Authorization"] for _, _, asked, _ in agent.taken} == {"the pod's own token"}
    assert (resource["cloud.platform"], resource["cloud.region"], resource["k8s.cluster.name"]) == (
        "aws_eks",
        REGION,
        CLUSTER,
    )
    assert collector.stop() == 0
    assert COMPLAINT.findall(collector.log) == []
    assert SECRET not in collector.log and SESSION not in collector.log


def test_google_receives_the_token_of_the_pod_account(rendered, run, cluster, google, tools, start, tmp_path):
    sink = start_sink(tools, start, tmp_path, "--tls-dir", tmp_path / "tls")
    folder = rendered("gcp")
    variables = document(folder, "ConfigMap", "chroma-otel-collector")["data"]
    assert variables["GOOGLE_CLOUD_PROJECT"] == PROJECT
    cluster.allowed.add("/api/v1/namespaces/chroma/pods")
    collector = run(
        folder,
        "chroma-otel-collector",
        {
            **variables,
            "CHROMA_OTEL_COLLECTION_ENDPOINT": f"{sink.http.replace('http:', 'https:')}/v1/traces",
            "SSL_CERT_FILE": str(tmp_path / "tls/ca.pem"),
            "GCE_METADATA_HOST": google.address,  # GKE's metadata server for the pod's account
        },
    )
    send(collector, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    headers, resource = span["headers"], span["resource"]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert (headers["x-goog-project-id"], headers["x-goog-user-project"]) == (PROJECT, PROJECT)
    assert (resource["cloud.platform"], resource["k8s.cluster.name"]) == ("gcp_kubernetes_engine", CLUSTER)
    assert (resource["gcp.project_id"], resource["cloud.account.id"]) == (PROJECT, PROJECT)
    assert collector.stop() == 0
    assert COMPLAINT.findall(collector.log) == []


def test_eks_commands_create_roles_only_for_the_service_accounts(rendered, tools, start, service, tmp_path):
    import boto3
    import yaml

    def eks(method, path, body):
        if (method, path) == ("GET", f"/clusters/{CLUSTER}"):
            return {
                "cluster": {
                    "name": CLUSTER,
                    "arn": f"arn:aws:eks:{REGION}:123456789012:cluster/{CLUSTER}",
                    "status": "ACTIVE",
                    "endpoint": "https://127.0.0.1",
                    "certificateAuthority": {"data": "QQ=="},
                    "identity": {"oidc": {"issuer": f"https://{ISSUER}"}},
                }
            }
        if path.startswith(f"/clusters/{CLUSTER}/pod-identity-associations?"):
            return {"associations": [{"associationId": "a-1"}]}
        is_new = method == "GET" and "/addons/" in path
        return None if is_new else {}

    eks, (port,) = service(eks), free_ports(1)
    moto = f"http://127.0.0.1:{port}"
    start("moto", [tools.part("aws/bin/moto_server"), "-H", "127.0.0.1", "-p", port]).until(
        lambda: get(f"{moto}/moto-api/data.json"), "moto"
    )
    aws = tools.part("aws/bin/aws")
    account = {
        "PATH": f"{aws.parent}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": moto,
        "AWS_ENDPOINT_URL_EKS": eks.url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    folder = rendered("aws")
    blocks, removes = recipe(folder)
    # Transaction Search is tested in test_backend_aws.py.
    blocks = [block for block in blocks if "update-trace-segment-destination" not in block]
    shell(blocks, account, tmp_path)

    iam = boto3.client(
        "iam", endpoint_url=moto, region_name=REGION, aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    roles = {role["RoleName"]: role["AssumeRolePolicyDocument"]["Statement"][0] for role in iam.list_roles()["Roles"]}
    assert set(roles) == {"chroma-search-collector", "chroma-search-secrets"}
    accounts = {one["metadata"]["name"] for one in documents(folder) if one["kind"] == "ServiceAccount"}
    assert roles["chroma-search-collector"]["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert roles["chroma-search-collector"]["Condition"] == {
        "StringEquals": {
            "aws:RequestTag/eks-cluster-name": CLUSTER,
            "aws:RequestTag/kubernetes-namespace": "chroma",
            "aws:RequestTag/kubernetes-service-account": "chroma-otel-collector",
        }
    }
    workload = document(folder, "Deployment", "chroma-otel-collector")["spec"]["template"]["spec"]
    assert workload["serviceAccountName"] == "chroma-otel-collector" and "chroma-otel-collector" in accounts

    def policy(role, name):
        [statement] = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        return statement

    backend = yaml.safe_load((HERE.parents[1] / "templates/backends/aws-xray.yaml").read_text())
    assert policy("chroma-search-collector", "traces")["Action"] == backend["identity"]["permissions"]
    assert policy("chroma-search-secrets", "secrets")["Resource"] == [ARN]
    [provider] = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    assert roles["chroma-search-secrets"]["Principal"] == {"Federated": provider["Arn"]}
    assert roles["chroma-search-secrets"]["Condition"] == {
        "StringEquals": {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": "system:serviceaccount:chroma:chroma-secrets",
        }
    }
    assert all(f"/{REGION}/eks/" in headers["Authorization"] for _, _, headers, _ in eks.taken)
    made = {path: json.loads(body) for method, path, _, body in eks.taken if method == "POST"}
    association = made[f"/clusters/{CLUSTER}/pod-identity-associations"]
    association.pop("clientRequestToken")
    role = iam.get_role(RoleName="chroma-search-collector")["Role"]["Arn"]
    assert association == {"namespace": "chroma", "serviceAccount": "chroma-otel-collector", "roleArn": role}
    assert made[f"/clusters/{CLUSTER}/addons"]["addonName"] == "eks-pod-identity-agent"

    shell(removes, account, tmp_path)
    assert iam.list_roles()["Roles"] == []
    assert ("DELETE", f"/clusters/{CLUSTER}/pod-identity-associations/a-1") in [request[:2] for request in eks.taken]


def test_gke_commands_grant_roles_only_to_the_service_accounts(rendered, service, tmp_path):
    import yaml

    gcloud = Path(shutil.which("gcloud") or missing("`gcloud`", optional=True))
    policies = {}

    def answer(method, path, body):
        path, _, _ = path.partition("?")
        what, _, verb = path.rpartition(":")
        if verb == "setIamPolicy":
            policies[what] = body["policy"]
        if verb in ("getIamPolicy", "setIamPolicy"):
            return policies.setdefault(what, {"version": 3, "etag": "ZQ=="})
        if verb in ("batchEnable", "enable"):
            return {"name": "operations/1", "done": True, "response": {}}
        if path == f"/v1/projects/{PROJECT}":
            return {"projectId": PROJECT, "projectNumber": "123456789012"}
        return None

    cloud = service(answer)
    token = tmp_path / "token"
    token.write_text("ya29.stand-in")
    environment = {
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
    }
    for api in ["CLOUDRESOURCEMANAGER", "SERVICEUSAGE", "SECRETMANAGER"]:
        environment[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"] = f"{cloud.url}/"
    folder = rendered("gcp")
    blocks, removes = recipe(folder)
    others = [block for block in blocks if re.search("gcloud (artifacts|container)", block)]
    shell([block for block in blocks if block not in others], environment, tmp_path)

    def granted():
        return {
            (what, one["role"], member)
            for what, policy in policies.items()
            for one in policy.get("bindings", [])
            for member in one["members"]
        }

    backend = yaml.safe_load((HERE.parents[1] / "templates/backends/google-cloud-trace.yaml").read_text())
    pool = f"principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/{PROJECT}.svc.id.goog/subject/ns/chroma/sa"
    accounts = {one["metadata"]["name"] for one in documents(folder) if one["kind"] == "ServiceAccount"}
    assert {"chroma-otel-collector", "chroma-secrets"} <= accounts
    expected = {
        (f"/v1/projects/{PROJECT}", role, f"{pool}/chroma-otel-collector")
        for role in backend["identity"]["permissions"]
    }
    expected.add(
        (f"/v1/projects/{PROJECT}/secrets/honeycomb", "roles/secretmanager.secretAccessor", f"{pool}/chroma-secrets")
    )
    assert granted() == expected

    shell(removes, environment, tmp_path)
    assert granted() == set()

    read = read_by(
        gcloud,
        "You do not currently have an active account",
        others,
        tmp_path,
        {"CLOUDSDK_CONFIG": str(tmp_path / "nobody")},
    )
    assert read >= 8


def test_aks_commands_are_valid_az_commands(rendered, tools, tmp_path):
    az = tools.part("az/bin/az", optional=True)
    blocks, removes = recipe(rendered("azure"))
    environment = {"AZURE_CONFIG_DIR": str(tmp_path / "az"), "AZURE_CORE_COLLECT_TELEMETRY": "no"}
    assert read_by(az, "Please run 'az login'", blocks + removes, tmp_path, environment) >= 18
