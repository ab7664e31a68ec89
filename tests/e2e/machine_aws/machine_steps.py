"""Steps and checks that are specific to a machine in AWS."""

from machine_aws.aws_services import REGION

STACK = f"--stack chroma --resource Group --region {REGION}"
COLLECTOR_PORTS = [4317, 4318, 8888, 8889]


def signals(machine):
    return [call for call in machine.calls if call.startswith("cfn-signal")]


def replace_disk(machine, cloud, disk):
    """Unmounts the machine's disk and offers another one."""
    machine.run("systemctl", "stop", "chroma.service", "otel-collector.service")
    machine.run("umount", "/var/lib/chroma-otel", check=False)
    machine.offer(disk, cloud.link)
