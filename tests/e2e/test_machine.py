"""What runs on a machine in AWS, run on a stand-in machine (stand_in_machine.py) with the files that
the rendered template delivers: real systemd, real Docker, real disks, the real `aws` command.

Invariant: tests of one class share the machine and run in order; each leaves it healthy.
"""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from cloudformation import load, machine_files
from conftest import CACHE, HERE, eventually, free_ports, get, missing, renderer, start_sink
from stand_in_machine import ADDRESS, AMAZON, HOST, METADATA, SOCKET, Disk, Machine, host

pytestmark = pytest.mark.aws

CHROMA = f"http://{ADDRESS}:8000"
COLLECTIONS = f"{CHROMA}/api/v2/tenants/default_tenant/databases/default_database/collections"
REGION = "eu-central-1"
STACK = f"--stack chroma --resource Group --region {REGION}"
# What CloudFormation and Auto Scaling say when nobody waits for this launch, or no longer.
SETTLED = (
    f"ValidationError: Stack arn:aws:cloudformation:{REGION}:123456789012:stack/chroma/0"
    " is in CREATE_COMPLETE state and cannot be signaled"
)
NO_ACTION = (
    "An error occurred (ValidationError) when calling the CompleteLifecycleAction operation:"
    " No active Lifecycle Action found with instance ID i-1"
)
VARIABLES = {"AWS_ACCESS_KEY_ID": "stand-in", "AWS_SECRET_ACCESS_KEY": "stand-in", "AWS_DEFAULT_REGION": REGION}
# Everything that a shell, systemd, Docker or the collector could take for something else.
HOSTILE = """ '"`id`" $HOME ${HOME} $$ $(id) \\n \\ %h %% * ! ; & | # = ü 🎈 """
KEY = """s3cret'"`id`$HOME${HOME}$$\\%h;#="""


class Cloud:
    """A stand-in for AWS's services, with what the stack has made before the machine starts."""

    def __init__(self, tools, start):
        (port,) = free_ports(1)
        self.url = f"http://{HOST}:{port}"
        server = start("moto", [tools.part("aws/bin/moto_server"), "-H", HOST, "-p", port], VARIABLES)
        server.until(lambda: get(f"{self.url}/moto-api/"), "AWS's stand-in")
        ec2 = self.service("ec2")
        [instance] = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"]
        self.instance, zone = instance["InstanceId"], instance["Placement"]["AvailabilityZone"]
        self.volume = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
        self.service("logs").create_log_group(logGroupName="/chroma")
        self.headers = self.secret("headers", json.dumps({"x-api-key": KEY}, indent=2))
        self.extra = self.secret("extra", "s3cret" + HOSTILE)
        self.names = self.secret("names", "s3cret-word")

    def service(self, name):
        import boto3

        keys = {"aws_access_key_id": "stand-in", "aws_secret_access_key": "stand-in"}
        return boto3.client(name, endpoint_url=self.url, region_name=REGION, **keys)

    def secret(self, name, value):
        return self.service("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]

    def store(self, name, value):
        self.service("secretsmanager").put_secret_value(SecretId=name, SecretString=value)

    @property
    def link(self):
        return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{self.volume.replace('-', '')}"

    def attached(self):
        [volume] = self.service("ec2").describe_volumes(VolumeIds=[self.volume])["Volumes"]
        return [one["InstanceId"] for one in volume["Attachments"]]

    def log(self, stream):
        events = self.service("logs").get_log_events(logGroupName="/chroma", logStreamName=stream, startFromHead=True)
        return [event["message"] for event in events["events"]]


SPEC = """
target: aws
chroma: {version: 1.5.9, environment: {SECRET: null}}
tracing: {backend: otlp}
"""


STOCK = """
target: aws
chroma: {version: 1.5.9, image: stock}
tracing: {backend: jaeger, redact: {names: hash}}
clients: [python]
metrics: {monitoring: true}
"""


# An application's span, over gRPC: ENDPOINT SERVICE.
SEND_SPAN = """
import sys
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
endpoint, service = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": service}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint, insecure=True)))
provider.get_tracer("client").start_span("question").end()
"""


def span(service):
    """An application's span, as OTLP has it in JSON."""
    now = time.time_ns()
    one = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": "question",
        "kind": 3,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]})


