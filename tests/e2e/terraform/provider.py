"""A Terraform provider with only a schema: the real Terraform validates, plans and applies with it, offline. The
attributes of a resource are generated: `TYPE.ATTRIBUTE`, or the entry of the file `values` with that name.

    provider.py FOLDER NAME    serves FOLDER/NAME.json (see schema.py), FOLDER/values.json and FOLDER/forces-new.json;
                               appends each change to FOLDER/applied

Invariant: only the schema is checked, and a response never contains a write-only value.
"""

import json
import sys
from pathlib import Path

import msgpack
from tf import provider, runner
from tf.gen import tfplugin_pb2 as pb

FOLDER = Path(sys.argv[1])
SCHEMA = json.loads((FOLDER / f"{sys.argv[2]}.json").read_text())
VALUES = json.loads((FOLDER / "values.json").read_text())
# The arguments of a type that replace the resource, which the schema does not contain.
FORCES_NEW = json.loads((FOLDER / "forces-new.json").read_text())
UNKNOWN = msgpack.ExtType(0, b"")
# Attributes that change with every update of a resource.
RENEWED = {"latest_version"}
# Sensitive attributes that modules use, which the schema does not contain.
SENSITIVE = {"connection_string"}
BLANK = {"string": "", "number": 0, "bool": False, "dynamic": None, "list": [], "set": [], "map": {}}


def attribute(one):
    made = pb.Schema.Attribute(
        name=one["name"],
        type=json.dumps(one["type"]).encode(),
        sensitive=one["name"] in SENSITIVE,
        required=one.get("required", False),
        optional=one.get("optional", False),
        computed=one.get("computed", False),
    )
    if one.get("write_only"):
        # Field 11 of protocol 6.8, which is newer than this library.
        made = pb.Schema.Attribute.FromString(made.SerializeToString() + b"\x58\x01")
    return made


def block(one):
    nested = [
        pb.Schema.NestedBlock(
            type_name=each["name"],
            block=block(each["block"]),
            min_items=each["least"],
            max_items=each["most"],
            nesting=pb.Schema.NestedBlock.NestingMode.Value(each["nesting"]),
        )
        for each in one["blocks"]
    ]
    return pb.Schema.Block(attributes=[attribute(each) for each in one["attributes"]], block_types=nested)


def served(types):
    return {name: pb.Schema(version=0, block=block(one)) for name, one in types.items()}


def filled(value, schema, fill):
    """The value with `fill(attribute, value)` in place of each attribute, at every depth."""
    if not isinstance(value, dict):
        return value
    value = dict(value)
    for each in schema["attributes"]:
        value[each["name"]] = fill(each, value.get(each["name"]))
    for each in schema["blocks"]:
        inner = value.get(each["name"])
        if isinstance(inner, list):
            value[each["name"]] = [filled(one, each["block"], fill) for one in inner]
        else:
            value[each["name"]] = filled(inner, each["block"], fill)
    return value


def typed(value):
    """The type of a generated value with a structure."""
    if isinstance(value, list):
        return ["list", typed(value[0])] if value else ["tuple", []]
    if isinstance(value, dict):
        return ["object", {name: typed(one) for name, one in value.items()}]
    return {bool: "bool", int: "number", str: "string"}[type(value)]


def made_up(of_type):
    """The generated value of an unknown attribute."""

    def fill(each, value):
        if each.get("write_only"):
            return None
        unknown = isinstance(value, msgpack.ExtType)
        if not unknown and (value is not None or not each.get("computed")):
            return value
        name, kind = f"{of_type}.{each['name']}", each["type"]
        default = name if kind == "string" else BLANK[kind if isinstance(kind, str) else kind[0]]
        found = VALUES.get(name, default)
        return [json.dumps(typed(found)).encode(), found] if kind == "dynamic" and found is not None else found

    return fill


def read(value):
    return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False) if value.msgpack else None


def dynamic(value):
    return pb.DynamicValue(msgpack=msgpack.packb(value))


class Servicer(provider.ProviderServicer):
    def __init__(self, _):
        pass

    def GetMetadata(self, request, context):
        import grpc

        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the schema says all")

    def GetProviderSchema(self, request, context):
        return pb.GetProviderSchema.Response(
            provider=pb.Schema(version=0, block=block(SCHEMA["provider"])),
            resource_schemas=served(SCHEMA["resources"]),
            data_source_schemas=served(SCHEMA["data_sources"]),
        )

    def ValidateProviderConfig(self, request, context):
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request, context):
        return pb.ConfigureProvider.Response()

    def UpgradeResourceState(self, request, context):
        return pb.UpgradeResourceState.Response(upgraded_state=pb.DynamicValue(json=request.raw_state.json))

    def ReadResource(self, request, context):
        return pb.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request, context):
        proposed, before = read(request.proposed_new_state), read(request.prior_state)

        def fill(each, value):
            if each.get("write_only"):
                return None
            changes = each["name"] in RENEWED and before is not None and proposed != before
            new = each.get("computed") and value is None and before is None
            return UNKNOWN if changes or new else value

        planned = filled(proposed, SCHEMA["resources"][request.type_name], fill)
        again = [
            pb.AttributePath(steps=[pb.AttributePath.Step(attribute_name=name)])
            for name in FORCES_NEW.get(request.type_name, [])
            if before is not None and planned is not None and planned[name] != before[name]
        ]
        return pb.PlanResourceChange.Response(planned_state=dynamic(planned), requires_replace=again)

    def ApplyResourceChange(self, request, context):
        planned = read(request.planned_state)
        with (FOLDER / "applied").open("a") as file:
            file.write(f"{request.type_name} {'delete' if planned is None else 'write'}\n")
        made = filled(planned, SCHEMA["resources"][request.type_name], made_up(request.type_name))
        return pb.ApplyResourceChange.Response(new_state=dynamic(made))

    def ReadDataSource(self, request, context):
        found = filled(read(request.config), SCHEMA["data_sources"][request.type_name], made_up(request.type_name))
        return pb.ReadDataSource.Response(state=dynamic(found))

    def GetFunctions(self, request, context):
        return pb.GetFunctions.Response()

    def StopProvider(self, request, context):
        return pb.StopProvider.Response()


if __name__ == "__main__":
    provider.ProviderServicer = Servicer
    runner.run_provider(None, sys.argv)
