"""The examples of applications, as rendered, with their real packages, on real Chromas and a real Collector.

Each runs under `strace`: every address that it speaks to is on this machine.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import VERSIONS, missing

# What each makes of one query, beside the requests over HTTP.
CLIENTS = {"python": "FastAPI._query", "openllmetry": "chroma.query", "openlit": "GET books"}
CONTINUE = ["0.6.3"]  # the trace of `traceparent`; the others begin one of their own
TRACEPARENT = re.compile(r" traceparent/00-([0-9a-f]{32})-([0-9a-f]{16})-01$")
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(params=CLIENTS)
def name(request):
    return request.param


@pytest.fixture
def deployment(render, otelcol, sink, chroma):
    """deployment(version, client) -> a folder with the example, Chroma and collector at its service."""

    def run(version, name="python"):
        rendered = render(chroma_version=version, backend="otlp", client=name)
        collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
        server = chroma(version, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered)
        return Deployment(rendered / "clients" / name, server, collector, sink)

    return run


class Deployment:
    def __init__(self, folder, server, collector, sink):
        self.folder, self.server, self.collector, self.sink = folder, server, collector, sink

    @property
    def places(self):
        """Where the servers of a test listen, in place of what settings.env says."""
        return {
            "CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(self.server.port),
            "CHROMA_OTEL_COLLECTION_ENDPOINT": self.collector.grpc,
        }

    def application(self, tools, *program, cwd=None):
        """Runs the example, or another program with its packages; gives what it prints."""
        strace = shutil.which("strace") or missing("strace")
        python = tools.part(f"clients/{self.folder.name}/bin/python")
        calls = self.folder.parent / "calls"
        command = [strace, "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", calls, python]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder.parent)}
        done = subprocess.run(
            [*command, *(program or [self.folder / "app.py"])], env=environment | self.places,
            cwd=cwd or self.folder, capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.spoken_to = {one or other for one, other in ADDRESS.findall(calls.read_text())}
        return done.stdout

    def spans(self):
        """All that arrived, once everybody is gone: those of the application, those of Chroma."""
        self.server.stop()
        assert self.collector.stop() == 0, self.collector.log
        return self.sink.spans("books"), self.sink.spans("chromadb")


def trace_of(output):
    return re.search(r"^trace ([0-9a-f]{32})$", output, re.MULTILINE).group(1)


def of_kind(kind, spans):
    return [span for span in spans if span["kind"] == kind]


def asked(requests):
    """Chroma's spans of requests by which the application asked: not those of the test's own probes."""
    return [span for span in requests if "traceparent/" in span["attributes"].get("user_agent.original", "")]


def test_client_and_server_spans_arrive_and_are_found_from_each_other(deployment, tools, version, name):
    running = deployment(version, name)
    output = running.application(tools)
    assert "found moby-dick among 3 books" in output
    application, server = running.spans()
    trace = trace_of(output)
    own = [span for span in application if span["trace_id"] == trace]
    assert {"find a book"} <= {span["name"].removesuffix(".workflow") for span in own}
    assert CLIENTS[name] in {span["name"] for span in own}
    [root] = [span for span in own if not span["parent_span_id"]]
    assert root["name"].startswith("find a book")
    calls = {(span["trace_id"], span["span_id"]): span for span in of_kind("CLIENT", application)}
    requests = of_kind("SERVER", server)
    if version in CONTINUE:
        pairs = [(span["trace_id"], span["parent_span_id"]) for span in requests]
    else:
        assert not {span["trace_id"] for span in application} & {span["trace_id"] for span in server}
        assert asked(requests) == requests, "a request without `traceparent` in its user agent"
        pairs = [TRACEPARENT.search(span["attributes"]["user_agent.original"]).groups() for span in requests]
    for pair, request in zip(pairs, requests):
        assert calls[pair]["attributes"]["http.method"] == request["attributes"]["http.request.method"]
    # A query is one call of the application's and one of Chroma's spans.
    [query] = [pair for pair, request in zip(pairs, requests) if request["attributes"]["http.route"].endswith("/query")]
    assert query[0] == trace
    assert len(set(pairs)) == len(pairs) >= 4


def test_nobody_else_is_spoken_to_and_no_contents_leave(deployment, tools, version, name):
    running = deployment(version, name)
    running.application(tools)
    assert running.spoken_to and running.spoken_to <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    application, server = running.spans()
    assert application and server
    assert found_in(running.folder, [*application, *server]) == []


@pytest.mark.parametrize("name", ["openllmetry", "openlit"])
def test_without_export_py_contents_would_leave(deployment, tools, name):
    """The day this fails, the packages have learned it, and export.py can go."""
    running = deployment("1.5.9", name)
    leaky = "import app, export; export.without_contents = lambda span: span; app.main()"
    running.application(tools, "-c", leaky)
    application, _ = running.spans()
    assert "a captain hunts a white whale" in found_in(running.folder, application)


def found_in(folder, spans):
    """What of the books, the question and the embeddings is in the spans."""
    given = importlib.util.spec_from_file_location("books", folder / "books.py")
    books = importlib.util.module_from_spec(given)
    given.loader.exec_module(books)
    texts = [*books.BOOKS.values(), "hunting a whale"]
    vectors = [", ".join(map(str, books.embed(text)[:6])) for text in texts]
    said = json.dumps(spans)
    return [text for text in (*texts, *vectors) if text in said]


def test_prices_are_not_fetched(deployment, tools):
    """What strace shows of a program that does speak to others, such as OpenLIT without our pricing.json."""
    running = deployment("1.5.9", "openlit")
    running.application(tools, "-c", "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))")
    assert running.spoken_to == {"192.0.2.1"}


def test_the_packages_are_those_of_the_requirements(deployment, tools, name):
    running = deployment("1.5.9", name)
    check = ["-m", "pip", "install", "--dry-run", "--no-index", "--requirement", "requirements.txt"]
    assert "Would install" not in running.application(tools, *check)
    pinned = (running.folder / "requirements.txt").read_text() + (running.folder / "constraints.txt").read_text()
    frozen = running.application(tools, "-m", "pip", "freeze")
    loose = [line for line in frozen.lower().splitlines() if line not in pinned.lower()]
    assert loose == []


def test_settings_name_what_the_deployment_publishes(render, name):
    import yaml  # the test venv's

    rendered = render(client=name)
    lines = (rendered / "clients" / name / "settings.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    services = yaml.safe_load((rendered / "docker-compose.yaml").read_text())["services"]
    assert f"{settings['CHROMA_HOST']}:{settings['CHROMA_PORT']}:8000" in services["chroma"]["ports"]
    collector = settings["CHROMA_OTEL_COLLECTION_ENDPOINT"].removeprefix("http://")
    assert f"{collector}:4317" in services["otel-collector"]["ports"]


def test_headers_of_the_deployment_stay_there(deployment, tools):
    """Chroma's client reads a `.env` in the folder where it is started; that of the deployment has the key."""
    running = deployment("1.5.9")
    dotenv = "CHROMA_OTEL_COLLECTION_HEADERS='x-api-key=hunter2'\nHONEYCOMB_API_KEY=hunter2\n"
    (running.folder.parents[1] / ".env").write_text(dotenv)
    running.application(tools, cwd=running.folder.parents[1])
    application, _ = running.spans()
    assert application


