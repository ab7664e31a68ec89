"""Steps and checks of the machine that are AWS's."""

import subprocess

from machine_aws.aws_services import REGION

STACK = f"--stack chroma --resource Group --region {REGION}"
COLLECTOR_PORTS = [4317, 4318, 8888, 8889]


def signals(machine):
    return [call for call in machine.calls if call.startswith("cfn-signal")]


def written_secrets(machine):
    """What the machine has written to a disk, or passed as an argument, with a secret in it. (Docker
    and containerd keep a container's environment while the container is there, for root only.)"""
    command = ["grep", "-rlaF", "--exclude-dir=containerd", "s3cret", machine.state / "upper"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.split() + [line for line in machine.journal().splitlines() + machine.calls if "s3cret" in line]


def replace_disk(machine, cloud, disk):
    """Takes the machine's disk away in peace, and offers another one."""
    machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
    machine.run("umount", "/var/lib/chroma-otel", check=False)
    machine.offer(disk, cloud.link)
