"""The modules for Google Cloud and Azure with images in registries of the cloud: the machine may pull from them.

Invariant: the first specs are tests/specs/*-published.yaml; the second ones have no images with the entrypoint.
"""

import json

import pytest
from conftest import HERE, renderer
from terraform.clouds import AZURE, CLOUDS, GCP
from terraform.module import Module, changes, check_scripts, diagnostics, provider_folder

MIRRORS = {
    "gcp": ("europe-docker.pkg.dev/acme-shared/docker-hub", "us-docker.pkg.dev/acme-search/mirror"),
    "azure": ("acme.azurecr.io", "mirror.azurecr.io/hub"),
}
STOCK = """
target: {0}
chroma: {{image: stock, repository: {1}/chromadb/chroma}}
collector: {{repository: {2}/otel/collector}}
tracing: {{backend: otlp, endpoint: "https://otlp.example.com"}}
"""
# The registries of each spec: on Google Cloud project, location and repository.
REGISTRIES = {
    ("gcp", "published"): {"acme-search-1/europe-west3/images", "acme-shared/europe/docker-hub"},
    ("gcp", "stock"): {"acme-shared/europe/docker-hub", "acme-search/us/mirror"},
    ("azure", "published"): {"acme", "acmehub"},
    ("azure", "stock"): {"acme", "mirror"},
}
every_cloud = pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
every_spec = pytest.mark.parametrize("spec", ["published", "stock"])


@pytest.fixture
def module(tools, tmp_path, cloud, spec):
    return rendered(tools, tmp_path, cloud, spec, cloud.values)


def rendered(tools, folder, cloud, spec, values):
    file = HERE.parent / f"specs/{cloud.name}-published.yaml"
    if spec == "stock":
        file = folder / "stock.yaml"
        file.write_text(STOCK.format(cloud.name, *MIRRORS[cloud.name]))
    (folder / "rendered").mkdir()
    out = renderer(tools, folder / "rendered")(target=cloud.name, spec=file)
    provider = provider_folder(tools, cloud.providers, [out], values, folder / "provider", cloud.forces_new)
    return Module(out, provider, folder, cloud.needed, cloud.stored)


def granted(cloud, state):
    """The registries from which the machine may pull."""
    if cloud is GCP:
        found = [one for address, one in state.items() if "_artifact_registry_repository_iam_member." in address]
        assert {(one["role"], one["member"]) for one in found} <= {
            ("roles/artifactregistry.reader", cloud.values["google_service_account.member"])
        }
        return {"/".join(one[key] for key in ("project", "location", "repository")) for one in found}
    roles = [one for one in state.values() if one.get("role_definition_name") == "AcrPull"]
    found = [one for address, one in state.items() if address.startswith("data.azurerm_resources.registries")]
    assert {one["principal_id"] for one in roles} <= {cloud.values["azurerm_user_assigned_identity.principal_id"]}
    assert len(roles) == len(found)
    assert {one["type"] for one in found} <= {"Microsoft.ContainerRegistry/registries"}
    return {one["name"] for one in found}


@every_cloud
@every_spec
def test_machine_may_pull_from_each_registry(module, cloud, spec, tools, tmp_path):
    module.terraform("fmt", "-check", "-diff", "-recursive")
    assert diagnostics(module) == []
    state = module.apply(**module.values())
    assert granted(cloud, state) == REGISTRIES[cloud.name, spec]
    assert changes(module.plan(**module.values())) == {}
    files = cloud.boot(tools, cloud.user_data(state), tmp_path / "machine")
    check_scripts(files, tmp_path)


@every_cloud
@every_spec
def test_owners_of_the_registries_may_grant_the_roles(module, cloud):
    """As in README.md: an override file, which `gen` does not touch."""
    (module.root / "main_override.tf").write_text('module "chroma" {\n  create_registry_roles = false\n}\n')
    state = module.apply(**module.values())
    assert granted(cloud, state) == set()
    assert cloud.machine in state


@pytest.mark.parametrize("cloud", [AZURE], ids=["azure"])
def test_missing_registry_names_the_readme(tools, tmp_path, cloud):
    module = rendered(tools, tmp_path, cloud, "stock", cloud.values | {"azurerm_resources.resources": []})
    said = module.terraform("plan", "-input=false", fails=True, **module.values())
    assert "Registry acme not found in this subscription" in said and "Registries" in said
    assert "### Registries" in (module.root / "README.md").read_text()


@pytest.mark.parametrize("cloud", [GCP], ids=["gcp"])
@pytest.mark.parametrize("spec", ["published"])
def test_machine_is_created_after_its_permissions_to_pull(module):
    configuration = json.loads(module.terraform("show", "-json", plan_file(module)))["configuration"]
    resources = configuration["root_module"]["module_calls"]["chroma"]["module"]["resources"]
    [machine] = [one for one in resources if one["address"] == "google_compute_instance.chroma"]
    kind = "google_artifact_registry_repository_iam_member"
    assert {f"{kind}.images", f"{kind}.mirrors"} <= set(machine["depends_on"])


def plan_file(module):
    module.plan(**module.values())
    return "plan"
