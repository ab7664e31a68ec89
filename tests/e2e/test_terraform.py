"""The Terraform module for AWS: the real Terraform with the real schema of the provider, offline, and the real
cloud-init for the first boot. The provider's responses are stand-ins (terraform/provider.py), so whether AWS
accepts the values is not tested.

Invariant: parameters, permissions and the machine's files equal those of the CloudFormation template.
"""

import base64
import json
import re

import pytest
from cloudformation_template import ARN, HEADERS, REGION, SECRET, SPECS, Template
from conftest import HERE, NEWEST, renderer
from terraform.clouds import ACCOUNT, AWS
from terraform.module import HOSTILE, Module, changes, check_scripts, diagnostics, first_boot, provider_folder

pytestmark = pytest.mark.aws

SPECS = {
    **{name: spec for name, spec in SPECS.items() if name != "backup"},  # the user data would be too large: rejected
    "own": {"spec": HERE.parent / "specs" / "aws-terraform-honeycomb.yaml"},
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
ATTRIBUTES = {
    "Logs": "logs-1",
    "Logs.Arn": f"{AWS.values['aws_cloudwatch_log_group.arn']}:*",
}
# Only the Auto Scaling group of the module has a hook that takes heartbeats.
HEARTBEATS = """\
    while sleep 300; do timeout 60 "$0" heartbeat || true; done &
    # shellcheck disable=SC2064 # expand the id now
    trap "kill $!" EXIT
"""
# In the template, these are literals where the spec sets them.
ORGANIZATION = {
    "allowed_cidrs",
    "allowed_security_groups",
    "allowed_prefix_lists",
    "image_id",
    "kms_key_arn",
    "permissions_boundary_arn",
    "policy_arns",
    "public_address",
    "tags",
}
PSEUDO = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "chroma",
}


def is_organization(spec):
    return "organization" in str(spec.get("spec"))


def snake(name):
    """`ChromaOtelServiceName` as the name of a variable."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def attributes(template):
    """The values of the template's resources; the logical ID of the volume depends on its snapshot."""
    resources = template.tree["Resources"].items()
    volumes = [name for name, resource in resources if resource["Type"] == "AWS::EC2::Volume"]
    return ATTRIBUTES | dict.fromkeys(volumes, AWS.values["aws_ebs_volume.id"])


@pytest.fixture(scope="session")
def folders(tools, tmp_path_factory):
    """folders(spec, format) -> the folder that `gen --target aws --format …` writes."""
    written = {}

    def folder(spec, format):
        key = json.dumps([spec, format], default=str)
        if key not in written:
            written[key] = renderer(tools, tmp_path_factory.mktemp(format))(target="aws", format=format, **spec)
        return written[key]

    return folder


@pytest.fixture(scope="session")
def provider(tools, folders, tmp_path_factory):
    modules = [folders(spec, "terraform") for spec in SPECS.values()]
    folder = tmp_path_factory.mktemp("provider")
    return provider_folder(tools, AWS.providers, modules, AWS.values, folder, AWS.forces_new)


@pytest.fixture
def module(folders, provider, tmp_path, spec):
    # The organization's spec names its clients.
    needed = {name: value for name, value in AWS.needed.items() if name != "allowed_cidrs" or not is_organization(spec)}
    return Module(folders(spec, "terraform"), provider, tmp_path, needed, AWS.stored)


@pytest.fixture
def boot(tools, tmp_path):
    """boot(state) -> {path: (mode, text)}: the files that cloud-init writes at the first boot of the machine."""

    def files(state):
        user_data = AWS.user_data(state)
        return first_boot(tools, user_data, tmp_path / "machine")

    return files


def given(template):
    """The parameters in `parameters.json`."""
    return dict(one.split("=", 1) for one in json.loads((template.folder / "parameters.json").read_text()))


