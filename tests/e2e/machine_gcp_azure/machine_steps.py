"""Steps and checks that differ between clouds."""

import base64
import gzip
import re

from terraform.clouds import GCP

# Values of secrets, and tokens of the stand-ins.
SECRETS = "s3cret|token-[0-9a-f]{32}"
LINKS = {"gcp": "/dev/disk/by-id/google-chroma-data", "azure": "/dev/disk/azure/scsi1/lun0"}


def deliver(cloud, machine, state, tools, folder):
    """Delivers the files to the machine by the cloud's mechanism."""
    user_data = cloud.user_data(state)
    if cloud is GCP:  # the guest agent runs the script at every boot
        machine.path("/startup-script").write_bytes(user_data)
        machine.path("/startup-script").chmod(0o755)
        return machine.run("/startup-script")
    for path, (mode, text) in cloud.boot(tools, user_data, folder / "cloud-init").items():
        machine.write(path, text, mode)
    machine.run("systemctl", "daemon-reload")  # as in `runcmd`
    return machine.run("systemctl", "enable", "--now", "--no-block", "chroma-otel.service")


def forget_images(machine, services, state, cloud):
    """Moves the images to the registry: the machine has their layers, which are then not transferred again, but
    not their names."""
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


def reported(cloud, machine, services):
    """The last boot result, where the README documents it."""
    if cloud is GCP:
        return [one["value"] for one in services.of("guest")][-1:]
    failure = machine.path("/run/chroma-otel/failure")
    return [failure.read_text().strip() if failure.exists() else "healthy"]
