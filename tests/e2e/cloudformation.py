"""Parses CloudFormation templates and resolves their functions as CloudFormation does.

    template = load(folder / "template.yaml")
    files = machine_files(template, {"VpcId": "vpc-1", …}, {"HeadersSecret": "arn:…"})
    mode, text = files["/etc/chroma-otel/boot"]

Invariant: an unknown function or name, or a parameter value that is not allowed, is an error; nothing is returned
unresolved.
"""

import base64
import json
import re

import yaml

# Default values of the pseudo parameters.
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/chroma/0",
    "AWS::StackName": "chroma",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()  # `AWS::NoValue` removes the entry that contains it


class Loader(yaml.SafeLoader):
    """YAML as CloudFormation reads it: dates are text, `!Name` is `Fn::Name`."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def function(self, suffix, node):
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = self.construct_sequence(node, deep=True)
        else:
            value = self.construct_mapping(node, deep=True)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", Loader.function)


def load(path):
    """The template with every function in its long form."""
    return yaml.load(path.read_text(), Loader)  # Loader is a SafeLoader


def values(template, parameters):
    """The value of every parameter; a value that CloudFormation would reject is an error."""
    unknown = set(parameters) - set(template["Parameters"])
    assert not unknown, f"no such parameters: {unknown}"
    found = {}
    for name, declared in template["Parameters"].items():
        value = parameters.get(name, declared.get("Default"))
        assert value is not None, f"parameter {name} has no value"
        value = str(value)
        allowed = [str(one) for one in declared.get("AllowedValues", [value])]
        assert value in allowed, f"{name}: {value!r} is not one of {allowed}"
        assert re.fullmatch(declared.get("AllowedPattern", "(?s).*"), value), f"{name}: {value!r} is not allowed"
        if declared["Type"] == "Number":
            assert declared.get("MinValue", 0) <= float(value) <= declared.get("MaxValue", 1e9), f"{name}: {value}"
        assert declared.get("MinLength", 0) <= len(value) <= declared.get("MaxLength", 4096), f"{name}: length"
        is_list = declared["Type"] == "CommaDelimitedList" or declared["Type"].startswith("List<")
        found[name] = [one.strip() for one in value.split(",")] if is_list else value
    return found


class Resolver:
    def __init__(self, template, parameters, attributes, pseudo):
        self.template = template
        self.parameters = values(template, parameters)
        self.attributes = attributes
        self.pseudo = PSEUDO | pseudo

    def condition(self, name):
        return self.resolve(self.template["Conditions"][name])

    def is_made(self, resource):
        return "Condition" not in resource or self.condition(resource["Condition"])

    def named(self, name):
        """The value of `Ref`: for a resource, its entry in `attributes`, else its own name."""
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.attributes:
            return self.attributes[name]
        if name in self.parameters:
            # The value of such a parameter is the name of an SSM parameter in the account.
            kind = self.template["Parameters"][name]["Type"]
            return name if kind.startswith("AWS::SSM::Parameter::Value<") else self.parameters[name]
        resource, _, _ = name.partition(".")
        assert resource in self.template["Resources"], f"there is no {name}"
        assert self.is_made(self.template["Resources"][resource]), f"{name} is not made under these parameters"
        return name

    def substitute(self, text, given):
        def one(match):
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            return str(given[name] if name in given else self.named(name))

        return re.sub(r"\$\{(!?)([^}]*)\}", one, text)

    def call(self, name, raw):
        if name == "Fn::If":
            condition, yes, no = raw  # the other branch may refer to a resource that is not created
            return self.resolve(yes if self.condition(condition) else no)
        if name == "Condition":
            return self.condition(raw)
        if name == "Ref":
            return self.named(raw)
        if name == "Fn::Sub":
            text, given = (raw, {}) if isinstance(raw, str) else raw
            return self.substitute(text, self.resolve(given))
        argument = self.resolve(raw)
        match name:
            case "Fn::GetAtt":
                return self.named(".".join(argument))
            case "Fn::Join":
                return argument[0].join(str(part) for part in argument[1])
            case "Fn::Split":
                return argument[1].split(argument[0])
            case "Fn::Select":
                return argument[1][int(argument[0])]
            case "Fn::Base64":
                return base64.b64encode(argument.encode()).decode()
            case "Fn::FindInMap":
                return self.template["Mappings"][argument[0]][argument[1]][argument[2]]
            case "Fn::Equals":
                return str(argument[0]) == str(argument[1])
            case "Fn::Not":
                return not argument[0]
            case "Fn::And":
                return all(argument)
            case "Fn::Or":
                return any(argument)
        raise AssertionError(f"{name} is not understood")

    def resolve(self, value):
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        [*names] = value
        function = len(names) == 1 and (names[0] in ("Ref", "Condition") or names[0].startswith("Fn::"))
        # `Condition: {…}` of an IAM statement is not a function.
        if function and (names[0] != "Condition" or isinstance(value["Condition"], str)):
            return self.call(names[0], value[names[0]])
        resolved = {
            key: self.resolve(one) for key, one in value.items() if key != "Condition" or not isinstance(one, str)
        }
        return {key: one for key, one in resolved.items() if one is not NOTHING}


def resolve(template, parameters, attributes=None, pseudo=None):
    """The template's `Resources` and `Outputs` that are created with these parameters, without functions.

    `attributes` maps resources and attributes to their physical names: `{"Volume": "vol-1", "Log.Arn": "arn:…"}`; the
    default is the logical name. `pseudo` overrides pseudo parameters: `{"AWS::Region": "eu-west-1"}`.
    """
    resolver = Resolver(template, parameters, attributes or {}, pseudo or {})
    return {
        part: {name: resolver.resolve(one) for name, one in template.get(part, {}).items() if resolver.is_made(one)}
        for part in ("Resources", "Outputs")
    }


def refusals(template, parameters):
    """The messages of the template's Rules that reject these parameters."""
    resolver, said = Resolver(template, parameters, {}, {}), []
    for rule in template.get("Rules", {}).values():
        if resolver.resolve(rule.get("RuleCondition", True)):
            said += [one["AssertDescription"] for one in rule["Assertions"] if not resolver.resolve(one["Assert"])]
    return said


