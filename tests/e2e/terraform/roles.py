"""The permissions of a machine on Google Cloud and Azure."""

from .clouds import AZURE


def of_type(state, kind):
    return {address: values for address, values in state.items() if address.startswith(f"{kind}.")}


def roles(cloud, state):
    """The machine's permissions: {(role, resource)}."""
    if cloud is AZURE:
        machine = cloud.values["azurerm_user_assigned_identity.principal_id"]
        found = of_type(state, "azurerm_role_assignment").values()
        return {(one["role_definition_name"], one["scope"]) for one in found if one["principal_id"] == machine}
    places = {
        "google_project_iam_member": "project",
        "google_artifact_registry_repository_iam_member": "repository",
        "google_secret_manager_secret_iam_member": "secret_id",
        "google_storage_bucket_iam_member": "bucket",
    }
    found = {kind: of_type(state, kind).values() for kind in places}
    assert all(one["member"] == cloud.values["google_service_account.member"] for kind in found for one in found[kind])
    return {(one["role"], one[places[kind]]) for kind in found for one in found[kind]}


# Roles that the backend's documentation requires.
TRACES = ("roles/telemetry.tracesWriter", "roles/serviceusage.serviceUsageConsumer")


def expected_roles(cloud, spec, wrapped, alarms, secrets):
    own = spec in ("default", "stock", "several", "backup")  # the cloud's tracing service
    if cloud is AZURE:
        places = cloud.values
        stored = (
            {("Key Vault Secrets User", f"{places['azurerm_resources.resources'][0]['id']}/secrets/operators")}
            if secrets
            else set()
        )
        account = places["azurerm_resources.resources"][0]["id"]
        backups = {("Storage Blob Data Contributor", f"{account}/blobServices/default/containers/chroma")}
        sends = {("Monitoring Metrics Publisher", places["azurerm_application_insights.id"])}
        return {
            *([("AcrPull", places["azurerm_container_registry.id"])] if wrapped else []),
            *(sends if own else []),
            *(backups if spec == "backup" else []),
            *stored,
            *([("Monitoring Metrics Publisher", places["azurerm_linux_virtual_machine.id"])] if alarms else []),
        }
    project = cloud.needed["project_id"]
    return {
        ("roles/logging.logWriter", project),
        *([("roles/artifactregistry.reader", "chroma")] if wrapped else []),
        *([(role, project) for role in TRACES] if own else []),
        *([("roles/storage.objectUser", "acme-chroma")] if spec == "backup" else []),
        *([("roles/artifactregistry.reader", "docker-hub")] if spec == "backup" else []),  # the mirror
        *([("roles/secretmanager.secretAccessor", cloud.stored[1])] if secrets else []),
        *([("roles/monitoring.metricWriter", project)] if alarms else []),
    }
