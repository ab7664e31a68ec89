"""Steps and checks that are specific to a machine in AWS."""

import subprocess

from machine_aws.aws_services import REGION

STACK = f"--stack chroma --resource Group --region {REGION}"
COLLECTOR_PORTS = [4317, 4318, 8888, 8889]


def signals(machine):
    return [call for call in machine.calls if call.startswith("cfn-signal")]


def written_secrets(machine):
    """Files and arguments that contain a secret. The containerd folder is excluded: it has the environment of
    existing containers, readable only by root."""
    command = ["grep", "-rlaF", "--exclude-dir=containerd", "s3cret", machine.state / "upper"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.split() + [line for line in machine.journal().splitlines() + machine.calls if "s3cret" in line]


def replace_disk(machine, cloud, disk):
    """Unmounts the machine's disk and offers another one."""
    machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
    machine.run("umount", "/var/lib/chroma-otel", check=False)
    machine.offer(disk, cloud.link)
