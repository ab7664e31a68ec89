"""Stacks of the rendered CloudFormation template in two stand-ins for AWS.

`moto` creates volumes, launch templates, groups, instances and networks, but shows hidden parameters. `localstack`
creates secrets, alarms and roles, and hides `NoEcho` parameters. Features of neither stand-in are tested in
test_cloudformation_template.py.
"""

import base64
import json
import os
import re
import subprocess
import time

import pytest
from cloudformation_template import ACCESS, ARN, HEADERS, OTLP, REGION, SECRET, Template, rendered  # noqa: F401 (fixtures)
from conftest import Server, eventually, free_ports, get, renderer

pytestmark = pytest.mark.aws


class Cloud:
    """A stand-in for AWS, and its stacks."""

    def __init__(self, server, url):
        self.server, self.url = server, url

    def __call__(self, service):
        import boto3  # only in the test venv

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
        # Uploaded to a bucket, as in the README: the template exceeds the size limit of a request.
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
        # Resources that moto cannot create have no physical id.
        wanted = {"LogicalResourceId", "PhysicalResourceId"}
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if wanted <= one.keys()}


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
        # No network connections.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
    }
    command = [tools.part("localstack/bin/python"), "-m", "localstack.runtime.main"]
    server = started(tmp_path_factory, "localstack", command, environment, lambda: get(f"{url}/_localstack/health"))
    yield Cloud(server, url)
    server.stop()


@pytest.fixture
def name():
    """A stack name that is unique per test."""
    return f"test-{time.monotonic_ns()}"


class TestMachinesInMoto:
    def test_stack_is_created_updated_and_deleted(self, moto, rendered, name):
        template, ec2 = Template(rendered(OTLP)), moto("ec2")
        body = template.for_moto()
        clients = self.clients(moto, name)
        chosen = {"DiskSize": "21", "AllowedSecurityGroup": clients, **moto.place()}
        moto.put("create", name, template, body, **chosen)
        made = moto.identifiers(name)

        [volume] = template.of_type("AWS::EC2::Volume")
        [disk] = ec2.describe_volumes(VolumeIds=[made[volume]])["Volumes"]
        assert (disk["Size"], disk["AvailabilityZone"]) == (21, chosen["AvailabilityZone"])

        machine, [data] = self.machine(moto, made), self.launched(moto, template, made)
        assert machine["SubnetId"] == chosen["SubnetId"] and machine["State"]["Name"] == "running"
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        # moto has AWS's public parameters, which contain an image for both architectures.
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

        # Our resolver (cloudformation.py) and moto's resolve the user data to the same text.
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
        # moto does not update the group, so its reference to the latest version is checked in the template.
        [group] = template.of_type("AWS::AutoScaling::AutoScalingGroup").values()
        [launch] = template.of_type("AWS::EC2::LaunchTemplate")
        assert group["Properties"]["LaunchTemplate"]["Version"] == {"Fn::GetAtt": [launch, "LatestVersionNumber"]}

        moto.delete(name)
        assert not moto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]

    def test_restored_snapshot_replaces_the_volume(self, moto, rendered, tmp_path, name):
        template, ec2 = Template(rendered(OTLP)), moto("ec2")
        chosen = {"AllowedSecurityGroup": self.clients(moto, name), **moto.place()}
        moto.put("create", name, template, template.for_moto(), **chosen)
        made = moto.identifiers(name)
        snapshot = ec2.create_snapshot(VolumeId=made["DataVolume"])["SnapshotId"]

        tracing = {"backend": "otlp", "endpoint": OTLP["endpoint"]}
        (tmp_path / "spec.yaml").write_text(
            json.dumps({"target": "aws", "tracing": tracing, "machine": {"restore_from": snapshot}})
        )
        restored = Template(rendered({"spec": str(tmp_path / "spec.yaml")}))
        moto.put("update", name, restored, restored.for_moto(), **chosen)
        after = moto.identifiers(name)
        [volume] = restored.of_type("AWS::EC2::Volume")
        assert made.keys() - after.keys() == {"DataVolume"} and after.keys() - made.keys() == {volume}
        # moto ignores the volume's SnapshotId, which test_cloudformation_updates.py checks.
        assert ec2.describe_volumes(VolumeIds=[after[volume]])["Volumes"]
        [_, new] = self.launched(moto, restored, after)
        pseudo = {"AWS::StackName": name, "AWS::StackId": moto.stack(name)["StackId"], "AWS::Region": REGION}
        assert decoded(new["UserData"]) == restored.user_data(after, pseudo, **chosen)
        moto.delete(name)

    def clients(self, moto, name):
        """The parameter for allowed clients: moto fails on a rule that is `AWS::NoValue`, so both are set."""
        return moto("ec2").create_security_group(GroupName=name, Description="clients")["GroupId"]

    def machine(self, moto, made):
        """The only instance of the group."""
        groups = moto("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        [group] = [one for one in groups if one["AutoScalingGroupName"] in made.values()]
        assert (group["MinSize"], group["MaxSize"]) == (1, 1)
        [instance] = group["Instances"]
        [found] = moto("ec2").describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"]
        return found["Instances"][0]

    def launched(self, moto, template, made):
        """The data of the launch template, oldest version first."""
        [launch] = template.of_type("AWS::EC2::LaunchTemplate")
        versions = moto("ec2").describe_launch_template_versions(LaunchTemplateId=made[launch])[
            "LaunchTemplateVersions"
        ]
        return [one["LaunchTemplateData"] for one in sorted(versions, key=lambda one: one["VersionNumber"])]

    def sources(self, group):
        """The allowed sources of a security group."""
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

    def test_secret_value_is_only_in_secrets_manager(self, localstack, rendered, name):
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

    def test_existing_secret_is_read_and_none_is_created(self, localstack, rendered, name):
        template = Template(rendered(OTLP))
        localstack.put("create", name, template)
        made = localstack.identifiers(name)
        assert not set(template.of_type("AWS::SecretsManager::Secret")) & set(made)
        assert self.allowed(localstack, template, made)["secretsmanager:GetSecretValue"] == [ARN]
        localstack.delete(name)

    def allowed(self, cloud, template, made):
        """The resources per action that the machine's role may access."""
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

    def test_readme_commands_deploy_the_stack(self, localstack, tools, tmp_path):
        """Runs the README's commands with the real `aws`."""
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
