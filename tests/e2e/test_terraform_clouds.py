"""The Terraform modules for Google Cloud and Azure: the real Terraform with the real schema of each provider,
offline, and the first boot by the real cloud-init or by bash running the startup script. The clouds' responses
are stand-ins (terraform/clouds.py), so whether a cloud accepts the values is not tested.

Invariant: features of both clouds are verified by the same test.
"""

import json
import re

import pytest
from conftest import HERE, NEWEST, renderer
from terraform.clouds import AZURE, CLOUDS, GCP, delivered
from terraform.module import HOSTILE, IN_MODULE, Module, blames, changes, check_scripts, diagnostics, provider_folder
from terraform.roles import expected_roles, of_type, roles

OTLP = {"backend": "otlp", "endpoint": "https://otlp.example.com"}
SPECS = {
    "default": {},
    "stock": {"image": "stock"},
    "honeycomb": {"backend": "honeycomb"},
    "jaeger": {"backend": "jaeger"},
    "otlp-stock": {**OTLP, "image": "stock"},
    "0.6.3": {"chroma_version": "0.6.3", "backend": "zipkin"},
    "hostile": "honeycomb",  # a spec in tests/specs
    "several": "several",
    "backup": "backup",
    "organization": "organization",
}
SECRET = "do-not-show-me"
HEADERS = json.dumps({"x-api-key": f"{SECRET} é'\"$HOME${{x}}\\n%s", "x-b": "b"}, ensure_ascii=False)
every_cloud = pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
every_spec = pytest.mark.parametrize("spec", SPECS)


@pytest.fixture(scope="session")
def rendered(tools, tmp_path_factory):
    """rendered(cloud, spec) -> the folder that `gen --target CLOUD` writes."""
    written = {}

    def folder(cloud, spec):
        key = (cloud.name, spec)
        if key not in written:
            flags = SPECS[spec]
            if isinstance(flags, str):
                flags = {"spec": HERE.parent / f"specs/{cloud.name}-{flags}.yaml"}
            written[key] = renderer(tools, tmp_path_factory.mktemp("rendered"))(**{"target": cloud.name, **flags})
        return written[key]

    return folder


@pytest.fixture(scope="session")
def providers(tools, rendered, tmp_path_factory):
    """providers(cloud) -> the folder of its provider."""
    made = {}

    def folder(cloud):
        if cloud.name not in made:
            modules = [rendered(cloud, spec) for spec in SPECS]
            folder = tmp_path_factory.mktemp("provider")
            made[cloud.name] = provider_folder(tools, cloud.providers, modules, cloud.values, folder, cloud.forces_new)
        return made[cloud.name]

    return folder


@pytest.fixture
def module(rendered, providers, tmp_path, cloud, spec):
    return Module(rendered(cloud, spec), providers(cloud), tmp_path, cloud.needed, cloud.stored)


@pytest.fixture(scope="session")
def applied_once(rendered, providers, tmp_path_factory):
    """applied_once(cloud) -> the module for Honeycomb, applied with the default values."""
    done = {}

    def module(cloud):
        if cloud.name not in done:
            folder = tmp_path_factory.mktemp("applied")
            done[cloud.name] = Module(
                rendered(cloud, "honeycomb"), providers(cloud), folder, cloud.needed, cloud.stored
            )
            done[cloud.name].apply(**done[cloud.name].values())
        return done[cloud.name]

    return module


@pytest.fixture
def applied(applied_once, providers, tmp_path, cloud, spec):
    """A copy of the applied module in the test's folder."""
    return Module(applied_once(cloud).root, providers(cloud), tmp_path, cloud.needed, cloud.stored)


