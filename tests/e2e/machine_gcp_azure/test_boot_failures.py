"""Failed boots of a machine in Google Cloud and Azure: error reports and retries."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from booted_machine import FOREIGN, client, digest, leaked, trace_arrives
from conftest import eventually
from stand_in_machine import DEBIAN
from terraform.clouds import AZURE, GCP

from machine_gcp_azure.machine_steps import LINKS, SECRETS, reported

# The request of a step that is always rejected.
REFUSED = {
    "gcp": {"secrets": "secrets/extra", "images": "europe-west1-docker.pkg.dev"},
    "azure": {"secrets": "secrets/extra", "images": "oauth2/exchange"},
}


class TestBootFailures:
    @pytest.mark.parametrize("step", ["install", "disk", "secrets", "images", "healthy"])
    def test_permanent_failure_of_a_step_is_reported(self, machine, cloud, services, state, step):
        reached = machine.path("/etc/chroma-otel/reported")
        reached.unlink(missing_ok=True)
        if step == "install":
            machine.let_fail("systemctl", "enable --now docker.service")
        elif step == "disk":
            machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
            machine.run("umount", "/var/lib/chroma-otel")
            machine.path(LINKS[cloud.name]).unlink()
        elif step == "healthy":
            machine.let_fail("curl", "13133")
        else:
            services.refuse(REFUSED[cloud.name][step])
            if step == "images":
                machine.run("docker", "image", "rm", "--force", *services.made["images"])
        done = machine.boot_step(step)
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
        assert leaked(machine, SECRETS) == []
        machine.boot()
        assert reached.exists()
        assert reported(cloud, machine, services) == ["healthy"]

    def test_boot_succeeds_when_guest_attributes_are_forbidden(self, machine, cloud, services):
        machine.path("/etc/chroma-otel/reported").unlink()
        services.forget()
        services.refuse("PUT 169.254.169.254" if cloud is GCP else "")
        machine.boot("report")
        services.agree()
        said = [(one["severity"], one["text"]) for one in services.of("log")]
        # On Azure, the result is stored only on the machine.
        assert said == ([("INFO", "healthy")] if cloud is GCP else [])
        assert machine.path("/etc/chroma-otel/reported").exists()

    def test_chroma_starts_when_the_log_service_rejects_its_logs(self, machine, cloud, services, tools):
        def driver():
            machine.run("systemctl", "restart", "chroma.service")
            eventually(lambda: machine.boot("chroma_healthy", check=False).returncode == 0, "a healthy Chroma", 60)
            return machine.container("chroma")["HostConfig"]["LogConfig"]["Type"]

        services.refuse("logging.googleapis.com" if cloud is GCP else "")
        assert driver() == "local"
        client(tools, machine, "query")
        services.agree()
        # On Azure, logs stay on the machine, where the agent collects them.
        assert driver() == ("gcplogs" if cloud is GCP else "local")

    def test_boot_failure_reaches_the_waiting_operator(self, machine, cloud, services):
        """On Google Cloud, the operator reads the guest attribute; on Azure, `terraform apply` does."""
        machine.run("systemctl", "stop", "chroma-otel.service")
        services.forget()
        waiting = None
        if cloud is AZURE:
            waiting = ThreadPoolExecutor().submit(machine.boot, "outcome", 5, check=False)
        machine.let_fail("systemctl", "enable --now docker.service")
        machine.boot(limit=4, check=False)
        machine.let_work()
        said = waiting.result().stderr if waiting else services.of("guest")[-1]["value"]
        assert said.startswith("install failed: ") and "out of luck" in said
        machine.run("systemctl", "start", "chroma-otel.service")
        if cloud is AZURE:
            done = machine.boot("outcome", 5)
            assert done.stdout + done.stderr == ""

    def test_boot_retries_every_command_and_request_that_fails_once(self, machine, cloud, services, disks, sink, tools):
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
        assert len([call for call in machine.calls if call.startswith("mkfs.ext4")]) == 2  # the first one failed
        client(tools, machine, "fill", "query")
        trace_arrives(sink)

    def test_foreign_disk_is_left_unchanged(self, machine, cloud, disks, tools):
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
        # The disk that the first tests filled keeps its data.
        machine.offer(machine.disk, LINKS[cloud.name])
        machine.attach()
        machine.forget_calls()
        machine.boot()
        client(tools, machine, "query")
        assert not [call for call in machine.calls if call.startswith("mkfs")]
