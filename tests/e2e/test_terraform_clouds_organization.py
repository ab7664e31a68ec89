"""The modules for Google Cloud and Azure with the settings that an organization's policies require: labels, keys,
images, networks and stores that exist already.

Invariant: the values come from tests/specs/*-organization.yaml.
"""

import json

import pytest
import yaml
from conftest import HERE, renderer
from terraform.clouds import AZURE, CLOUDS, GCP
from terraform.module import Module, blames, changes, provider_folder

SPEC = {name: HERE.parent / f"specs/{name}-organization.yaml" for name in CLOUDS}
MACHINE = {name: yaml.safe_load(file.read_text())["machine"] for name, file in SPEC.items()}
SECRET = "do-not-show-me"
on_gcp = pytest.mark.parametrize("cloud", [GCP], ids=["gcp"])
on_azure = pytest.mark.parametrize("cloud", [AZURE], ids=["azure"])


@pytest.fixture(scope="session")
def rendered(tools, tmp_path_factory):
    """{name of a cloud: (folder of the module, folder of its provider)}"""
    made = {}
    for cloud in CLOUDS.values():
        folder = renderer(tools, tmp_path_factory.mktemp("rendered"))(target=cloud.name, spec=SPEC[cloud.name])
        provider = provider_folder(
            tools, cloud.providers, [folder], cloud.values, tmp_path_factory.mktemp("provider"), cloud.forces_new
        )
        made[cloud.name] = folder, provider
    return made


@pytest.fixture
def module(rendered, tmp_path, cloud):
    # Without values for what the spec contains.
    needed = {name: value for name, value in cloud.needed.items() if name in ("snapshot", "snapshot_id")}
    return Module(*rendered[cloud.name], tmp_path, needed, cloud.stored)


def of_type(state, kind):
    return [values for address, values in state.items() if address.startswith(f"{kind}.")]


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
def test_every_resource_has_the_labels_of_the_spec_and_of_the_deployment(module, cloud):
    key = {"gcp": "labels", "azure": "tags"}[cloud.name]
    expected = {**MACHINE[cloud.name]["tags"], "chroma-otel-deploy": "chroma"}
    state = module.apply(**module.values(**dict([cloud.alarm])))
    found = {
        address: one.get(key, one.get("user_labels"))
        for address, one in state.items()
        if not address.startswith("data.") and (key in one or "user_labels" in one)
    }
    assert found and set(map(json.dumps, found.values())) == {json.dumps(expected, sort_keys=True)}, found
    if cloud is GCP:
        assert state[cloud.machine]["boot_disk"][0]["initialize_params"][0]["labels"] == expected
        [schedule] = state["google_compute_resource_policy.snapshots[0]"]["snapshot_schedule_policy"]
        assert schedule["snapshot_properties"][0]["labels"] == expected


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
def test_image_is_pinned(module, cloud):
    state = module.apply(**module.values())
    machine, image = state[cloud.machine], MACHINE[cloud.name]["image"]
    if cloud is GCP:
        assert machine["boot_disk"][0]["initialize_params"][0]["image"] == image
    else:
        assert (machine["source_image_id"], machine["source_image_reference"]) == (image, [])
    assert not [address for address in state if "image.debian" in address]


@on_gcp
def test_key_encrypts_disks_secrets_and_logs(module, cloud):
    key = MACHINE["gcp"]["kms_key"]
    state = module.apply(**module.values(honeycomb_api_key=SECRET, honeycomb_api_key_secret_id=""))
    assert state[cloud.data]["disk_encryption_key"][0]["kms_key_self_link"] == key
    assert state[cloud.machine]["boot_disk"][0]["kms_key_self_link"] == key
    [secret] = of_type(state, "google_secret_manager_secret")
    [replica] = secret["replication"][0]["user_managed"][0]["replicas"]
    assert replica["customer_managed_encryption"][0]["kms_key_name"] == key
    [bucket] = of_type(state, "google_logging_project_bucket_config")
    assert bucket["cmek_settings"][0]["kms_key_name"] == key


@on_gcp
def test_firewall_rules_are_in_the_host_project_and_optional(module):
    host = MACHINE["gcp"]["network_project"]
    plan = module.plan(**module.values())
    rules = [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == "google_compute_firewall"]
    assert len(rules) == 3 and {one["project"] for one in rules} == {host}
    [clients] = [one for one in rules if one["name"].endswith("-clients")]
    assert clients["source_ranges"] == MACHINE["gcp"]["allow_from"]
    state = module.apply(**module.values(create_firewall_rules="false"))
    assert of_type(state, "google_compute_firewall") == []
    assert state["data.google_compute_subnetwork.chroma"]["project"] == host