@every_cloud
@every_spec
class TestModule:
    def test_module_is_formatted_and_valid(self, module):
        module.terraform("fmt", "-check", "-diff", "-recursive")
        assert diagnostics(module) == []

    def test_machine_receives_the_rendered_files_and_minimal_permissions(self, module, cloud, spec, tools, tmp_path):
        alarm = dict([cloud.alarm])
        state = module.apply(**module.values(name="chroma", **alarm))
        files = cloud.boot(tools, cloud.user_data(state), tmp_path / "machine")

        expected = delivered(cloud, module.root)
        assert {"/etc/chroma-otel/boot", "/etc/systemd/system/chroma.service", "/etc/docker/daemon.json"} <= set(
            expected
        )
        names = ["machine.env", "chroma.env", "collector.env", "secrets", *(["backup.env"] if spec == "backup" else [])]
        lines = {f"/etc/chroma-otel/{name}" for name in names}
        assert set(files) == set(expected) | lines
        for path, file in expected.items():
            assert files[path] == file, path
        for path in lines:
            mode, text = files[path]
            assert mode == 0o600 and all(text.splitlines()) and (text == "" or text.endswith("\n")), path
        check_scripts(files, tmp_path)

        machine = dict(
            line.split("=", 1) for line in files["/etc/chroma-otel/machine.env"][1].splitlines() if line[0] != "#"
        )
        wrapped = (module.root / "image/Dockerfile").exists()
        assert machine["CHROMA_IMAGE"].startswith(registry(cloud, spec) if wrapped else "chromadb/chroma:")
        assert machine["METRICS_NAMESPACE"]
        secrets = [line for line in files["/etc/chroma-otel/secrets"][1].splitlines() if line[0] != "#"]
        known = {line.split()[2] for line in secrets}
        assert known <= {cloud.stored[1], cloud.values.get("azurerm_key_vault_secret.versionless_id")} | (
            {
                "projects/acme-search/secrets/honeycomb",
                *re.findall(r"https://[\w.-]+/secrets/[\w-]+", module.call),
            }
        )
        if spec not in ("hostile", "organization"):
            assert roles(cloud, state) == expected_roles(cloud, spec, wrapped, True, cloud.stored[1] in known)

    def test_variable_defaults_match_the_spec(self, module, cloud, spec, tools):
        decided = {
            "disk_size": 200,
            "snapshots_kept": 30,
            "log_retention_days": 90,
            "chroma_version": "1.0.20",
            "name": "search",
        }
        version = "0.6.3" if spec == "0.6.3" else NEWEST
        usual = {"chroma_version": version, "name": "chroma", "snapshots_kept": 7}
        for name, value in (decided if spec == "hostile" else usual).items():
            assert module.default(name) == json.dumps(value), name
        for name, text in module.variables.items():
            assert re.search(r"^  description = \"[A-Z0-9]", text, re.M) and re.search(r"^  type +=", text, re.M), name
            assert "validation {" in text or re.search(r"^  type +=  *bool$", text, re.M), name
        assert all("sensitive   = true" in module.variables[name] for name in module.secrets)
        published = {
            "name",
            "chroma_version",
            "machine_type",
            "architecture",
            "allowed_cidrs",
            "disk_size",
            "snapshots_kept",
            "chroma_otel_service_name",
            "chroma_otel_granularity",
        }
        if (cloud, spec) != (AZURE, "organization"):
            published.add("log_retention_days")  # the workspace has its own retention
        assert published <= set(module.variables)


def registry(cloud, spec):
    if cloud is AZURE:
        return "acme.azurecr.io/search/" if spec == "organization" else "chroma0a1b2c3d.azurecr.io/"
    return "europe-west1-docker.pkg.dev/chroma-test/"


