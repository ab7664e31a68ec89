"""A stand-in for AWS's services (moto)."""

import json

from booted_machine import HOSTILE, KEY
from conftest import free_ports, get
from stand_in_machine import HOST

REGION, BUCKET = "eu-central-1", "acme-chroma"
VARIABLES = {"AWS_ACCESS_KEY_ID": "stand-in", "AWS_SECRET_ACCESS_KEY": "stand-in", "AWS_DEFAULT_REGION": REGION}


class Cloud:
    """A stand-in for AWS's services, with the resources that the stack creates before the machine boots."""

    def __init__(self, tools, start):
        (port,) = free_ports(1)
        self.url = f"http://{HOST}:{port}"
        server = start("moto", [tools.part("aws/bin/moto_server"), "-H", HOST, "-p", port], VARIABLES)
        server.until(lambda: get(f"{self.url}/moto-api/"), "AWS's stand-in")
        ec2 = self.service("ec2")
        [instance] = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"]
        self.instance, zone = instance["InstanceId"], instance["Placement"]["AvailabilityZone"]
        self.volume = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
        self.service("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.service("logs").create_log_group(logGroupName="/chroma")
        self.headers = self.secret("headers", json.dumps({"x-api-key": KEY}, indent=2))
        self.extra = self.secret("extra", "s3cret" + HOSTILE)
        self.names = self.secret("names", "s3cret-word")

    def service(self, name):
        import boto3

        keys = {"aws_access_key_id": "stand-in", "aws_secret_access_key": "stand-in"}
        return boto3.client(name, endpoint_url=self.url, region_name=REGION, **keys)

    def secret(self, name, value):
        return self.service("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]

    def store(self, name, value):
        self.service("secretsmanager").put_secret_value(SecretId=name, SecretString=value)

    @property
    def link(self):
        return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{self.volume.replace('-', '')}"

    def attached(self):
        [volume] = self.service("ec2").describe_volumes(VolumeIds=[self.volume])["Volumes"]
        return [one["InstanceId"] for one in volume["Attachments"]]

    def log(self, stream):
        events = self.service("logs").get_log_events(logGroupName="/chroma", logStreamName=stream, startFromHead=True)
        return [event["message"] for event in events["events"]]
