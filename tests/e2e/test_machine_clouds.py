"""What runs on a machine in Google's cloud and in Azure, run on a stand-in machine (stand_in_machine.py) with
the files that the rendered module delivers: the real Terraform applies it (terraform/), the real cloud-init or
the machine's own bash writes them. The cloud's services are stood in for (machine/services.py), by their real
names; they grant what the module's roles say.

Invariant: as of test_machine.py: the tests of one cloud share the machine and run in order; each leaves it healthy.
"""

import base64
import gzip
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import HERE, eventually, missing
from stand_in_machine import DEBIAN, METADATA, SERVICES, SERVICES_NETWORK, SOCKET, WIRE_SERVER, Machine, host
from terraform.clouds import AZURE, CLOUDS, GCP, SUBSCRIPTION
from terraform.module import Module, provider_folder
from test_machine import (  # noqa: F401 (fixtures)
    FOREIGN,
    HOSTILE,
    KEY,
    client,
    digest,
    disks,
    generate,
    get_inside,
    sink,
    start,
    started,
    trace_arrives,
    until_active,
    watch,
    wrapped_images,
)

SPEC = """
target: {}
chroma: {{version: 1.5.9, environment: {{SECRET: null}}}}
tracing: {{backend: otlp}}
"""
LINKS = {"gcp": "/dev/disk/by-id/google-chroma-data", "azure": "/dev/disk/azure/scsi1/lun0"}
STORES = {"gcp": "projects/chroma-test/secrets/", "azure": "https://operators.vault.azure.net/secrets/"}
NAMES = {
    "gcp": (
        "secretmanager.googleapis.com",
        "logging.googleapis.com",
        "monitoring.googleapis.com",
        "europe-west1-docker.pkg.dev",
    ),
    "azure": ("operators.vault.azure.net", "chroma0a1b2c3d.azurecr.io", "westeurope.monitoring.azure.com"),
}
# The provider's short names.
SCOPES = {"cloud-platform": "https://www.googleapis.com/auth/cloud-platform"}
# How an identity asks the metadata service for a token.
TOKEN = {
    "gcp": ("Metadata-Flavor: Google", f"http://{METADATA}/computeMetadata/v1/instance/service-accounts/default/token"),
    "azure": (
        "Metadata: true",
        f"http://{METADATA}/metadata/identity/oauth2/token?api-version=2018-02-01"
        f"&resource=https://vault.azure.net&client_id={AZURE.values['azurerm_user_assigned_identity.client_id']}",
    ),
}


# What a container's own bash can ask: ask NAME PORT PATH HEADER.
ASK = r'''exec 3<>"/dev/tcp/$1/$2" &&
printf 'GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n' "$3" "$1" "$4" >&3 &&
read -r line <&3 && echo "$line"'''


class Services:
    """The stand-in for a cloud's services, and what it was asked."""

    def __init__(self, cloud, tools, start, machine, folder):
        self.cloud, self.folder = cloud, folder
        names = ",".join(f"DNS:{name}" for name in NAMES[cloud.name])
        host(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=stand-in",
            "-addext",
            f"subjectAltName={names}",
            "-keyout",
            folder / "services.key",
            "-out",
            folder / "services.pem",
        )
        self.made = {"secrets": {}, "images": {}}
        python = tools.part("services/bin/python")
        command = [python, HERE / "machine/services.py", cloud.name, folder, SERVICES]
        self.server = start("services", machine.near(*map(str, command), network=SERVICES_NETWORK))
        self.server.until(self.requests, "the cloud's services")

    def make(self, **made):
        """What the module, or an operator, has made."""
        self.made |= made
        file = self.folder / "made.new"
        file.write_text(json.dumps(self.made))
        file.rename(self.folder / "made.json")

    def store(self, name, value):
        self.make(secrets={**self.made["secrets"], STORES[self.cloud.name] + name: value})

    def refuse(self, words, times="always", status=403):
        (self.folder / "refuse").write_text(f"{times} {status} {words}")

    def agree(self):
        (self.folder / "refuse").unlink(missing_ok=True)

    def requests(self):
        file = self.folder / "requests"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def forget(self):
        (self.folder / "requests").write_text("")

    def of(self, key):
        """What was noted under this key."""
        return [one for one in self.requests() if key in one]

    def trusted_by(self, machine):
        bundle = machine.path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + (self.folder / "services.pem").read_text())
        hosts = [f"{SERVICES} {name}" for name in NAMES[self.cloud.name]]
        names = f"127.0.0.1 localhost\n{METADATA} metadata.google.internal metadata\n"
        machine.write("/etc/hosts", names + "\n".join(hosts) + "\n")


