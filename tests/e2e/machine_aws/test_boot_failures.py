"""Failed boots of a machine in AWS: error reports and retries."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from booted_machine import HOSTILE, client, leaked, signal_chroma, trace_arrives, until_healthy
from conftest import NEWEST, eventually
from stand_in_machine import AMAZON

from machine_aws.machine_files import terraforms
from machine_aws.machine_steps import STACK, replace_disk, signals

pytestmark = pytest.mark.aws

NO_ACTION = (
    "An error occurred (ValidationError) when calling the CompleteLifecycleAction operation:"
    " No active Lifecycle Action found with instance ID i-1"
)
# The command of a step that always fails, and its arguments.
FAILURES = {
    "install": ("systemctl", "enable --now docker.service"),
    "disk": ("df", ""),
    "secrets": ("aws", "get-secret-value"),
    "images": ("docker", ""),
    "start": ("systemctl", "daemon-reload"),
    "healthy": ("curl", "13133"),
    "report": ("cfn-signal", "--success true"),
}


def terraforms_boot(machine, tools, folder):
    """Writes the module's scripts to the machine and returns the path of the boot script."""
    machine.write("/test/cloud", "GROUP_NAME=chroma\n" + terraforms(tools, folder, "/etc/chroma-otel/cloud"))
    boot = terraforms(tools, folder, "/etc/chroma-otel/boot")
    machine.write("/test/boot", boot.replace('source "$configuration/cloud"', "source /test/cloud"), 0o755)
    return "/test/boot"


class TestBootFailures:
    @pytest.mark.parametrize("step", FAILURES)
    def test_permanent_failure_of_a_step_is_reported(self, machine, cloud, step):
        command, words = FAILURES[step]
        machine.path("/etc/chroma-otel/reported").unlink(missing_ok=True)
        machine.forget_calls()
        machine.let_fail(command, words)
        done = machine.boot_step(step)
        machine.let_work()
        assert done.returncode == 1, done.stderr
        reason = done.stderr.splitlines()[-1].removeprefix("chroma-otel: ")
        assert reason.startswith(f"{step} failed: ") and "out of luck" in reason, done.stderr
        assert signals(machine)[-1] == f"cfn-signal --success false {STACK}"
        assert cloud.log(f"boot-{cloud.instance}")[-1] == reason
        assert leaked(machine) == []

    @pytest.mark.parametrize("says, status", [(NO_ACTION, 0), ("out of luck", 1)])
    def test_boot_accepts_a_completed_lifecycle_action(self, machine, tools, folder, says, status):
        script = terraforms_boot(machine, tools, folder)
        machine.forget_calls()
        machine.let_fail("aws", "complete-lifecycle-action", says=says)
        done = machine.boot("report_success", script=script, check=False)
        machine.let_work()
        assert (done.returncode, done.stderr) == (status, f"{says}\n" if status else "")
        [call] = [call for call in machine.calls if "complete-lifecycle-action" in call]
        assert call.endswith("--lifecycle-action-result CONTINUE")

    @pytest.mark.parametrize("crashes", [False, True], ids=["migrates", "crashes"])
    def test_boot_waits_for_a_migration_but_not_for_a_crash(self, machine, crashes):
        """A Chroma that runs and does not answer."""
        machine.run("systemctl", "restart", "chroma.service")
        machine.boot()
        machine.path("/etc/chroma-otel/reported").unlink(missing_ok=True)
        machine.forget_calls()
        if crashes:
            machine.run("docker", "kill", "chroma")
            eventually(lambda: machine.container("chroma"), "chroma again", 30)
            until_healthy(machine)
        signal_chroma(machine, "STOP")
        since, limit = time.monotonic(), 12
        with ThreadPoolExecutor() as pool:
            boot = pool.submit(machine.boot, limit=limit, check=False)
            eventually(lambda: boot.done() or time.monotonic() - since > 2 * limit, "the end of the limit", 60)
            ended = boot.done()
            signal_chroma(machine, "CONT")
            done = boot.result()
        assert ended == crashes, done.stderr
        assert done.returncode == int(crashes), done.stderr
        assert signals(machine) == [f"cfn-signal --success {'false' if crashes else 'true'} {STACK}"]
        machine.boot()

    def test_boot_sends_heartbeats_to_the_group(self, machine, tools, folder):
        """AWS's error stands for an instance that nothing waits for."""
        script = terraforms_boot(machine, tools, folder)
        machine.let_fail("aws", "record-lifecycle-action-heartbeat", says=NO_ACTION)
        machine.forget_calls()
        done = machine.boot(script=script)
        machine.let_work()
        [call, *_] = [call for call in machine.calls if "record-lifecycle-action-heartbeat" in call]
        assert "--lifecycle-hook-name healthy --auto-scaling-group-name chroma --instance-id i-" in call
        assert "No active Lifecycle Action" not in done.stderr
        machine.forget_calls()
        machine.boot("limits", script=script)  # a step alone sends none
        assert not [call for call in machine.calls if "heartbeat" in call]

    def test_boot_rejects_too_little_memory(self, machine):
        boot = machine.read("/etc/chroma-otel/boot").replace("chroma >= 2048", "chroma >= 2048000")
        machine.write("/test/boot", boot, 0o755)
        done = machine.boot("limits", script="/test/boot", check=False)
        assert done.returncode == 65 and "use a larger machine" in done.stderr, done.stderr

    def test_boot_rejects_an_older_chroma_than_the_data_until_the_file_is_deleted(self, machine, cloud, tools):
        file = machine.path("/var/lib/chroma-otel/data/chroma-version")
        assert file.read_text() == f"{NEWEST}\n"
        file.write_text("99.0.0\n")
        machine.run("systemctl", "restart", "chroma.service")
        began = time.monotonic()
        done = machine.boot(limit=300, check=False)
        assert (done.returncode, time.monotonic() - began < 120) == (1, True), done.stderr
        reason = cloud.log(f"boot-{cloud.instance}")[-1]
        assert reason.startswith("healthy failed: ") and "Chroma 99.0.0 has opened this data" in reason
        assert machine.run("systemctl", "is-active", "chroma.service", check=False).stdout == "failed\n"
        assert file.read_text() == "99.0.0\n"
        file.unlink()
        machine.boot()
        client(tools, machine, "query")

    def test_boot_rejects_an_empty_secret_and_names_it(self, machine, cloud):
        cloud.store("extra", " \n")
        done = machine.boot("secrets", check=False)
        cloud.store("extra", "s3cret" + HOSTILE)
        assert done.returncode == 65 and "`SECRET` is empty" in done.stderr, done.stderr

    def test_report_includes_the_error_of_a_failed_collector(self, machine, cloud):
        before = machine.read("/etc/chroma-otel/collector.env")
        machine.write("/etc/chroma-otel/collector.env", before.replace("=http://", "=http://:"))
        done = machine.boot(limit=10, check=False)
        machine.write("/etc/chroma-otel/collector.env", before)
        machine.boot()
        assert "healthy failed: " in done.stderr, done.stderr
        assert "error: `CHROMA_OTEL_COLLECTION_ENDPOINT`" in cloud.log(f"boot-{cloud.instance}")[-1]

    def test_boot_retries_every_command_that_fails_once(self, machine, cloud, disks, sink, tools):
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
        assert len([call for call in machine.calls if call.startswith("mkfs.ext4")]) == 2  # the first one failed
        client(tools, machine, "fill", "query")
        trace_arrives(sink)