@every_cloud
@pytest.mark.parametrize("spec", ["honeycomb"])
class TestOperation:
    """Operations of the module, with a cloud that accepts every request."""

    def test_special_characters_reach_the_machine_unchanged(self, module, cloud, tools, tmp_path):
        state = module.apply(**module.values(chroma_otel_service_name=HOSTILE))
        files = cloud.boot(tools, cloud.user_data(state), tmp_path / "machine")
        assert f"\nCHROMA_OTEL_SERVICE_NAME={HOSTILE}\n" in "\n" + files["/etc/chroma-otel/chroma.env"][1]

    def test_boot_data_stays_below_the_limit(self, applied, cloud):
        size, limit = len(cloud.user_data(applied.state())), {"gcp": 256, "azure": 64}[cloud.name] * 1024
        assert 10_000 < size < limit * 3 // 4, size

    def test_secrets_are_not_in_state_or_plan(self, module, cloud, tools, tmp_path):
        values = module.values(
            honeycomb_api_key=f"{SECRET}-é'\"$",
            chroma_otel_collection_headers=HEADERS,
            chroma_otel_collection_headers_version=1,
            chroma_otel_collection_headers_secret_id="",
        )
        module.plan(**values)
        module.terraform("apply", "plan", **{name: values[name] for name in module.secrets})
        state = module.state()
        assert (module.root / "terraform.tfstate").exists() and module.holds(SECRET) == []
        stored = {"gcp": "google_secret_manager_secret_version", "azure": "azurerm_key_vault_secret"}[cloud.name]
        assert set(of_type(state, stored)) == {
            f"{stored}.honeycomb_api_key[0]",
            f"{stored}.chroma_otel_collection_headers[0]",
        }
        files = cloud.boot(tools, cloud.user_data(state), tmp_path / "machine")
        assert re.search(r"^collector HONEYCOMB_API_KEY \S+$", files["/etc/chroma-otel/secrets"][1], re.M)
        # Terraform detects a changed secret only by its version; the machine reads the value itself.
        assert changes(module.plan(**{**values, "honeycomb_api_key": "another"})) == {}
        changed = changes(module.plan(**{**values, "honeycomb_api_key": "another", "honeycomb_api_key_version": 2}))
        assert set(changed) == {f"{stored}.honeycomb_api_key[0]"}

    @pytest.mark.parametrize(
        "change", [{"chroma_version": "1.5.8"}, {"chroma_otel_granularity": "all"}], ids=lambda one: [*one][0]
    )
    def test_change_replaces_the_machine_and_keeps_the_disk(self, applied, cloud, change):
        values = applied.values()
        assert changes(applied.plan(**values)) == {}
        plan = applied.plan(**{**values, **change})
        done = changes(plan)
        assert cloud.machine in replaced(plan) and cloud.data not in done
        # Only attachments of the machine are replaced with it.
        hangs = (
            "azapi_resource_action.shutdown",
            "azurerm_virtual_machine_",
            "azurerm_monitor_data_collection_rule_association.",
        )
        assert [one for one in replaced(plan) - {cloud.machine} if not one.startswith(hangs)] == []
        address = {"gcp": "google_compute_address.chroma", "azure": "azurerm_network_interface.chroma"}[cloud.name]
        assert address in applied.state() and address not in done

    def test_disk_grows_without_replacing_the_machine(self, applied, cloud):
        assert changes(applied.plan(**{**applied.values(), "disk_size": 30})) == {cloud.data: ["update"]}

    def test_destroy_fails_while_the_data_disk_is_in_the_state(self, applied, cloud):
        values = applied.values()
        assert "prevent_destroy" in applied.terraform("destroy", "-auto-approve", fails=True, **values)
        kept = forgotten(applied, "Delete")
        applied.terraform("state", "rm", *kept)  # as in README.md
        assert IN_MODULE + cloud.data in kept
        applied.terraform("destroy", "-auto-approve", **values)
        assert applied.state() == {}

    def test_restored_disk_replaces_the_old_one(self, applied, cloud):
        values = applied.values(**dict([cloud.snapshot]))
        applied.terraform("plan", fails=True, **values)  # the old one would be destroyed
        before = applied.state()[cloud.data]["name"]
        applied.terraform("state", "rm", *forgotten(applied, "Back up, restore, move"))  # as in README.md
        plan = applied.plan(**values)
        assert changes(plan)[cloud.data] == ["create"]
        [after] = [one["change"]["after"] for one in plan["resource_changes"] if one["address"] == cloud.data]
        assert after["name"] != before  # both disks exist at the same time

    def test_alarms_and_snapshots_are_optional(self, applied, cloud):
        def made(**values):
            return {address.partition(".")[0] for address in changes(applied.plan(**applied.values(**values)))}

        alarms = {
            "gcp": {"google_monitoring_alert_policy"},
            "azure": {"azurerm_monitor_metric_alert", "azurerm_monitor_scheduled_query_rules_alert_v2"},
        }[cloud.name]
        snapshots = {
            "gcp": {"google_compute_resource_policy", "google_compute_disk_resource_policy_attachment"},
            "azure": {
                "azurerm_data_protection_backup_vault",
                "azurerm_data_protection_backup_policy_disk",
                "azurerm_data_protection_backup_instance_disk",
            },
        }[cloud.name]
        state = applied.state()
        assert not [address for address in state if address.partition(".")[0] in alarms]
        assert alarms <= made(**dict([cloud.alarm]))
        assert snapshots <= {address.partition(".")[0] for address in state}
        assert snapshots <= made(snapshots_kept=0)

    def test_firewall_allows_only_the_client_range(self, applied, cloud):
        state = applied.state()
        if cloud is GCP:
            rules = of_type(state, "google_compute_firewall").values()
            machine = state[cloud.machine]
            assert machine["network_interface"][0]["access_config"] == []
            assert all(one["direction"] in ("INGRESS", "google_compute_firewall.direction") for one in rules)
            doors = sorted([*one["source_ranges"], one["allow"][0]["ports"][0]] for one in rules if one["allow"])
            assert doors == [["10.0.0.0/8", "8000"], ["35.235.240.0/20", "22"]]
            [wall] = [one for one in rules if one["deny"]]
            assert wall["source_ranges"] == ["0.0.0.0/0"] and wall["deny"][0]["protocol"] == "all"
            assert all(one["priority"] < wall["priority"] < 1000 for one in rules if one["allow"])
            mine = [cloud.values["google_service_account.email"]]
            assert all(one["target_service_accounts"] == mine for one in rules)
            assert machine["service_account"][0]["email"] == mine[0]
        else:
            rules = list(of_type(state, "azurerm_network_security_rule").values())
            assert {one["direction"] for one in rules} == {"Inbound"}
            doors = [
                [*one["source_address_prefixes"], one["destination_port_range"], one["protocol"]]
                for one in rules
                if one["access"] == "Allow"
            ]
            assert doors == [["10.0.0.0/8", "8000", "Tcp"]]
            [wall] = [one for one in rules if one["access"] == "Deny"]
            assert (wall["source_address_prefix"], wall["destination_port_range"], wall["protocol"]) == ("*", "*", "*")
            assert max(one["priority"] for one in rules) == wall["priority"] == 4096
            [interface] = of_type(state, "azurerm_network_interface").values()
            assert not interface["ip_configuration"][0]["public_ip_address_id"].startswith("/")
            assert of_type(state, "azurerm_network_interface_security_group_association")
        assert not [address for address in state if "public_ip" in address or "external" in address]

    def test_every_resource_is_labelled_with_the_deployment_name(self, applied, cloud):
        key = {"gcp": "labels", "azure": "tags"}[cloud.name]
        state = {address: one for address, one in applied.state().items() if not address.startswith("data.")}
        named = {
            address for address, one in state.items() if (one.get(key) or {}).get("chroma-otel-deploy") == "chroma"
        }
        unnamed = {address for address, one in state.items() if key in one} - named
        assert named and unnamed == set()

    @pytest.mark.parametrize(
        "wrong, why",
        [
            ({"allowed_cidrs": ["10.0.0.0/16", "0.0.0.0/0"]}, "/8 or narrower"),
            ({"allowed_cidrs": []}, "/8 or narrower"),
            ({"chroma_otel_granularity": "most"}, "Must be one of none, operation"),
            ({"chroma_otel_service_name": "a\nb"}, "Must be one line"),
            ({"chroma_version": "latest"}, "Must be a release"),
            ({"disk_size": "0"}, "Must be a whole number"),
            ({"name": "Chroma!"}, "lowercase letters"),
            ({"honeycomb_api_key_secret_id": ""}, "TF_VAR_honeycomb_api_key"),
            ({"honeycomb_api_key": SECRET, "honeycomb_api_key_secret_id": "stored"}, "Exactly one of"),
            (
                {"chroma_otel_collection_headers": SECRET, "chroma_otel_collection_headers_secret_id": ""},
                "_version = 1",
            ),
            ({"honeycomb_api_key_secret_id": "wrong"}, "secret"),
        ],
        ids=lambda one: "-".join(one) if isinstance(one, dict) else "",
    )
    def test_invalid_variables_are_rejected(self, module, cloud, wrong, why):
        wrong = {name: cloud.stored[1] if value == "stored" else value for name, value in wrong.items()}
        said = module.terraform("plan", "-input=false", fails=True, **module.values(**wrong))
        assert why in said and SECRET not in said
        assert blames(said, [*wrong][0]) or blames(said, [*wrong][0].removesuffix("_secret_id"))