def granted(cloud, state):
    """What the module's roles let the machine do, in the stand-in's words: role names, and addresses of secrets."""
    if cloud is GCP:
        roles = [one["role"] for address, one in state.items() if "_iam_member." in address]
        return roles, [
            one["secret_id"]
            for address, one in state.items()
            if address.startswith("google_secret_manager_secret_iam_member.")
        ]
    assigned = [one for address, one in state.items() if address.startswith("azurerm_role_assignment.")]
    machine = cloud.values["azurerm_user_assigned_identity.principal_id"]
    mine = [(one["role_definition_name"], one["scope"]) for one in assigned if one["principal_id"] == machine]
    vault = re.compile(r"/vaults/([\w-]+)/secrets/([\w-]+)$")
    found = [vault.search(scope) for role, scope in mine if role == "Key Vault Secrets User"]
    return [role for role, _ in mine], [f"https://{one[1]}.vault.azure.net/secrets/{one[2]}" for one in found if one]


@pytest.fixture(scope="module", params=CLOUDS.values(), ids=CLOUDS.keys())
def cloud(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cloud):
    return tmp_path_factory.mktemp(cloud.name)


@pytest.fixture(scope="module")
def off_machine(tools, folder, disks):
    """A machine with its network, off. (It goes before its disks.)"""
    if not os.path.exists(SOCKET):
        missing("the Docker engine (see .ci/engine)")
    machine = Machine(tools, folder, DEBIAN)
    machine.connect()
    try:
        yield machine
    finally:
        machine.remove()


@pytest.fixture(scope="module")
def services(off_machine, cloud, tools, start, folder):
    return Services(cloud, tools, start, off_machine, folder)


@pytest.fixture(scope="module")
def state(cloud, sink, tools, folder):
    """What Terraform has made of the module, for these values."""
    rendered = generate(tools, folder, SPEC.format(cloud.name))
    provider = provider_folder(tools, cloud.provider, [rendered], cloud.values, folder / "provider")
    module = Module(rendered, provider, folder, cloud.needed, cloud.stored)
    values = {
        "name": "chroma",
        "chroma_otel_collection_endpoint": sink.grpc,
        "chroma_otel_service_name": HOSTILE,
        "chroma_otel_collection_headers_secret_id": STORES[cloud.name] + "headers",
        "secret_secret_id": STORES[cloud.name] + "extra",
        **dict([cloud.alarm]),
    }
    return module.apply(**module.values(**values))


def deliver(cloud, machine, state, tools, folder):
    """Brings the files to the machine as its cloud does."""
    user_data = cloud.user_data(state)
    if cloud is GCP:  # the guest agent runs it, at every boot
        machine.path("/startup-script").write_bytes(user_data)
        machine.path("/startup-script").chmod(0o755)
        return machine.run("/startup-script")
    for path, (mode, text) in cloud.boot(tools, user_data, folder / "cloud-init").items():
        machine.write(path, text, mode)
    machine.run("systemctl", "daemon-reload")  # as `runcmd` says
    return machine.run("systemctl", "enable", "--now", "--no-block", "chroma-otel.service")


