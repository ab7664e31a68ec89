"""The settings of an organization in the CloudFormation template: every resource that can have a tag, a key or a
permissions boundary has it. AWS's resource schemas, which cfn-lint contains, decide which these are.
"""

import json
import re
import shlex

import pytest
import yaml
from cloudformation_template import SPECS, Template, rendered  # noqa: F401 (fixtures)
from conftest import HERE

pytestmark = pytest.mark.aws

SPEC = SPECS["organization"]
MACHINE = yaml.safe_load((HERE.parent / "specs/aws-organization.yaml").read_text())["machine"]
TAGS = [{"Key": key, "Value": value} for key, value in MACHINE["tags"].items()]
TOPIC = MACHINE["alarms"]
KEYS = ("KmsKeyId", "KmsKeyArn", "KMSKeyId", "KmsMasterKeyId")


@pytest.fixture(scope="session")
def schema(tools):
    """schema(type) -> AWS's schema of a resource."""
    [data] = tools.part("aws/lib").glob("python3*/site-packages/cfnlint/data/schemas")
    files = json.loads((data / "providers/us-east-1.json").read_text())
    return lambda kind: json.loads((data / "resources" / f"{files[kind]}.json").read_text())


@pytest.fixture
def template(rendered):
    return Template(rendered(SPEC))


@pytest.fixture
def resources(template):
    """Every resource: alarms are on, and the stack stores each secret."""
    stored = dict.fromkeys(template.secrets, "a-secret") | {f"{name}SecretArn": "" for name in template.secrets}
    made = template.module.resolve(template.tree, template.parameters(AlarmTopicArn=TOPIC, **stored))["Resources"]
    assert set(made) == set(template.tree["Resources"])
    return made.values()


def launched(resources):
    [one] = [one["Properties"] for one in resources if one["Type"] == "AWS::EC2::LaunchTemplate"]
    return one


def test_command_gives_the_tags_to_the_stack(template):
    [command] = re.findall(r"^aws cloudformation deploy .*", (template.folder / "README.md").read_text(), re.M)
    words = shlex.split(command.replace("$BUCKET", "bucket"))
    assert words[words.index("--tags") + 1 :] == [f"{key}={value}" for key, value in sorted(MACHINE["tags"].items())]


def test_resources_without_the_tags_of_the_stack_have_them_in_the_template(resources, schema):
    without = {one["Type"] for one in resources if not schema(one["Type"]).get("tagging", {}).get("taggable", True)}
    taggable = {kind for kind in without if "TagSpecifications" in schema(kind)["properties"]}
    assert taggable == {"AWS::EC2::LaunchTemplate"}
    # The other ones cannot have tags.
    assert not [kind for kind in without - taggable if "Tags" in schema(kind)["properties"]]
    template = launched(resources)
    specifications = template["TagSpecifications"] + template["LaunchTemplateData"]["TagSpecifications"]
    # Instances have those of the group, and so those of the stack.
    assert [one["ResourceType"] for one in specifications] == ["launch-template", "volume", "network-interface"]
    for one in specifications:
        assert all(tag in one["Tags"] for tag in TAGS), one["ResourceType"]


@pytest.mark.parametrize("spec", [{}, SPEC], ids=["default", "organization"])
def test_system_disk_has_a_name_and_is_no_data_volume(rendered, spec):
    [template] = Template(rendered(spec)).resources("AWS::EC2::LaunchTemplate")
    specifications = template["Properties"]["LaunchTemplateData"]["TagSpecifications"]
    [tags] = [one["Tags"] for one in specifications if one["ResourceType"] == "volume"]
    names = [tag["Key"] for tag in tags]
    assert "Name" in names and "chroma-otel-deploy" not in names, "the snapshots would include it"


def test_everything_that_can_have_a_key_has_it(resources, schema):
    given = {
        one["Type"]: one["Properties"].get(key)
        for one in resources
        for key in set(schema(one["Type"])["properties"]) & set(KEYS)
    }
    kinds = {"AWS::EC2::Volume", "AWS::Logs::LogGroup", "AWS::SecretsManager::Secret"}
    assert given == dict.fromkeys(kinds, MACHINE["kms_key"])
    [disk] = launched(resources)["LaunchTemplateData"]["BlockDeviceMappings"]
    assert disk["Ebs"]["KmsKeyId"] == MACHINE["kms_key"]


def test_role_may_use_the_key_for_the_volume_and_for_stored_secrets(resources, template):
    [role] = [
        one["Properties"] for one in resources if one["Type"] == "AWS::IAM::Role" and "Policies" in one["Properties"]
    ]
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    used = [one for one in statements if "kms" in str(one["Action"])]
    assert {one["Resource"] for one in used} == {MACHINE["kms_key"]}
    [grant] = [one for one in used if one["Action"] == "kms:CreateGrant"]
    assert grant["Condition"]["StringEquals"] == {"kms:ViaService": "ec2.eu-central-1.amazonaws.com"}
    decrypted = [one["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"] for one in used if one != grant]
    assert decrypted == [f"{name}Secret" for name in template.secrets]
    assert role["ManagedPolicyArns"] == MACHINE["policies"]


def test_every_role_has_the_permissions_boundary(resources):
    roles = [one["Properties"]["PermissionsBoundary"] for one in resources if one["Type"] == "AWS::IAM::Role"]
    assert roles == [MACHINE["permissions_boundary"]] * 2


def test_every_allowed_client_reaches_every_port(template):
    parameters = dict(one.split("=", 1) for one in json.loads((template.folder / "parameters.json").read_text()))
    clients = {name: parameters[name] for name in ("AllowedCidr", "AllowedSecurityGroup")}
    front = template.one("LoadBalancerSecurityGroup", **clients)
    peers = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourcePrefixListId")
    opened = {
        (rule["FromPort"], rule[peer]) for rule in front["SecurityGroupIngress"] for peer in peers if peer in rule
    }
    assert opened == {(port, peer) for port in (8000, 4317, 4318, 8888, 8889) for peer in MACHINE["allow_from"]}
    assert len(opened) == len(front["SecurityGroupIngress"])
    # A client of an IPv6 range connects to an IPv6 address.
    assert template.one("LoadBalancer")["IpAddressType"] == "dualstack"


def test_machine_pulls_a_mirrored_image(template):
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/docker-hub/jaegertracing/jaeger"
    files = template.files()
    assert f"{image}:" in files["/etc/systemd/system/jaeger.service"][1]
    helpers = json.loads(files["/root/.docker/config.json"][1])["credHelpers"]
    assert helpers[image.partition("/")[0]] == "ecr-login"
    statements = template.one("Role")["Policies"][0]["PolicyDocument"]["Statement"]
    arn = "arn:aws:ecr:eu-central-1:123456789012:repository/docker-hub/jaegertracing/jaeger"
    allowed = {action for one in statements if arn in one["Resource"] for action in one["Action"]}
    # https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html
    assert allowed == {
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchImportUpstreamImage",
        "ecr:CreateRepository",
    }
