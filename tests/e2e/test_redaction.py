"""Redaction: spans and metrics contain no contents, and only the names and attributes that the spec allows.

Invariant: each test also verifies that the redacted value arrives without redaction, or creates it.
"""

import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import VERSIONS, client, eventually, get
from docker_spec import deploy, stand_in  # noqa: F401 (fixtures)
from test_collector import ENVIRONMENT, attributes, orphans, request_of_1x, send, send_metrics

pytestmark = pytest.mark.collector

COLLECTIONS = "/api/v2/tenants/tenantTOLD/databases/databaseTOLD/collections"
NAMES = ("tenantTOLD", "databaseTOLD", "collectionTOLD")
CONTENTS = ("contentTOLD", "0.123456789")
TOKEN = re.compile(r"[0-9a-f]{16}")
# Requests that no client library sends: method, path, body.
RAW = [
    (
        "GET",
        f"{COLLECTIONS}?limit=7&where=%7B%22contentTOLDkey%22%3A%22contentTOLD%26contentTOLD%3D5%22%7D&offset=1",
        None,
    ),
    ("POST", f"{COLLECTIONS}/ID/get?tenant=tenantTOLD&text=contentTOLD", '{"where_document": {"$bad": "contentTOLD"}}'),
    ("POST", COLLECTIONS, '{"name": "contentTOLD'),
    ("POST", COLLECTIONS, '{"name": 7, "metadata": {"contentTOLDkey": "contentTOLD"}}'),
    (
        "POST",
        f"{COLLECTIONS}/ID/add",
        '{"ids": ["1"], "documents": "contentTOLD", "embeddings": [[0.123456789, 0.5, 0.25]]}',
    ),
    (
        "POST",
        f"{COLLECTIONS}/ID/add",
        '{"ids": ["contentTOLD", "contentTOLD"], "embeddings": [[0.123456789, 0.5, 0.25], [0.123456789, 0.5, 0.25]]}',
    ),
    ("POST", f"{COLLECTIONS}/ID/query", '{"query_embeddings": [["contentTOLD"]]}'),
    (
        "POST",
        f"{COLLECTIONS}/ID/query",
        '{"query_embeddings": [[0.123456789]], "where": {"contentTOLDkey": {"$bad": "contentTOLD"}}}',
    ),
    ("POST", f"{COLLECTIONS}/collectionTOLD-is-no-id/get", "{}"),
    ("PUT", f"{COLLECTIONS}/ID", '{"new_name": "bad collectionTOLD!"}'),
    ("DELETE", "/api/v2/tenants/tenantTOLD/databases/databaseTOLDnobody", None),
    ("GET", "/api/v2/tenants/tenant%54OLD%20x", None),
    ("GET", "/api/v2/collections/collectionTOLD", None),
    ("GET", "/api/v1/collections/collectionTOLD?tenant=tenantTOLD&database=databaseTOLD", None),
]


def texts(span):
    """All texts of a span, without the attributes that the test adds."""
    return json.dumps(
        {key: span[key] for key in ("resource", "scope", "name", "attributes", "status_message", "events")}
    )


def marked_texts(spans, words):
    """The texts of the spans that contain one of the words."""
    return sorted({match for span in spans for match in re.findall(rf'"[^"]*(?:{"|".join(words)})[^"]*"', texts(span))})


@pytest.fixture
def marked_spans(deploy, otelcol, sink, chroma, tools):
    """marked_spans(version, granularity, redact=…) -> all spans of requests with marked names and contents."""

    def run(version, granularity="all", **tracing):
        rendered = deploy(tracing, chroma={"version": version})
        variables = {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "CHROMA_OTEL_NAMES_KEY": "0123456789abcdef"}
        run.collector = otelcol(rendered, variables)
        server = chroma(
            version,
            {"CHROMA_OTEL_COLLECTION_ENDPOINT": run.collector.grpc, "CHROMA_OTEL_GRANULARITY": granularity},
            rendered,
        )
        collection = client(tools, version, server.port, program="marked_requests.py").split()[-1]
        for method, path, body in RAW:
            request = urllib.request.Request(
                server.url + path.replace("ID", collection), body and body.encode(), method=method
            )
            request.add_header("content-type", "application/json")
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except urllib.error.HTTPError as error:
                error.close()
        server.stop()
        run.collector.stop()
        spans = sink.spans("chromadb")
        assert len([span for span in spans if span["kind"] == "SERVER"]) > 40
        return spans

    return run


