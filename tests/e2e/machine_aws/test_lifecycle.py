"""A machine in AWS from its first boot to a reboot."""

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request

import pytest
from booted_machine import (
    COLLECTIONS,
    KEY,
    check_secret_files,
    check_values,
    client,
    get_inside,
    leaked,
    signal_chroma,
    started,
    trace_arrives,
    until_active,
    until_collector_answers,
    until_healthy,
    watch,
)
from conftest import eventually
from stand_in_machine import ADDRESS

from machine_aws.aws_services import REGION
from machine_aws.machine_steps import COLLECTOR_PORTS, STACK, signals

pytestmark = pytest.mark.aws

# CloudFormation's response to a signal after the stack is complete.
SETTLED = (
    f"ValidationError: Stack arn:aws:cloudformation:{REGION}:123456789012:stack/chroma/0"
    " is in CREATE_COMPLETE state and cannot be signaled"
)


def published(cloud, name):
    """The sum of all published values of a metric."""
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


def opens(port, address=ADDRESS):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 5):
        return True
    return False


class TestLifecycle:
    def test_first_boot_starts_all_services(self, machine, cloud, sink, tools):
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", "--no-block", "chroma-otel.service")
        until_active(machine, "chroma-otel.service")
        assert [call for call in machine.calls if call.startswith("dnf")] == ["dnf --assumeyes --quiet install docker"]
        assert signals(machine) == [f"cfn-signal --success true {STACK}"]
        assert cloud.attached() == [cloud.instance]
        client(tools, machine, "fill", "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY

    def test_containers_receive_values_unchanged(self, machine):
        check_values(machine)

    def test_secrets_are_in_memory_only_and_readable_by_root(self, machine):
        assert leaked(machine) == []
        check_secret_files(machine)

    def test_network_reaches_chroma_but_not_the_collector(self, machine):
        assert [port for port in (8000, *COLLECTOR_PORTS, 13133) if opens(port)] == [8000]

    def test_containers_run_confined(self, machine):
        for name in ("chroma", "otel-collector"):
            settings = machine.container(name)["HostConfig"]
            assert settings["ReadonlyRootfs"] and settings["CapDrop"] == ["ALL"] and not settings["CapAdd"]
            assert settings["SecurityOpt"] == ["no-new-privileges"] and settings["Memory"] > 0
        total = int(machine.read("/proc/meminfo").split()[1]) // 1024
        assert (
            machine.container("chroma")["HostConfig"]["Memory"] == (total - 512 - 384 - 128) << 20
        )  # of collector, system, backups

    def test_container_logs_reach_cloudwatch(self, machine, cloud):
        here = machine.run("uname", "--nodename").stdout.strip()
        for name in ("chroma", "otel-collector"):
            options = machine.container(name)["HostConfig"]["LogConfig"]["Config"]
            assert (options["mode"], options["max-buffer-size"]) == ("non-blocking", "25m")
            eventually(lambda: cloud.log(f"{name}/{here}"), f"a log of {name}", 20)

    def test_second_boot_run_changes_nothing(self, machine, cloud):
        before = started(machine)
        machine.forget_calls()
        machine.run("systemctl", "restart", "chroma-otel.service")
        assert started(machine) == before
        changes = ("dnf", "mkfs", "mount ", "chown", "docker pull", "aws ec2", "systemctl restart", "cfn-signal")
        assert [call for call in machine.calls if call.startswith(changes)] == []

    def test_rotated_secret_restarts_only_its_container(self, machine, cloud, sink):
        chroma, collector = started(machine)
        cloud.store("headers", json.dumps({"x-api-key": "s3cret-2"}))
        watch(machine)
        until_collector_answers(machine)
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
        assert names == {"DiskUsedPercent", "BackupFailed", "CollectorQueueSize", "CollectorSendFailedSpans"}

    def test_stopped_container_stays_stopped_until_the_next_boot(self, machine, cloud):
        machine.run("systemctl", "stop", "otel-collector.service")
        assert machine.run("systemctl", "is-failed", "otel-collector.service", check=False).stdout != "failed\n"
        cloud.store("headers", json.dumps({"x-api-key": KEY}))
        watch(machine)
        assert machine.container("otel-collector") is None
        machine.boot()
        assert machine.container("otel-collector")["State"]["Running"]

    def test_containers_that_stopped_with_docker_start_again(self, machine, tools):
        before = started(machine)
        machine.run("systemctl", "stop", "docker.service", "docker.socket")
        machine.run("systemctl", "start", "docker.service")
        assert machine.run("systemctl", "is-active", "chroma.service", check=False).stdout == "inactive\n"
        watch(machine)
        until_healthy(machine)
        again = started(machine)
        assert all(new != old for new, old in zip(again, before, strict=True))
        client(tools, machine, "query")
        watch(machine)
        assert started(machine) == again

    @pytest.mark.parametrize("name", ["chroma", "otel-collector"])
    def test_crashed_container_restarts(self, machine, name):
        before = machine.container(name)["State"]
        machine.run("docker", "kill", name)

        def back():
            found = machine.container(name)
            return found and found["State"]["Running"] and found["State"]["StartedAt"] != before["StartedAt"]

        eventually(back, f"{name} again", 30)
        until_healthy(machine)

    def test_hanging_chroma_restarts_at_the_third_failed_check_in_a_row(self, machine, tools):
        before = started(machine)
        machine.run("rm", "--force", "/run/chroma-otel/answered")
        signal_chroma(machine, "STOP")
        for _ in range(4):  # before its first response, Chroma may be migrating data
            watch(machine)
        signal_chroma(machine, "CONT")
        watch(machine)
        assert started(machine) == before
        signal_chroma(machine, "STOP")
        watch(machine)
        watch(machine)
        assert started(machine) == before
        watch(machine)
        until_healthy(machine)
        again = started(machine)
        assert again[0] != before[0] and again[1] == before[1]
        client(tools, machine, "query")
        watch(machine)
        assert started(machine) == again
        journal = machine.journal("--unit=chroma-otel-watch").splitlines()
        [said] = [line for line in journal if "chroma hangs and is restarted" in line]
        assert "chroma does not answer at http://127.0.0.1:8000/" in said

    def test_full_queue_counts_spans_as_failed(self, machine, cloud, sink):
        path = "/etc/chroma-otel/otel-collector.yaml"
        configuration, before = machine.read(path), published(cloud, "CollectorSendFailedSpans")
        changed = configuration.replace("queue_size: 268435456", "queue_size: 1").replace("batch:", "#batch:")
        assert changed != configuration
        machine.write(path, changed)
        machine.boot("renew", "restart")
        until_collector_answers(machine)
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
        until_healthy(machine)
        trace_arrives(sink)

    def test_replacement_instance_boots_after_the_stack_is_complete(self, machine):
        """CloudFormation rejects the signal of an instance that the group replaces later."""
        reported = machine.path("/etc/chroma-otel/reported")
        reported.unlink()
        machine.forget_calls()
        machine.let_fail("cfn-signal", says=SETTLED)
        machine.run("systemctl", "restart", "chroma-otel.service")
        failed = machine.boot("report_failure", "no reason", check=False)
        machine.let_work()
        assert reported.exists() and failed.returncode == 0, failed.stderr
        assert signals(machine) == [f"cfn-signal --success {word} {STACK}" for word in ("true", "false")]

    def test_data_and_traces_survive_a_reboot(self, machine, cloud, sink, tools):
        machine.forget_calls()
        machine.off()
        machine.on()
        until_active(machine, "chroma-otel.service")
        client(tools, machine, "query")
        assert trace_arrives(sink)["headers"]["x-api-key"] == KEY
        assert signals(machine) == []