def machine_files(template, parameters, attributes=None, pseudo=None):
    """{path: (mode, text)}: the files on the machine as cfn-init writes them (aws-cfn-bootstrap, file_tool.py)."""
    resources = resolve(template, parameters, attributes, pseudo)["Resources"].values()
    metadata = [resource.get("Metadata", {}) for resource in resources]
    [init] = [one["AWS::CloudFormation::Init"] for one in metadata if "AWS::CloudFormation::Init" in one]
    assert set(init) == {"config"} and set(init["config"]) == {"files"}, "cfn-init is to write files and no more"
    files = {}
    for path, file in init["config"]["files"].items():
        assert path.startswith("/"), path
        assert set(file) <= {"content", "encoding", "mode", "owner", "group"}, f"{path}: {sorted(file)}"
        assert file.get("owner", "root") == file.get("group", "root") == "root", path
        assert re.fullmatch("0{2,3}[0-7]{3}", str(file["mode"])), f"{path}: mode {file['mode']!r}"
        # cfn-init rejects an empty file: `File specified without source or content`.
        assert file["content"], f"{path} is empty"
        text = file["content"] if isinstance(file["content"], str) else json.dumps(file["content"])
        if file.get("encoding", "plain") == "base64":
            text = base64.b64decode(text.strip()).decode()
        files[path] = (int(file["mode"], 8), text)
    return files


def user_data(template, parameters, attributes=None, pseudo=None):
    """The script that cloud-init runs at the first boot of the machine."""
    resources = resolve(template, parameters, attributes, pseudo)["Resources"].values()
    [machine] = [one["Properties"] for one in resources if one["Type"] == "AWS::EC2::LaunchTemplate"]
    return base64.b64decode(machine["LaunchTemplateData"]["UserData"]).decode()
