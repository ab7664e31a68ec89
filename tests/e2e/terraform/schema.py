"""The schema of a Terraform provider's types, parsed from the package `@cdktf/provider-NAME` or its successor
`@cdktn/provider-NAME`.

The package is generated from the provider's schema and contains all of it except the rules for values, which are not
checked. `schema(lib, resources, data_sources)` returns the input of provider.py: `{"provider": BLOCK, "resources":
{TYPE: BLOCK}, "data_sources": {TYPE: BLOCK}}`.
"""

import re
from pathlib import Path

PLAIN = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
PLAIN |= {f"{name}[]": ["list", of] for name, of in PLAIN.items() if name != "any"}
# The names of the getters of computed attributes: `getStringAttribute('id')`.
GETTERS = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "AnyMap": "dynamic",
}
MAPS = {
    f"{cdk}.{name}": GETTERS[name] for cdk in ("cdktf", "cdktn") for name in ("StringMap", "NumberMap", "BooleanMap")
}


def type_of(text):
    """The Terraform type of a TypeScript type; None if it is not the type of an attribute."""
    text = re.sub(r" \| cdkt[fn]\.IResolvable", "", re.sub(r";\s*\}", " }", text))
    text = re.sub(r"^Array<(.*)>$", r"\1[]", re.sub(r"\s+", " ", text)).strip()
    if found := re.fullmatch(r"\{ \[key: string\]: (\w+) \}", text):
        kind = PLAIN.get(found[1], "dynamic")
        return kind if kind == "dynamic" else ["map", kind]
    return PLAIN.get(text)


class Module:
    """One generated file: the interfaces of the configuration, and the classes of the outputs."""

    def __init__(self, folder):
        declared, code = (Path(folder, name).read_text() for name in ("index.d.ts", "index.js"))
        self.code = code
        self.interfaces = {
            name: {
                attribute: {"required": not optional, "type": kind}
                for attribute, optional, kind in re.findall(
                    r"#(\w+) \w+#\w+\}[\s\S]*?\*/\s*readonly \w+(\??): (\{[^}]*\}|[^;]+);", body
                )
            }
            for name, body in re.findall(r"export interface (\w+)(?: extends [\w.]+)? \{([\s\S]*?)\n\}", declared)
        }
        kinds = r"Terraform(?:Resource|DataSource|Provider)|ComplexObject"
        self.classes = dict(re.findall(rf"\nclass (\w+) extends cdkt[fn]\.(?:{kinds}) \{{([\s\S]*?)\n\}}", code))
        nested = re.findall(r"function (\w+)ToHclTerraform\(struct\) \{([\s\S]*?)\n\}", code)
        self.written = {name[0].upper() + name[1:]: written(body) for name, body in nested}

    def computed(self, name):
        """The types of the attributes for which a class has getters; None for attributes with a structure."""
        body = self.classes.get(name, "")
        found = {
            attribute: GETTERS.get(kind, "dynamic")
            for kind, attribute in re.findall(r"get(\w+?)Attribute\('(\w+)'\)", body)
        }
        found |= {
            attribute: MAPS.get(kind, "dynamic") for kind, attribute in re.findall(r'= new (\S+)\(this, "(\w+)"', body)
        }
        return found

    def block(self, interface, of_class, written):
        attributes, blocks = [], []
        configured, computed = self.interfaces.get(interface, {}), self.computed(of_class)
        for name in {**configured, **computed}:
            if name not in configured:
                attributes.append({"name": name, "type": computed[name], "computed": True})
                continue
            field, form = configured[name], written.get(name)
            base = re.sub(r" \| cdkt[fn]\.IResolvable", "", field["type"]).removesuffix("[]")
            needed = {"required": field["required"], "optional": not field["required"]}
            if base not in self.interfaces:
                kind = type_of(field["type"]) or "dynamic"
                if form and form["type"] == "set" and kind[0] == "list":
                    kind = ["set", kind[1]]
                only_written = name.endswith("_wo")
                known = not field["required"] and not only_written
                attributes.append({"name": name, "type": kind, **needed, "computed": known, "write_only": only_written})
            elif form and not form["block"]:
                attributes.append({"name": name, "type": "dynamic", **needed})
            else:
                single = name == "timeouts" or (bool(form) and form["type"] == "struct")
                many = form["many"] if form else field["type"].endswith("[]")
                blocks.append(
                    {
                        "name": name,
                        "nesting": "SINGLE" if single else "SET" if form and form["type"] == "set" else "LIST",
                        "least": int(field["required"] and not single),
                        "most": int(not many and not single),
                        "block": self.block(base, f"{base}OutputReference", self.written.get(base, {})),
                    }
                )
        return {"attributes": attributes, "blocks": blocks}

    def top(self, kind):
        """The block of this module's resource, data source or provider."""
        assigned = re.findall(rf"\n(\w+)\.{kind} = ", self.code)
        [name] = (assigned or [one for one, body in self.classes.items() if f"static {kind} = " in body])[:1]
        body = self.classes[name]
        return self.block(f"{name}Config", name, written(body[body.find("synthesizeHclAttributes()") :]))


def written(body):
    """The form of each field: block or attribute; list, set, one or many."""
    pattern = r'\n\s+(\w+): \{\s+value: ([^\n]+),\s+isBlock: (true|false),\s+type: "(\w+)",\s+storageClassType: "[^"]+"'
    return {
        name: {"many": bool(re.search(r"Mapper(Hcl)?\(", value)), "block": block == "true", "type": kind}
        for name, value, block, kind in re.findall(pattern, body)
    }


def schema(lib, resources, data_sources):
    """The schema of these types; an unknown type is a KeyError."""
    folders = {}
    for file in Path(lib).glob("*/index.js"):
        code = file.read_text()
        kind = re.search(r"extends cdkt[fn]\.Terraform(DataSource|Resource) ", code)
        if kind and (found := re.search(r'tfResourceType = "([^"]+)"', code)):
            folders[("data" if kind[1] == "DataSource" else "resource", found[1])] = file.parent
    blocks = lambda kind, types: {name: Module(folders[kind, name]).top("tfResourceType") for name in types}
    provider = Module(Path(lib, "provider")).top("tfResourceType")
    return {
        # A provider has no computed attributes.
        "provider": {**provider, "attributes": [{**one, "computed": False} for one in provider["attributes"]]},
        "resources": blocks("resource", resources),
        "data_sources": blocks("data", data_sources),
    }