@pytest.fixture(scope="module")
def machine(off_machine, cloud, services, state, disks, folder, tools):
    """The machine before its first boot; its disk is empty, and not there yet."""
    off_machine.on()
    off_machine.prepare()
    services.trusted_by(off_machine)
    off_machine.disk = disks()
    off_machine.offer(off_machine.disk, LINKS[cloud.name])
    roles, secrets = granted(cloud, state)
    values = {
        STORES[cloud.name] + "headers": json.dumps({"x-api-key": KEY}, indent=2),
        STORES[cloud.name] + "extra": "s3cret" + HOSTILE,
    }
    assert set(secrets) == set(values)
    services.make(
        roles=roles,
        secrets=values,
        project="chroma-test",
        zone="europe-west1-b",
        name="chroma",
        location="westeurope",
        metadata=state[cloud.machine].get("metadata"),
        scopes=[
            SCOPES[one] for account in state[cloud.machine].get("service_account") or [] for one in account["scopes"]
        ],
        client_id=cloud.values.get("azurerm_user_assigned_identity.client_id"),
        machine=cloud.values.get("azurerm_linux_virtual_machine.id"),
        instance={"compute": {"name": "chroma", "subscriptionId": SUBSCRIPTION, "location": "westeurope"}},
    )
    off_machine.run("systemctl", "start", "docker.service")
    images = wrapped_images(tools, folder)
    off_machine.load(*images)
    off_machine.images = images
    off_machine.run("sh", "-c", "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force")
    forget_images(off_machine, services, state, cloud)
    off_machine.run("systemctl", "stop", "docker.service", "docker.socket", "containerd.service")
    off_machine.pack_docker()
    off_machine.forget_calls()
    return off_machine


def forget_images(machine, services, state, cloud):
    """The registry has the images, and the machine does not know them by their names there. (What it has under
    another name is not sent again.)"""
    data = cloud.user_data(state)
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode()
    lines = [base64.b64decode(one).decode() for one in re.findall(r"[A-Za-z0-9+/]{80,}={0,2}", text)]
    wanted = dict(
        line.split("=", 1)
        for part in lines
        for line in part.splitlines()
        if re.match(r"(CHROMA|COLLECTOR)_IMAGE=", line)
    )
    ids = machine.run("docker", "image", "inspect", "--format={{.Id}}", *machine.images).stdout.split()
    names = [wanted["CHROMA_IMAGE"], wanted["COLLECTOR_IMAGE"]]
    services.make(images=dict(zip(names, ids, strict=True)))
    machine.run("docker", "image", "rm", *names, check=False)


