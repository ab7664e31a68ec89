"""The machine, its cloud and its backend, set up once per cloud for all tests of this folder.

Invariant: the tests of a class run in order; each leaves the machine healthy.
"""

import json

import pytest
from booted_machine import HOSTILE, KEY, disks, generate, off_machine, sink, start, wrapped_images  # noqa: F401 (fixtures)
from conftest import NEWEST
from stand_in_machine import DEBIAN
from terraform.clouds import CLOUDS, SUBSCRIPTION
from terraform.module import Module, provider_folder

from machine_gcp_azure.cloud_services import STORES, Services, granted
from machine_gcp_azure.machine_steps import LINKS, forget_images

SPEC = """
target: {}
chroma: {{version: {}, environment: {{SECRET: null}}}}
tracing: {{backend: {}}}
"""
BACKENDS = {"gcp": "otlp", "azure": "[otlp, azure-monitor]"}
# The provider's short names of OAuth scopes.
SCOPES = {"cloud-platform": "https://www.googleapis.com/auth/cloud-platform"}


@pytest.fixture(scope="package", params=CLOUDS.values(), ids=CLOUDS.keys())
def cloud(request):
    return request.param


@pytest.fixture(scope="package")
def folder(tmp_path_factory, cloud):
    return tmp_path_factory.mktemp(cloud.name)


@pytest.fixture(scope="package")
def cloud_machine():
    return DEBIAN


@pytest.fixture(scope="package")
def services(off_machine, cloud, tools, start, folder):
    return Services(cloud, tools, start, off_machine, folder)


@pytest.fixture(scope="package")
def state(cloud, sink, tools, folder):
    """The Terraform state after the module is applied with these values."""
    rendered = generate(tools, folder, SPEC.format(cloud.name, NEWEST, BACKENDS[cloud.name]))
    provider = provider_folder(tools, cloud.providers, [rendered], cloud.values, folder / "provider")
    module = Module(rendered, provider, folder, cloud.needed, cloud.stored)
    values = {
        "name": "chroma",
        "chroma_otel_collection_endpoint": sink.grpc,
        "chroma_otel_service_name": HOSTILE,
        "chroma_otel_collection_headers_secret_id": STORES[cloud.name] + "headers",
        "secret_secret_id": STORES[cloud.name] + "extra",
        **dict([cloud.alarm]),
    }
    return module.apply(**module.values(**values))


@pytest.fixture(scope="package")
def machine(off_machine, cloud, services, state, disks, folder, tools):
    """The machine before its first boot; its disk is blank and not yet attached."""
    off_machine.on()
    off_machine.prepare()
    services.trusted_by(off_machine)
    off_machine.disk = disks()
    off_machine.offer(off_machine.disk, LINKS[cloud.name])
    roles, secrets = granted(cloud, state)
    values = {
        STORES[cloud.name] + "headers": json.dumps({"x-api-key": KEY}, indent=2),
        STORES[cloud.name] + "extra": "s3cret" + HOSTILE,
    }
    assert set(secrets) == set(values)
    services.make(
        roles=roles,
        secrets=values,
        project="chroma-test",
        zone="europe-west1-b",
        name="chroma",
        location="westeurope",
        metadata=state[cloud.machine].get("metadata"),
        scopes=[
            SCOPES[one] for account in state[cloud.machine].get("service_account") or [] for one in account["scopes"]
        ],
        client_id=cloud.values.get("azurerm_user_assigned_identity.client_id"),
        machine=cloud.values.get("azurerm_linux_virtual_machine.id"),
        instance={"compute": {"name": "chroma", "subscriptionId": SUBSCRIPTION, "location": "westeurope"}},
    )
    off_machine.run("systemctl", "start", "docker.service")
    images = wrapped_images(tools, folder)
    off_machine.load(*images)
    off_machine.images = images
    off_machine.remove_containers()
    forget_images(off_machine, services, state, cloud)
    off_machine.await_first_boot()
    return off_machine
