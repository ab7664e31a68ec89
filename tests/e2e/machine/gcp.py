"""Google's metadata server and the services that a machine calls, for services.py."""

import base64
import json
import re
from concurrent import futures

from services import TOKENS, Refused, made, note, registry

HEADERS = {"Metadata-Flavor": "Google"}
SERVING = []
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def metadata(request):
    attributes = made()["metadata"]
    pages = {
        "/": "computeMetadata/\n",
        "/computeMetadata/v1/project/project-id": made()["project"],
        "/computeMetadata/v1/project/numeric-project-id": "123456789012",
        "/computeMetadata/v1/instance/zone": f"projects/123456789012/zones/{made()['zone']}",
        "/computeMetadata/v1/instance/name": made()["name"],
        "/computeMetadata/v1/instance/id": "4520031799277581759",
        "/computeMetadata/v1/instance/hostname": f"{made()['name']}.{made()['zone']}.c.{made()['project']}.internal",
    }
    pages |= {f"/computeMetadata/v1/instance/attributes/{name}": value for name, value in attributes.items()}
    if request.path != "/":
        request.must(request.headers.get("Metadata-Flavor") == "Google", 403, "Missing Metadata-Flavor:Google header.")
    request.must("X-Forwarded-For" not in request.headers, 403, "X-Forwarded-For")
    guest = re.fullmatch(r"/computeMetadata/v1/instance/guest-attributes/([^/]+)/([^/]+)", request.path)
    if guest and request.method == "PUT":
        request.must(
            attributes.get("enable-guest-attributes", "").upper() == "TRUE", 403, "guest attributes are disabled"
        )
        request.must(len(request.body) <= 32768, 400, "too large")
        return "", {"guest": "/".join(guest.groups()), "value": request.body.decode()}
    request.must(request.method == "GET", 405, "method")
    if request.path == "/computeMetadata/v1/instance/service-accounts/default/token":
        asked = request.query.get("scopes", SCOPE).split(",")
        request.must(
            SCOPE in made()["scopes"] or set(asked) <= set(made()["scopes"]), 403, "the machine has not these scopes"
        )
        return {"access_token": TOKENS.give("google"), "expires_in": 3599, "token_type": "Bearer"}, {}
    request.must(request.path in pages, 404, "not found")
    return pages[request.path], {}


def service(request):
    project = re.escape(made()["project"])
    if request.place.endswith("-docker.pkg.dev"):
        return registry(request, "/v2/token", lambda name, password: check_login(request, name, password))
    try:
        TOKENS.check(request.headers.get("Authorization"), "google")
    except Refused:
        raise Refused(401, error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")) from None
    for place, method, path, answer in (
        (
            "secretmanager.googleapis.com",
            "GET",
            r"/v1/(projects/[^/]+/secrets/[\w-]+)/versions/(latest|\d+):access",
            access,
        ),
        ("logging.googleapis.com", "POST", "/v2/entries:write", write),
        ("monitoring.googleapis.com", "POST", f"/v3/projects/{project}/timeSeries", measure),
    ):
        if place == request.place and method == request.method and (found := re.fullmatch(path, request.path)):
            return answer(request, *found.groups())
    raise Refused(404, error(404, "NOT_FOUND", "Method not found."))


def allowed(role):
    if role not in made()["roles"]:
        raise Refused(403, error(403, "PERMISSION_DENIED", f"the machine has not {role}"))


def error(code, status, message):
    return {"error": {"code": code, "message": message, "status": status}}


def check_login(request, name, password):
    request.must("roles/artifactregistry.reader" in made()["roles"], 403, "denied")
    # The user name for tokens, and the machine's token.
    request.must(name == "oauth2accesstoken" and TOKENS.given.get(password) == "google", 401, "no such login")
    note(login=request.place)


def access(request, name, _):
    secrets = made()["secrets"]
    if name not in secrets:  # Google responds the same for a missing secret
        raise Refused(
            403,
            error(
                403, "PERMISSION_DENIED", f"Permission 'secretmanager.versions.access' denied for resource '{name}'."
            ),
        )
    if secrets[name] is None:
        raise Refused(404, error(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions."))
    data = base64.b64encode(secrets[name].encode()).decode()
    return {"name": f"{name}/versions/1", "payload": {"data": data, "dataCrc32c": "0"}}, {}


def write(request):
    allowed("roles/logging.logWriter")
    body = request.json()
    entries = body.get("entries") or []
    request.must(
        entries and not set(body) - {"logName", "resource", "labels", "entries", "partialSuccess", "dryRun"},
        400,
        "form",
    )
    for entry in entries:
        name = entry.get("logName") or body.get("logName") or ""
        request.must(re.fullmatch(f"projects/{made()['project']}/logs/[\\w.%-]+", name), 400, "logName")
        resource = entry.get("resource") or body.get("resource") or {}
        request.must(resource.get("type"), 400, "resource.type")
        request.must({"textPayload", "jsonPayload"} & set(entry), 400, "payload")
        note(
            log=name,
            text=entry.get("textPayload") or entry["jsonPayload"],
            severity=entry.get("severity"),
            resource=resource,
        )
    return {}, {}


def measure(request):
    allowed("roles/monitoring.metricWriter")
    series, seen = request.json().get("timeSeries") or [], set()
    request.must(0 < len(series) <= 200, 400, "timeSeries")
    for one in series:
        kind = one["metric"]["type"]
        request.must(re.fullmatch(r"custom\.googleapis\.com/[\w/]+", kind), 400, "metric.type")
        resource = one["resource"]
        needed = {
            "gce_instance": {"instance_id", "zone"},
            "generic_node": {"location", "namespace", "node_id"},
            "global": set(),
            "generic_task": {"location", "namespace", "job", "task_id"},
        }.get(resource["type"])
        request.must(needed is not None and needed <= {*resource.get("labels", {}), "project_id"}, 400, "resource")
        key = json.dumps([one["metric"], resource], sort_keys=True)
        request.must(key not in seen, 400, "a series twice")
        seen.add(key)
        [point] = one["points"]
        request.must(
            re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", point["interval"]["endTime"]),
            400,
            "endTime",
        )
        [(typed, value)] = point["value"].items()
        request.must(typed in ("doubleValue", "int64Value"), 400, "value")
        request.must(typed != "doubleValue" or isinstance(value, (int, float)), 400, "doubleValue")
        note(metric=kind, value=float(value), labels=one["metric"].get("labels", {}), resource=resource)
    return {}, {}


def serve_grpc():
    """The service that Docker's log driver `gcplogs` calls; returns the port."""
    import grpc
    from google.cloud.logging_v2.types import WriteLogEntriesRequest, WriteLogEntriesResponse

    def write_entries(request, context):
        given = dict(context.invocation_metadata())
        try:
            TOKENS.check(given.get("authorization"), "google")
            allowed("roles/logging.logWriter")
        except Refused as refused:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, str(refused.said))
        for entry in request.entries:
            name = entry.log_name or request.log_name
            text = entry.text_payload or json.dumps(dict(entry.json_payload or {}), default=dict)
            resource = entry.resource if entry.resource.type else request.resource
            note(log=name, text=text, by="grpc", resource={"type": resource.type, "labels": dict(resource.labels)})
        return WriteLogEntriesResponse()

    serialize = lambda message: type(message).serialize(message)
    handler = grpc.unary_unary_rpc_method_handler(write_entries, WriteLogEntriesRequest.deserialize, serialize)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    name = "google.logging.v2.LoggingServiceV2"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"WriteLogEntries": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    SERVING.append(server)  # the server stops without a reference
    return port
