"""The clouds for the tests of their modules: the module's variables, the provider's responses, and the
delivery of the machine's files.

Invariant: nothing here depends on a spec; the tests read the decisions of `gen` in the module.
"""

import base64
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from cloudformation_template import ARN, REGION
from stand_in_machine import SERVICES

from .module import files_below, first_boot, module_in

SUBSCRIPTION = "0a1b2c3d-0000-4000-8000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/chroma"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/operators"
MADE_VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/chroma-0123abcd"
IDENTITIES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
CONNECTION_STRING = f"InstrumentationKey={'a' * 8}-0000-4000-8000-000000000000;IngestionEndpoint=http://{SERVICES}/"
ACCOUNT = "123456789012"
NETWORK = "https://www.googleapis.com/compute/v1/projects/chroma-test"


@dataclass(frozen=True)
class Cloud:
    """`needed` and `stored` as for `Module`, `values` and `forces_new` as for `provider_folder`; `data` and
    `machine` are addresses of resources, `snapshot` a variable that restores a snapshot with a value, `alarm` a
    variable that enables alarms with a value; `user_data(state)` returns the machine's boot data, `boot(tools,
    bytes, folder)` the files that it writes."""

    name: str
    providers: tuple
    needed: dict
    stored: tuple
    values: dict
    forces_new: dict
    data: str
    machine: str
    snapshot: tuple
    alarm: tuple
    user_data: Callable
    boot: Callable


