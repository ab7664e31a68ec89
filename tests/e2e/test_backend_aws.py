"""The AWS backends, which authenticate with the machine's identity: a real Collector with the files of a machine
in AWS, against stand-ins for the metadata service and the backend.

Not tested: a real AWS account.
"""

import gzip
import json
import os
import re
import shlex
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from backends import OF_PROTOCOL, PRESETS, WIRE
from conftest import eventually, start_collector, start_sink
from test_collector import COMPLAINT, request_of_1x, send

pytestmark = pytest.mark.aws

REGION = "eu-central-1"
KEY, SECRET, TOKEN = "ASIASTANDIN", "stand-in-secret", "stand-in-token"
PLACE = {
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetId": "subnet-0123456789abcdef0",
    "AvailabilityZone": f"{REGION}a",
    "AllowedCidr": "10.0.0.0/8",
}
ROLE = "/latest/meta-data/iam/security-credentials/"
METADATA = {
    "/latest/meta-data/instance-id": "i-0123456789abcdef0",
    "/latest/meta-data/hostname": "ip-10-0-0-1.ec2.internal",
    "/latest/dynamic/instance-identity/document": json.dumps(
        {
            "accountId": "123456789012",
            "availabilityZone": f"{REGION}a",
            "imageId": "ami-1",
            "region": REGION,
            "instanceId": "i-0123456789abcdef0",
            "instanceType": "t4g.medium",
        }
    ),
    ROLE: "instance",
    ROLE + "instance": json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": KEY,
            "SecretAccessKey": SECRET,
            "Token": TOKEN,
            "LastUpdated": "2026-01-01T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    ),
}
IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws-us-gov:sts::123456789012:assumed-role/a:b/c</Arn><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Cloud:
    """Serves the metadata service (version 2) and records every POST: path, headers, body."""

    def __init__(self):
        self.taken = taken = []

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self):
                self.answer(200, "metadata-token", {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "300"})

            def do_GET(self):
                page = METADATA.get(self.path) if self.headers["X-Aws-Ec2-Metadata-Token"] == "metadata-token" else None
                self.answer(200 if page else 404, page or "")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if b"Action=GetCallerIdentity" in body:
                    self.answer(200, IDENTITY)
                    return
                taken.append((self.path, self.headers, body))
                self.answer(200, "{}", {"Content-Type": "application/json"})

            def answer(self, status, text, headers=()):
                self.send_response(status)
                for name, value in [*dict(headers).items(), ("Content-Length", str(len(text)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self):
        return eventually(lambda: list(self.taken), "a request")


@pytest.fixture
def cloud():
    cloud = Cloud()
    yield cloud
    cloud.server.shutdown()


class Machine:
    """The collector's files on a machine in AWS."""

    def __init__(self, rendered, folder, parameters):
        from cloudformation import load, machine_files  # needs YAML from the test venv

        files = machine_files(load(rendered / "template.yaml"), PLACE | parameters)
        self.configuration = folder / "otel-collector.yaml"
        self.configuration.write_text(files["/etc/chroma-otel/otel-collector.yaml"][1])
        lines = files["/etc/chroma-otel/collector.env"][1].splitlines()
        self.environment = dict(line.split("=", 1) for line in lines)
        unit = files["/etc/systemd/system/otel-collector.service"][1].replace("\\\n", " ").replace("$$", "$")
        [words] = re.findall(r"^ExecStart=.*\$\{COLLECTOR_IMAGE\}(.*)$", unit, re.MULTILINE)
        self.command = shlex.split(words)


@pytest.fixture
def machine(render, tools, start, tmp_path, cloud):
    """machine(parameters, otelcol=None, more=None, trust=None, **flags) -> Server: the machine's Collector,
    running."""

    def run(parameters=None, otelcol=None, more=None, trust=None, **flags):
        made = Machine(render(target="aws", **flags), tmp_path, parameters or {})
        environment = made.environment | {"AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.url}
        environment |= {"SSL_CERT_FILE": str(trust)} if trust else {}
        return start_collector(
            tools,
            start,
            tmp_path,
            made.configuration,
            made.command,
            environment,
            tmp_path / "queue",
            otelcol=otelcol,
            more=more,
        )

    return run


def test_account_setup_commands_are_valid_aws_commands(tools, cloud):
    backend = PRESETS["aws-xray"]
    aws = tools.part("aws/bin/aws")
    environment = {
        "PATH": f"{aws.parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    script = "set -euo pipefail\n" + backend["prepare"]["commands"].replace("{region}", f"$(echo {REGION})")
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (_, headers, policy), (destination, _, body), (check, *_) = cloud.taken
    assert headers["X-Amz-Target"] == "Logs_20140328.PutResourcePolicy"
    [statement] = json.loads(json.loads(policy)["policyDocument"])["Statement"]
    here = f"{REGION}:123456789012"
    assert statement["Resource"] == [
        f"arn:aws-us-gov:logs:{here}:log-group:{group}:*" for group in ("aws/spans", "/aws/application-signals/data")
    ]
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": f"arn:aws-us-gov:xray:{here}:*"}
    assert (destination, json.loads(body)) == ("/UpdateTraceSegmentDestination", {"Destination": "CloudWatchLogs"})
    assert check == "/GetTraceSegmentDestination"


def now():
    return str(time.time_ns())


@pytest.mark.parametrize("image", ["wrapped", "stock"])
@pytest.mark.parametrize("backend", ["aws-xray", "aws-xray-classic"])
def test_collector_accepts_the_configuration(render, tools, tmp_path, cloud, checked, backend, image):
    checked(backend, "validate")
    made = Machine(render(target="aws", backend=backend, image=image), tmp_path, {})
    otelcol = tools.part("otelcol-awsxray/otelcol-contrib") if backend == "aws-xray-classic" else tools.otelcol
    environment = made.environment | {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.url,
        "CHROMA_OTEL_TRACES_URL": f"https://xray.{REGION}.amazonaws.com/v1/traces",
        "CHROMA_OTEL_COLLECTION_HEADERS": "{}",
    }
    command = [otelcol, "validate", "--config", made.configuration]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_xray_endpoint_contains_the_region(render, tmp_path, checked, image):
    checked("aws-xray", "second source")
    made = Machine(render(target="aws", backend="aws-xray", image=image), tmp_path, {})
    assert WIRE["aws-xray"]["host"] == f"xray.{REGION}.amazonaws.com"
    assert made.environment["CHROMA_OTEL_COLLECTION_ENDPOINT"] == f"https://xray.{REGION}.amazonaws.com/v1/traces"
    assert made.environment["AWS_REGION"] == REGION


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_xray_receives_otlp_over_https_signed_with_the_machine_identity(
    machine, tools, start, tmp_path, checked, image
):
    checked("aws-xray", image, "headers", "second source")
    sink = start_sink(tools, start, tmp_path, "--tls-dir", tmp_path / "tls")
    address = f"{sink.http.replace('http:', 'https:')}/v1/traces"
    collector = machine(
        {"ChromaOtelCollectionEndpoint": address}, trust=tmp_path / "tls/ca.pem", backend="aws-xray", image=image
    )
    send(collector, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    headers, wire = span["headers"], WIRE["aws-xray"]
    assert set(headers) == {*wire["headers"], *OF_PROTOCOL & headers.keys(), "x-amz-date", "x-amz-security-token"}
    assert wire["headers"]["authorization"] == {"sigv4": [REGION, "xray"]} and span["target"]["path"] == wire["path"]
    assert re.match(
        rf"AWS4-HMAC-SHA256 Credential={KEY}/\d{{8}}/{REGION}/xray/aws4_request, ", headers["authorization"]
    )
    assert (headers["content-encoding"], headers["content-type"]) == ("gzip", "application/x-protobuf")
    assert headers["x-amz-security-token"] == TOKEN
    resource = span["resource"]
    assert (resource["cloud.platform"], resource["cloud.region"]) == ("aws_ec2", REGION)
    assert resource["host.id"] == METADATA["/latest/meta-data/instance-id"]
    assert collector.stop() == 0
    assert COMPLAINT.findall(collector.log) == []


def test_signature_matches_the_request(machine, cloud):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    address = f"{cloud.url}/v1/traces"
    collector = machine({"ChromaOtelCollectionEndpoint": address}, backend="aws-xray")
    send(collector, {"name": "through"})
    [(path, headers, body)] = cloud.wait()
    assert b"through" in gzip.decompress(body)
    fields = dict(re.findall(r"(\w+)=([^,]+)", headers["Authorization"]))
    signed = {name: headers[name] for name in fields["SignedHeaders"].split(";")}
    assert {"host", "x-amz-date", "x-amz-security-token"} <= signed.keys()
    request = AWSRequest("POST", address, headers=signed, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    signer = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "xray", REGION)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert path == "/v1/traces" and signer.signature(text, request) == fields["Signature"]


def test_requests_to_xray_stay_below_the_span_limit(machine, cloud):
    collector = machine({"ChromaOtelCollectionEndpoint": f"{cloud.url}/v1/traces"}, backend="aws-xray")
    names = [f"span {number}" for number in range(2500)]
    send(collector, *({"name": name} for name in names))

    def sent():
        bodies = [gzip.decompress(body) for _, _, body in cloud.taken]
        return [len(re.findall(rb"span \d+", body)) for body in bodies]

    eventually(lambda: sum(sent()) == len(names), lambda: f"all spans; there are: {sent()}")
    assert max(sent()) <= 1000, sent()


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_xray_classic_receives_segment_documents(machine, tools, cloud, checked, image):
    checked("aws-xray-classic", image, "headers", "second source")
    otelcol = tools.part("otelcol-awsxray/otelcol-contrib")
    there = {"exporters": {"awsxray": {"endpoint": cloud.url}}}
    collector = machine(otelcol=otelcol, more=there, backend="aws-xray-classic", image=image)
    times = {"startTimeUnixNano": now(), "endTimeUnixNano": now()}
    send(collector, {**request_of_1x(503, "/api/v2/x?limit=7"), **times, "status": {"code": 2, "message": "away"}})
    [(path, headers, body)] = cloud.wait()
    wire = WIRE["aws-xray-classic"]
    assert path == wire["path"] and wire["headers"]["authorization"] == {"sigv4": [REGION, "xray"]}
    assert re.match(
        rf"AWS4-HMAC-SHA256 Credential={KEY}/\d{{8}}/{REGION}/xray/aws4_request, ", headers["Authorization"]
    )
    [document] = json.loads(body)["TraceSegmentDocuments"]
    segment = json.loads(document)
    assert re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", segment["trace_id"]) and re.fullmatch(
        "[0-9a-f]{16}", segment["id"]
    )
    assert (segment["name"], segment["origin"], segment["fault"]) == ("sender", "AWS::EC2::Instance", True)
    assert segment["aws"]["ec2"]["instance_id"] == METADATA["/latest/meta-data/instance-id"]
    assert segment["start_time"] <= segment["end_time"]
    assert segment["http"]["request"]["method"] == "GET" and segment["http"]["response"]["status"] == 503
    assert segment["annotations"]["http.route"] == "/api/v2/x?limit=7"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_scheme_of_the_endpoint_selects_tls_in_the_published_collector(machine, tools, start, tmp_path, scheme):
    options = ["--tls-dir", tmp_path / "tls"] if scheme == "https" else []
    sink = start_sink(tools, start, tmp_path, *options)
    address = sink.grpc.replace("http:", f"{scheme}:")
    collector = machine(
        {"ChromaOtelCollectionEndpoint": address},
        trust=tmp_path / "tls/ca.pem" if options else None,
        backend="otlp",
        image="stock",
        endpoint="https://otlp.example.com:443",
    )
    send(collector, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    assert span["name"] == "through"


def test_tls_rejects_an_unknown_certificate_authority(machine, tools, start, tmp_path):
    sink = start_sink(tools, start, tmp_path, "--tls-dir", tmp_path / "tls")
    collector = machine(
        {"ChromaOtelCollectionEndpoint": sink.grpc.replace("http:", "https:")},
        backend="otlp",
        image="stock",
        endpoint="https://otlp.example.com:443",
    )
    send(collector, {"name": "through"})
    collector.until(lambda: "certificate signed by unknown authority" in collector.log, "a refusal")
    assert sink.spans() == []
