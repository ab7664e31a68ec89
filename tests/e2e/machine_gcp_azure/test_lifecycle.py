"""A machine in Google Cloud and in Azure from its first boot to a reboot."""

import json

from booted_machine import (
    KEY,
    check_secret_files,
    check_values,
    client,
    leaked,
    started,
    trace_arrives,
    until_active,
    until_collector_answers,
    until_healthy,
    watch,
)
from conftest import eventually
from stand_in_machine import METADATA, WIRE_SERVER
from terraform.clouds import AZURE, CONNECTION_STRING, GCP

from machine_gcp_azure.machine_steps import LINKS, SECRETS, deliver, reported

# The header and URL of a token request to the metadata service.
TOKEN = {
    "gcp": ("Metadata-Flavor: Google", f"http://{METADATA}/computeMetadata/v1/instance/service-accounts/default/token"),
    "azure": (
        "Metadata: true",
        f"http://{METADATA}/metadata/identity/oauth2/token?api-version=2018-02-01"
        f"&resource=https://vault.azure.net&client_id={AZURE.values['azurerm_user_assigned_identity.client_id']}",
    ),
}
# Sends an HTTP request from a container without curl: ask NAME PORT PATH HEADER.
ASK = r'''exec 3<>"/dev/tcp/$1/$2" &&
printf 'GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n' "$3" "$1" "$4" >&3 &&
read -r line <&3 && echo "$line"'''


class TestLifecycle:
    def test_first_boot_waits_for_the_disk_and_starts_all_services(
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
        update, fix, install = [call for call in machine.calls if call.startswith("apt-get")]
        assert update.endswith(" update") and " --fix-broken " in fix and " docker.io " in install
        assert len([call for call in machine.calls if call.startswith("docker login")]) == 1
        assert len(services.of("login")) == 3  # one login, and a token for each pull
        assert reported(cloud, machine, services) == ["healthy"]
        client(tools, machine, "fill", "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY
        if cloud is AZURE:
            # Azure Monitor receives the same spans, with a token of the machine's identity.
            items = eventually(lambda: services.of("telemetry"), "spans at Application Insights", 60)
            assert {item["key"] for item in items} == {CONNECTION_STRING.split(";")[0].partition("=")[2]}

    def test_containers_receive_values_unchanged(self, machine):
        check_values(machine)

    def test_secrets_are_in_memory_only_and_readable_by_root(self, machine, services):
        assert leaked(machine, SECRETS) == []
        check_secret_files(machine)

    def test_bridge_containers_cannot_use_the_machine_identity(self, machine, cloud):
        image = machine.container("chroma")["Config"]["Image"]
        header, token = TOKEN[cloud.name]

        def answers(url, network="bridge"):
            """Whether a container in this network receives a response."""
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
        assert answers(token, network="host")  # the collector's network
        assert not answers(token)
        assert answers(f"http://{METADATA}:53/")  # the cloud's resolver
        machine.run("iptables", "-F", "DOCKER-USER")
        assert answers(token)  # without the rule, the token is reachable
        machine.boot("confine")
        machine.boot("confine")
        assert not answers(token) and rules() == [1] * len(addresses)

    def test_container_logs_are_kept(self, machine, cloud, services):
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
                assert driver["Type"] == "local"  # Docker's rotated log; the journal has the rest
                assert machine.journal(f"_SYSTEMD_UNIT={name}.service").strip()

    def test_second_boot_run_changes_nothing(self, machine, cloud, services, state, tools, folder):
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

    def test_rotated_secret_restarts_only_its_container(self, machine, services, sink):
        chroma, collector = started(machine)
        services.store("headers", json.dumps({"x-api-key": "s3cret-2"}))
        watch(machine)
        until_collector_answers(machine)
        assert started(machine)[0] == chroma and started(machine)[1] != collector
        assert trace_arrives(sink)["headers"]["x-api-key"] == "s3cret-2"
        again = started(machine)
        watch(machine)
        assert started(machine) == again
        services.store("headers", json.dumps({"x-api-key": KEY}))
        watch(machine)

    def test_metrics_are_published(self, machine, cloud, services):
        until_healthy(machine)
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

    def test_data_and_traces_survive_a_reboot(self, machine, cloud, services, state, sink, tools, folder):
        machine.off()
        machine.on()
        machine.attach()
        if cloud is GCP:
            deliver(cloud, machine, state, tools, folder)
        until_active(machine, "chroma-otel.service")
        client(tools, machine, "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY
        assert reported(cloud, machine, services)[-1:] in ([], ["healthy"])