@pytest.mark.parametrize("granularity", ["operation", "all"])
@pytest.mark.parametrize("version", VERSIONS)
def test_spans_never_contain_contents(marked_spans, version, granularity):
    spans = marked_spans(version, granularity)
    assert marked_texts(spans, CONTENTS) == []
    # By default, names are exported.
    assert all(marked_texts(spans, [name]) for name in NAMES)
    queries = {span["attributes"]["url.query"] for span in spans if "url.query" in span["attributes"]}
    assert {"limit=3", "limit=7&****", "****"} <= {query.removesuffix("&offset=0") for query in queries}
    if version.startswith("0."):
        messages = {event["attributes"].get("exception.message") for span in spans for event in span["events"]}
        assert "Embedding dimension 1 does not match collection dimensionality 3" in messages
        assert any(message and message.endswith(", got ****") for message in messages)
        assert 'File "' in texts(next(span for span in spans if span["events"])).replace("\\", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_hash_replaces_names_with_tokens(marked_spans, version):
    spans = marked_spans(version, redact={"names": "hash"})
    assert marked_texts(spans, (*NAMES, *CONTENTS, "%54OLD")) == []
    paths = [span["attributes"]["url.path"] for span in spans if "url.path" in span["attributes"]]
    places = [re.fullmatch(r"/api/v2/tenants/([^/]+)/databases/([^/]+)/collections(?:/.*)?", path) for path in paths]
    tenants, databases = ({place[group] for place in places if place} for group in (1, 2))
    assert len(tenants) == 1 and len(databases) == 1
    assert TOKEN.fullmatch(*tenants) and TOKEN.fullmatch(*databases) and tenants != databases
    # The same name has the same token everywhere.
    named = [of for span in spans for of in (span["attributes"], *(event["attributes"] for event in span["events"]))]
    assert tenants <= {of.get("tenant", of.get("tenant_name")) for of in named}
    assert databases <= {of.get("database", of.get("database_name")) for of in named}
    # Ids and routes are kept; request metrics use the routes.
    assert any(re.search(r"/collections/[0-9a-f]{8}-[0-9a-f-]{27}/query$", path) for path in paths)
    assert f"GET {'{path}'}" not in {span["name"] for span in spans}
    assert "/{path}" in paths
    assert any("/collections/{" in span["attributes"].get("http.route", "") for span in spans)


@pytest.mark.parametrize("version", VERSIONS)
def test_remove_replaces_names_with_placeholders(marked_spans, version):
    spans = marked_spans(version, redact={"names": "remove"})
    assert marked_texts(spans, (*NAMES, *CONTENTS, "%54OLD")) == []
    paths = {span["attributes"]["url.path"] for span in spans if "url.path" in span["attributes"]}
    assert {"/api/v2/tenants/{tenant}/databases/{database}/collections", "/api/v2/tenants/{tenant}", "/{path}"} <= paths
    assert "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection}" in paths


@pytest.mark.parametrize("names", ["hash", "remove"])
@pytest.mark.parametrize(
    "path, hidden",
    [
        # Names that are also path segments.
        (
            "tenants/collections/databases/told/collections/tenants/query",
            "tenants/TENANT/databases/DATABASE/collections/COLLECTION/query",
        ),
        ("tenants/told/databases/tenants/collections/told", "tenants/TENANT/databases/DATABASE/collections/COLLECTION"),
        (
            "tenants/databases/databases/collections/collections/databases",
            "tenants/TENANT/databases/DATABASE/collections/COLLECTION",
        ),
        ("tenants/told/databases", "tenants/TENANT/databases"),
        ("tenants/told/databases/told/collections?limit=7", "tenants/TENANT/databases/DATABASE/collections?limit=7"),
        (
            "tenants/told/databases/told/collections/51de342e-e960-449e-8003-9e3779b97f4a/get",
            "tenants/TENANT/databases/DATABASE/collections/51de342e-e960-449e-8003-9e3779b97f4a/get",
        ),
        ("collections/told", "collections/COLLECTION"),
    ],
)
def test_every_name_in_a_path_is_redacted(deploy, otelcol, sink, names, path, hidden):
    variables = {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "CHROMA_OTEL_NAMES_KEY": "k"}
    running = otelcol(deploy({"redact": {"names": names}}), variables)
    of = {"http.url": f"http://chroma:8000/api/v2/{path}", "url.path": f"/api/v2/{path}"}
    send(running, {"name": "GET", "kind": 3, "attributes": of})
    [span] = sink.wait_for(lambda spans: spans)
    seen = span["attributes"]["http.url"].removeprefix("http://chroma:8000")
    pattern = {"hash": "[0-9a-f]{16}", "remove": "[{]tenant[}]|[{]database[}]|[{]collection[}]"}[names]
    hidden = re.sub("TENANT|DATABASE|COLLECTION", f"(?:{pattern})", hidden.replace("?", "[?]"))
    assert re.fullmatch(f"/api/v2/{hidden}", seen), seen
    assert span["attributes"]["url.path"] == seen


# Spans as sent by openlit 1.45 and traceloop-sdk 0.62.
OPENLIT = {
    "name": "UPSERT collectionTOLD",
    "kind": 3,
    "attributes": {
        "db.system.name": "chroma",
        "db.operation.name": "UPSERT",
        "db.collection.name": "collectionTOLD",
        "db.query.summary": "UPSERT collectionTOLD documents=['contentTOLD'] embeddings=[[0.123456789]]",
        "db.query.text": "['contentTOLD']",
        "db.filter": "{'a': 'contentTOLD'}",
        "db.collection.metadata": "contentTOLD",
        "db.vector.count": 3,
    },
}
TRACED = {
    "name": "search",
    "attributes": {"function.args": "('contentTOLD',)", "function.kwargs": "{'a': 'contentTOLD'}"},
}
OPENLLMETRY = {
    "name": "chroma.query",
    "kind": 3,
    "status": {"code": 2, "message": "ValueError: Expected where to be a dict, got contentTOLD"},
    "attributes": {
        "db.system": "chroma",
        "db.operation": "query",
        "db.chroma.query.n_results": 1,
        "db.chroma.query.where": "{'a': 'contentTOLD'}",
        "db.chroma.get.where_document": "contentTOLD",
        "db.chroma.modify.name": "collectionTOLD",
    },
    "events": [
        {"timeUnixNano": "1700000000000000000", "name": name, "attributes": attributes(values)}
        for name, values in {
            "db.query.result": {
                "db.query.result.id": "1",
                "db.query.result.document": "contentTOLD",
                "db.query.result.metadata": "contentTOLD",
            },
            "db.query.embeddings": {"db.query.embeddings.vector": "[0.123456789]"},
            "exception": {
                "exception.type": "ValueError",
                "exception.message": "could not convert string to float: 'contentTOLD'",
            },
        }.items()
    ],
}
CALLING = {
    "name": "GET",
    "kind": 3,
    "attributes": {"http.method": "GET", "url.full": f"http://chroma:8000{COLLECTIONS}/collectionTOLD"},
}


@pytest.mark.parametrize("names", [None, "hash", "remove"])
def test_client_spans_are_redacted(deploy, otelcol, sink, names):
    variables = {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "CHROMA_OTEL_NAMES_KEY": "k"}
    running = otelcol(deploy({"redact": {"names": names} if names else {}}), variables)
    sql = {"name": "SELECT", "attributes": {"db.system.name": "sqlite", "db.query.text": "SELECT 1"}}
    send(running, OPENLIT, TRACED, OPENLLMETRY, CALLING, sql)
    spans = sink.wait_for(lambda spans: len(spans) == 5 and spans)
    assert marked_texts(spans, CONTENTS) == []
    assert bool(marked_texts(spans, NAMES)) == (names is None)
    kept = {name: value for span in spans for name, value in span["attributes"].items()}
    assert (kept["db.vector.count"], kept["db.chroma.query.n_results"], kept["db.query.text"]) == (3, 1, "SELECT 1")
    assert ("UPSERT" if names else "UPSERT collectionTOLD") in {span["name"] for span in spans}


def test_attributes_outside_the_allowlist_are_removed(deploy, otelcol, sink):
    environment = {
        "CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc,
        "OTEL_RESOURCE_ATTRIBUTES": "team=search,owner=somebody",
    }
    running = otelcol(deploy({"redact": {"allow": ["team", "app.user"]}}), environment)
    event = {
        "timeUnixNano": "1700000000000000000",
        "name": "e",
        "attributes": attributes({"app.user": "7", "app.query": "contentTOLD"}),
    }
    of_request = request_of_1x(200, "/api/v2/auth/identity")
    of_request["attributes"] |= {"app.user": "7", "app.query": "contentTOLD", "busy_ns": 7, "gen_ai.request.model": "m"}
    send(running, {**of_request, "events": [event]})
    [span] = sink.wait_for(lambda spans: spans)
    assert marked_texts([span], CONTENTS) == []
    assert span["resource"].keys() >= {
        "service.name",
        "host.name",
        "service.namespace",
        "deployment.environment.name",
        "team",
    }
    assert "owner" not in span["resource"]
    assert span["events"][0]["attributes"] == {"app.user": "7"}
    wanted = {
        "app.user": "7",
        "busy_ns": 7,
        "http.response.status_code": 200,
        "url.path": "/api/v2/auth/identity",
        "gen_ai.request.model": "m",
    }
    assert {name: span["attributes"].get(name) for name in wanted} == wanted


@pytest.mark.parametrize("redact", [{}, {"names": "hash"}, {"names": "remove"}, {"allow": ["app.user"]}], ids=str)
def test_metrics_are_redacted_like_spans(deploy, otelcol, sink, tmp_path, redact):
    rendered = deploy({**stand_in(tmp_path, metrics={}), "redact": redact}, metrics={"to_backend": True})
    running = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "CHROMA_OTEL_NAMES_KEY": "k"})
    named = {
        "db.collection.name": "collectionTOLD",
        "db.namespace": "databaseTOLD",
        "url.full": f"http://chroma:8000{COLLECTIONS}/collectionTOLD",
    }
    contents = {
        "db.query.text": "contentTOLD",
        "db.query.summary": "contentTOLD",
        "db.chroma.query.where": "contentTOLD",
    }
    secret = {"x-chroma-token": "contentTOLD", "peer": "http://user:contentTOLD@chroma"}
    other = {"app.user": "7", "app.region": "eu", "http.response.status_code": 200}
    metrics = [
        (
            name,
            kind,
            [
                {**named, **contents, **secret, **other, "db.collection.name": one}
                for one in ("collectionTOLD", "collectionTOLDtoo")
            ],
        )
        for name, kind in (("app.calls", "sum"), ("app.took", "histogram"), ("app.busy", "gauge"))
    ]
    assert send_metrics(running, *metrics, owner="somebody") == 200

    def arrived():
        return {metric["name"]: metric for metric in sink.read("metric") if metric["name"].startswith("app.")}

    eventually(lambda: len(arrived()) == 3, arrived)
    page = eventually(lambda: get(running.prometheus), "a page")
    found = [
        word
        for word in (*NAMES, *CONTENTS)
        if word in page or any(word in json.dumps(metric) for metric in arrived().values())
    ]
    # Names are kept unless `redact.names` is set; `tenantTOLD` is in the URL.
    assert found == ([] if "names" in redact else [*NAMES])
    lines = [line for line in page.splitlines() if line.startswith(("app_calls_total", "app_took_count", "app_busy"))]
    assert len(lines) == (3 if "names" in redact else 6), lines
    if "names" in redact:  # the series of both names are merged
        values = {line.split("{")[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
        assert values == {"app_calls_total": 2, "app_took_count": 2, "app_busy": 1}
    assert all('http_response_status_code="200"' in line and 'app_user="7"' in line for line in lines)
    assert all(('app_region="eu"' in line) == ("allow" not in redact) for line in lines)
    assert {"owner" in metric["resource"] for metric in arrived().values()} == {"allow" not in redact}


@pytest.mark.parametrize("version", VERSIONS)
def test_empty_allowlist_keeps_the_attributes_of_requests(deploy, otelcol, sink, chroma, tools, version):
    rendered = deploy({"redact": {"allow": []}}, chroma={"version": version})
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    server = chroma(version, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered)
    client(tools, version, server.port, "fill", "query")
    server.stop()
    collector.stop()
    spans = sink.spans("chromadb")
    requests = [span["attributes"] for span in spans if span["kind"] == "SERVER"]
    assert len(requests) >= 8
    needed = {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "url.path",
        "server.address",
        "server.port",
        "user_agent.original",
    }
    assert all(needed <= of.keys() for of in requests)
    assert {span["resource"]["service.version"] for span in spans} == {version}
    assert set(orphans(spans)) <= ({"read"} if not version.startswith("0.") else set())


@pytest.mark.parametrize(
    "image, tracing",
    [
        ("wrapped", {"redact": {"names": "hash"}}),  # the published image cannot check the key
        *(
            (image, tracing)
            for image in ("wrapped", "stock")
            for tracing in (
                {"redact": {"names": "remove", "allow": []}},
                {"sampling": {"ratio": 0.5}},
                {"sampling": {"ratio": 0.1, "errors": True, "slower_than": "2s"}},
            )
        ),
    ],
    ids=str,
)
def test_collector_accepts_redaction_and_sampling_configurations(deploy, tools, image, tracing):
    tracing = {"endpoint": "https://collector.example.com:443", **tracing}
    rendered = deploy(tracing, chroma={"image": image}, metrics={"to_backend": True})
    variables = {
        **ENVIRONMENT,
        "CHROMA_OTEL_NAMES_KEY": "k",
        "CHROMA_OTEL_METRICS_URL": "http://backend:4318/v1/metrics",
    }
    command = [tools.otelcol, "validate", "--config", rendered / "otel-collector.yaml"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