@pytest.mark.parametrize("version", ["1.0.20", "1.5.9"], indirect=True)  # 0.x: both are in one trace
def test_a_refusal_names_the_trace_of_the_server(deployment, tools, version):
    running = deployment(version)
    ask = "import os, chromadb; chromadb.HttpClient('127.0.0.1', os.environ['CHROMA_PORT']).get_collection('nobody')"
    said = running.application(tools, "-c", f"try: exec({ask!r})\nexcept Exception as error: print(error)")
    _, server = running.spans()
    [refused] = [span for span in of_kind("SERVER", server) if "nobody" in span["attributes"]["url.path"]]
    assert said.rstrip().endswith(f"(trace ID: {refused['trace_id']})")


def test_the_rust_example_and_chroma_share_what_the_python_ones_do(deployment, tools, version):
    running = deployment(version)
    environment = {**running.places, "CHROMA_OTEL_SERVICE_NAME": "books"}
    program = tools.program("examples/chroma_http")
    done = subprocess.run([program, running.server.url], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "found moby-dick" in done.stdout
    application, server = running.spans()
    requests = of_kind("SERVER", server)
    assert {span["trace_id"] for span in application} == {trace_of(done.stdout)}
    calls = {(span["trace_id"], span["span_id"]) for span in of_kind("CLIENT", application)}
    if version in CONTINUE:
        pairs = {(span["trace_id"], span["parent_span_id"]) for span in requests}
    else:
        pairs = {TRACEPARENT.search(span["attributes"]["user_agent.original"]).groups() for span in requests}
    assert pairs == calls and len(calls) == 3
    assert found_in(running.folder, [*application, *server]) == []