@every_cloud
@pytest.mark.parametrize("spec", ["several"])
def test_clients_of_chroma_also_reach_the_enabled_collector_ports(module, cloud):
    plan = module.plan(**module.values())
    doors = {"gcp": "google_compute_firewall.clients", "azure": "azurerm_network_security_rule.clients"}[cloud.name]
    [rule] = [one["change"]["after"] for one in plan["resource_changes"] if one["address"] == doors]
    ports = rule["allow"][0]["ports"] if cloud is GCP else rule["destination_port_ranges"]
    monitored = ["8888", "8889"] if cloud is GCP else []
    assert sorted(ports) == sorted(["8000", "4317", "4318", *monitored])
    outputs = plan["planned_values"]["outputs"]
    assert {"otlp_endpoint", "address"} <= set(outputs) and ("metrics" in outputs) == (monitored != [])
    state = module.apply(**module.values())
    said = json.loads(module.terraform("output", "-json"))
    where = said["traces"]["value"]
    assert set(where) == {"grafana-cloud", "google-cloud-trace" if cloud is GCP else "azure-monitor"} and state
    assert all(address.startswith("https://") for address in where.values())
    if cloud is AZURE:
        assert said["connection_string"] == {
            "sensitive": False,
            "type": "string",
            "value": cloud.values["azurerm_application_insights.connection_string"],
        }