def leaked(machine):
    """What the machine has written to a disk, or passed as an argument, with a secret or a token in it. (Docker
    and containerd keep a container's environment while the container is there, for root only.)"""
    pattern = "s3cret|token-[0-9a-f]{32}"
    command = ["grep", "-rlaE", "--exclude-dir=containerd", pattern, machine.state / "upper"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    said = machine.journal().splitlines() + machine.calls
    return found.stdout.split() + [line for line in said if re.search(pattern, line)]


def reported(cloud, machine, services):
    """What was said of the boot where the README says to look: the last word."""
    if cloud is GCP:
        return [one["value"] for one in services.of("guest")][-1:]
    failure = machine.path("/run/chroma-otel/failure")
    return [failure.read_text().strip() if failure.exists() else "healthy"]


class TestOneMachine:
    def test_the_first_boot_waits_for_the_disk_and_brings_up_everything(
        self, machine, cloud, services, state, sink, tools, folder
    ):
        deliver(cloud, machine, state, tools, folder)
        eventually(
            lambda: "disk is tried again" in machine.journal("--unit=chroma-otel"),
            lambda: machine.journal("--unit=chroma-otel"),
            60,
        )
        assert LINKS[cloud.name] in machine.journal("--unit=chroma-otel") or cloud is AZURE
        machine.attach()
        until_active(machine, "chroma-otel.service")
        packages = [call for call in machine.calls if call.startswith("apt-get")]
        assert (
            [call.split()[-1] for call in packages][0] == "update" and "docker.io" in packages[1] and len(packages) == 2
        )
        assert len([call for call in machine.calls if call.startswith("docker login")]) == 1
        assert len(services.of("login")) == 3  # and a token for each pull
        assert reported(cloud, machine, services) == ["healthy"]
        client(tools, machine, "fill", "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY

    def test_values_reach_the_containers_as_they_are(self, machine):
        def environment(name):
            return dict(entry.split("=", 1) for entry in machine.container(name)["Config"]["Env"])

        assert environment("chroma")["CHROMA_OTEL_SERVICE_NAME"] == HOSTILE
        assert environment("chroma")["SECRET"] == "s3cret" + HOSTILE
        assert json.loads(environment("otel-collector")["CHROMA_OTEL_COLLECTION_HEADERS"]) == {"x-api-key": KEY}

    def test_nothing_secret_stays(self, machine, services):
        assert leaked(machine) == []
        names = ["chroma.env", "collector.env"]
        assert [machine.path(f"/run/chroma-otel/{name}").stat().st_mode & 0o777 for name in names] == [0o600] * 2
        assert machine.path("/run/chroma-otel").stat().st_mode & 0o777 == 0o700

    def test_no_container_on_the_bridge_gets_the_machines_identity(self, machine, cloud):
        image = machine.container("chroma")["Config"]["Image"]
        header, token = TOKEN[cloud.name]

        def answers(url, network="bridge"):
            """Whether a container there gets anything of the page."""
            place, _, path = url.removeprefix("http://").partition("/")
            name, _, port = place.partition(":")
            run = [
                "docker",
                "run",
                "--rm",
                f"--network={network}",
                "--entrypoint=timeout",
                image,
                "5",
                "bash",
                "-c",
                ASK,
            ]
            done = machine.run(*run, "ask", name, port or "80", f"/{path}", header, check=False)
            assert "HTTP/1.1 " in done.stdout or "Connection refused" in done.stderr, done.stdout + done.stderr
            return "HTTP/1.1 " in done.stdout

        def rules():
            said = machine.run("iptables", "-S", "DOCKER-USER").stdout
            return [said.count(f"-d {address}/32") for address in addresses]

        addresses = [METADATA, *([WIRE_SERVER] if cloud is AZURE else [])]
        assert rules() == [1] * len(addresses)
        assert machine.run("curl", "-sf", "-m", "3", "-H", header, token).stdout
        assert answers(token, network="host")  # as the collector
        assert not answers(token)
        assert answers(f"http://{METADATA}:53/")  # the cloud's resolver
        machine.run("iptables", "-F", "DOCKER-USER")
        assert answers(token)  # it is the rule, and no other reason
        machine.boot("confine")
        machine.boot("confine")
        assert not answers(token) and rules() == [1] * len(addresses)

    def test_both_logs_are_kept(self, machine, cloud, services):
        for name in ("chroma", "otel-collector"):
            driver = machine.container(name)["HostConfig"]["LogConfig"]
            if cloud is GCP:
                assert (driver["Type"], driver["Config"]["mode"]) == ("gcplogs", "non-blocking")

                def logged(name=name):
                    return [
                        one
                        for one in services.of("log")
                        if one.get("by") == "grpc" and f'"name": "/{name}"' in one["text"]
                    ]

                entry = eventually(logged, lambda: f"a log of {name}: {services.of('log')[:9]}", 30)[-1]
                assert entry["log"] == "projects/chroma-test/logs/gcplogs-docker-driver"
            else:
                assert driver["Type"] == "local"  # what stays in Docker: rotated, and small
                assert machine.journal(f"_SYSTEMD_UNIT={name}.service").strip()

    def test_a_second_run_changes_nothing(self, machine, cloud, services, state, tools, folder):
        before = started(machine)
        machine.forget_calls()
        services.forget()
        machine.run("systemctl", "restart", "chroma-otel.service")
        if cloud is GCP:
            files = {
                path: machine.path(path).read_bytes()
                for path in ("/etc/chroma-otel/boot", "/etc/chroma-otel/chroma.env")
            }
            machine.run("/startup-script")
            assert files == {path: machine.path(path).read_bytes() for path in files}
        until_active(machine, "chroma-otel.service")
        assert started(machine) == before
        changes = ("apt-get", "mkfs", "mount ", "chown", "docker pull", "docker login", "systemctl restart")
        assert [call for call in machine.calls if call.startswith(changes)] == []
        assert services.of("login") == [] and services.of("guest") == []

    def test_a_new_secret_restarts_its_container_only(self, machine, services, sink):
        chroma, collector = started(machine)
        services.store("headers", json.dumps({"x-api-key": "s3cret-2"}))
        watch(machine)
        eventually(lambda: get_inside(machine, "http://127.0.0.1:13133/"), "the collector")
        assert started(machine)[0] == chroma and started(machine)[1] != collector
        assert trace_arrives(sink)["headers"]["x-api-key"] == "s3cret-2"
        again = started(machine)
        watch(machine)
        assert started(machine) == again
        services.store("headers", json.dumps({"x-api-key": KEY}))
        watch(machine)

    def test_metrics_are_published(self, machine, cloud, services):
        eventually(lambda: machine.boot("healthy", check=False).returncode == 0, "both healthy", 30)
        services.forget()
        watch(machine)
        found = {one["metric"].rpartition("/")[2]: one["value"] for one in services.of("metric")}
        assert set(found) == {"ChromaAnswers", "DiskUsedPercent", "CollectorQueueSize", "CollectorSendFailedSpans"}
        assert found["ChromaAnswers"] == 1 and 0 < found["DiskUsedPercent"] < 100
        if cloud is GCP:
            assert {one["labels"]["deployment"] for one in services.of("metric")} == {"chroma"}
        machine.run("systemctl", "stop", "chroma.service")
        services.forget()
        watch(machine)
        found = {one["metric"].rpartition("/")[2]: one["value"] for one in services.of("metric")}
        assert found["ChromaAnswers"] == 0
        machine.boot()

    def test_after_a_reboot_everything_is_there(self, machine, cloud, services, state, sink, tools, folder):
        machine.off()
        machine.on()
        machine.attach()
        if cloud is GCP:
            deliver(cloud, machine, state, tools, folder)
        until_active(machine, "chroma-otel.service")
        client(tools, machine, "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY
        assert reported(cloud, machine, services)[-1:] in ([], ["healthy"])


# What a step asks of the cloud, which is refused for good; and how long it is tried again.
REFUSED = {
    "gcp": {"secrets": ("secrets/extra", 4), "images": ("europe-west1-docker.pkg.dev", 6)},
    "azure": {"secrets": ("secrets/extra", 4), "images": ("oauth2/exchange", 6)},
}


class TestFailures:
    @pytest.mark.parametrize("step", ["install", "disk", "secrets", "images", "healthy"])
    def test_a_step_that_always_fails_is_reported(self, machine, cloud, services, state, step):
        reached = machine.path("/etc/chroma-otel/reported")
        reached.unlink(missing_ok=True)
        limit = 4
        if step == "install":
            machine.let_fail("systemctl", "enable --now docker.service")
        elif step == "disk":
            machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
            machine.run("umount", "/var/lib/chroma-otel")
            machine.path(LINKS[cloud.name]).unlink()
        elif step == "healthy":
            machine.let_fail("curl", "13133")
            limit = 6
        else:
            words, limit = REFUSED[cloud.name][step]
            services.refuse(words)
            if step == "images":
                machine.run("docker", "image", "rm", "--force", *services.made["images"])
        done = machine.boot(limit=limit, check=False)
        machine.let_work()
        services.agree()
        if step == "disk":
            machine.attach()
        assert done.returncode == 1, done.stderr
        lines = [line.removeprefix("chroma-otel: ") for line in done.stderr.splitlines()]
        [reason] = [line for line in lines if line.startswith(f"{step} failed: ")]
        assert reason != f"{step} failed: no reason given"
        if step == "secrets":
            assert "`SECRET` cannot be read" in reason
        assert reported(cloud, machine, services) == [reason]
        if cloud is GCP:
            [logged] = [one for one in services.of("log") if one["text"] == reason]
            assert logged["severity"] == "ERROR" and logged["log"].endswith("/chroma-otel-boot")
        assert leaked(machine) == []
        machine.boot()
        assert reached.exists()
        assert reported(cloud, machine, services) == ["healthy"]

    def test_a_policy_against_guest_attributes_does_not_fail_the_boot(self, machine, cloud, services):
        machine.path("/etc/chroma-otel/reported").unlink()
        services.forget()
        services.refuse("PUT 169.254.169.254" if cloud is GCP else "")
        machine.boot("report")
        services.agree()
        said = [(one["severity"], one["text"]) for one in services.of("log")]
        # On Azure, a boot reports to its own machine.
        assert said == ([("INFO", "healthy")] if cloud is GCP else [])
        assert machine.path("/etc/chroma-otel/reported").exists()

    def test_chroma_starts_while_its_logs_are_refused(self, machine, cloud, services, tools):
        def driver():
            machine.run("systemctl", "restart", "chroma.service")
            eventually(lambda: machine.boot("chroma_healthy", check=False).returncode == 0, "a healthy Chroma", 60)
            return machine.container("chroma")["HostConfig"]["LogConfig"]["Type"]

        services.refuse("logging.googleapis.com" if cloud is GCP else "")
        assert driver() == "local"
        client(tools, machine, "query")
        services.agree()
        # On Azure they stay on the machine, and the agent takes them from there.
        assert driver() == ("gcplogs" if cloud is GCP else "local")

    def test_whoever_waits_hears_of_it(self, machine, cloud, services):
        """On Google's cloud a person asks for the guest attribute, on Azure `terraform apply` does it."""
        machine.run("systemctl", "stop", "chroma-otel.service")
        services.forget()
        waiting = None
        if cloud is AZURE:
            waiting = ThreadPoolExecutor().submit(machine.boot, "outcome", check=False)
        machine.let_fail("systemctl", "enable --now docker.service")
        machine.boot(limit=4, check=False)
        machine.let_work()
        said = waiting.result().stderr if waiting else services.of("guest")[-1]["value"]
        assert said.strip() == "install failed: out of luck"
        machine.run("systemctl", "start", "chroma-otel.service")
        if cloud is AZURE:
            done = machine.boot("outcome")
            assert done.stdout + done.stderr == ""

    def test_everything_fails_once_and_the_boot_ends_well(self, machine, cloud, services, disks, sink, tools):
        machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
        machine.run("umount", "/var/lib/chroma-otel")
        machine.offer(disks(), LINKS[cloud.name])
        machine.attach()
        machine.path("/etc/chroma-otel/reported").unlink()
        machine.run("docker", "image", "rm", "--force", *services.made["images"])
        machine.pack_docker()
        machine.forget_calls()
        for command in DEBIAN.in_front:
            machine.let_fail(command, times="once")
        services.refuse("", times="once", status=503)
        machine.boot(limit=200)
        left = [file.name for file in machine.path("/test/fail").iterdir()]
        machine.let_work()
        assert set(left) <= {"journalctl", "docker", "iptables"}, left
        assert not (services.folder / "refuse").exists()
        assert len([call for call in machine.calls if call.startswith("mkfs.ext4")]) == 2  # the first failed
        client(tools, machine, "fill", "query")
        trace_arrives(sink)

    def test_a_disk_that_is_not_ours_is_left_alone(self, machine, cloud, disks, tools):
        disk = disks(16)
        FOREIGN["PTTYPE=dos"](disk.device)
        before = digest(disk)
        machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
        machine.run("umount", "/var/lib/chroma-otel")
        machine.offer(disk, LINKS[cloud.name])
        machine.attach()
        done = machine.boot("disk", check=False)
        assert done.returncode == 65 and "left alone" in done.stderr, done.stderr
        assert digest(disk) == before
        # The disk of the machine's first life keeps its data.
        machine.offer(machine.disk, LINKS[cloud.name])
        machine.attach()
        machine.forget_calls()
        machine.boot()
        client(tools, machine, "query")
        assert not [call for call in machine.calls if call.startswith("mkfs")]


def test_scripts_and_units_pass_their_checkers(machine):
    folder = machine.path("/etc/chroma-otel")
    host("shellcheck", "--shell=bash", folder / "boot", folder / "watch", folder / "cloud")
    units = ("chroma-otel.service", "chroma.service", "otel-collector.service", "chroma-otel-watch.timer")
    done = machine.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{unit}" for unit in units))
    assert done.stdout + done.stderr == ""
