"""The machine, its cloud and its backend, set up once for all tests of this folder.

Invariant: the tests of a class run in order; each leaves the machine healthy.
"""

import json

import pytest
from booted_machine import PROGRAM_IMAGES, disks, off_machine, sink, start, wrapped_images  # noqa: F401 (fixtures)
from conftest import HERE
from stand_in_machine import AMAZON, METADATA

from machine_aws.aws_services import Cloud
from machine_aws.machine_files import wrapped_files


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="package")
def cloud_machine():
    return AMAZON


@pytest.fixture(scope="package")
def cloud(off_machine, tools, start):
    return Cloud(tools, start)


@pytest.fixture(scope="package")
def machine(off_machine, cloud, sink, disks, folder, tools, start):
    """The machine as cfn-init leaves it before the first boot; its disk is blank."""
    off_machine.on()
    off_machine.prepare(AWS_ENDPOINT_URL=cloud.url)
    off_machine.disk = disks()
    off_machine.offer(off_machine.disk, cloud.link)
    start("metadata", off_machine.near("python3", str(HERE / "machine/metadata.py"), METADATA, "80", cloud.instance))
    files = wrapped_files(tools, folder, cloud, sink.grpc)
    for path, (mode, text) in files.items():
        off_machine.write(path, text, mode)
    # Docker's log driver sends to the stand-in.
    settings = json.loads(off_machine.read("/etc/docker/daemon.json"))
    settings |= {"log-driver": "awslogs", "log-opts": {"awslogs-endpoint": cloud.url, "awslogs-group": "/chroma"}}
    off_machine.write("/etc/docker/daemon.json", json.dumps(settings))
    off_machine.run("systemctl", "start", "docker.service")
    wanted = dict(line.split("=", 1) for line in files["/etc/chroma-otel/machine.env"][1].split())
    images = wrapped_images(tools, folder)
    off_machine.load(*images, *PROGRAM_IMAGES)
    for image, name in zip(images, ("CHROMA_IMAGE", "COLLECTOR_IMAGE"), strict=True):
        off_machine.run("docker", "tag", image, wanted[name])
    off_machine.remove_containers()
    off_machine.await_first_boot()
    return off_machine