@pytest.mark.parametrize("cloud", [AZURE], ids=["azure"])
@pytest.mark.parametrize("spec", ["default"])
def test_azure_monitor_needs_no_vault_and_no_secret(module, cloud, tools, tmp_path):
    state = module.apply(**module.values())
    assert module.secrets == [] and not [address for address in state if "key_vault" in address]
    assert state["azurerm_application_insights.traces"]["local_authentication_enabled"] is False
    files = cloud.boot(tools, cloud.user_data(state), tmp_path / "machine")
    lines = files["/etc/chroma-otel/collector.env"][1].splitlines()
    assert {
        f"APPLICATIONINSIGHTS_CONNECTION_STRING={cloud.values['azurerm_application_insights.connection_string']}",
        f"AZURE_CLIENT_ID={cloud.values['azurerm_user_assigned_identity.client_id']}",
    } <= set(lines)


@pytest.mark.parametrize("cloud", [AZURE], ids=["azure"])
@pytest.mark.parametrize("spec", ["honeycomb"])
def test_replaced_machine_is_shut_down_before_its_disk_is_detached(applied, providers, cloud):
    log = providers(cloud) / "applied"
    log.write_text("")
    applied.apply(**applied.values(chroma_otel_granularity="all"))
    deleted = [line.split()[0] for line in log.read_text().splitlines() if line.endswith(" delete")]
    order = [
        "azurerm_virtual_machine_extension",  # requires a running machine
        "azapi_resource_action",
        "azurerm_virtual_machine_data_disk_attachment",
        "azurerm_linux_virtual_machine",
    ]
    assert [one for one in deleted if one in order] == order
    shutdown = applied.state()["azapi_resource_action.shutdown"]
    assert (shutdown["action"], shutdown["when"]) == ("powerOff", "destroy")
    assert shutdown["resource_id"] == cloud.values["azurerm_linux_virtual_machine.id"]


@pytest.mark.parametrize("cloud", [AZURE], ids=["azure"])
@pytest.mark.parametrize("spec", ["honeycomb"])
def test_created_vault_is_protected_from_purging_by_default(module, cloud):
    values = module.values(honeycomb_api_key=SECRET, honeycomb_api_key_secret_id="")
    [vault] = of_type(module.apply(**values), "azurerm_key_vault").values()
    assert vault["purge_protection_enabled"] is True
    plan = module.plan(**{**values, "key_vault_purge_protection": "false"})
    [vault] = [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == "azurerm_key_vault"]
    assert vault["purge_protection_enabled"] is False


