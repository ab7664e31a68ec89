"""The rendered CloudFormation template: linted, and the files and resources for given parameters.

Features without a stand-in (lifecycle policies, Rules, encryption, snapshots on deletion, rolling updates) are
checked in the template.
"""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
from cloudformation_template import ACCESS, ARN, HEADERS, REGION, SECRET, SPECS, Template, rendered  # noqa: F401 (fixtures)

pytestmark = pytest.mark.aws

every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def run(*words, **options):
    """Runs a checker that must succeed without output."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == 0 and not said, f"{words}: exit code {done.returncode}\n{said[:4000]}"


@pytest.fixture
def template(rendered, spec):
    return Template(rendered(spec))


def written(files, folder):
    """Writes the machine's files below a folder, with their modes."""
    for path, (mode, text) in files.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
    return folder


@every_spec
class TestTemplate:
    def test_template_passes_cfn_lint(self, template, tools):
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

    def test_units_pass_systemd_analyze(self, template, tmp_path):
        root = written(template.files(), tmp_path)
        written({"/usr/bin/docker": (0o755, ""), "/bin/sh": (0o755, ""), "/bin/sleep": (0o755, "")}, root)
        shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
        units = [path.name for path in (root / "etc/systemd/system").iterdir()]
        assert {"chroma-otel.service", "chroma.service", "otel-collector.service"} <= set(units)
        run("systemd-analyze", "verify", "--man=no", f"--root={root}", *units)

    def test_collector_accepts_the_configuration(self, template, spec, tools, tmp_path):
        files = template.files()
        root = written(files, tmp_path)
        unit = files["/etc/systemd/system/otel-collector.service"][1].replace("\\\n", " ")
        # Docker's format: the value is the text after the first `=`.
        lines = files["/etc/chroma-otel/collector.env"][1].splitlines()
        environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        environment |= {line.split()[1]: '{"a": "b"}' if "HEADERS" in line else "key" for line in secret_lines(files)}
        # The queue folder exists only in the container.
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

    def test_secrets_are_only_in_secrets_manager(self, template):
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

    def test_text_parameters_reach_the_machine_unchanged(self, template):
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

    def test_environment_files_for_systemd_have_no_special_characters(self, template):
        """systemd and a shell both expand `$`, `%`, quotes and backslashes in an EnvironmentFile."""
        names = [name for name in ("'\"$ %\\", "'$ %") if template.takes("ChromaOtelServiceName", name)]
        files = template.files(ChromaOtelServiceName=names[0], AlarmTopicArn=f"arn:aws:sns:{REGION}:123456789012:a")
        for path in ("/etc/chroma-otel/machine.env", "/etc/chroma-otel/secrets"):
            for line in files[path][1].splitlines():
                assert re.fullmatch(r"#.*|[A-Za-z0-9_.:/@=+ -]*", line), f"{path}: {line}"
        for line in files["/etc/chroma-otel/machine.env"][1].splitlines():
            assert not line or line.startswith("#") or line.partition("=")[2], f"{line} is empty"

    def test_environment_files_have_no_empty_variables(self, template):
        for path in ("/etc/chroma-otel/chroma.env", "/etc/chroma-otel/collector.env"):
            for more in ({}, {"ChromaOtelCollectionEndpoint": ""}, {"ChromaOtelServiceName": ""}):
                if all(
                    template.takes(name, value) for name, value in more.items() if name in template.tree["Parameters"]
                ):
                    for line in template.files(**more)[path][1].splitlines():
                        assert line.startswith("#") or line.partition("=")[2].strip(), f"{path}: {line!r} under {more}"

    def test_user_data_resolves_to_bash_with_stack_and_region(self, template):
        script = template.user_data(pseudo={"AWS::StackName": "a-stack-of-mine", "AWS::Region": "eu-west-3"})
        assert script.startswith("#!/bin/bash\n") and script.endswith("\n")
        assert "${AWS" not in script and "${!" not in script and "!Ref" not in script
        assert "--stack a-stack-of-mine" in script and "--region eu-west-3" in script
        [initialised] = re.findall(r"cfn-init .*--resource (\w+)", script)
        assert "AWS::CloudFormation::Init" in template.tree["Resources"][initialised]["Metadata"]
        [signalled] = re.findall(r"cfn-signal .*--resource (\w+)", script)
        assert template.tree["Resources"][signalled]["CreationPolicy"]["ResourceSignal"]

    def test_user_data_with_the_longest_values_stays_below_the_limit(self, template):
        longest = {}
        for name in template.texts():
            most = template.tree["Parameters"][name].get("MaxLength", 4096)
            if name not in template.secrets and template.takes(name, "a" * most):
                longest[name] = "a" * most
        assert len(template.user_data(**longest).encode()) <= 16384

    def test_changed_machine_files_replace_the_instance(self, template):
        """The group replaces its instance only when the user data changes."""
        before, script = template.files(), template.user_data()
        changed = 0
        for name, declared in template.tree["Parameters"].items():
            if name in template.secrets:
                continue  # the value of a secret is not in the machine's files
            values = declared.get("AllowedValues") or [
                "other",
                "1.0.20",
                "https://other.example.com",
                "t3.large",
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

    def test_rules_reject_invalid_parameter_combinations(self, template, spec):
        def refused(**more):
            return template.module.refusals(template.tree, template.parameters(**more))

        assert refused() == []
        further = "organization" in spec.get("spec", "")  # allowed clients that no parameter contains
        assert bool(refused(AllowedCidr="")) != further and not refused(AllowedCidr="", AllowedSecurityGroup="sg-1")
        for name in template.secrets:
            assert refused(**{name: "value"}), f"{name} both here and there"
            assert not refused(**{name: "value", f"{name}SecretArn": ""})
        for world in ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0"):
            assert not template.takes("AllowedCidr", world), world

    def test_volume_and_logs_are_retained(self, template):
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

    def test_machine_is_private_and_opens_only_the_required_ports(self, template, spec):
        [data] = [one["Properties"]["LaunchTemplateData"] for one in template.resources("AWS::EC2::LaunchTemplate")]
        # An account can disable the metadata service by default.
        metadata = {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert data["MetadataOptions"] == metadata
        own = "organization" in spec.get("spec", "")
        assert [one["AssociatePublicIpAddress"] for one in data["NetworkInterfaces"]] == [own]
        assert "KeyName" not in data
        image = template.tree["Parameters"]["ImageId"]
        assert own or data["ImageId"] == "ImageId", "CloudFormation alone reads it"
        if own:
            assert (image["Type"], image["Default"]) == ("AWS::EC2::Image::Id", "ami-0123456789abcdef0")
        else:
            assert image["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
            assert image["Default"].startswith("/aws/service/ami-amazon-linux-latest/al2023-")
        walls = {name: template.one(name) for name in template.of_type("AWS::EC2::SecurityGroup")}
        [front] = [name for name, one in walls.items() if "SecurityGroupIngress" in one]
        [inside] = walls.keys() - {front}
        doors = [one["Properties"] for one in template.resources("AWS::EC2::SecurityGroupIngress")]
        assert {(one["GroupId"], one["SourceSecurityGroupId"]) for one in doors} == {(inside, front)}
        every = walls[front]["SecurityGroupIngress"] + doors
        open_to = {rule["FromPort"] for rule in every}
        # A group without a rule for outgoing traffic allows all of it.
        sent = walls[front]["SecurityGroupEgress"]
        assert {one["DestinationSecurityGroupId"] for one in sent} == {inside}
        assert {one["FromPort"] for one in sent} == {one["ToPort"] for one in sent} == open_to
        assert {rule["FromPort"] for rule in doors} == open_to
        assert [one["IpProtocol"] for one in walls[inside]["SecurityGroupEgress"]] == ["-1"]
        assert {(rule["IpProtocol"], rule["ToPort"] - rule["FromPort"]) for rule in every} == {("tcp", 0)}
        # The collector's ports are open if the spec enables clients and monitoring.
        takes_spans = any(name in spec.get("spec", "") for name in ("several", "organization"))
        assert open_to == {8000, *((4317, 4318, 8888, 8889) if takes_spans else ())}
        listened = {one["Properties"]["Port"] for one in template.resources("AWS::ElasticLoadBalancingV2::Listener")}
        targets = template.resources("AWS::ElasticLoadBalancingV2::TargetGroup")
        [group] = template.resources("AWS::AutoScaling::AutoScalingGroup")
        assert listened == {one["Properties"]["Port"] for one in targets} == open_to
        assert len(group["Properties"]["TargetGroupARNs"]) == len(targets) == len(open_to)


@pytest.mark.parametrize(
    "partition, region, services, console",
    [
        ("aws", REGION, "amazonaws.com", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "amazonaws.com.cn", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "amazonaws.com", "console.amazonaws-us-gov.com"),
    ],
)
def test_hosts_follow_the_partition(rendered, partition, region, services, console):
    template = Template(rendered({}))
    pseudo = {"AWS::Partition": partition, "AWS::Region": region, "AWS::URLSuffix": services}
    made = template.module.resolve(template.tree, template.parameters(), None, pseudo)
    assert made["Outputs"]["Traces"]["Value"].startswith(f"https://{region}.{console}/cloudwatch/home?region={region}#")
    files = template.module.machine_files(template.tree, template.parameters(), None, pseudo)
    endpoint = f"CHROMA_OTEL_COLLECTION_ENDPOINT=https://xray.{region}.{services}/v1/traces\n"
    assert endpoint in files["/etc/chroma-otel/collector.env"][1]


@pytest.mark.parametrize(
    "change", [{"memory": "3GiB"}, {"port": "8001"}, {"chroma_version": "1.0.20"}, {"backend": "debug"}], ids=str
)
@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_changed_spec_changes_the_user_data(rendered, image, change):
    """The launch template excludes the files of cfn-init; their fingerprint in the user data replaces the machine."""
    before, after = Template(rendered({"image": image})), Template(rendered({"image": image, **change}))
    assert before.files() != after.files()
    assert before.user_data() != after.user_data()


def secret_lines(files):
    lines = files["/etc/chroma-otel/secrets"][1].splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]
