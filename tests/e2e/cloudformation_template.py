"""The rendered CloudFormation template, and its resources for given parameters."""

import json

import pytest
from conftest import HERE, renderer

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
    "backup": {"spec": str(HERE.parent / "specs/aws-backup.yaml")},
    "organization": {"spec": str(HERE.parent / "specs/aws-organization.yaml")},
}
# The machine's network; tests with a stand-in use the stand-in's.
PLACE = {"VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailabilityZone": f"{REGION}a", "AllowedCidr": "10.0.0.0/8"}
ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ARN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:chroma-AbCdEf"


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
    """A rendered template, and its resources for given parameters."""

    def __init__(self, folder):
        import cloudformation  # needs YAML from the test venv

        self.folder, self.file, self.module = folder, folder / "template.yaml", cloudformation
        self.tree = cloudformation.load(self.file)
        self.secrets = [name for name, one in self.tree["Parameters"].items() if one.get("NoEcho")]

    def parameters(self, **more):
        """Valid parameters; every secret refers to an existing secret of the operator."""
        filled = {**PLACE, **{f"{name}SecretArn": ARN for name in self.secrets if f"{name}SecretArn" not in more}}
        return {name: value for name, value in {**filled, **more}.items() if name in self.tree["Parameters"]}

    def files(self, attributes=None, **more):
        return self.module.machine_files(self.tree, self.parameters(**more), attributes)

    def user_data(self, attributes=None, pseudo=None, **more):
        return self.module.user_data(self.tree, self.parameters(**more), attributes, pseudo)

    def of_type(self, kind):
        return {name: one for name, one in self.tree["Resources"].items() if one["Type"] == kind}

    def resources(self, kind, **more):
        """The resources of that type for these parameters, without functions."""
        made = self.module.resolve(self.tree, self.parameters(**more))["Resources"]
        return [one for one in made.values() if one["Type"] == kind]

    def one(self, name, **more):
        """The properties of the resource with this name for these parameters, without functions."""
        return self.module.resolve(self.tree, self.parameters(**more))["Resources"][name]["Properties"]

    def for_moto(self):
        """The template in JSON without listeners, because moto's load balancers support only HTTP."""
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
        """Names of the free-text parameters."""
        declared = self.tree["Parameters"].items()
        return [name for name, one in declared if one["Type"] == "String" and "AllowedValues" not in one]

    def takes(self, name, value):
        try:
            self.module.values(self.tree, {**self.parameters(), name: value})
        except (AssertionError, ValueError):
            return False
        return True