def generate(tools, folder, spec, *flags):
    """The folder with what this spec gives."""
    out = folder / f"rendered-{len(list(folder.iterdir()))}"
    out.mkdir()
    (out / "spec.yaml").write_text(spec)
    command = [tools.program("chroma-otel-deploy"), "gen", "--spec", out / "spec.yaml", "--out", out, *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return out


def rendered_files(tools, folder, cloud, spec, parameters):
    """The files on the machine, as the rendered template delivers them: {path: (mode, text)}."""
    out = generate(tools, folder, spec)
    network = {"VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailabilityZone": f"{REGION}a", "AllowedCidr": "10.0.0.0/8"}
    made = {"DataVolume": cloud.volume, "Logs": "/chroma"}
    return machine_files(load(out / "template.yaml"), network | parameters, made)


def terraforms(tools, folder, path):
    """The file at this path on a machine that Terraform makes."""
    import yaml

    module = generate(tools, folder, SPEC, "--format", "terraform")
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def start(folder):
    """start(name, command, environment) -> Server, as the one for a test, but for all of them here."""
    from conftest import Server

    servers = []

    def run(name, command, environment=None):
        servers.append(Server(command, environment or {}, folder / f"{name}-{len(servers)}.log", folder))
        return servers[-1]

    yield run
    for server in reversed(servers):
        server.stop()


@pytest.fixture(scope="module")
def disks(folder):
    """disks(megabytes) -> Disk, empty; all are gone at the end."""
    made = []

    def make(megabytes=256):
        made.append(Disk(folder / f"disk-{len(made)}", megabytes))
        return made[-1]

    yield make
    for disk in made:
        disk.remove()


@pytest.fixture(scope="module")
def off_machine(tools, folder, disks):
    """A machine with its network, off. (It goes before its disks.)"""
    if not os.path.exists(SOCKET):
        missing("the Docker engine (see .ci/engine)")
    machine = Machine(tools, folder)
    machine.connect()
    try:
        yield machine
    finally:
        machine.remove()


@pytest.fixture(scope="module")
def cloud(off_machine, tools, start):
    return Cloud(tools, start)


@pytest.fixture(scope="module")
def sink(off_machine, tools, start, folder):
    """On the host's side of the machine's cable."""
    return start_sink(tools, start, folder, "--grpc", f"{HOST}:0", "--http", f"{HOST}:0")


def wrapped_images(tools, folder):
    """The wrapped images of Chroma and the collector, built in the tests' own engine (by the recipe
    for Compose, which builds the same)."""
    rendered = renderer(tools, folder)(out="compose")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_HOST": f"unix://{SOCKET}"}
    options = {"cwd": rendered, "env": environment | {"DOCKER_CONFIG": str(CACHE / "now/plugins")}}
    host("docker", "compose", "build", "--quiet", **options)
    return sorted(host("docker", "compose", "config", "--images", "chroma", "otel-collector", **options).split())


@pytest.fixture(scope="module")
def machine(off_machine, cloud, sink, disks, folder, tools, start):
    """The machine as cfn-init leaves it, before its first boot; its disk is empty."""
    off_machine.on()
    off_machine.prepare(AWS_ENDPOINT_URL=cloud.url)
    off_machine.disk = disks()
    off_machine.offer(off_machine.disk, cloud.link)
    start("metadata", off_machine.near("python3", str(HERE / "machine/metadata.py"), METADATA, "80", cloud.instance))
    files = wrapped_files(tools, folder, cloud, sink.grpc)
    for path, (mode, text) in files.items():
        off_machine.write(path, text, mode)
    # Where Docker's log driver finds the stand-in.
    settings = json.loads(off_machine.read("/etc/docker/daemon.json"))
    settings |= {"log-driver": "awslogs", "log-opts": {"awslogs-endpoint": cloud.url, "awslogs-group": "/chroma"}}
    off_machine.write("/etc/docker/daemon.json", json.dumps(settings))
    off_machine.run("systemctl", "start", "docker.service")
    wanted = dict(line.split("=", 1) for line in files["/etc/chroma-otel/machine.env"][1].split())
    images = wrapped_images(tools, folder)
    off_machine.load(*images)
    for image, name in zip(images, ("CHROMA_IMAGE", "COLLECTOR_IMAGE"), strict=True):
        off_machine.run("docker", "tag", image, wanted[name])
    off_machine.run("sh", "-c", "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force")
    off_machine.run("systemctl", "stop", "docker.service", "docker.socket", "containerd.service")
    off_machine.pack_docker()
    off_machine.forget_calls()
    return off_machine


def client(tools, machine, *steps):
    """The real Python client at work on the machine itself."""
    command = machine.near(str(tools.chroma("1.5.9") / "python"), str(HERE / "client.py"), "8000", *steps)
    environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "ANONYMIZED_TELEMETRY": "False"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def signals(machine):
    return [call for call in machine.calls if call.startswith("cfn-signal")]


def get_inside(machine, url):
    return machine.run("curl", "--fail", "--silent", url, check=False).stdout


def new_query():
    """What nobody asked before, of what leaves the machine."""
    return f"offset={time.monotonic_ns() // 1000 % 2**31}"


def trace_arrives(sink):
    """Asks Chroma something that nobody asked before, and gives that very request's span."""
    query = new_query()
    with urllib.request.urlopen(f"{COLLECTIONS}?{query}", timeout=10) as answer:
        assert answer.status == 200
    return sink.wait_for(lambda spans: [span for span in spans if query in json.dumps(span)], query)[0]


def started(machine):
    """Since when both containers run."""
    return [machine.container(name)["State"]["StartedAt"] for name in ("chroma", "otel-collector")]


def watch(machine):
    """What the timer does every ten minutes. A run that it has begun already may have read the secrets before."""
    unit = ("is-active", "chroma-otel-watch.service")
    eventually(lambda: machine.run("systemctl", *unit, check=False).stdout != "activating\n", "the timer's own run")
    machine.run("systemctl", "reset-failed", "chroma-otel-watch.service", check=False)  # so often it does not come
    machine.run("systemctl", "start", "chroma-otel-watch.service")


def published(cloud, name):
    """The sum of all that was published of a metric."""
    found = cloud.service("cloudwatch").get_metric_statistics(
        Namespace="Chroma",
        MetricName=name,
        Dimensions=[{"Name": "StackName", "Value": "chroma"}],
        Period=60,
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Statistics=["Sum"],
    )
    return sum(one["Sum"] for one in found["Datapoints"])


def until_active(machine, unit):
    def active():
        return machine.run("systemctl", "is-active", unit, check=False).stdout.strip() == "active"

    eventually(active, lambda: machine.journal("--boot", "--lines=60"), 90)


def written_secrets(machine):
    """What the machine has written to a disk, or passed as an argument, with a secret in it. (Docker
    and containerd keep a container's environment while the container is there, for root only.)"""
    command = ["grep", "-rlaF", "--exclude-dir=containerd", "s3cret", machine.state / "upper"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.split() + [line for line in machine.journal().splitlines() + machine.calls if "s3cret" in line]


COLLECTOR_PORTS = [4317, 4318, 8888, 8889]


def opens(port, address=ADDRESS):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 5):
        return True
    return False


class TestOneMachine:
    def test_the_first_boot_brings_up_everything(self, machine, cloud, sink, tools):
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", "--no-block", "chroma-otel.service")
        until_active(machine, "chroma-otel.service")
        assert [call for call in machine.calls if call.startswith("dnf")] == ["dnf --assumeyes --quiet install docker"]
        assert signals(machine) == [f"cfn-signal --success true {STACK}"]
        assert cloud.attached() == [cloud.instance]
        client(tools, machine, "fill", "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY

    def test_values_reach_the_containers_as_they_are(self, machine):
        def environment(name):
            return dict(entry.split("=", 1) for entry in machine.container(name)["Config"]["Env"])

        assert environment("chroma")["CHROMA_OTEL_SERVICE_NAME"] == HOSTILE
        assert environment("chroma")["SECRET"] == "s3cret" + HOSTILE
        assert json.loads(environment("otel-collector")["CHROMA_OTEL_COLLECTION_HEADERS"]) == {"x-api-key": KEY}

    def test_secrets_are_only_where_root_looks_and_nothing_stays(self, machine):
        assert written_secrets(machine) == []
        names = ["chroma.env", "collector.env"]
        assert [machine.path(f"/run/chroma-otel/{name}").stat().st_mode & 0o777 for name in names] == [0o600] * 2
        assert machine.path("/run/chroma-otel").stat().st_mode & 0o777 == 0o700

    def test_the_network_reaches_chroma_and_not_the_collector(self, machine):
        assert [port for port in (8000, *COLLECTOR_PORTS, 13133) if opens(port)] == [8000]

    def test_the_containers_are_confined(self, machine):
        for name in ("chroma", "otel-collector"):
            settings = machine.container(name)["HostConfig"]
            assert settings["ReadonlyRootfs"] and settings["CapDrop"] == ["ALL"] and not settings["CapAdd"]
            assert settings["SecurityOpt"] == ["no-new-privileges"] and settings["Memory"] > 0
        total = int(machine.read("/proc/meminfo").split()[1]) // 1024
        assert machine.container("chroma")["HostConfig"]["Memory"] == (total - 512 - 384) << 20

    def test_both_logs_reach_the_cloud(self, machine, cloud):
        here = machine.run("uname", "--nodename").stdout.strip()
        for name in ("chroma", "otel-collector"):
            options = machine.container(name)["HostConfig"]["LogConfig"]["Config"]
            assert (options["mode"], options["max-buffer-size"]) == ("non-blocking", "25m")
            eventually(lambda: cloud.log(f"{name}/{here}"), f"a log of {name}", 20)

    def test_a_second_run_changes_nothing(self, machine, cloud):
        before = started(machine)
        machine.forget_calls()
        machine.run("systemctl", "restart", "chroma-otel.service")
        assert started(machine) == before
        changes = ("dnf", "mkfs", "mount ", "chown", "docker pull", "aws ec2", "systemctl restart", "cfn-signal")
        assert [call for call in machine.calls if call.startswith(changes)] == []

    def test_a_new_secret_restarts_its_container_only(self, machine, cloud, sink):
        chroma, collector = started(machine)
        cloud.store("headers", json.dumps({"x-api-key": "s3cret-2"}))
        watch(machine)
        eventually(lambda: get_inside(machine, "http://127.0.0.1:13133/"), "the collector")
        assert started(machine)[0] == chroma
        assert started(machine)[1] != collector
        assert trace_arrives(sink)["headers"]["x-api-key"] == "s3cret-2"
        again = started(machine)
        watch(machine)
        assert started(machine) == again

    def test_metrics_are_published(self, machine, cloud):
        watch(machine)
        metrics = cloud.service("cloudwatch").list_metrics(Namespace="Chroma")["Metrics"]
        of_stack = [{"Name": "StackName", "Value": "chroma"}]
        names = {one["MetricName"] for one in metrics if one["Dimensions"] == of_stack}
        assert names == {"DiskUsedPercent", "CollectorQueueSize", "CollectorSendFailedSpans"}

    def test_what_somebody_stopped_stays_stopped_until_the_next_boot(self, machine, cloud):
        machine.run("systemctl", "stop", "otel-collector.service")
        assert machine.run("systemctl", "is-failed", "otel-collector.service", check=False).stdout != "failed\n"
        cloud.store("headers", json.dumps({"x-api-key": KEY}))
        watch(machine)
        assert machine.container("otel-collector") is None
        machine.boot()
        assert machine.container("otel-collector")["State"]["Running"]

    @pytest.mark.parametrize("name", ["chroma", "otel-collector"])
    def test_a_crashed_container_comes_back(self, machine, name):
        before = machine.container(name)["State"]
        machine.run("docker", "kill", name)

        def back():
            found = machine.container(name)
            return found and found["State"]["Running"] and found["State"]["StartedAt"] != before["StartedAt"]

        eventually(back, f"{name} again", 30)
        eventually(lambda: machine.boot("healthy", check=False).returncode == 0, "both healthy", 30)

    def test_a_chroma_that_hangs_is_restarted_at_the_third_check_in_a_row(self, machine, tools):
        def send(signal):
            entrypoint = machine.container("chroma")["State"]["Pid"]
            server = machine.read(f"/proc/{entrypoint}/task/{entrypoint}/children").strip()
            machine.run("bash", "-c", f"kill -{signal} {server}")

        before = started(machine)
        machine.run("rm", "--force", "/run/chroma-otel/answered")
        send("STOP")
        for _ in range(4):  # it has not answered yet: it may be migrating
            watch(machine)
        send("CONT")
        watch(machine)
        assert started(machine) == before
        send("STOP")
        watch(machine)
        watch(machine)
        assert started(machine) == before
        watch(machine)
        eventually(lambda: machine.boot("healthy", check=False).returncode == 0, "both healthy", 30)
        again = started(machine)
        assert again[0] != before[0] and again[1] == before[1]
        client(tools, machine, "query")
        watch(machine)
        assert started(machine) == again
        journal = machine.journal("--unit=chroma-otel-watch").splitlines()
        [said] = [line for line in journal if "chroma hangs and is restarted" in line]
        assert "chroma does not answer at http://127.0.0.1:8000/" in said

    def test_spans_that_find_a_full_queue_count_as_failed(self, machine, cloud, sink):
        path = "/etc/chroma-otel/otel-collector.yaml"
        configuration, before = machine.read(path), published(cloud, "CollectorSendFailedSpans")
        changed = configuration.replace("queue_size: 268435456", "queue_size: 1").replace("batch:", "#batch:")
        assert changed != configuration
        machine.write(path, changed)
        machine.boot("renew", "restart")
        eventually(lambda: get_inside(machine, "http://127.0.0.1:13133/"), "the collector")
        with urllib.request.urlopen(COLLECTIONS, timeout=10) as answer:
            assert answer.status == 200

        def counted():
            watch(machine)
            return published(cloud, "CollectorSendFailedSpans") > before

        try:
            eventually(counted, lambda: get_inside(machine, "http://127.0.0.1:8888/metrics"), 30)
        finally:
            machine.write(path, configuration)
            machine.boot("renew", "restart")
        eventually(lambda: machine.boot("healthy", check=False).returncode == 0, "both healthy", 30)
        trace_arrives(sink)

    def test_an_instance_that_the_group_made_by_itself_boots_well(self, machine):
        """The stack is complete and waits for nobody."""
        reported = machine.path("/etc/chroma-otel/reported")
        reported.unlink()
        machine.forget_calls()
        machine.let_fail("cfn-signal", says=SETTLED)
        machine.run("systemctl", "restart", "chroma-otel.service")
        failed = machine.boot("report_failure", "no reason", check=False)
        machine.let_work()
        assert reported.exists() and failed.returncode == 0, failed.stderr
        assert signals(machine) == [f"cfn-signal --success {word} {STACK}" for word in ("true", "false")]

    def test_after_a_reboot_everything_is_there(self, machine, cloud, sink, tools):
        machine.forget_calls()
        machine.off()
        machine.on()
        until_active(machine, "chroma-otel.service")
        client(tools, machine, "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY
        assert signals(machine) == []


# What a step calls, which is let fail for good; and how long it is tried again.
FAILURES = {
    "install": ("systemctl", "enable --now docker.service", 2),
    "disk": ("df", "", 2),
    "secrets": ("aws", "get-secret-value", 2),
    "images": ("docker", "", 5),
    "start": ("systemctl", "daemon-reload", 5),
    "healthy": ("curl", "13133", 6),
    "report": ("cfn-signal", "--success true", 8),
}


class TestFailures:
    @pytest.mark.parametrize("step", FAILURES)
    def test_a_step_that_always_fails_is_reported(self, machine, cloud, step):
        command, words, limit = FAILURES[step]
        machine.path("/etc/chroma-otel/reported").unlink(missing_ok=True)
        machine.forget_calls()
        machine.let_fail(command, words)
        done = machine.boot(limit=limit, check=False)
        machine.let_work()
        assert done.returncode == 1, done.stderr
        reason = done.stderr.splitlines()[-1].removeprefix("chroma-otel: ")
        assert reason.startswith(f"{step} failed: ") and "out of luck" in reason, done.stderr
        assert signals(machine)[-1] == f"cfn-signal --success false {STACK}"
        assert cloud.log(f"boot-{cloud.instance}")[-1] == reason
        assert written_secrets(machine) == []

    @pytest.mark.parametrize("says, status", [(NO_ACTION, 0), ("out of luck", 1)])
    def test_terraforms_group_may_not_wait_either(self, machine, tools, folder, says, status):
        machine.write("/test/cloud", "GROUP_NAME=chroma\n" + terraforms(tools, folder, "/etc/chroma-otel/cloud"))
        boot = machine.read("/etc/chroma-otel/boot")
        machine.write("/test/boot", boot.replace('source "$configuration/cloud"', "source /test/cloud"), 0o755)
        machine.forget_calls()
        machine.let_fail("aws", "complete-lifecycle-action", says=says)
        done = machine.boot("report_success", script="/test/boot", check=False)
        machine.let_work()
        assert (done.returncode, done.stderr) == (status, f"{says}\n" if status else "")
        [call] = [call for call in machine.calls if "complete-lifecycle-action" in call]
        assert call.endswith("--lifecycle-action-result CONTINUE")

    def test_too_little_memory_is_refused(self, machine):
        boot = machine.read("/etc/chroma-otel/boot").replace("chroma >= 2048", "chroma >= 2048000")
        machine.write("/test/boot", boot, 0o755)
        done = machine.boot("limits", script="/test/boot", check=False)
        assert done.returncode == 65 and "take a larger machine" in done.stderr, done.stderr

    def test_an_empty_secret_is_named(self, machine, cloud):
        cloud.store("extra", " \n")
        done = machine.boot("secrets", check=False)
        cloud.store("extra", "s3cret" + HOSTILE)
        assert done.returncode == 65 and "`SECRET` is empty" in done.stderr, done.stderr

    def test_a_collector_that_cannot_start_is_reported_with_its_own_words(self, machine, cloud):
        before = machine.read("/etc/chroma-otel/collector.env")
        machine.write("/etc/chroma-otel/collector.env", before.replace("=http://", "=http://:"))
        done = machine.boot(limit=10, check=False)
        machine.write("/etc/chroma-otel/collector.env", before)
        machine.boot()
        assert "healthy failed: " in done.stderr, done.stderr
        assert "error: `CHROMA_OTEL_COLLECTION_ENDPOINT`" in cloud.log(f"boot-{cloud.instance}")[-1]

    def test_every_command_fails_once_and_the_boot_ends_well(self, machine, cloud, disks, sink, tools):
        replace_disk(machine, cloud, disks())
        machine.path("/etc/chroma-otel/reported").unlink()
        machine.pack_docker()
        machine.forget_calls()
        for command in (*AMAZON.in_front, "cfn-signal"):
            machine.let_fail(command, times="once")
        machine.boot(limit=200)
        left = [file.name for file in machine.path("/test/fail").iterdir()]
        machine.let_work()
        assert set(left) <= {"journalctl"}, left
        assert len([call for call in machine.calls if call.startswith("mkfs.ext4")]) == 2  # the first failed
        client(tools, machine, "fill", "query")
        trace_arrives(sink)


def replace_disk(machine, cloud, disk):
    """Takes the machine's disk away in peace, and offers another one."""
    machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
    machine.run("umount", "/var/lib/chroma-otel", check=False)
    machine.offer(disk, cloud.link)


def digest(disk):
    return host("sha256sum", disk.file).split()[0]


def a_partition_table(device):
    entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
    with open(device, "r+b") as file:
        file.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")


def data_without_a_signature(device):
    with open(device, "r+b") as file:
        file.write(b"precious")


FOREIGN = {
    "swap": lambda device: host("mkswap", device),
    "ext2": lambda device: host("mkfs.ext2", "-q", device),
    "PTTYPE=dos": a_partition_table,
    "known signature": data_without_a_signature,
}


def may_grow():
    with open("/proc/self/status") as status:
        return bool(int(status.read().split("CapEff:")[1].split()[0], 16) >> 24 & 1)


class TestDisks:
    @pytest.mark.parametrize("kind", FOREIGN)
    def test_a_disk_that_is_not_ours_is_left_alone(self, machine, cloud, disks, kind):
        disk = disks(16)
        FOREIGN[kind](disk.device)
        before = digest(disk)
        replace_disk(machine, cloud, disk)
        done = machine.boot("disk", check=False)
        assert done.returncode == 65 and kind in done.stderr and "left alone" in done.stderr, done.stderr
        assert digest(disk) == before

    def test_without_its_disk_chroma_does_not_start(self, machine, cloud, disks):
        replace_disk(machine, cloud, disks(16))
        done = machine.run("systemctl", "start", "chroma.service", check=False)
        assert done.returncode != 0
        assert machine.container("chroma") is None

    def test_another_machines_disk_keeps_its_data(self, machine, cloud, tools):
        """The disk of the first machine's life."""
        replace_disk(machine, cloud, machine.disk)
        machine.forget_calls()
        machine.boot()
        client(tools, machine, "query")
        assert not [call for call in machine.calls if call.startswith("mkfs")]

    @pytest.mark.skipif(
        not may_grow(), reason="this kernel does not let us grow a mounted file system (CAP_SYS_RESOURCE)"
    )
    def test_a_grown_disk_is_used_within_ten_minutes(self, machine, tools):
        before, since = size(machine), started(machine)
        machine.disk.grow(512)
        watch(machine)
        assert size(machine) > 1.8 * before
        assert started(machine) == since
        client(tools, machine, "query")

    def test_a_disk_that_cannot_grow_is_said_and_used_as_it_is(self, machine, cloud):
        machine.forget_calls()
        machine.let_fail("resize2fs", says="no")
        watch(machine)
        machine.let_work()
        assert [call for call in machine.calls if call.startswith("resize2fs")] == [f"resize2fs {machine.disk.device}"]
        said = machine.journal("--unit=chroma-otel-watch").splitlines()
        assert "warning: the file system could not be made as large as its disk: no" in said

    def test_a_full_disk_is_said_and_loses_nothing(self, machine, cloud, tools):
        machine.run("sh", "-c", "cat /dev/zero >/var/lib/chroma-otel/data/filler", check=False)
        assert "the data disk is 100 % full" in machine.boot(check=False, limit=30).stderr
        body = json.dumps({"name": "no-room"}).encode()
        request = urllib.request.Request(COLLECTIONS, body, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert "full" in refused.value.read().decode()
        machine.path("/var/lib/chroma-otel/data/filler").unlink()
        machine.run("systemctl", "restart", "chroma.service")
        machine.boot()
        client(tools, machine, "query", "fill")


def size(machine):
    return int(machine.run("df", "--output=size", "/var/lib/chroma-otel").stdout.split()[-1])


@pytest.fixture(scope="class")
def stock(machine, cloud, tools, folder):
    """The machine with its files replaced by those for the published images and a backend of its own."""
    replace_disk(machine, cloud, machine.disk)
    for path, (mode, text) in rendered_files(
        tools, folder, cloud, STOCK, {"ChromaOtelNamesKeySecretArn": cloud.names}
    ).items():
        if path != "/etc/docker/daemon.json":
            # What a container on this machine may have at most.
            machine.write(path, text.replace("nofile=65536:65536", "nofile=20000:20000"), mode)
    known = machine.read("/etc/chroma-otel/secrets")
    assert f"collector CHROMA_OTEL_NAMES_KEY {cloud.names}" in known
    machine.write("/etc/chroma-otel/secrets", f"{known}collector UNUSED {cloud.extra}\n")
    machine.load("chromadb/chroma:1.5.9", "otel/opentelemetry-collector-contrib:0.158.0", "jaegertracing/jaeger:2.20.0")
    machine.boot()
    return machine


class TestPublishedImages:
    def test_traces_reach_the_backend_and_data_is_still_there(self, stock, tools):
        client(tools, stock, "query")
        query = new_query()
        with urllib.request.urlopen(f"{COLLECTIONS}?{query}", timeout=10) as answer:
            assert answer.status == 200
        found = "http://127.0.0.1:16686/api/traces?service=chromadb&limit=1000&lookback=1h"
        eventually(lambda: query in get_inside(stock, found), f"{query} in Jaeger", 30)

    def test_the_last_spans_leave_before_a_stop(self, stock):
        query = new_query()
        with urllib.request.urlopen(f"{COLLECTIONS}?{query}", timeout=10) as answer:
            assert answer.status == 200
        stock.run("systemctl", "stop", "chroma.service")
        found = "http://127.0.0.1:16686/api/traces?service=chromadb&limit=1000&lookback=1h"
        eventually(lambda: query in get_inside(stock, found), f"{query} in Jaeger", 30)
        stock.boot()

    @pytest.mark.parametrize("address", [ADDRESS, "127.0.0.1"], ids=["network", "forwarded"])
    def test_spans_of_clients_reach_the_backend(self, stock, tools, address):
        """From the network, and at a port that is forwarded to the machine; the backend has the same port there."""
        names = [f"client-{time.monotonic_ns()}-{way}" for way in ("grpc", "http")]
        send = [str(tools.chroma("1.5.9") / "python"), "-c", SEND_SPAN, f"http://{address}:4317", names[0]]
        post = [
            "curl",
            "--fail",
            "--silent",
            "--show-error",
            "--json",
            span(names[1]),
            f"http://{address}:4318/v1/traces",
        ]
        for command in (send, post):
            command = command if address == ADDRESS else stock.near(*command)
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        known = "http://127.0.0.1:16686/api/services"
        eventually(
            lambda: {*names} <= set(json.loads(get_inside(stock, known) or "{}").get("data") or []), str(names), 30
        )

    def test_prometheus_reaches_both_pages_from_the_network(self, stock):
        for port, name in ((8888, "otelcol_exporter_sent_spans"), (8889, "traces_span_metrics_calls_total")):
            eventually(
                lambda: name in get(f"http://{ADDRESS}:{port}/metrics"),
                lambda: get(f"http://{ADDRESS}:{port}/metrics"),
                30,
            )

    def test_chroma_reaches_no_more_of_the_collector_than_before(self, stock):
        def reached(address):
            probe = "for port in %s; do (exec 3<>/dev/tcp/%s/$port) 2>/dev/null && echo $port; done; true"
            ports = " ".join(map(str, (*COLLECTOR_PORTS, 13133)))
            return stock.run("docker", "exec", "chroma", "bash", "-c", probe % (ports, address)).stdout.split()

        assert reached("otel-collector") == ["4317", "4318"]
        assert reached(ADDRESS) == []

    def test_the_collector_does_not_expand_dollars_of_a_secret(self, stock):
        doubled = ("s3cret" + HOSTILE).replace("$", "$$")
        assert stock.read("/run/chroma-otel/collector.env") == f"CHROMA_OTEL_NAMES_KEY=s3cret-word\nUNUSED={doubled}\n"

    def test_a_word_that_would_end_a_text_of_the_configuration_is_refused_by_name(self, stock, cloud):
        cloud.store("names", 's3cret") or ("')
        done = stock.boot("secrets", check=False)
        cloud.store("names", "s3cret-word")
        assert done.returncode == 65 and "`CHROMA_OTEL_NAMES_KEY`" in done.stderr, done.stderr
        assert "s3cret" not in done.stdout + done.stderr


def test_scripts_and_units_pass_their_checkers(machine):
    folder = machine.path("/etc/chroma-otel")
    host("shellcheck", "--shell=bash", folder / "boot", folder / "watch", folder / "cloud")
    units = ("chroma-otel.service", "chroma.service", "otel-collector.service", "chroma-otel-watch.timer")
    done = machine.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{unit}" for unit in units))
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("spec", [SPEC, STOCK], ids=["wrapped", "stock"])
def test_cloudformation_delivers_plain_characters(cloud, tools, folder, spec):
    """It gives `?` back for others when metadata is read through its API, as cfn-init does."""
    parameters = {"ChromaOtelCollectionEndpoint": "otlp.example.com", "SecretSecretArn": cloud.extra}
    own = {"ChromaOtelNamesKeySecretArn": cloud.names}
    files = rendered_files(tools, folder, cloud, spec, parameters if spec == SPEC else own)
    assert [path for path, (_, text) in files.items() if not text.isascii()] == []
