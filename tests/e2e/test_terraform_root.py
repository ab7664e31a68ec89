"""The Terraform module as others call it, and the root that `gen` renders around it: the real Terraform, OpenTofu and
terraform-docs, offline, with the real schema of each provider.

Invariant: every test covers every cloud, unless only one has the feature.
"""

import json
import re
import shutil
import subprocess

import pytest
from conftest import HERE, renderer
from terraform.clouds import AWS, CLOUDS, GCP
from terraform.module import IN_MODULE, Module, changes, diagnostics, module_in, provider_folder

pytestmark = pytest.mark.scanners

SPECS = {"aws": "aws-terraform", "gcp": "gcp", "azure": "azure"}  # with each, `-honeycomb` has every value
every_cloud = pytest.mark.parametrize("cloud", [AWS, *CLOUDS.values()], ids=["aws", *CLOUDS])
PROGRAMS = ["terraform", "tofu"]


@pytest.fixture(scope="session")
def rendered(tools, tmp_path_factory):
    """rendered(cloud, **flags) -> the folder that `gen` writes."""
    written = {}

    def folder(cloud, **flags):
        key = json.dumps([cloud.name, flags], default=str)
        if key not in written:
            flags = {"target": cloud.name, **({"format": "terraform"} if cloud is AWS else {}), **flags}
            written[key] = renderer(tools, tmp_path_factory.mktemp("rendered"))(**flags)
        return written[key]

    return folder


@pytest.fixture(scope="session")
def opened(tools, rendered, tmp_path_factory):
    """opened(cloud, folder, program, **flags) -> the rendered folder of this deployment, ready to be planned."""
    made = {}

    def module(cloud, folder, program="terraform", **flags):
        source = rendered(cloud, **flags)
        key = (cloud.name, source)
        if key not in made:
            made[key] = provider_folder(
                tools, cloud.providers, [source], cloud.values, tmp_path_factory.mktemp("provider"), cloud.forces_new
            )
        path = str(tools.part("opentofu/tofu")) if program == "tofu" else program
        return Module(source, made[key], folder, cloud.needed, cloud.stored, path)

    return module


def called(module, text, values):
    """Replaces the root by this call of the module, below its blocks for the providers."""
    providers = module.call.partition('\nmodule "chroma"')[0]
    for name, value in values.items():
        providers = providers.replace(f"var.{name}\n", f"{json.dumps(value)}\n")
    arguments = "".join(
        f"  {name} = {json.dumps(value)}\n" for name, value in values.items() if name in module.variables
    )
    for file in module.root.glob("*.tf"):
        file.unlink()
    module.call = f"{providers}\n{text.replace('ARGUMENTS', arguments)}"
    module.of_root = {}
    (module.root / "main.tf").write_text(module.call)
    module.terraform("get")


def planned(module, **values):
    """The plan, with complete addresses."""
    module.terraform("plan", "-input=false", "-out=plan", **values)
    return json.loads(module.terraform("show", "-json", "plan"))


INSTANCES = """
resource "terraform_data" "before" {
}

module "chroma" {
  source   = "./chroma"
  for_each = toset(["docs", "logs"])

  name = each.key
ARGUMENTS
  depends_on = [terraform_data.before]
}

output "addresses" {
  value = { for name, one in module.chroma : name => one.address }
}
"""


@every_cloud
@pytest.mark.parametrize("program", PROGRAMS)
def test_callers_can_use_for_each_and_depends_on(opened, tmp_path, cloud, program):
    single = opened(cloud, tmp_path / "single", program, backend="honeycomb")
    expected = set(changes(single.plan(**single.values())))
    module = opened(cloud, tmp_path / "several", program, backend="honeycomb")
    values = module.values(**dict([cloud.alarm]))
    called(module, INSTANCES, values)
    assert diagnostics(module) == []
    found = changes(planned(module))
    names = {name: {one for one in found if one.startswith(f'module.chroma["{name}"].')} for name in ("docs", "logs")}
    for name, addresses in names.items():
        addresses = {one.removeprefix(f'module.chroma["{name}"].') for one in addresses}
        assert expected < addresses, name  # with alarms, there are more
    assert set(found) == {"terraform_data.before"} | names["docs"] | names["logs"]
    module.terraform("apply", "plan")
    assert set(json.loads(module.terraform("output", "-json"))["addresses"]["value"]) == {"docs", "logs"}
    assert changes(planned(module)) == {}


@every_cloud
def test_callers_can_use_count(opened, tmp_path, cloud):
    module = opened(cloud, tmp_path, backend="honeycomb")
    called(
        module,
        '\nmodule "chroma" {\n  source = "./chroma"\n  count = 0\n\n  name = "chroma"\nARGUMENTS}\n',
        module.values(),
    )
    assert changes(planned(module)) == {}


