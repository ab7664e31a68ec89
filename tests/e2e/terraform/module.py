"""A rendered Terraform folder, and the real Terraform, offline: with the real schema of its provider, and a cloud
that accepts every request (provider.py). cloud-init's code resolves the first boot (first_boot.py).

Invariant: tests use only the files, the plan and the state of a folder; only this file knows where the module is in it.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile

from conftest import HERE, missing

HOSTILE = "it's \"q\" `id` $(id) $HOME ${var.name} $${a} %{if} %%{b} {{ c }} 100% \\n \\ é😀 #1: - ' end "


# The prefix of the module's resources in the state of the root.
IN_MODULE = "module.chroma."


def module_in(rendered):
    """The folder of the module in a rendered folder."""
    return rendered / "chroma"


def provider_folder(tools, providers, modules, values, folder, forces_new=None):
    """A folder with these providers (`hashicorp/aws`) for all types in the modules. They return `values`
    (`TYPE.ATTRIBUTE` to value) and replace a resource when an argument in `forces_new` (type to names) changes;
    `terraform.rc` has their path, and `applied` the type and action of every change."""
    sys.path.insert(0, str(HERE / "terraform"))
    from schema import schema

    texts = [file.read_text() for module in modules for file in module_in(module).glob("*.tf")]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "values.json").write_text(json.dumps(values))
    (folder / "forces-new.json").write_text(json.dumps(forces_new or {}))
    for name in (provider.partition("/")[2] for provider in providers):
        part = tools.part(f"terraform-offline-{name}")
        resources, data = (
            {found for text in texts for found in re.findall(rf'^ *{kind} "({name}_\w+)"', text, re.M)}
            for kind in ("resource", "data")
        )
        assert resources
        (folder / f"{name}.json").write_text(json.dumps(schema(part / "types", resources, data)))
        command = folder / f"terraform-provider-{name}"
        # HOME: the library stores a certificate there.
        command.write_text(
            f'#!/bin/sh\nHOME="{folder}" exec "{part}/bin/python" "{HERE}/terraform/provider.py" "{folder}" {name}\n'
        )
        command.chmod(0o755)
    registries = ("registry.terraform.io", "registry.opentofu.org")
    overrides = "".join(f'    "{registry}/{one}" = "{folder}"\n' for one in providers for registry in registries)
    (folder / "terraform.rc").write_text(f"provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n}}\n")
    return folder


def variables_in(file):
    """{name: text} of the variables in a file."""
    text = file.read_text() if file.exists() else ""
    return dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.M | re.S))


class Module:
    """A copy of a rendered folder; `needed` has the variables without a default. Addresses are those in the module.

    Values of the spec are arguments in the root, so a test that sets one of them changes the argument."""

    def __init__(self, source, provider, tmp_path, needed, stored, program="terraform"):
        if not shutil.which(program):
            missing(program)
        self.root, self.needed, self.stored, self.program = tmp_path / "root", needed, stored, program
        shutil.copytree(source, self.root)
        self.folder = module_in(self.root)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TF_CLI_CONFIG_FILE": str(provider / "terraform.rc"),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
        }
        self.call = (self.root / "main.tf").read_text()
        self.variables = variables_in(self.folder / "variables.tf")
        self.of_root = variables_in(self.root / "variables.tf")
        self.secrets = [name for name, text in self.variables.items() if "ephemeral" in text]
        self.terraform("get")  # installs the module; `init` would ask the registry for the provider

    def default(self, name):
        """The argument of the root as written, or else the variable's default; None without both."""
        passed = re.search(rf"^  {name} += (.*)$", self.call, re.M)
        if passed and passed[1] != f"var.{name}":
            return passed[1]
        found = re.search(r"^  default +=(.*)", self.variables[name], re.M)
        return found and found[1].strip()

    def values(self, **more):
        """Valid values; every secret refers to an existing secret of the operator."""
        suffix, stored = self.stored
        in_store = {
            f"{name}{suffix}": stored for name in self.secrets if f"{name}{suffix}" not in more and name not in more
        }
        filled = {**self.needed, **in_store, **more}
        if "chroma_otel_collection_endpoint" in self.of_root:
            filled.setdefault("chroma_otel_collection_endpoint", "https://otlp.example.com")
        return {name: value for name, value in filled.items() if name in self.variables | self.of_root}

    def terraform(self, *words, fails=False, **values):
        """Runs a command. Values of the root's variables are in its environment, others are arguments of the module."""

        def text(value):
            return json.dumps(value) if isinstance(value, (bool, dict, list)) else str(value)

        environment = self.environment | {
            f"TF_VAR_{name}": text(value) for name, value in values.items() if name in self.of_root
        }
        arguments = {name: value for name, value in values.items() if name not in self.of_root}
        (self.root / "main.tf").write_text(called_with(self.call, arguments))
        done = subprocess.run(
            [self.program, *words],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        (self.root / "main.tf").write_text(self.call)
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        assert (done.returncode != 0) == fails, said
        return " ".join(re.sub(r"[│╷╵]", " ", said).split()) if fails else done.stdout

    def plan(self, *words, file="plan", **values):
        self.terraform("plan", "-input=false", f"-out={file}", *words, **values)
        return json.loads(self.terraform("show", "-json", file).replace(IN_MODULE, ""))

    def apply(self, **values):
        self.terraform("apply", "-input=false", "-auto-approve", **values)
        return self.state()

    def state(self):
        state = json.loads(self.terraform("show", "-json"))
        root = state.get("values", {}).get("root_module", {})
        modules = [root, *root.get("child_modules", [])]
        resources = [one for module in modules for one in module.get("resources", [])]
        return {one["address"].removeprefix(IN_MODULE): one["values"] for one in resources}

    def holds(self, text):
        """The files of the folder, its state and its plan that contain these bytes."""
        found = []
        for path in self.root.rglob("*"):
            if path.is_file():
                inner = []
                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as packed:
                        inner = [packed.read(name) for name in packed.namelist()]
                if any(text.encode() in each for each in (path.read_bytes(), *inner)):
                    found.append(path)
        return found


def called_with(root, arguments):
    """The text of the root with these arguments of the module."""
    for name, value in arguments.items():
        text = json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
        line = f"  {name} = {text}\n"
        others = re.sub(rf"^  {name} +=.*\n", "", root, flags=re.M)
        root = others.replace('  source = "./chroma"\n', f'  source = "./chroma"\n{line}')
    return root


def blames(said, name):
    """True if the message of Terraform names this variable as the invalid one."""
    return re.search(rf'in module "chroma": \d+: {name} +=|\d: variable "{name}"', said) is not None


def diagnostics(module):
    """The diagnostics of `terraform validate`."""
    said = json.loads(module.terraform("validate", "-json"))["diagnostics"]
    return [one for one in said if "Provider development overrides" not in one["summary"]]


def changes(plan):
    """The changes of a plan by address."""
    done = {one["address"]: one["change"]["actions"] for one in plan.get("resource_changes", [])}
    return {address: actions for address, actions in done.items() if actions not in (["no-op"], ["read"])}


def files_below(folder):
    """{path: (mode, text)} of the files in the subfolders of a root folder."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    return {f"/{path.relative_to(folder)}": (stat.S_IMODE(path.stat().st_mode), path.read_text()) for path in found}


def first_boot(tools, user_data, folder):
    """{path: (mode, text)} of the files that cloud-init writes below the folder at the first boot with this user
    data."""
    part = tools.part("cloud-init")
    environment = {"PYTHONPATH": str(part / "usr/lib/python3/dist-packages"), "PATH": os.environ["PATH"]}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "user-data").write_bytes(user_data)

    def run(*words):
        done = subprocess.run([part / "bin/python", *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    commands = json.loads(run(HERE / "terraform/first_boot.py", folder / "user-data", folder))
    assert commands[-1][-1] == "chroma-otel.service"
    said = run("-m", "cloudinit.cmd.main", "schema", "--config-file", folder / "cloud-config.yaml")
    assert "Valid" in said, said
    return files_below(folder)


def check_scripts(files, folder):
    """Every script among these files passes shellcheck without output."""
    scripts = {path: text for path, (_, text) in files.items() if text.startswith("#!/bin/bash")}
    assert {"/etc/chroma-otel/boot", "/etc/chroma-otel/watch", "/etc/chroma-otel/cloud"} <= set(scripts)
    for path, text in scripts.items():
        script = folder / "script"
        script.write_text(text)
        done = subprocess.run(["shellcheck", script], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stdout, f"{path}: {done.stdout}"