@every_cloud
@pytest.mark.parametrize("spec", ["default"])
def test_state_and_variables_are_not_committed(module):
    ignored = (module.root / ".gitignore").read_text().splitlines()
    assert {"*.tfstate*", "*.tfvars", ".terraform/"} <= set(ignored)


OWN_MISTAKES = [
    (GCP, {"zone": "europe-west1"}, "zone"),
    (GCP, {"project_id": "My Project"}, "project"),
    (GCP, {"network": "projects/x/global/networks/y"}, "not its URL"),
    (GCP, {"snapshot": "Snap!"}, "snapshot"),
    (GCP, {"notification_channel": "me@example.com"}, "notificationChannels"),
    (GCP, {"log_retention_days": "4000"}, "3650"),
    (AZURE, {"subscription_id": "mine"}, "subscription"),
    (AZURE, {"location": "West Europe"}, "westeurope"),
    (AZURE, {"location": "usgovvirginia"}, "public cloud"),
    (AZURE, {"zone": "west-1"}, "zone"),
    (AZURE, {"subnet_id": "private"}, "subnet"),
    (AZURE, {"ssh_public_key": "-----BEGIN"}, "key"),
    (AZURE, {"ssh_cidr": "0.0.0.0/0"}, "/8 or narrower"),
    (AZURE, {"action_group_id": "pages"}, "actionGroups"),
    (AZURE, {"log_retention_days": "7"}, "30"),
    (AZURE, {"snapshot_id": "before"}, "snapshot"),
    (AZURE, {"resource_group_name": "a b"}, "resource group"),
]


@pytest.mark.parametrize(
    "cloud, wrong, why", OWN_MISTAKES, ids=[f"{one[0].name}-{[*one[1]][0]}" for one in OWN_MISTAKES]
)
@pytest.mark.parametrize("spec", ["honeycomb"])
def test_invalid_cloud_specific_variables_are_rejected(module, wrong, why):
    said = module.terraform("plan", "-input=false", fails=True, **module.values(**wrong))
    assert why.lower() in said.lower() and blames(said, [*wrong][0])


MISTAKES = [
    (GCP, "network.tf", "source_ranges  ", "source_range  "),
    (GCP, "storage.tf", "retention_policy {", "retention_policies {"),
    (GCP, "machine.tf", "google_compute_address.chroma.address", "google_compute_address.chroma.addres"),
    (GCP, "secrets.tf", "secret_data_wo         ", "secret_data_w          "),
    (GCP, "../main.tf", "project = var", "projects = var"),
    (AZURE, "network.tf", "source_address_prefixes ", "source_address_prefikses"),
    (AZURE, "machine.tf", "os_disk {", "os_disks {"),
    (AZURE, "machine.tf", "ignore_not_found", "ignore_notfound "),
    (AZURE, "machine.tf", "lun                = 0", "lun                = []"),
    (AZURE, "storage.tf", "azurerm_managed_disk.data.id", "azurerm_managed_disk.data.idd"),
    (AZURE, "secrets.tf", "value_wo         ", "value_w          "),
    (AZURE, "../main.tf", "features {}", "feature {}"),
    (AZURE, "../main.tf", "subscription_id =", "subscription_di ="),
]


@pytest.mark.parametrize(
    "cloud, file, right, wrong", MISTAKES, ids=[f"{one[0].name}-{one[2].split()[0]}" for one in MISTAKES]
)
@pytest.mark.parametrize("spec", ["honeycomb"])
def test_schema_rejects_invalid_arguments(module, file, right, wrong):
    text = (module.folder / file).read_text()
    assert right in text
    (module.folder / file).write_text(text.replace(right, wrong))
    module.call = (module.root / "main.tf").read_text()
    module.terraform("validate", fails=True)


def replaced(plan):
    """The resources that a plan replaces."""
    return {one["address"] for one in plan["resource_changes"] if set(one["change"]["actions"]) == {"create", "delete"}}


def forgotten(module, section):
    """The resources in the `terraform state rm` command of this README section."""
    text = (module.root / "README.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.search(r"^terraform state rm ((?:.*\\\n)*.*)$", text, re.M)
    assert found, section
    return found[1].replace("\\\n", " ").replace("'", "").split()
