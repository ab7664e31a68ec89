"""Starts and controls the stand-in for a cloud's services (machine/services.py)."""

import json
import re

from conftest import HERE
from stand_in_machine import METADATA, SERVICES, SERVICES_NETWORK, host
from terraform.clouds import GCP

STORES = {"gcp": "projects/chroma-test/secrets/", "azure": "https://operators.vault.azure.net/secrets/"}
NAMES = {
    "gcp": (
        "secretmanager.googleapis.com",
        "logging.googleapis.com",
        "monitoring.googleapis.com",
        "europe-west1-docker.pkg.dev",
        "us-docker.pkg.dev",
    ),
    "azure": (
        "operators.vault.azure.net",
        "chroma0a1b2c3d.azurecr.io",
        "mirror.azurecr.io",
        "westeurope.monitoring.azure.com",
    ),
}


class Services:
    """The stand-in for a cloud's services, and its recorded requests."""

    def __init__(self, cloud, tools, start, machine, folder):
        self.cloud, self.folder = cloud, folder
        names = ",".join(f"DNS:{name}" for name in NAMES[cloud.name])
        host(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=stand-in",
            "-addext",
            f"subjectAltName={names}",
            "-keyout",
            folder / "services.key",
            "-out",
            folder / "services.pem",
        )
        self.made = {"secrets": {}, "images": {}}
        python = tools.part("services/bin/python")
        command = [python, HERE / "machine/services.py", cloud.name, folder, SERVICES]
        self.server = start("services", machine.near(*map(str, command), network=SERVICES_NETWORK))
        self.server.until(self.requests, "the cloud's services")

    def make(self, **made):
        """Sets the resources that the module or an operator has created."""
        self.made |= made
        file = self.folder / "made.new"
        file.write_text(json.dumps(self.made))
        file.rename(self.folder / "made.json")

    def store(self, name, value):
        self.make(secrets={**self.made["secrets"], STORES[self.cloud.name] + name: value})

    def refuse(self, words, times="always", status=403):
        (self.folder / "refuse").write_text(f"{times} {status} {words}")

    def agree(self):
        (self.folder / "refuse").unlink(missing_ok=True)

    def requests(self):
        file = self.folder / "requests"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def forget(self):
        (self.folder / "requests").write_text("")

    def of(self, key):
        """The recorded requests with this key."""
        return [one for one in self.requests() if key in one]

    def trusted_by(self, machine):
        bundle = machine.path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + (self.folder / "services.pem").read_text())
        hosts = [f"{SERVICES} {name}" for name in NAMES[self.cloud.name]]
        names = f"127.0.0.1 localhost\n{METADATA} metadata.google.internal metadata\n"
        machine.write("/etc/hosts", names + "\n".join(hosts) + "\n")


def granted(cloud, state):
    """The permissions that the module grants the machine: role names, and addresses of secrets in the stand-in's
    notation."""
    if cloud is GCP:
        roles = [one["role"] for address, one in state.items() if "_iam_member." in address]
        return roles, [
            one["secret_id"]
            for address, one in state.items()
            if address.startswith("google_secret_manager_secret_iam_member.")
        ]
    assigned = [one for address, one in state.items() if address.startswith("azurerm_role_assignment.")]
    machine = cloud.values["azurerm_user_assigned_identity.principal_id"]
    mine = [(one["role_definition_name"], one["scope"]) for one in assigned if one["principal_id"] == machine]
    vault = re.compile(r"/vaults/([\w-]+)/secrets/([\w-]+)$")
    found = [vault.search(scope) for role, scope in mine if role == "Key Vault Secrets User"]
    return [role for role, _ in mine], [f"https://{one[1]}.vault.azure.net/secrets/{one[2]}" for one in found if one]
