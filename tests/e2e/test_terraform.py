"""The Terraform modules: the real Terraform on the real schema of its provider, offline; and what the real
cloud-init makes of the machine's first boot. What AWS would say is made up (terraform/provider.py): whether
it takes the values is not seen here.

Invariant: the module is held to the CloudFormation template, resource by resource where both say the same:
parameters, permissions, and the machine's files.
"""

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile

import pytest

from conftest import HERE, missing, renderer
from test_aws import ARN, HEADERS, REGION, SECRET, SPECS, Template, run

SPECS = {
    **SPECS,
    "own": {"spec": HERE.parent / "specs" / "aws-terraform-honeycomb.yaml"},
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
ACCOUNT = "123456789012"
SUBNET = {"vpc_id": "vpc-1", "subnet_id": "subnet-1", "availability_zone": f"{REGION}a", "allowed_cidr": "10.0.0.0/8"}
# What the made-up cloud says, and the template's own names for it.
VALUES = {
    "aws_region.region": REGION,
    "aws_caller_identity.account_id": ACCOUNT,
    "aws_partition.partition": "aws",
    "aws_partition.dns_suffix": "amazonaws.com",
    "aws_subnet.vpc_id": "vpc-1",
    "aws_subnet.availability_zone": f"{REGION}a",
    "aws_ssm_parameter.insecure_value": "ami-1",
    "aws_ebs_volume.id": "vol-1",
    "aws_ebs_volume.arn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1",
    "aws_cloudwatch_log_group.name": "logs-1",
    "aws_cloudwatch_log_group.arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:logs-1",
}
ATTRIBUTES = {
    "DataVolume": "vol-1", "Logs": "logs-1", "Logs.Arn": f"{VALUES['aws_cloudwatch_log_group.arn']}:*",
}
PSEUDO = {
    "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "chroma",
}


def snake(name):
    """`ChromaOtelServiceName` as a variable."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


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
    """A folder with the provider for all types in use; `terraform.rc` in it says where it is."""
    part = tools.part("terraform-offline-aws")
    sys.path.insert(0, str(HERE / "terraform"))
    from schema import schema

    texts = [file.read_text() for spec in SPECS.values() for file in folders(spec, "terraform").glob("*.tf")]
    types = {kind: {name for text in texts for name in re.findall(rf'^{kind} "(\w+)"', text, re.M)} for kind in ("resource", "data")}
    assert len(types["resource"]) > 15 and len(types["data"]) > 3
    folder = tmp_path_factory.mktemp("provider")
    (folder / "schema.json").write_text(json.dumps(schema(part / "types", types["resource"], types["data"])))
    (folder / "values.json").write_text(json.dumps(VALUES))
    command = folder / "terraform-provider-aws"
    # HOME: the library keeps a certificate there.
    command.write_text(f'#!/bin/sh\nHOME="{folder}" exec "{part}/bin/python" "{HERE}/terraform/provider.py" "{folder}"\n')
    command.chmod(0o755)
    (folder / "terraform.rc").write_text(
        f'provider_installation {{\n  dev_overrides {{\n    "hashicorp/aws" = "{folder}"\n  }}\n}}\n'
    )
    return folder


class Module:
    """A rendered module in a folder of its own, and the real Terraform on it."""

    def __init__(self, source, provider, tmp_path):
        self.folder = tmp_path / "module"
        shutil.copytree(source, self.folder)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "TF_CLI_CONFIG_FILE": str(provider / "terraform.rc"),
            "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1",
        }
        variables = (self.folder / "variables.tf").read_text()
        blocks = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', variables, re.M | re.S)
        self.variables = dict(blocks)
        self.secrets = [name for name, text in blocks if "ephemeral" in text]

    def values(self, **more):
        """Variables that the module is content with; every secret is in a store of the operator's."""
        arns = {f"{name}_secret_arn": ARN for name in self.secrets if f"{name}_secret_arn" not in more and name not in more}
        filled = {**SUBNET, **arns, **more}
        if "default" not in self.variables.get("chroma_otel_collection_endpoint", ""):
            filled["chroma_otel_collection_endpoint"] = "https://otlp.example.com"
        return {name: value for name, value in filled.items() if name in self.variables}

    def terraform(self, *words, fails=False, **values):
        environment = self.environment | {f"TF_VAR_{name}": str(value) for name, value in values.items()}
        done = subprocess.run(
            ["terraform", *words], cwd=self.folder, env=environment,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
        )
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        assert (done.returncode != 0) == fails, said
        return " ".join(re.sub(r"[│╷╵]", " ", said).split()) if fails else done.stdout

    def plan(self, *words, file="plan", **values):
        self.terraform("plan", "-input=false", f"-out={file}", *words, **values)
        return json.loads(self.terraform("show", "-json", file))

    def apply(self, **values):
        self.terraform("apply", "-input=false", "-auto-approve", **values)
        return self.state()

    def state(self):
        state = json.loads(self.terraform("show", "-json"))
        resources = state.get("values", {}).get("root_module", {}).get("resources", [])
        return {one["address"]: one["values"] for one in resources}


@pytest.fixture
def module(folders, provider, tmp_path, spec):
    if not shutil.which("terraform"):
        missing("terraform")
    return Module(folders(spec, "terraform"), provider, tmp_path)


@pytest.fixture
def boot(tools, tmp_path):
    """boot(state) -> {path: (mode, text)}: what cloud-init writes when the machine of this state first boots."""
    part = tools.part("cloud-init")
    environment = {"PYTHONPATH": str(part / "usr/lib/python3/dist-packages"), "PATH": os.environ["PATH"]}

    def files(state):
        folder = tmp_path / "machine"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        user_data = base64.b64decode(state["aws_launch_template.machine"]["user_data"])
        (folder / "user-data").write_bytes(user_data)
        python = [part / "bin/python", HERE / "terraform/first_boot.py", folder / "user-data", folder]
        done = subprocess.run(python, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[-1][-1] == "chroma-otel.service"
        schema = [part / "bin/python", "-m", "cloudinit.cmd.main", "schema", "--config-file", folder / "cloud-config.yaml"]
        done = subprocess.run(schema, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "Valid" in done.stdout, done.stdout + done.stderr
        found = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
        return {
            f"/{path.relative_to(folder)}": (stat.S_IMODE(path.stat().st_mode), path.read_text()) for path in found
        }

    return files


def given(template):
    """What `parameters.json` says."""
    return dict(one.split("=", 1) for one in json.loads((template.folder / "parameters.json").read_text()))


def changes(plan):
    """What a plan does, without what stays as it is."""
    done = {one["address"]: one["change"]["actions"] for one in plan.get("resource_changes", [])}
    return {address: actions for address, actions in done.items() if actions not in (["no-op"], ["read"])}


@every_spec
class TestModule:
    def test_it_is_written_as_terraform_writes_it(self, module):
        module.terraform("fmt", "-check", "-diff")

    def test_it_is_valid(self, module):
        said = json.loads(module.terraform("validate", "-json"))["diagnostics"]
        assert [one for one in said if "Provider development overrides" not in one["summary"]] == []

    def test_the_machine_is_what_cloudformation_makes(self, module, folders, spec, boot, tmp_path):
        template = Template(folders(spec, "cloudformation"))
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"
        parameters = {**given(template), **template.parameters(AlarmTopicArn=topic)}
        state = module.apply(**module.values(name="chroma", alarm_topic_arn=topic))

        files = boot(state)
        expected = template.module.machine_files(template.tree, parameters, ATTRIBUTES, PSEUDO)
        assert set(files) == set(expected)
        own = {"/etc/chroma-otel/machine.env": "GROUP_NAME=chroma\n"}
        for path, (mode, text) in expected.items():
            if path == "/etc/chroma-otel/cloud":
                assert "complete_launch CONTINUE" in files[path][1] and "cfn-signal" not in files[path][1]
            else:
                assert files[path] == (mode, text + own.get(path, "")), path
        for path, (_, text) in files.items():
            if text.startswith("#!/bin/bash"):
                script = tmp_path / "script"
                script.write_text(text)
                run("shellcheck", script)

        resources = template.module.resolve(template.tree, parameters, ATTRIBUTES, PSEUDO)["Resources"]
        [allowed] = resources["Role"]["Properties"]["Policies"]
        statements = json.loads(state["aws_iam_role_policy.machine"]["policy"])["Statement"]
        [own] = [one for one in statements if one["Sid"] == "SayThatItIsHealthy"]
        assert own["Action"] == "autoscaling:CompleteLifecycleAction"
        assert own["Resource"].endswith(":autoScalingGroup:*:autoScalingGroupName/chroma")
        assert [one for one in statements if one != own] == allowed["PolicyDocument"]["Statement"]
        assumed = json.loads(state["aws_iam_role.machine"]["assume_role_policy"])
        assert assumed == resources["Role"]["Properties"]["AssumeRolePolicyDocument"]
        # It has no policy but this one: the snapshots' role has the only other.
        attached = {address for address in state if address.startswith("aws_iam_role_policy_attachment.")}
        assert attached <= {"aws_iam_role_policy_attachment.snapshots[0]"}
        assert "ManagedPolicyArns" not in resources["Role"]["Properties"]

        target = state["aws_lb_target_group.chroma"]
        expected = {one["Key"]: one["Value"] for one in resources["TargetGroup"]["Properties"]["TargetGroupAttributes"]}
        assert {
            "deregistration_delay.timeout_seconds": str(target["deregistration_delay"]),
            "deregistration_delay.connection_termination.enabled": json.dumps(target["connection_termination"]),
        } == expected

    def test_it_takes_what_cloudformation_takes(self, module, folders, spec):
        template = Template(folders(spec, "cloudformation"))
        parameters, decided = template.tree["Parameters"], given(template)
        # Which Amazon Linux: Terraform looks it up by the architecture.
        image = parameters.pop("ImageId")
        architecture = json.loads(re.search(r"^  default     = (.*)", module.variables["architecture"], re.M)[1])
        assert image["Default"] == f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
        extra = {"name", "architecture", *(f"{name}_version" for name in module.secrets)}
        assert set(module.variables) == {snake(name) for name in parameters} | extra
        for name, parameter in parameters.items():
            text = module.variables[snake(name)]
            if "AllowedPattern" in parameter:
                pattern = parameter["AllowedPattern"].replace("\\", "\\\\").replace('"', '\\"')
                assert f'regex("{pattern}",' in text, name
            for value in parameter.get("AllowedValues", []):
                assert json.dumps(value) in text, name
            for bound in ("MinValue", "MaxValue"):
                assert bound not in parameter or f"= {parameter[bound]}" in text, name
            default = re.search(r"^  default     = (.*)", text, re.M)
            expected = decided.get(name, parameter.get("Default"))
            assert (default is None) == (expected is None), name
            if default and "$" not in default[1]:
                assert str(json.loads(default[1])) == str(expected), name
            if not name.endswith("SecretArn"):
                # What a change comes to is not the same.
                assert re.split(r"[;.](?: |$)", parameter["Description"])[0] in text, name

    def test_the_alarms_are_those_of_cloudformation(self, module, folders, spec):
        template = Template(folders(spec, "cloudformation"))
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"
        parameters = {**given(template), **template.parameters(AlarmTopicArn=topic)}
        resources = template.module.resolve(template.tree, parameters)["Resources"].values()
        expected = [one for one in resources if one["Type"] == "AWS::CloudWatch::Alarm"]
        plan = module.plan(**module.values(name="chroma", alarm_topic_arn=topic))
        made = [one["change"]["after"] for one in plan["resource_changes"] if one["type"] == "aws_cloudwatch_metric_alarm"]
        keys = ["MetricName", "Namespace", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator", "Threshold",
                "TreatMissingData"]
        assert sorted([one["Properties"].get(key) for key in keys] for one in expected) == sorted(
            [one.get(snake(key)) for key in keys] for one in made
        )
        assert all([one["alarm_actions"], one["ok_actions"]] == [[topic], [topic]] for one in made)


HOSTILE = "it's \"q\" `id` $(id) $HOME ${var.name} $${a} %{if} %%{b} {{ c }} 100% \\n \\ é😀 #1: - ' end "


@pytest.mark.parametrize("spec", [{"backend": "honeycomb"}], ids=["honeycomb"])
class TestOperation:
    """What an operator does with a module, on a cloud that agrees to everything."""

    def test_any_character_survives(self, module, boot):
        files = boot(module.apply(**module.values(chroma_otel_service_name=HOSTILE)))
        assert f"\nCHROMA_OTEL_SERVICE_NAME={HOSTILE}\n" in files["/etc/chroma-otel/chroma.env"][1]

    def test_user_data_stays_below_ec2s_limit(self, module):
        state = module.apply(**module.values())
        size = len(base64.b64decode(state["aws_launch_template.machine"]["user_data"]))
        assert 6_000 < size < 14_000, size

    def test_a_secret_is_in_no_state_and_no_plan(self, module, boot):
        values = module.values(honeycomb_api_key=f"{SECRET}-é'\"$", chroma_otel_collection_headers=HEADERS,
                               chroma_otel_collection_headers_version=1, chroma_otel_collection_headers_secret_arn="")
        module.plan(file="plan", **values)
        module.terraform("apply", "plan", **{name: values[name] for name in module.secrets})
        state = module.state()
        stored = {address for address in state if address.startswith("aws_secretsmanager_secret.")}
        assert stored == {"aws_secretsmanager_secret.honeycomb_api_key[0]",
                          "aws_secretsmanager_secret.chroma_otel_collection_headers[0]"}
        with zipfile.ZipFile(module.folder / "plan") as plan:
            for name in plan.namelist():
                assert SECRET.encode() not in plan.read(name), name
        written = [path for path in module.folder.rglob("*") if path.is_file()]
        assert module.folder / "terraform.tfstate" in written
        for path in written:
            assert SECRET.encode() not in path.read_bytes(), path
        arn = "aws_secretsmanager_secret_version.honeycomb_api_key[0]"
        assert f"collector HONEYCOMB_API_KEY {state[arn]['arn']}\n" in boot(state)["/etc/chroma-otel/secrets"][1]
        # Terraform cannot see another value, but for its version; the instance reads it by itself.
        assert changes(module.plan(**{**values, "honeycomb_api_key": "another"})) == {}
        assert changes(module.plan(**{**values, "honeycomb_api_key": "another", "honeycomb_api_key_version": 2})) == {
            arn: ["update"]
        }

    @pytest.mark.parametrize(
        "change", [{"chroma_version": "1.5.8"}, {"chroma_otel_granularity": "all"}], ids=lambda one: [*one][0]
    )
    def test_a_change_rolls_the_instance_and_keeps_the_volume(self, module, change):
        values = module.values(chroma_version="1.5.9")
        module.apply(**values)
        assert changes(module.plan(**values)) == {}
        changed = changes(module.plan(**{**values, **change}))
        assert changed == {"aws_launch_template.machine": ["update"], "aws_autoscaling_group.chroma": ["update"]}

    def test_a_volume_grows_without_a_new_machine(self, module):
        values = module.values()
        module.apply(**values)
        assert changes(module.plan(**{**values, "disk_size": 30})) == {"aws_ebs_volume.data": ["update"]}

    def test_the_data_is_not_destroyed(self, module):
        values = module.values()
        module.apply(**values)
        assert "prevent_destroy" in module.terraform("destroy", "-auto-approve", fails=True, **values)
        # As README.md says.
        module.terraform("state", "rm", "aws_ebs_volume.data")
        module.terraform("destroy", "-auto-approve", **values)
        assert module.state() == {}

    def test_another_volume_takes_the_place_of_the_old_one(self, module):
        values = module.values()
        module.apply(**values)
        module.terraform("state", "rm", "aws_ebs_volume.data")  # as README.md says
        plan = module.plan(**{**values, "snapshot_id": "snap-1"})
        assert changes(plan)["aws_ebs_volume.data"] == ["create"]
        assert [address for address, actions in changes(plan).items() if "delete" in actions] == []

    @pytest.mark.parametrize("file, right, wrong", [
        ("network.tf", "deregistration_delay", "deregistration_dely"),
        ("storage.tf", "retain_rule {", "retain_rules {"),
        ("machine.tf", "aws_launch_template.machine.latest_version", "aws_launch_template.machine.newest_version"),
        ("network.tf", "subnets            = [data.aws_subnet.chroma.id]", "subnets            = { a = 1 }"),
        ("secrets.tf", "secret_string_wo         ", "secret_string            "),
    ], ids=lambda text: text.strip()[:20])
    def test_the_schema_knows_a_mistake(self, module, file, right, wrong):
        text = (module.folder / file).read_text()
        assert right in text
        (module.folder / file).write_text(text.replace(right, wrong))
        module.terraform("validate", fails=True)

    def test_alarms_and_snapshots_are_made_on_request(self, module):
        def made(**values):
            return {address.partition(".")[0] for address in changes(module.plan(**module.values(**values)))}

        usual, more, less = made(), made(alarm_topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"), made(snapshots_kept=0)
        assert more - usual == {"aws_cloudwatch_metric_alarm"}
        assert usual - less == {"aws_dlm_lifecycle_policy", "aws_iam_role_policy_attachment"}

    @pytest.mark.parametrize("wrong, why", [
        ({"allowed_cidr": "0.0.0.0/0"}, "/8 or narrower"),
        ({"allowed_cidr": ""}, "Say who may connect"),
        ({"chroma_otel_granularity": "most"}, "One of none, operation"),
        ({"chroma_otel_service_name": "a\nb"}, "One line"),
        ({"chroma_version": "latest"}, "A release"),
        ({"honeycomb_api_key_secret_arn": ""}, "TF_VAR_honeycomb_api_key"),
        ({"honeycomb_api_key": SECRET, "honeycomb_api_key_secret_arn": ARN}, "not both"),
        ({"honeycomb_api_key_secret_arn": ARN.rpartition("-")[0]}, "six signs"),
        ({"chroma_otel_collection_headers": SECRET, "chroma_otel_collection_headers_secret_arn": ""}, "_version = 1"),
        ({"availability_zone": f"{REGION}b"}, "The subnet is in vpc-1 and eu-central-1a"),
    ])
    def test_what_cannot_work_is_refused(self, module, wrong, why):
        said = module.terraform("plan", "-input=false", fails=True, **module.values(**wrong))
        assert why in said and SECRET not in said

