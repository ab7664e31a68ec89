"""Azure's metadata service and the services that a machine calls, for services.py."""

import gzip
import json
import re
from datetime import UTC, datetime

from services import TOKENS, Refused, made, note, registry

HEADERS = {}
USER = "00000000-0000-0000-0000-000000000000"
# The resources of tokens; a trailing slash is ignored.
AUDIENCES = (
    "https://vault.azure.net",
    "https://management.azure.com",
    "https://monitor.azure.com",
    "https://monitoring.azure.com",
    "https://containerregistry.azure.net",
)


def metadata(request):
    request.must(request.method == "GET", 405, "method")
    request.must(
        request.headers.get("Metadata", "").lower() == "true",
        400,
        {"error": "Bad request. Required metadata header not specified"},
    )
    request.must("X-Forwarded-For" not in request.headers, 400, {"error": "Bad request. X-Forwarded-For"})
    request.must(
        re.fullmatch(r"20\d\d-\d\d-\d\d", request.query.get("api-version", "")),
        400,
        {"error": "Bad request. api-version"},
    )
    if request.path == "/metadata/identity/oauth2/token":
        resource, identity = request.query.get("resource", "").rstrip("/"), request.query.get("client_id")
        request.must(resource in AUDIENCES, 400, {"error": "invalid_resource", "error_description": "AADSTS500011"})
        request.must(
            identity == made()["client_id"],
            400,
            {"error": "invalid_request", "error_description": "Identity not found"},
        )
        token = TOKENS.give(resource)
        return {
            "access_token": token,
            "client_id": identity,
            "expires_in": "86399",
            "resource": resource,
            "token_type": "Bearer",
        }, {}
    instance = made()["instance"]
    if request.path == "/metadata/instance":
        return instance, {}
    for part in request.path.removeprefix("/metadata/instance/").split("/"):
        request.must(isinstance(instance, dict) and part in instance, 404, {"error": "Not found"})
        instance = instance[part]
    request.must(
        isinstance(instance, str) and request.query.get("format") == "text", 400, {"error": "Bad request. format"}
    )
    return instance, {}


def service(request):
    if request.path == "/v2.1/track":
        return track(request)
    if request.place.endswith(".vault.azure.net"):
        return vault(request)
    if request.place.endswith(".azurecr.io"):
        if request.path == "/oauth2/exchange":
            return exchange(request)
        return registry(request, "/oauth2/token", lambda name, password: check_login(request, name, password))
    if request.place == f"{made()['location']}.monitoring.azure.com":
        return measure(request)
    raise Refused(404, "no such service")


def vault(request):
    challenge = f'Bearer authorization="https://login.microsoftonline.com/{USER}", resource="https://vault.azure.net"'
    try:
        TOKENS.check(request.headers.get("Authorization"), "https://vault.azure.net")
    except Refused:
        raise Refused(
            401, {"error": {"code": "Unauthorized", "message": "AKV10000"}}, WWW_Authenticate=challenge
        ) from None
    request.must(request.method == "GET", 405, "method")
    version = request.query.get("api-version")
    request.must(
        version in ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"),
        400,
        {"error": {"code": "BadParameter", "message": "api-version"}},
    )
    found = re.fullmatch(r"/secrets/([0-9A-Za-z-]{1,127})/?", request.path)
    request.must(found, 400, {"error": {"code": "BadParameter", "message": "path"}})
    address = f"https://{request.place}/secrets/{found[1]}"
    secrets = made()["secrets"]
    request.must(
        address in secrets,
        403,
        {
            "error": {
                "code": "Forbidden",
                "message": "Caller is not authorized to perform action on resource.",
                "innererror": {"code": "ForbiddenByRbac"},
            }
        },
    )
    request.must(
        secrets[address] is not None,
        404,
        {"error": {"code": "SecretNotFound", "message": f"A secret with (name/id) {found[1]} was not found"}},
    )
    return {"value": secrets[address], "id": f"{address}/0123456789abcdef", "attributes": {"enabled": True}}, {}


def exchange(request):
    form = request.form()
    request.must(request.method == "POST" and form.get("grant_type") == "access_token", 400, "grant_type")
    request.must(form.get("service") == request.place, 400, "service")
    purpose = TOKENS.given.get(form.get("access_token"))
    allowed = ("https://management.azure.com", "https://containerregistry.azure.net")
    request.must(purpose in allowed, 401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
    return {"refresh_token": TOKENS.give(f"refresh {request.place}")}, {}


def check_login(request, name, password):
    request.must("AcrPull" in made()["roles"], 403, "denied")
    # The user name for tokens, and the token that the exchange issued.
    request.must(name == USER and TOKENS.given.get(password) == f"refresh {request.place}", 401, "no such login")
    note(login=request.place)


def measure(request):
    TOKENS.check(request.headers.get("Authorization"), "https://monitoring.azure.com")
    request.must("Monitoring Metrics Publisher" in made()["roles"], 403, "denied")
    request.must(request.method == "POST" and request.path == f"{made()['machine']}/metrics", 404, "no such resource")
    request.must(
        request.headers.get("Content-Type") in ("application/json", "application/x-ndjson"), 415, "content type"
    )
    lines = request.body.decode().splitlines() if "ndjson" in request.headers["Content-Type"] else [request.body]
    for line in lines:
        body = json.loads(line)
        age = (datetime.now(UTC) - datetime.fromisoformat(body["time"].replace("Z", "+00:00"))).total_seconds()
        request.must(-240 < age < 1200, 400, "time")
        data = body["data"]["baseData"]
        [series] = data["series"]
        request.must(len(data.get("dimNames", [])) == len(series.get("dimValues", [])) <= 10, 400, "dimensions")
        numbers = [series[name] for name in ("min", "max", "sum", "count")]
        request.must(all(isinstance(one, (int, float)) for one in numbers) and series["count"] >= 1, 400, "series")
        labels = dict(zip(data.get("dimNames", []), series.get("dimValues", []), strict=True))
        note(metric=f"{data['namespace']}/{data['metric']}", value=series["sum"], labels=labels)
    return "", {}


def track(request):
    """Application Insights without local authentication."""
    TOKENS.check(request.headers.get("Authorization"), "https://monitor.azure.com")
    request.must("Monitoring Metrics Publisher" in made()["roles"], 403, "denied")
    request.must(request.method == "POST", 405, "method")
    items = [json.loads(line) for line in gzip.decompress(request.body).decode().splitlines()]
    for item in items:
        note(telemetry=item["data"]["baseData"].get("name"), key=item["iKey"])
    return {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}, {}


def serve_grpc():
    """Azure has no service that uses gRPC here."""
