"""The settings of an organization in the Terraform module for AWS: every resource that can have tags, a key or a
permissions boundary has them. The provider's schema decides which these are.
"""

import base64
import json
import random

import pytest
import yaml
from cloudformation_template import REGION
from conftest import HERE, renderer
from terraform.clouds import AWS
from terraform.module import Module, changes, diagnostics, provider_folder

pytestmark = pytest.mark.aws

SPEC = HERE.parent / "specs" / "aws-terraform-organization.yaml"
# The spec names its clients.
NEEDED = {name: value for name, value in AWS.needed.items() if name != "allowed_cidrs"}
MACHINE = yaml.safe_load(SPEC.read_text())["machine"]


@pytest.fixture(scope="module")
def rendered(tools, tmp_path_factory):
    return renderer(tools, tmp_path_factory.mktemp("organization"))(target="aws", format="terraform", spec=SPEC)


@pytest.fixture(scope="module")
def provider(tools, rendered, tmp_path_factory):
    return provider_folder(tools, AWS.providers, [rendered], AWS.values, tmp_path_factory.mktemp("p"), AWS.forces_new)


@pytest.fixture
def module(rendered, provider, tmp_path):
    return Module(rendered, provider, tmp_path, NEEDED, AWS.stored)


def test_every_resource_has_what_the_organization_asks_for(module):
    assert diagnostics(module) == []
    stored = {f"{name}_secret_arn": "" for name in module.secrets}
    values = {**dict.fromkeys(module.secrets, "a-secret"), **stored}
    plan = module.plan(**module.values(**values, **{f"{name}_version": 1 for name in module.secrets}))
    made = {one["address"]: one["change"] for one in plan["resource_changes"] if one["mode"] == "managed"}
    assert made
    tagged = 0
    for address, change in made.items():
        known, unknown = change["after"], change["after_unknown"]

        def has(name):
            return name in known or name in unknown

        if "autoscaling_group" in address:
            tags = {one["key"]: one["value"] for one in known["tag"] if one["propagate_at_launch"]}
        elif has("tags"):
            tags = known["tags"]
        else:
            continue
        tagged += 1
        assert MACHINE["tags"].items() <= tags.items(), address
        for key in ("kms_key_id", "kms_key_arn", "kms_master_key_id"):
            assert not has(key) or known.get(key) == MACHINE["kms_key"], address
        assert not has("permissions_boundary") or known["permissions_boundary"] == MACHINE["permissions_boundary"]
    assert tagged > 15
    machine = made["aws_launch_template.machine"]["after"]
    assert machine["block_device_mappings"][0]["ebs"][0]["kms_key_id"] == MACHINE["kms_key"]
    assert machine["network_interfaces"][0]["associate_public_ip_address"] in (True, "true")
    assert machine["image_id"] == MACHINE["image"]
    for one in machine["tag_specifications"]:
        assert MACHINE["tags"].items() <= one["tags"].items() and "chroma-otel-deploy" not in one["tags"]
    assert {one["resource_type"] for one in machine["tag_specifications"]} == {"volume", "network-interface"}
    policies = [one["after"]["policy_arn"] for address, one in made.items() if "attachment.machine" in address]
    assert policies == MACHINE["policies"]


def test_role_may_use_the_key(module):
    secret = module.secrets[0]
    values = {secret: "a-secret", f"{secret}_secret_arn": "", f"{secret}_version": 1}
    state = module.apply(**module.values(**values))
    statements = json.loads(state["aws_iam_role_policy.machine"]["policy"])["Statement"]
    used = {one["Sid"]: one for one in statements if "kms" in str(one["Action"])}
    assert used["AttachIfTheKeyIsYourOwn"]["Resource"] == MACHINE["kms_key"]
    [stored] = [one for sid, one in used.items() if sid.startswith("DecryptStored")]
    assert stored["Resource"] == MACHINE["kms_key"]
    assert "kms:EncryptionContext:SecretARN" in stored["Condition"]["StringEquals"]


def test_every_allowed_client_reaches_every_port(module):
    plan = module.plan(**module.values())
    rules = [one["change"]["after"] for one in plan["resource_changes"] if one["type"].endswith("_ingress_rule")]
    peers = ("cidr_ipv4", "cidr_ipv6", "referenced_security_group_id", "prefix_list_id")
    opened = {(int(rule["from_port"]), rule[peer]) for rule in rules for peer in peers if rule.get(peer)}
    expected = {(port, peer) for port in (8000, 4317, 4318, 8888, 8889) for peer in MACHINE["allow_from"]}
    assert expected == {one for one in opened if one[1] in MACHINE["allow_from"]}
    [front] = [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == "aws_lb"]
    assert front["ip_address_type"] == "dualstack"


def test_key_of_an_existing_volume_cannot_change(module):
    module.apply(**module.values())
    other = {"kms_key_arn": f"arn:aws:kms:{REGION}:123456789012:key/other"}
    said = module.terraform("plan", "-input=false", fails=True, **module.values(**other))
    assert "prevent_destroy" in said


def test_unchanged_module_has_no_changes(module):
    module.apply(**module.values())
    assert changes(module.plan(**module.values())) == {}


def test_largest_user_data_that_gen_accepts_is_close_to_the_limit_of_ec2(tools, provider, tmp_path):
    """`gen` estimates what Terraform's gzip and the values of AWS make of it."""
    render, digits = renderer(tools, tmp_path), random.Random(1)
    note = "".join(digits.choice("0123456789abcdef") for _ in range(16384))
    spec = tmp_path / "spec.json"

    def rendered(length):
        content = {"chroma": {"environment": {"CHROMA_NOTE": f"x{note[:length]}"}}}
        spec.write_text(json.dumps(content))
        try:
            return render(out=str(length), target="aws", format="terraform", spec=spec)
        except AssertionError as error:
            if "user data of at most 16384 bytes" not in str(error):
                raise
            return None

    accepted, refused = 0, len(note)
    while refused - accepted > 16:
        middle = (accepted + refused) // 2
        accepted, refused = (middle, refused) if rendered(middle) else (accepted, middle)
    module = Module(rendered(accepted), provider, tmp_path, AWS.needed, AWS.stored)
    text = (module.folder / "machine.tf").read_text()
    assert "<= 16384" in text
    (module.folder / "machine.tf").write_text(text.replace("<= 16384", "<= 20000"))
    state = module.apply(**module.values())
    size = len(base64.b64decode(state["aws_launch_template.machine"]["user_data"]))
    assert abs(size - 16384) < 16384 * 0.03, size