@every_spec
class TestModule:
    def test_module_is_formatted(self, module):
        module.terraform("fmt", "-check", "-diff", "-recursive")

    def test_module_is_valid(self, module):
        assert diagnostics(module) == []

    def test_machine_matches_the_cloudformation_template(self, module, folders, spec, boot, tmp_path):
        template = Template(folders(spec, "cloudformation"))
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"
        parameters = {**given(template), **template.parameters(AlarmTopicArn=topic)}
        state = module.apply(**module.values(name="chroma", alarm_topic_arn=topic))

        files = boot(state)
        expected = template.module.machine_files(template.tree, parameters, attributes(template), PSEUDO)
        assert set(files) == set(expected)
        own = {"/etc/chroma-otel/machine.env": "GROUP_NAME=chroma\n"}
        for path, (mode, text) in expected.items():
            if path == "/etc/chroma-otel/cloud":
                assert "complete_launch CONTINUE" in files[path][1] and "cfn-signal" not in files[path][1]
            else:
                found, text = files[path], text + own.get(path, "")
                if path == "/etc/chroma-otel/boot":
                    found = (found[0], found[1].replace(HEARTBEATS, ""))
                assert found == (mode, text), path
        check_scripts(files, tmp_path)

        resources = template.module.resolve(template.tree, parameters, attributes(template), PSEUDO)["Resources"]
        [allowed] = resources["Role"]["Properties"]["Policies"]
        statements = json.loads(state["aws_iam_role_policy.machine"]["policy"])["Statement"]
        [own] = [one for one in statements if one["Sid"] == "SayThatItIsHealthy"]
        assert own["Action"] == ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"]
        assert own["Resource"].endswith(":autoScalingGroup:*:autoScalingGroupName/chroma")
        assert [one for one in statements if one != own] == allowed["PolicyDocument"]["Statement"]
        assumed = json.loads(state["aws_iam_role.machine"]["assume_role_policy"])
        assert assumed == resources["Role"]["Properties"]["AssumeRolePolicyDocument"]
        # The role of the snapshots always has an attached policy.
        attached = {address: one for address, one in state.items() if "_policy_attachment.machine" in address}
        expected = resources["Role"]["Properties"].get("ManagedPolicyArns", [])
        assert [one["policy_arn"] for one in attached.values()] == expected
        assert bool(expected) == is_organization(spec)

        target = state["aws_lb_target_group.chroma"]
        expected = {one["Key"]: one["Value"] for one in resources["TargetGroup"]["Properties"]["TargetGroupAttributes"]}
        assert {
            "deregistration_delay.timeout_seconds": str(target["deregistration_delay"]),
            "deregistration_delay.connection_termination.enabled": json.dumps(target["connection_termination"]),
        } == expected

        def ports(kind, key="port"):
            return sorted(int(one[key]) for address, one in state.items() if address.startswith(f"{kind}."))

        listeners = [one for one in resources.values() if one["Type"] == "AWS::ElasticLoadBalancingV2::Listener"]
        open_to = sorted(one["Properties"]["Port"] for one in listeners)
        assert ports("aws_lb_listener") == ports("aws_lb_target_group") == open_to
        # The stand-in gives all groups the same name, so the attachment is checked in the file.
        attached = re.search(r"^  target_group_arns +=(.*)$", (module.folder / "machine.tf").read_text(), re.M)[1]
        assert ("aws_lb_target_group.collector)[*]" in attached) == (len(open_to) > 1)
        front = resources["LoadBalancerSecurityGroup"]["Properties"]
        inside = [one for one in resources.values() if one["Type"] == "AWS::EC2::SecurityGroupIngress"]
        doors = front["SecurityGroupIngress"] + [one["Properties"] for one in inside]
        assert ports("aws_vpc_security_group_ingress_rule", "from_port") == sorted(one["FromPort"] for one in doors)
        rules = {address: one for address, one in state.items() if "_egress_rule." in address}
        everything = rules.pop("aws_vpc_security_group_egress_rule.instance")
        [expected] = resources["InstanceSecurityGroup"]["Properties"]["SecurityGroupEgress"]
        assert (everything["ip_protocol"], everything["cidr_ipv4"]) == (expected["IpProtocol"], expected["CidrIp"])
        expected = sorted(one["FromPort"] for one in front["SecurityGroupEgress"])
        assert sorted(int(one["from_port"]) for one in rules.values()) == expected

    def test_variables_match_the_cloudformation_parameters(self, module, folders, spec):
        template = Template(folders(spec, "cloudformation"))
        parameters, decided = template.tree["Parameters"], given(template)
        # Terraform looks up the Amazon Linux image by architecture.
        image = parameters.pop("ImageId")
        for name in ("AllowedCidr", "AllowedSecurityGroup"):
            del parameters[name]  # lists in the module
        architecture = json.loads(module.default("architecture"))
        newest = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
        assert image["Default"] == (json.loads(module.default("image_id")) or newest)
        # In the template, the snapshot is part of the data volume's logical id.
        extra = {"name", "architecture", "snapshot_id", *(f"{name}_version" for name in module.secrets)} | ORGANIZATION
        if is_organization(spec):
            extra.add("allowed_ipv6_cidrs")  # its clients have an IPv6 range
        assert set(module.variables) == {snake(name) for name in parameters} | extra
        for name, parameter in parameters.items():
            text = module.variables[snake(name)]
            if "AllowedPattern" in parameter:
                pattern = parameter["AllowedPattern"].replace("\\", "\\\\").replace('"', '\\"')
                assert f'regex("{pattern}",' in text, name
            for value in parameter.get("AllowedValues", []):
                assert json.dumps(value) in text, name
            for bound in ("MinValue", "MaxValue"):
                # CloudFormation alone limits a start to an hour.
                limited = bound in parameter and (name, bound) != ("StartMinutes", "MaxValue")
                assert not limited or f"= {parameter[bound]}" in text, name
            default = module.default(snake(name))
            expected = decided.get(name, parameter.get("Default"))
            assert (default is None) == (expected is None), name
            if default and "$" not in default:
                assert str(json.loads(default)) == str(expected), name
            if not name.endswith("SecretArn"):
                # Only the first sentence: the effect of a change differs.
                assert re.split(r"[;.](?: |$)", parameter["Description"])[0] in text, name

    def test_alarms_match_the_cloudformation_template(self, module, folders, spec):
        template = Template(folders(spec, "cloudformation"))
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"
        parameters = {**given(template), **template.parameters(AlarmTopicArn=topic)}
        resources = template.module.resolve(template.tree, parameters)["Resources"].values()
        expected = [one for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
        plan = module.plan(**module.values(name="chroma", alarm_topic_arn=topic))
        made = [
            one["change"]["after"] for one in plan["resource_changes"] if one["type"] == "aws_cloudwatch_metric_alarm"
        ]
        keys = [
            "MetricName",
            "Namespace",
            "Statistic",
            "Period",
            "EvaluationPeriods",
            "ComparisonOperator",
            "Threshold",
            "TreatMissingData",
        ]
        assert sorted([one["Properties"].get(key) for key in keys] for one in expected) == sorted(
            [one.get(snake(key)) for key in keys] for one in made
        )
        assert all([one["alarm_actions"], one["ok_actions"]] == [[topic], [topic]] for one in made)


@pytest.mark.parametrize("spec", [{"backend": "honeycomb"}], ids=["honeycomb"])
class TestOperation:
    """Operations of the module, with a cloud that accepts every request."""

    def test_special_characters_reach_the_machine_unchanged(self, module, boot):
        files = boot(module.apply(**module.values(chroma_otel_service_name=HOSTILE)))
        assert f"\nCHROMA_OTEL_SERVICE_NAME={HOSTILE}\n" in files["/etc/chroma-otel/chroma.env"][1]

    def test_user_data_stays_below_the_ec2_limit(self, module):
        state = module.apply(**module.values())
        size = len(base64.b64decode(state["aws_launch_template.machine"]["user_data"]))
        assert 6_000 < size < 14_000, size

    def test_secrets_are_not_in_state_or_plan(self, module, boot):
        values = module.values(
            honeycomb_api_key=f"{SECRET}-é'\"$",
            chroma_otel_collection_headers=HEADERS,
            chroma_otel_collection_headers_version=1,
            chroma_otel_collection_headers_secret_arn="",
        )
        module.plan(file="plan", **values)
        module.terraform("apply", "plan", **{name: values[name] for name in module.secrets})
        state = module.state()
        stored = {address for address in state if address.startswith("aws_secretsmanager_secret.")}
        assert stored == {
            "aws_secretsmanager_secret.honeycomb_api_key[0]",
            "aws_secretsmanager_secret.chroma_otel_collection_headers[0]",
        }
        assert (module.root / "terraform.tfstate").exists() and module.holds(SECRET) == []
        arn = "aws_secretsmanager_secret_version.honeycomb_api_key[0]"
        assert f"collector HONEYCOMB_API_KEY {state[arn]['arn']}\n" in boot(state)["/etc/chroma-otel/secrets"][1]
        # Terraform detects a changed secret only by its version; the instance reads the value itself.
        assert changes(module.plan(**{**values, "honeycomb_api_key": "another"})) == {}
        assert changes(module.plan(**{**values, "honeycomb_api_key": "another", "honeycomb_api_key_version": 2})) == {
            arn: ["update"]
        }

    @pytest.mark.parametrize(
        "change", [{"chroma_version": "1.5.8"}, {"chroma_otel_granularity": "all"}], ids=lambda one: [*one][0]
    )
    def test_change_replaces_the_instance_and_keeps_the_volume(self, module, change):
        values = module.values(chroma_version=NEWEST)
        module.apply(**values)
        assert changes(module.plan(**values)) == {}
        changed = changes(module.plan(**{**values, **change}))
        assert changed == {"aws_launch_template.machine": ["update"], "aws_autoscaling_group.chroma": ["update"]}

    def test_volume_grows_without_replacing_the_machine(self, module):
        values = module.values()
        module.apply(**values)
        assert changes(module.plan(**{**values, "disk_size": 30})) == {"aws_ebs_volume.data": ["update"]}

    def test_destroy_fails_while_the_data_disk_is_in_the_state(self, module):
        values = module.values()
        module.apply(**values)
        assert "prevent_destroy" in module.terraform("destroy", "-auto-approve", fails=True, **values)
        # As in README.md.
        module.terraform("state", "rm", "module.chroma.aws_ebs_volume.data")
        module.terraform("destroy", "-auto-approve", **values)
        assert module.state() == {}

    def test_restored_volume_replaces_the_old_one(self, module):
        values = module.values()
        state = module.apply(**values)
        assert not state["aws_autoscaling_group.chroma"]["instance_refresh"][0]["preferences"][0].get("auto_rollback")
        restored = {**values, "snapshot_id": "snap-1"}
        assert "prevent_destroy" in module.terraform("plan", "-input=false", fails=True, **restored)
        module.terraform("state", "rm", "module.chroma.aws_ebs_volume.data")  # as in README.md
        plan = module.plan(**restored)
        assert changes(plan)["aws_ebs_volume.data"] == ["create"]
        assert [address for address, actions in changes(plan).items() if "delete" in actions] == []

    @pytest.mark.parametrize(
        "file, right, wrong",
        [
            ("network.tf", "deregistration_delay", "deregistration_dely"),
            ("storage.tf", "retain_rule {", "retain_rules {"),
            ("machine.tf", "aws_launch_template.machine.latest_version", "aws_launch_template.machine.newest_version"),
            ("network.tf", "subnets            = [data.aws_subnet.chroma.id]", "subnets            = { a = 1 }"),
            ("secrets.tf", "secret_string_wo         ", "secret_string            "),
        ],
        ids=lambda text: text.strip()[:20],
    )
    def test_schema_rejects_invalid_arguments(self, module, file, right, wrong):
        text = (module.folder / file).read_text()
        assert right in text
        (module.folder / file).write_text(text.replace(right, wrong))
        module.terraform("validate", fails=True)

    def test_alarms_and_snapshots_are_optional(self, module):
        def made(**values):
            return {address.partition(".")[0] for address in changes(module.plan(**module.values(**values)))}

        usual, more, less = (
            made(),
            made(alarm_topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"),
            made(snapshots_kept=0),
        )
        assert more - usual == {"aws_cloudwatch_metric_alarm"}
        assert usual - less == {"aws_dlm_lifecycle_policy", "aws_iam_role_policy_attachment"}

    @pytest.mark.parametrize(
        "wrong, why",
        [
            ({"allowed_cidrs": ["10.0.0.0/8", "0.0.0.0/0"]}, "/8 or narrower"),
            ({"allowed_cidrs": []}, "allowed_prefix_lists is required"),
            ({"allowed_prefix_lists": ["sg-1"]}, "IDs of prefix lists"),
            ({"chroma_otel_granularity": "most"}, "Must be one of none, operation"),
            ({"chroma_otel_service_name": "a\nb"}, "Must be one line"),
            ({"chroma_version": "latest"}, "Must be a release"),
            ({"honeycomb_api_key_secret_arn": ""}, "TF_VAR_honeycomb_api_key"),
            ({"honeycomb_api_key": SECRET, "honeycomb_api_key_secret_arn": ARN}, "Exactly one of"),
            ({"honeycomb_api_key_secret_arn": ARN.rpartition("-")[0]}, "six characters"),
            (
                {"chroma_otel_collection_headers": SECRET, "chroma_otel_collection_headers_secret_arn": ""},
                "_version = 1",
            ),
            ({"availability_zone": f"{REGION}b"}, "The subnet is in vpc-1 and eu-central-1a"),
        ],
    )
    def test_invalid_variables_are_rejected(self, module, wrong, why):
        said = module.terraform("plan", "-input=false", fails=True, **module.values(**wrong))
        assert why in said and SECRET not in said