@on_azure
def test_disks_are_encrypted_with_the_disk_encryption_set(module, cloud):
    state = module.apply(**module.values())
    machine = state[cloud.machine]
    assert machine["encryption_at_host_enabled"] is True
    disks = [machine["os_disk"][0], state[cloud.data]]
    assert {one["disk_encryption_set_id"] for one in disks} == {MACHINE["azure"]["kms_key"]}


@on_azure
def test_secrets_are_in_the_existing_vault(module, cloud):
    vault = MACHINE["azure"]["key_vault"]

    def scopes(state):
        found = of_type(state, "azurerm_role_assignment")
        return {one["scope"] for one in found if one["role_definition_name"] == "Key Vault Secrets User"}

    # The spec's secret, in any subscription.
    state = module.apply(chroma_otel_collection_headers_version="0")
    assert of_type(state, "azurerm_key_vault") == [] and scopes(state) == {f"{vault}/secrets/HONEYCOMB-API-KEY"}
    plan = module.plan(honeycomb_api_key=SECRET, honeycomb_api_key_secret_id="")
    [secret] = [one for one in plan["resource_changes"] if one["type"] == "azurerm_key_vault_secret"]
    after = secret["change"]["after"]
    assert (after["key_vault_id"], after["name"]) == (vault, "chroma-HONEYCOMB-API-KEY")


@on_azure
def test_logs_traces_and_alarms_use_the_existing_workspace(module, cloud):
    workspace = MACHINE["azure"]["workspace"]
    state = module.apply(**module.values(**dict([cloud.alarm])))
    assert of_type(state, "azurerm_log_analytics_workspace") == [] and "log_retention_days" not in module.variables
    [rule] = of_type(state, "azurerm_monitor_data_collection_rule")
    assert rule["destinations"][0]["log_analytics"][0]["workspace_resource_id"] == workspace
    assert state["azurerm_application_insights.traces"]["workspace_id"] == workspace
    [silent] = of_type(state, "azurerm_monitor_scheduled_query_rules_alert_v2")
    assert silent["scopes"] == [workspace]


@on_azure
def test_clients_of_every_range_are_allowed(module):
    state = module.apply(**module.values())
    [rule] = [one for one in of_type(state, "azurerm_network_security_rule") if one["name"] == "clients"]
    assert sorted(rule["source_address_prefixes"]) == MACHINE["azure"]["allow_from"]


MISTAKES = [
    (GCP, {"image": "debian-13"}, "name of an image"),
    (GCP, {"kms_key": "alias/chroma"}, "name of a key"),
    (GCP, {"labels": {"Team": "x"}}, "lower-case"),
    (GCP, {"labels": {"team": "X"}}, "lower-case"),
    (GCP, {"network_project_id": "Network"}, "project ID"),
    (AZURE, {"image": "debian-13"}, "ID of an image"),
    (AZURE, {"disk_encryption_set_id": "disks"}, "diskEncryptionSets"),
    (AZURE, {"key_vault_id": "https://acme.vault.azure.net"}, "key vault"),
    (AZURE, {"workspace_id": "logs"}, "workspaces"),
    (AZURE, {"tags": {"a/b": "x"}}, "names without"),
]


@pytest.mark.parametrize("cloud, wrong, why", MISTAKES, ids=[f"{one[0].name}-{[*one[1]][0]}" for one in MISTAKES])
def test_invalid_settings_are_rejected(module, wrong, why):
    said = module.terraform("plan", "-input=false", fails=True, **module.values(**wrong))
    assert why.lower() in said.lower() and blames(said, [*wrong][0])


@on_azure
def test_version_of_the_marketplace_image_is_pinned(tools, rendered, tmp_path, cloud):
    spec = yaml.safe_load(SPEC["azure"].read_text())
    spec["machine"]["image"] = "0.20251117.2299"
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "rendered").mkdir()
    folder = renderer(tools, tmp_path / "rendered")(target="azure", spec=tmp_path / "spec.yaml")
    provider = provider_folder(tools, cloud.providers, [folder], cloud.values, tmp_path / "provider", cloud.forces_new)
    module = Module(folder, provider, tmp_path, {}, cloud.stored)
    state = module.apply(**module.values())
    assert state["data.azurerm_platform_image.debian"]["version"] == "0.20251117.2299"
    assert state[cloud.machine]["source_image_reference"][0]["version"] == "0.20251117.2299"
    assert changes(module.plan(**module.values())) == {}