def startup_script(tools, text, folder):
    """Runs the script twice as root in a Debian whose changes are in the folder; the second run must change
    nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    changed, work, root = (folder / name for name in ("changed", "work", "root"))
    for each in (changed, work, root):
        each.mkdir(exist_ok=True)
    # Without a running systemd, the real command only enables units.
    offline = (
        b'#!/bin/sh\nfor word; do shift; case $word in --now | --no-block) ;; *) set -- "$@" "$word" ;; esac; done\n'
        b'exec /bin/systemctl "$@"\n'
    )
    for name, content in (("startup-script", text), ("systemctl", offline)):
        (changed / name).write_bytes(content)
        (changed / name).chmod(0o700)
    steps = [
        f"mount -t overlay root -o 'lowerdir={tools.part('machine/root')},upperdir={changed},workdir={work}' '{root}'",
        f"mount --rbind /dev '{root}/dev'",
        f"mount -t proc proc '{root}/proc'",
        f"exec chroot '{root}' /usr/bin/env -i SYSTEMD_OFFLINE=1 PATH=/:/usr/sbin:/usr/bin:/sbin:/bin /startup-script",
    ]
    found = []
    for _ in range(2):
        done = subprocess.run(["unshare", "--mount", "sh", "-ec", "\n".join(steps)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(files_below(changed))
    assert found[0] == found[1]
    assert (changed / "etc/systemd/system/multi-user.target.wants/chroma-otel.service").is_symlink()
    return found[0]


GCP = Cloud(
    name="gcp",
    providers=("hashicorp/google",),
    needed={
        "project_id": "chroma-test",
        "zone": "europe-west1-b",
        "network": "shared",
        "subnet": "private",
        "allowed_cidrs": ["10.0.0.0/8"],
    },
    stored=("_secret_id", "projects/chroma-test/secrets/operators"),
    values={
        "google_compute_subnetwork.self_link": f"{NETWORK}/regions/europe-west1/subnetworks/private",
        "google_compute_subnetwork.network": f"{NETWORK}/global/networks/shared",
        "google_compute_image.self_link": f"{NETWORK}/global/images/debian-13",
        "google_compute_address.address": "10.0.0.5",
        "google_service_account.email": "machine@chroma-test.iam.gserviceaccount.com",
        "google_service_account.member": "serviceAccount:machine@chroma-test.iam.gserviceaccount.com",
        "google_secret_manager_secret.id": "projects/chroma-test/secrets/made",
    },
    # As in the provider's documentation.
    forces_new={
        "google_compute_instance": ["name", "zone", "metadata_startup_script", "hostname"],
        "google_compute_disk": ["name", "zone", "type", "snapshot", "image"],
        "google_compute_address": ["name", "region", "subnetwork", "address", "address_type"],
    },
    data="google_compute_disk.data",
    machine="google_compute_instance.chroma",
    snapshot=("snapshot", "before"),
    alarm=("notification_channel", "projects/chroma-test/notificationChannels/1"),
    user_data=lambda state: state["google_compute_instance.chroma"]["metadata_startup_script"].encode(),
    boot=startup_script,
)
AZURE = Cloud(
    name="azure",
    providers=("azure/azapi", "hashicorp/azurerm"),
    needed={
        "subscription_id": SUBSCRIPTION,
        "resource_group_name": "chroma",
        "location": "westeurope",
        "zone": "1",
        "subnet_id": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/shared/subnets/private",
        "allowed_cidrs": ["10.0.0.0/8"],
        "ssh_public_key": f"ssh-ed25519 {'A' * 68} somebody@example.com",
    },
    stored=("_secret_id", "https://operators.vault.azure.net/secrets/operators"),
    values={
        "azurerm_resource_group.id": GROUP,
        "azurerm_container_registry.login_server": "chroma0a1b2c3d.azurecr.io",
        "azurerm_container_registry.id": f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/chroma0a1b2c3d",
        "azurerm_resources.resources": [{"id": VAULT, "name": "operators"}],
        "azurerm_user_assigned_identity.id": f"{IDENTITIES}/chroma",
        "azurerm_user_assigned_identity.client_id": "11111111-0000-4000-8000-000000000000",
        "azurerm_user_assigned_identity.principal_id": "22222222-0000-4000-8000-000000000000",
        "azurerm_linux_virtual_machine.id": f"{GROUP}/providers/Microsoft.Compute/virtualMachines/chroma",
        "azurerm_managed_disk.id": f"{GROUP}/providers/Microsoft.Compute/disks/chroma-data",
        "azurerm_application_insights.id": f"{GROUP}/providers/Microsoft.Insights/components/chroma",
        "azurerm_application_insights.connection_string": CONNECTION_STRING,
        "azurerm_key_vault_secret.versionless_id": "https://chroma-0123abcd.vault.azure.net/secrets/made",
        "azurerm_key_vault_secret.resource_versionless_id": f"{MADE_VAULT}/secrets/made",
    },
    forces_new={
        "azapi_resource_action": ["type", "resource_id", "action"],
        "azurerm_linux_virtual_machine": [
            "name",
            "location",
            "zone",
            "resource_group_name",
            "custom_data",
            "admin_username",
        ],
        "azurerm_managed_disk": [
            "name",
            "location",
            "zone",
            "resource_group_name",
            "create_option",
            "source_resource_id",
        ],
        "azurerm_network_interface": ["name", "location", "resource_group_name"],
        "azurerm_virtual_machine_data_disk_attachment": ["virtual_machine_id", "managed_disk_id", "lun"],
        "azurerm_virtual_machine_extension": ["virtual_machine_id", "publisher", "type"],
        "azurerm_virtual_machine_run_command": ["name", "location", "virtual_machine_id"],
        "azurerm_monitor_data_collection_rule_association": ["name", "target_resource_id"],
        "azurerm_role_assignment": ["scope", "role_definition_name", "principal_id"],
    },
    data="azurerm_managed_disk.data",
    machine="azurerm_linux_virtual_machine.chroma",
    snapshot=("snapshot_id", f"{GROUP}/providers/Microsoft.Compute/snapshots/before"),
    alarm=("action_group_id", f"{GROUP}/providers/Microsoft.Insights/actionGroups/pages"),
    user_data=lambda state: base64.b64decode(state["azurerm_linux_virtual_machine.chroma"]["custom_data"]),
    boot=first_boot,
)
AWS = Cloud(
    name="aws",
    providers=("hashicorp/aws",),
    needed={
        "vpc_id": "vpc-1",
        "subnet_id": "subnet-1",
        "availability_zone": f"{REGION}a",
        "allowed_cidrs": ["10.0.0.0/8"],
    },
    stored=("_secret_arn", ARN),
    values={
        "aws_region.region": REGION,
        "aws_caller_identity.account_id": ACCOUNT,
        "aws_partition.partition": "aws",
        "aws_partition.dns_suffix": "amazonaws.com",
        "aws_subnet.vpc_id": "vpc-1",
        "aws_subnet.availability_zone": f"{REGION}a",
        "aws_ssm_parameter.insecure_value": "ami-1",
        "aws_ebs_volume.id": "vol-1",
        "aws_ebs_volume.arn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1",
        "aws_cloudwatch_log_group.name": "logs-1",
        "aws_cloudwatch_log_group.arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:logs-1",
    },
    # `ForceNew` in the provider's internal/service/ec2/ebs_volume.go.
    forces_new={"aws_ebs_volume": ["availability_zone", "encrypted", "kms_key_id", "snapshot_id"]},
    data="aws_ebs_volume.data",
    machine="aws_launch_template.machine",
    snapshot=("snapshot_id", "snap-1"),
    alarm=("alarm_topic_arn", f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"),
    user_data=lambda state: base64.b64decode(state["aws_launch_template.machine"]["user_data"]),
    boot=first_boot,
)
# Clouds with one machine outside a group.
CLOUDS = {"gcp": GCP, "azure": AZURE}


def delivered(cloud, rendered):
    """{path: (mode, text)} of the files in the boot template of a rendered folder, without the files of lines; parsed
    independently of the machine."""
    module = module_in(rendered)
    if cloud is AZURE:
        import yaml

        tree = yaml.safe_load((module / "cloud-config.yaml.tftpl").read_text())
        texts = {
            one["path"]: (int(one["permissions"], 8), one["content"])
            for one in tree["write_files"]
            if "encoding" not in one
        }
    else:
        script = (module / "startup-script.sh.tftpl").read_text()
        found = re.findall(r"^put (\d+) (\S+) <<'(\w+)'\n(.*?)^\3$", script, re.M | re.S)
        texts = {path: (int(mode, 8), text) for mode, path, _, text in found}
    return {path: (mode, text.replace("$${", "${").replace("%%{", "%{")) for path, (mode, text) in texts.items()}
