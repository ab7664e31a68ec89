"""A machine in Google Cloud and in Azure whose images are in two registries of its cloud."""

import re

import pytest
from booted_machine import generate
from conftest import NEWEST
from terraform.module import Module, provider_folder

from machine_gcp_azure.cloud_services import NAMES, granted

SPEC = """
target: {}
chroma: {{version: {}, image: stock, repository: {}/hub/docker/chroma}}
collector: {{repository: {}/hub/docker/collector}}
tracing: {{backend: otlp, endpoint: "https://otlp.example.com"}}
"""
FOLDER = "/etc/chroma-otel"
PULLS = {"gcp": "roles/artifactregistry.reader", "azure": "AcrPull"}


@pytest.fixture(scope="class")
def hosts(cloud):
    return [name for name in NAMES[cloud.name] if name.endswith((".pkg.dev", ".azurecr.io"))]


@pytest.fixture(scope="class")
def images(machine, cloud, services, hosts, tools, folder):
    """The images of a machine with the files and the permissions of a module for two registries; afterwards, the
    machine has its own files again."""
    rendered = generate(tools, folder, SPEC.format(cloud.name, NEWEST, *hosts))
    here = folder / "registries"
    provider = provider_folder(tools, cloud.providers, [rendered], cloud.values, here / "provider")
    module = Module(rendered, provider, here, cloud.needed, cloud.stored)
    state = module.apply(**module.values())
    own = {path.name: (path.stat().st_mode & 0o777, path.read_text()) for path in machine.path(FOLDER).iterdir()}
    before = {name: services.made[name] for name in ("roles", "images")}
    for path, (mode, text) in cloud.boot(tools, cloud.user_data(state), here / "files").items():
        if path.startswith(FOLDER):
            machine.write(path, text, mode)
    names = re.findall(r"^\w+_IMAGE=(.*)$", machine.read(f"{FOLDER}/machine.env"), re.M)
    ids = machine.run("docker", "image", "inspect", "--format={{.Id}}", *machine.images).stdout.split()
    services.make(images=dict(zip(names, ids, strict=True)), roles=granted(cloud, state)[0])
    yield names
    services.make(**before)
    for name, (mode, text) in own.items():
        machine.write(f"{FOLDER}/{name}", text, mode)
    machine.run("docker", "image", "rm", *names, check=False)
    machine.boot()


class TestRegistries:
    def test_pulls_are_rejected_without_the_role(self, machine, cloud, services, images):
        roles = services.made["roles"]
        assert PULLS[cloud.name] in roles
        services.make(roles=[one for one in roles if one != PULLS[cloud.name]])
        assert machine.boot("images", check=False).returncode != 0
        services.make(roles=roles)

    def test_machine_logs_in_to_each_registry_once(self, machine, services, hosts, images):
        assert [name.partition("/")[0] for name in images] == hosts
        machine.forget_calls()
        services.forget()
        machine.boot("images")
        logins = [call for call in machine.calls if call.startswith("docker login")]
        assert [call.split()[-1].removeprefix("https://") for call in logins] == sorted(hosts)
        assert {one["login"] for one in services.of("login")} == set(hosts)
        machine.run("docker", "image", "inspect", *images)

    def test_no_login_for_images_that_are_on_the_machine(self, machine, services, images):
        machine.forget_calls()
        machine.boot("images")
        assert [call for call in machine.calls if call.startswith(("docker login", "docker pull"))] == []