@every_cloud
def test_opentofu_plans_the_same(opened, tmp_path, cloud):
    plans = []
    for program in PROGRAMS:
        module = opened(cloud, tmp_path / program, program, backend="honeycomb")
        assert diagnostics(module) == []
        plan = module.plan(**module.values(**dict([cloud.alarm])))
        made = {one["address"]: (one["change"]["actions"], one["change"]["after"]) for one in plan["resource_changes"]}
        plans.append((made, set(plan["planned_values"]["outputs"])))
    assert plans[0] == plans[1] and len(plans[0][0]) > 10


@every_cloud
@pytest.mark.parametrize("spec", ["", "-honeycomb", "-several"])
def test_readme_equals_the_output_of_terraform_docs(rendered, tools, tmp_path, cloud, spec):
    folder = module_in(rendered(cloud, spec=HERE.parent / f"specs/{SPECS[cloud.name]}{spec}.yaml"))
    copy = shutil.copytree(folder, tmp_path / "chroma")
    command = [tools.part("terraform-docs/terraform-docs"), "markdown", "table", "--anchor=false", "--escape=false"]
    sections = ["--show=inputs", "--show=outputs", "--output-file=README.md"]
    subprocess.run([*command, *sections, copy], check=True, capture_output=True)
    text = (copy / "README.md").read_text()
    assert text == (folder / "README.md").read_text() and text.count("\n| ") > 20


@every_cloud
def test_root_has_every_output(opened, tmp_path, cloud):
    module = opened(cloud, tmp_path, backend="honeycomb")
    module.apply(**module.values())
    found = {name: one["value"] for name, one in json.loads(module.terraform("output", "-json")).items()}
    missing = {name for name, value in found.items() if value in (None, "")}
    assert missing == set()
    expected = {
        "aws": {"load_balancer", "instance", "data_volume"},
        "gcp": {"ip_address", "instance_id", "service_account_email", "data_disk"},
        "azure": {
            "ip_address",
            "machine",
            "identity",
            "network_interface_id",
            "network_security_group_id",
            "data_disk",
        },
    }
    assert expected[cloud.name] <= set(found)


def without_module(module):
    """Turns the state into that of a folder from before the module."""
    file = module.root / "terraform.tfstate"
    state = json.loads(file.read_text())
    for one in state["resources"]:
        assert one.pop("module") == "module.chroma"
    file.write_text(json.dumps(state))


@every_cloud
def test_state_from_before_the_module_moves_without_changes(opened, tmp_path, cloud):
    module = opened(cloud, tmp_path, backend="honeycomb")
    values = module.values(**dict([cloud.alarm]))
    before = module.apply(**values)
    without_module(module)
    changelog = (HERE.parents[1] / "CHANGELOG.md").read_text()
    [command] = re.findall(r"^ *terraform init\n( *terraform state list .*?)```", changelog, re.M | re.S)
    done = subprocess.run(
        ["bash", "-ec", command], cwd=module.root, env=module.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert module.state() == before
    assert changes(module.plan(**values)) == {}


@every_cloud
def test_data_stays_if_the_state_is_not_moved(opened, tmp_path, cloud):
    module = opened(cloud, tmp_path, backend="honeycomb")
    values = module.values()
    module.apply(**values)
    without_module(module)
    plan = planned(module, **values)
    [data] = [one for one in plan["resource_changes"] if one["address"] == IN_MODULE + cloud.data]
    assert (data["previous_address"], data["change"]["actions"]) == (cloud.data, ["no-op"])
    assert "delete" in str(changes(plan))  # hence the note of `gen`


def test_module_of_google_cloud_names_the_project_everywhere(opened, tmp_path):
    """The provider of a caller may have another default project."""
    module = opened(GCP, tmp_path, spec=HERE.parent / "specs/gcp-several.yaml")
    plan = planned(module, **module.values())
    resources = plan["configuration"]["root_module"]["module_calls"]["chroma"]["module"]["resources"]
    provider = json.loads((tmp_path / module.environment["TF_CLI_CONFIG_FILE"]).with_name("google.json").read_text())
    types = {**provider["resources"], **provider["data_sources"]}
    takes = {name for name, block in types.items() if "project" in {one["name"] for one in block["attributes"]}}
    # The name of the secret contains the project.
    takes -= {"google_secret_manager_secret_iam_member"}
    silent = [one["address"] for one in resources if one["type"] in takes and "project" not in one["expressions"]]
    assert silent == [] and len(takes) > 10


def test_services_of_google_cloud_can_be_enabled_elsewhere(opened, tmp_path):
    module = opened(GCP, tmp_path, backend="honeycomb")
    usual, fewer = (set(changes(module.plan(**module.values(enable_apis=enabled)))) for enabled in (True, False))
    assert fewer < usual
    assert {one.partition(".")[0] for one in usual - fewer} == {"google_project_service"}
