"""Updates of an existing stack: properties that AWS cannot change, and the replacement of the data volume.

The rules are AWS's: the resource schemas in cfn-lint, and the documentation where a schema is silent.
"""

import fnmatch
import json
import re

import pytest
from cloudformation_template import REGION, SPECS, Template, rendered  # noqa: F401 (fixtures)

pytestmark = pytest.mark.aws

# "Update requires: Updates are not supported". The schema of the type has no `createOnlyProperties`.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-volume.html
UNSUPPORTED = {"AWS::EC2::Volume": {"AvailabilityZone", "Encrypted", "KmsKeyId", "SnapshotId"}}
SNAPSHOTS = ("snap-0123456789abcdef0", "snap-0fedcba9876543210")


@pytest.fixture(scope="session")
def fixed(tools):
    """fixed(type) -> the properties that AWS changes by replacing the resource, or not at all."""
    [data] = tools.part("aws/lib").glob("python3*/site-packages/cfnlint/data/schemas")
    files = json.loads((data / "providers/us-east-1.json").read_text())

    def of(kind):
        schema = json.loads((data / "resources" / f"{files[kind]}.json").read_text())
        paths = schema.get("createOnlyProperties", [])
        return {path.split("/")[2] for path in paths} | UNSUPPORTED.get(kind, set())

    return of


@pytest.fixture
def stack(rendered, tmp_path):
    """stack(restore_from=…) -> the template of a spec with these keys of `machine`."""

    def template(**machine):
        spec = tmp_path / f"{len([*tmp_path.iterdir()])}.yaml"
        spec.write_text(json.dumps({"target": "aws", "machine": machine}))
        return Template(rendered({"spec": str(spec)}))

    return template


def parameters_in(tree, value):
    """The parameters that a value depends on, through conditions also."""
    if isinstance(value, list):
        return {name for one in value for name in parameters_in(tree, one)}
    if not isinstance(value, dict):
        return set()
    found = {name for one in value.values() for name in parameters_in(tree, one)}
    if "Ref" in value:
        found.add(value["Ref"])
    if "Fn::Sub" in value:
        text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
        found |= set(re.findall(r"\$\{(\w+)\}", text))
    if "Fn::If" in value:
        found |= parameters_in(tree, tree["Conditions"][value["Fn::If"][0]])
    return found & set(tree["Parameters"])


def test_schemas_name_the_properties_that_replace_a_resource(fixed):
    assert {"GroupDescription", "VpcId"} <= fixed("AWS::EC2::SecurityGroup")
    assert {"Port", "Protocol", "VpcId"} <= fixed("AWS::ElasticLoadBalancingV2::TargetGroup")


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_parameters_that_cannot_change_are_described_as_such(rendered, fixed, spec):
    tree = Template(rendered(spec)).tree
    reached = {
        (parameter, f"{name}.{key}")
        for name, resource in tree["Resources"].items()
        for key in fixed(resource["Type"]) & set(resource["Properties"])
        for parameter in parameters_in(tree, resource["Properties"][key])
    }
    assert {parameter for parameter, _ in reached} >= {"AvailabilityZone", "VpcId"}
    for parameter, place in reached:
        assert "existing stack" in tree["Parameters"][parameter]["Description"], f"{parameter} reaches {place}"


def test_no_change_of_the_spec_reaches_an_unsupported_property(stack):
    before = stack(restore_from=SNAPSHOTS[0]).tree["Resources"]
    same = {"restore_from": SNAPSHOTS[0], "disk": "40GiB", "zone": f"{REGION}b", "snapshots": 0}
    for machine in ({}, {"restore_from": SNAPSHOTS[1]}, same):
        after = stack(**machine).tree["Resources"]
        for name in before.keys() & after.keys():
            for key in UNSUPPORTED.get(before[name]["Type"], ()):
                old, new = (one[name]["Properties"].get(key) for one in (before, after))
                assert old == new, f"{name}.{key} changes under {machine}"


def test_restored_snapshot_creates_another_volume_and_keeps_the_old_one_as_a_snapshot(stack):
    templates = [stack(), *(stack(restore_from=snapshot) for snapshot in SNAPSHOTS)]
    volumes = [one.of_type("AWS::EC2::Volume") for one in templates]
    names = [name for one in volumes for name in one]
    assert len(names) == len(set(names)) == 3 and names[0] == "DataVolume"
    for template, volume, snapshot in zip(templates, volumes, (None, *SNAPSHOTS), strict=True):
        [(name, resource)] = volume.items()
        assert resource["Properties"].get("SnapshotId") == snapshot
        assert resource["DeletionPolicy"] == "Snapshot", "the update deletes the volume of the template before"
        assert template.tree["Outputs"]["DataVolume"]["Value"] == {"Ref": name}
        # The machine attaches the volume by its physical id; another one replaces the instance.
        files = template.files({name: "vol-1"})
        assert "\nVOLUME_ID=vol-1\n" in files["/etc/chroma-otel/machine.env"][1]
        assert template.user_data({name: "vol-1"}) != template.user_data({name: "vol-2"})
        policy = re.search(r"LogicalResourceId/([^\"]+)", (template.folder / "README.md").read_text())[1]
        assert fnmatch.fnmatchcase(name, policy)


def test_zone_in_the_spec_changes_no_resource(stack):
    for machine in ({}, {"restore_from": SNAPSHOTS[0]}):
        assert stack(**machine).tree == stack(zone=f"{REGION}a", **machine).tree
