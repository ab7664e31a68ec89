"""The AWS template: linted, made for real in two stand-ins for AWS, and what it brings to the machine.

`moto` makes volumes, launch templates, groups, machines and their networks; it shows hidden
parameters. `localstack` makes secrets, alarms and roles, and hides what is `NoEcho`. What neither
makes (lifecycle policies, Rules, a volume's encryption, a snapshot on delete, a rolling update with
its signals) is read in the template.

Invariant: nothing leaves this machine; a stand-in knows nothing of a real account.
"""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from conftest import HERE, Server, eventually, free_ports, get, renderer

pytestmark = pytest.mark.aws

HEADERS = json.dumps({"x-api-key": "do-not-show-me é'\"$HOME${AWS::Region}\\n%s", "x-b": "b"}, ensure_ascii=False)
SECRET = "do-not-show-me"
REGION = "eu-central-1"
OTLP = {"backend": "otlp", "endpoint": "https://otlp.example.com"}
SPECS = {
    "default": {},
    "stock": {"image": "stock"},
    "honeycomb": {"backend": "honeycomb"},
    "jaeger": {"backend": "jaeger"},
    "zipkin": {"backend": "zipkin"},
    "otlp": OTLP,
    "otlp-stock": {**OTLP, "image": "stock"},
    "0.6.3": {"chroma_version": "0.6.3"},
    "0.6.3-stock": {"chroma_version": "0.6.3", "image": "stock"},
    "several": {"spec": str(HERE.parent / "specs/aws-several.yaml")},
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
# Where a test's machine is; the stand-ins say their own.
PLACE = {"VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailabilityZone": f"{REGION}a", "AllowedCidr": "10.0.0.0/8"}
ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:chroma-AbCdEf"


def run(*words, **options):
    """Runs a checker that must be silent and content."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == 0 and not said, f"{words}: exit code {done.returncode}\n{said[:4000]}"


@pytest.fixture(scope="session")
def rendered(tools, tmp_path_factory):
    """rendered(spec) -> the folder that `gen --target aws` writes."""
    folders = {}

    def folder(spec):
        key = json.dumps(spec)
        if key not in folders:
            folders[key] = renderer(tools, tmp_path_factory.mktemp("aws"))(target="aws", **spec)
        return folders[key]

    return folder


class Template:
    """A rendered template, and what it comes to under parameters."""

    def __init__(self, folder):
        import cloudformation  # wants the test venv's YAML

        self.folder, self.file, self.module = folder, folder / "template.yaml", cloudformation
        self.tree = cloudformation.load(self.file)
        self.secrets = [name for name, one in self.tree["Parameters"].items() if one.get("NoEcho")]

    def parameters(self, **more):
        """Parameters that the template is content with; every secret is in a store of the operator's."""
        filled = {**PLACE, **{f"{name}SecretArn": ARN for name in self.secrets if f"{name}SecretArn" not in more}}
        return {name: value for name, value in {**filled, **more}.items() if name in self.tree["Parameters"]}

    def files(self, attributes=None, **more):
        return self.module.machine_files(self.tree, self.parameters(**more), attributes)

    def user_data(self, attributes=None, pseudo=None, **more):
        return self.module.user_data(self.tree, self.parameters(**more), attributes, pseudo)

    def of_type(self, kind):
        return {name: one for name, one in self.tree["Resources"].items() if one["Type"] == kind}

    def resources(self, kind, **more):
        """The resources of that type that are made under these parameters, without functions."""
        made = self.module.resolve(self.tree, self.parameters(**more))["Resources"]
        return [one for one in made.values() if one["Type"] == kind]

    def for_moto(self):
        """The template's text, in JSON, without a listener: moto's load balancers are all for HTTP."""
        gone = self.of_type("AWS::ElasticLoadBalancingV2::Listener")
        return json.dumps(
            {
                **self.tree,
                "Resources": {
                    name: {key: value for key, value in one.items() if key != "DependsOn"}
                    for name, one in self.tree["Resources"].items()
                    if name not in gone
                },
            }
        )

    def texts(self):
        """Names of the parameters that take text within a pattern."""
        declared = self.tree["Parameters"].items()
        return [name for name, one in declared if one["Type"] == "String" and "AllowedValues" not in one]

    def takes(self, name, value):
        try:
            self.module.values(self.tree, {**self.parameters(), name: value})
        except (AssertionError, ValueError):
            return False
        return True


@pytest.fixture
def template(rendered, spec):
    return Template(rendered(spec))


def written(files, folder):
    """The machine's files below a folder, with their modes."""
    for path, (mode, text) in files.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
    return folder


@every_spec
class TestTemplate:
    def test_cfn_lint_finds_nothing(self, template, tools):
        run(
            tools.part("aws/bin/cfn-lint"),
            "--non-zero-exit-code",
            "informational",
            "--include-checks",
            "I",
            "--regions",
            "us-east-1",
            REGION,
            "ap-south-1",
            "--",
            template.file,
        )

    def test_scripts_pass_shellcheck(self, template, tmp_path):
        scripts = {"/user-data": (0o755, template.user_data()), **template.files()}
        root = written({path: file for path, file in scripts.items() if file[1].startswith("#!/bin/bash")}, tmp_path)
        found = [path for path in root.rglob("*") if path.is_file()]
        assert len(found) > 2
        run("shellcheck", *found)

    def test_units_are_sound(self, template, tmp_path):
        root = written(template.files(), tmp_path)
        written({"/usr/bin/docker": (0o755, ""), "/bin/sleep": (0o755, "")}, root)
        shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
        units = [path.name for path in (root / "etc/systemd/system").iterdir()]
        assert {"chroma-otel.service", "chroma.service", "otel-collector.service"} <= set(units)
        run("systemd-analyze", "verify", "--man=no", f"--root={root}", *units)

    def test_the_collector_accepts_its_configuration(self, template, spec, tools, tmp_path):
        files = template.files()
        root = written(files, tmp_path)
        unit = files["/etc/systemd/system/otel-collector.service"][1].replace("\\\n", " ")
        # As Docker reads it: the text behind the first `=`.
        lines = files["/etc/chroma-otel/collector.env"][1].splitlines()
        environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        environment |= {line.split()[1]: '{"a": "b"}' if "HEADERS" in line else "key" for line in secret_lines(files)}
        # The queue's folder is the container's.
        queue = {"directory": str(tmp_path), "compaction": {"directory": str(tmp_path)}}
        overlay = tmp_path / "overlay.yaml"
        overlay.write_text(json.dumps({"extensions": {"file_storage": queue}}))
        arguments = ["validate", "--config", root / "etc/chroma-otel/otel-collector.yaml", "--config", overlay]
        command = [tools.otelcol, *arguments]
        if spec.get("image") != "stock":
            [line] = re.findall(r"^ExecStart=(.*)$", unit, re.M)
            words = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line)]
            words = words[words.index("collector") : words.index("--") + 1]
            command = [tools.program("chroma-otel-entrypoint"), *words, *command]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": os.environ["PATH"], "AWS_REGION": REGION, **ACCESS, **environment},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_a_secret_stands_nowhere_but_in_its_store(self, template):
        for name in template.secrets:
            value = HEADERS if name.endswith("Headers") else HEADERS.replace(" ", "")
            own = {name: value, f"{name}SecretArn": ""}
            stores = template.resources("AWS::SecretsManager::Secret", **own)
            assert [one["Properties"]["SecretString"] for one in stores] == [value]
            made = template.module.resolve(template.tree, template.parameters(**own))
            for resource in made["Resources"].values():
                if resource["Type"] == "AWS::SecretsManager::Secret":
                    del resource["Properties"]["SecretString"]
            assert SECRET not in json.dumps(made)
            assert SECRET not in template.user_data(**own)
            assert SECRET not in json.dumps(template.files(**own))

    def test_any_text_reaches_the_machine_unchanged(self, template):
        hostile = [
            'it\'s "quoted" `id` $(id)',
            "$HOME ${HOME} $$ ${env:PATH}",
            "${AWS::Region} ${!Literal} ${Ref}",
            "C:\\temp\\n\\\\",
            "100% %s %%n %H",
            "é 😀 \u00a0",
            "  around  ",
            "{{resolve:ssm:x}} {{x}} {a} [b]",
            "a: b # c",
            "!Ref X",
            "#a",
            "--privileged",
        ]
        arrived = 0
        for name in template.texts():
            assert not template.takes(name, "a\nb") and not template.takes(name, "a\rb"), f"{name} takes two lines"
            if name in template.secrets or not template.takes(name, "markertext"):
                continue
            expected = template.files(**{name: "markertext"})
            for value in filter(lambda value: template.takes(name, value), hostile):
                files = template.files(**{name: value})
                assert files == {
                    path: (mode, text.replace("markertext", value)) for path, (mode, text) in expected.items()
                }, f"{name}={value}"
                script = template.user_data(**{name: value})
                assert value not in script.replace("#!/bin/bash", ""), f"{name}={value} stands in the user data"
                arrived += (
                    value in json.dumps(list(files.values()), ensure_ascii=False) or '"' in value or "\\" in value
                )
        assert arrived > 5

    def test_what_systemd_reads_is_plain(self, template):
        """systemd expands `$`, `%`, quotes and backslashes in an EnvironmentFile and a shell would, too."""
        names = [name for name in ("'\"$ %\\", "'$ %") if template.takes("ChromaOtelServiceName", name)]
        files = template.files(ChromaOtelServiceName=names[0], AlarmTopicArn=f"arn:aws:sns:{REGION}:123456789012:a")
        for path in ("/etc/chroma-otel/machine.env", "/etc/chroma-otel/secrets"):
            for line in files[path][1].splitlines():
                assert re.fullmatch(r"#.*|[A-Za-z0-9_.:/@=+ -]*", line), f"{path}: {line}"
        for line in files["/etc/chroma-otel/machine.env"][1].splitlines():
            assert not line or line.startswith("#") or line.partition("=")[2], f"{line} is empty"

    def test_no_variable_is_empty(self, template):
        for path in ("/etc/chroma-otel/chroma.env", "/etc/chroma-otel/collector.env"):
            for more in ({}, {"ChromaOtelCollectionEndpoint": ""}, {"ChromaOtelServiceName": ""}):
                if all(
                    template.takes(name, value) for name, value in more.items() if name in template.tree["Parameters"]
                ):
                    for line in template.files(**more)[path][1].splitlines():
                        assert line.startswith("#") or line.partition("=")[2].strip(), f"{path}: {line!r} under {more}"

    def test_user_data_is_the_bash_that_is_meant(self, template):
        script = template.user_data(pseudo={"AWS::StackName": "a-stack-of-mine", "AWS::Region": "eu-west-3"})
        assert script.startswith("#!/bin/bash\n") and script.endswith("\n")
        assert "${AWS" not in script and "${!" not in script and "!Ref" not in script
        assert "--stack a-stack-of-mine" in script and "--region eu-west-3" in script
        [initialised] = re.findall(r"cfn-init .*--resource (\w+)", script)
        assert "AWS::CloudFormation::Init" in template.tree["Resources"][initialised]["Metadata"]
        [signalled] = re.findall(r"cfn-signal .*--resource (\w+)", script)
        assert template.tree["Resources"][signalled]["CreationPolicy"]["ResourceSignal"]

    def test_the_longest_values_fit_in_user_data(self, template):
        longest = {}
        for name in template.texts():
            most = template.tree["Parameters"][name].get("MaxLength", 4096)
            if name not in template.secrets and template.takes(name, "a" * most):
                longest[name] = "a" * most
        assert len(template.user_data(**longest).encode()) <= 16384

    def test_whatever_changes_the_machine_makes_a_new_one(self, template):
        """The group rolls when the user data changes, and by nothing else that cfn-init brings."""
        before, script = template.files(), template.user_data()
        changed = 0
        for name, declared in template.tree["Parameters"].items():
            if name in template.secrets:
                continue  # its value is no part of the machine
            values = declared.get("AllowedValues") or [
                "other",
                "1.0.20",
                "https://other.example.com",
                "t4g.large",
                "c7g.large",
                f"{ARN}x",
                f"arn:aws:sns:{REGION}:123456789012:a",
                "123",
                "10.1.0.0/16",
                "sg-123",
                "snap-123",
            ]
            for value in map(str, values):
                if template.takes(name, value) and template.files(**{name: value}) != before:
                    assert template.user_data(**{name: value}) != script, (
                        f"{name}={value} changes files and no instance"
                    )
                    changed += 1
        assert changed > 3

    def test_rules_refuse_what_cannot_work(self, template):
        def refused(**more):
            return template.module.refusals(template.tree, template.parameters(**more))

        assert refused() == []
        assert refused(AllowedCidr="") and not refused(AllowedCidr="", AllowedSecurityGroup="sg-1")
        for name in template.secrets:
            assert refused(**{name: "value"}), f"{name} both here and there"
            assert not refused(**{name: "value", f"{name}SecretArn": ""})
        for world in ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0"):
            assert not template.takes("AllowedCidr", world), world

    def test_data_survives(self, template):
        """What no stand-in does."""
        [volume] = template.of_type("AWS::EC2::Volume").values()
        assert volume["DeletionPolicy"] == volume["UpdateReplacePolicy"] == "Snapshot"
        assert volume["Properties"]["Encrypted"] is True and volume["Properties"]["VolumeType"] == "gp3"
        named = json.dumps(volume["Properties"])
        for name in ("ChromaVersion", "InstanceType", "ChromaOtel", "Group", "Machine"):
            assert name not in named, f"a changed {name} would touch the volume"
        policies = template.resources("AWS::DLM::LifecyclePolicy")
        [tag] = policies[0]["Properties"]["PolicyDetails"]["TargetTags"]
        [resolved] = template.resources("AWS::EC2::Volume")
        assert tag in resolved["Properties"]["Tags"], "the snapshots' tag is not the volume's"
        assert policies[0]["Properties"]["State"] == "ENABLED"
        for logs in template.of_type("AWS::Logs::LogGroup").values():
            assert logs["DeletionPolicy"] == logs["UpdateReplacePolicy"] == "Retain"

    def test_the_machine_is_closed(self, template, spec):
        [data] = [one["Properties"]["LaunchTemplateData"] for one in template.resources("AWS::EC2::LaunchTemplate")]
        assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert [one["AssociatePublicIpAddress"] for one in data["NetworkInterfaces"]] == [False]
        assert "KeyName" not in data
        image = template.tree["Parameters"]["ImageId"]
        assert data["ImageId"] == "ImageId", "CloudFormation alone reads it"
        assert image["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
        assert image["Default"].startswith("/aws/service/ami-amazon-linux-latest/al2023-")
        every = [
            rule
            for group in template.resources("AWS::EC2::SecurityGroup")
            for rule in group["Properties"]["SecurityGroupIngress"]
        ]
        open_to = {rule["FromPort"] for rule in every}
        assert {(rule["IpProtocol"], rule["ToPort"] - rule["FromPort"]) for rule in every} == {("tcp", 0)}
        # The collector's as well, where the spec asks for clients and for monitoring.
        assert open_to == {8000, *((4317, 4318, 8888, 8889) if "spec" in spec else ())}
        listened = {one["Properties"]["Port"] for one in template.resources("AWS::ElasticLoadBalancingV2::Listener")}
        targets = template.resources("AWS::ElasticLoadBalancingV2::TargetGroup")
        [group] = template.resources("AWS::AutoScaling::AutoScalingGroup")
        assert listened == {one["Properties"]["Port"] for one in targets} == open_to
        assert len(group["Properties"]["TargetGroupARNs"]) == len(targets) == len(open_to)


@pytest.mark.parametrize(
    "change", [{"memory": "3GiB"}, {"port": "8001"}, {"chroma_version": "1.0.20"}, {"backend": "debug"}], ids=str
)
@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_another_spec_makes_another_machine(rendered, image, change):
    """What cfn-init brings is no part of the launch template: its fingerprint in the user data is."""
    before, after = Template(rendered({"image": image})), Template(rendered({"image": image, **change}))
    assert before.files() != after.files()
    assert before.user_data() != after.user_data()


def secret_lines(files):
    lines = files["/etc/chroma-otel/secrets"][1].splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


class Cloud:
    """A stand-in for AWS, and stacks in it."""

    def __init__(self, server, url):
        self.server, self.url = server, url

    def __call__(self, service):
        import boto3  # the test venv's

        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        return session.client(service, endpoint_url=self.url)

    def place(self):
        subnet = self("ec2").describe_subnets()["Subnets"][0]
        return {
            "VpcId": subnet["VpcId"],
            "SubnetId": subnet["SubnetId"],
            "AvailabilityZone": subnet["AvailabilityZone"],
        }

    def stack(self, name):
        return self("cloudformation").describe_stacks(StackName=name)["Stacks"][0]

    def put(self, action, name, template, body=None, **more):
        """Creates or updates a stack and waits until it is complete."""
        listed = [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in template.parameters(**{**self.place(), **more}).items()
        ]
        # By way of a bucket, as the recipe does: it is longer than a call may be.
        if action == "create":
            self("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self("s3").put_object(Bucket=name, Key="template", Body=(body or template.file.read_text()).encode())
        getattr(self("cloudformation"), f"{action}_stack")(
            StackName=name,
            TemplateURL=f"http://localhost:{self.url.rpartition(':')[2]}/{name}/template",
            Parameters=listed,
            Capabilities=["CAPABILITY_IAM"],
        )
        self.until(name, f"{action.upper()}_COMPLETE")

    def until(self, name, status):
        def complete():
            now = self.stack(name)["StackStatus"]
            assert now == status or now.endswith("IN_PROGRESS"), f"{name} is {now}: {self.server.log[-3000:]}"
            return now == status

        eventually(complete, f"{name} {status}", 60)

    def delete(self, name):
        self("cloudformation").delete_stack(StackName=name)

        def is_gone():
            left = self("cloudformation").list_stacks()["StackSummaries"]
            return all(one["StackStatus"] == "DELETE_COMPLETE" for one in left if one["StackName"] == name)

        eventually(is_gone, f"{name} is gone", 60)

    def identifiers(self, name):
        resources = self("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        # What moto cannot make has no name there.
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if "LogicalResourceId" in one}


def started(tmp_path_factory, name, command, environment, ready):
    folder = tmp_path_factory.mktemp(name)
    server = Server(command, environment, folder / "log", folder)
    server.until(ready, f"{name} is ready", 120)
    return server


@pytest.fixture(scope="session")
def moto(tools, tmp_path_factory):
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [tools.part("aws/bin/moto_server"), "-H", "127.0.0.1", "-p", port]
    server = started(tmp_path_factory, "moto", command, {}, lambda: get(f"{url}/moto-api/data.json"))
    yield Cloud(server, url)
    server.stop()


@pytest.fixture(scope="session")
def localstack(tools, tmp_path_factory):
    (port,) = free_ports(1)
    url, volume = f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("volume")
    environment = {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_VOLUME_DIR": str(volume),
        "DNS_ADDRESS": "0",
        # It asks nobody for anything.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
    }
    command = [tools.part("localstack/bin/python"), "-m", "localstack.runtime.main"]
    server = started(tmp_path_factory, "localstack", command, environment, lambda: get(f"{url}/_localstack/health"))
    yield Cloud(server, url)
    server.stop()


@pytest.fixture
def name():
    """A stack's, for one test."""
    return f"test-{time.monotonic_ns()}"


class TestMachinesInMoto:
    def test_a_stack_is_created_updated_and_deleted(self, moto, rendered, name):
        template, ec2 = Template(rendered(OTLP)), moto("ec2")
        clients = ec2.create_security_group(GroupName=name, Description="clients")["GroupId"]
        body = template.for_moto()
        # It chokes on a rule that is `AWS::NoValue`: both are there.
        chosen = {"DiskSize": "21", "AllowedSecurityGroup": clients, **moto.place()}
        moto.put("create", name, template, body, **chosen)
        made = moto.identifiers(name)

        [volume] = template.of_type("AWS::EC2::Volume")
        [disk] = ec2.describe_volumes(VolumeIds=[made[volume]])["Volumes"]
        assert (disk["Size"], disk["AvailabilityZone"]) == (21, chosen["AvailabilityZone"])

        machine, [data] = self.machine(moto, made), self.launched(moto, template, made)
        assert machine["SubnetId"] == chosen["SubnetId"] and machine["State"]["Name"] == "running"
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        # It knows AWS's public parameters: both architectures have a machine image.
        default = template.tree["Parameters"]["ImageId"]["Default"]
        for architecture in ("arm64", "x86_64"):
            parameter = re.sub("(arm64|x86_64)$", architecture, default)
            image = moto("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
            assert image.startswith("ami-")
            assert parameter != default or data["ImageId"] == image
        groups = {one["GroupId"]: one for one in ec2.describe_security_groups()["SecurityGroups"]}
        [interface] = data["NetworkInterfaces"]
        own = groups[interface["Groups"][0]]
        assert self.sources(own) <= {made.get(one) for one in template.of_type("AWS::EC2::SecurityGroup")}
        open_to = {
            source for key in template.of_type("AWS::EC2::SecurityGroup") for source in self.sources(groups[made[key]])
        }
        assert {"10.0.0.0/8", clients} <= open_to <= {"10.0.0.0/8", clients, *made.values()}

        # What this repository's own resolver makes of the template is what another makes of it.
        pseudo = {"AWS::StackName": name, "AWS::StackId": moto.stack(name)["StackId"], "AWS::Region": REGION}
        assert decoded(data["UserData"]) == template.user_data(made, pseudo, **chosen)

        [log] = template.of_type("AWS::Logs::LogGroup")
        [logs] = moto("logs").describe_log_groups(logGroupNamePrefix=made[log])["logGroups"]
        assert logs["retentionInDays"] == template.tree["Parameters"]["LogRetentionDays"]["Default"]

        moto.put("update", name, template, body, **chosen, ChromaOtelGranularity="all")
        after = moto.identifiers(name)
        assert after[volume] == made[volume]
        [old, new] = self.launched(moto, template, after)
        assert old == data and decoded(new["UserData"]) != decoded(data["UserData"])
        assert {**new, "UserData": ""} == {**old, "UserData": ""}
        # moto leaves alone who names what has changed; that the group follows is read in the template.
        [group] = template.of_type("AWS::AutoScaling::AutoScalingGroup").values()
        [launch] = template.of_type("AWS::EC2::LaunchTemplate")
        assert group["Properties"]["LaunchTemplate"]["Version"] == {"Fn::GetAtt": [launch, "LatestVersionNumber"]}

        moto.delete(name)
        assert not moto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]

    def machine(self, moto, made):
        """The group's one machine."""
        groups = moto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        [group] = [one for one in groups if one["AutoScalingGroupName"] in made.values()]
        assert (group["MinSize"], group["MaxSize"]) == (1, 1)
        [instance] = group["Instances"]
        [found] = moto("ec2").describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"]
        return found["Instances"][0]

    def launched(self, moto, template, made):
        """What the launch template says, oldest version first."""
        [launch] = template.of_type("AWS::EC2::LaunchTemplate")
        versions = moto("ec2").describe_launch_template_versions(LaunchTemplateId=made[launch])[
            "LaunchTemplateVersions"
        ]
        return [one["LaunchTemplateData"] for one in sorted(versions, key=lambda one: one["VersionNumber"])]

    def sources(self, group):
        """Who may connect to what is in a security group."""
        found = set()
        for rule in group["IpPermissions"]:
            assert (rule["FromPort"], rule["ToPort"]) == (8000, 8000)
            found |= {one["CidrIp"] for one in rule["IpRanges"]} | {one["CidrIpv6"] for one in rule["Ipv6Ranges"]}
            found |= {one["GroupId"] for one in rule["UserIdGroupPairs"]}
        return found


def decoded(text):
    return base64.b64decode(text).decode()


class TestSecretsInLocalstack:
    OWN = {"ChromaOtelCollectionHeaders": HEADERS, "ChromaOtelCollectionHeadersSecretArn": ""}
    TOPIC = f"arn:aws:sns:{REGION}:000000000000:alarms"

    def test_a_value_is_in_the_store_and_nowhere_else(self, localstack, rendered, name):
        template = Template(rendered(OTLP))
        localstack.put("create", name, template, **self.OWN, AlarmTopicArn=self.TOPIC)
        made = localstack.identifiers(name)
        [secret] = template.of_type("AWS::SecretsManager::Secret")
        store = localstack("secretsmanager")
        assert store.get_secret_value(SecretId=made[secret])["SecretString"] == HEADERS

        asked = localstack("cloudformation")
        shown = [
            asked.describe_stacks(StackName=name),
            asked.get_template(StackName=name),
            asked.describe_stack_events(StackName=name),
            asked.describe_stack_resources(StackName=name),
        ]
        assert SECRET not in json.dumps(shown, default=str)

        allowed = self.allowed(localstack, template, made)
        assert allowed["secretsmanager:GetSecretValue"] == [made[secret]]
        alarms = localstack("cloudwatch").describe_alarms(AlarmNamePrefix=name)["MetricAlarms"]
        assert len(alarms) == len(template.of_type("AWS::CloudWatch::Alarm")) > 2
        assert all(one["AlarmActions"] == [self.TOPIC] for one in alarms)

        localstack.put("update", name, template, **self.OWN)
        assert localstack.identifiers(name)[secret] == made[secret]
        assert not localstack("cloudwatch").describe_alarms(AlarmNamePrefix=name)["MetricAlarms"]

        localstack.delete(name)
        assert made[secret] not in [one["ARN"] for one in store.list_secrets()["SecretList"]]

    def test_a_secret_of_the_operators_own_is_read_and_none_is_made(self, localstack, rendered, name):
        template = Template(rendered(OTLP))
        localstack.put("create", name, template)
        made = localstack.identifiers(name)
        assert not set(template.of_type("AWS::SecretsManager::Secret")) & set(made)
        assert self.allowed(localstack, template, made)["secretsmanager:GetSecretValue"] == [ARN]
        localstack.delete(name)

    def allowed(self, cloud, template, made):
        """Action to resources, of the machine's role."""
        [profile] = template.of_type("AWS::IAM::InstanceProfile")
        role = cloud("iam").get_instance_profile(InstanceProfileName=made[profile])["InstanceProfile"]["Roles"][0][
            "RoleName"
        ]
        attached = cloud("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        assert attached == [], "AWS's policy for Session Manager reads every parameter of the account"
        found = {}
        for policy in cloud("iam").list_role_policies(RoleName=role)["PolicyNames"]:
            document = cloud("iam").get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                as_list = [
                    one if isinstance(one, list) else [one] for one in (statement["Action"], statement["Resource"])
                ]
                for action in as_list[0]:
                    found.setdefault(action, []).extend(as_list[1])
        return found

    def test_the_recipe_deploys(self, localstack, tools, tmp_path):
        """The README's own lines, with the real `aws`."""
        place = dict(zip(("network", "subnet", "zone"), localstack.place().values(), strict=True))
        spec = {
            "target": "aws",
            "tracing": {"backend": "honeycomb"},
            "machine": {
                **place,
                "allow_from": "10.0.0.0/16",
                "secrets": {"HONEYCOMB_API_KEY": ARN},
            },
        }
        (tmp_path / "spec.yaml").write_text(json.dumps(spec))
        folder = renderer(tools, tmp_path)(target="aws", spec=tmp_path / "spec.yaml")
        blocks = re.findall(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.S)
        [deploy] = [block for block in blocks if "aws cloudformation deploy" in block]
        environment = {
            "PATH": f"{tools.part('aws/bin')}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": localstack.url,
            "AWS_DEFAULT_REGION": REGION,
            **ACCESS,
        }
        done = subprocess.run(
            ["sh", "-euc", deploy], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        stack = re.search(r"--stack-name (\S+)", deploy).group(1)
        made = localstack.stack(stack)
        assert made["StackStatus"] == "CREATE_COMPLETE"
        assert {one["OutputKey"] for one in made["Outputs"]} == set(Template(folder).tree["Outputs"])
        assert "Address" in done.stdout
        localstack.delete(stack)
