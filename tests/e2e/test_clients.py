"""The rendered example applications, with their real packages, on real Chroma servers and a real Collector.

All examples use the same Chroma server of each version, one after the other. Each runs under `strace`, which records
the addresses that it connects to.
"""

import functools
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import NEWEST, VERSIONS, chroma_starter, missing, otelcol_starter, renderer, start_sink, starting

pytestmark = pytest.mark.clients

# The span that each example creates for a query, besides the HTTP spans.
CLIENTS = {"python": "FastAPI._query", "openllmetry": "chroma.query", "openlit": "GET books"}
CONTINUE = ["0.6.3"]  # continue the trace of `traceparent`; other versions start a new trace
TRACEPARENT = re.compile(r" traceparent/00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
LEAKY = ["-c", "import app, export; export.without_contents = lambda span: span; app.main()"]
REFUSED = """
import os, chromadb, dotenv, propagation
from opentelemetry import trace
dotenv.load_dotenv("settings.env")
propagation.start()
chroma = chromadb.HttpClient(os.environ["CHROMA_HOST"], os.environ["CHROMA_PORT"])
try:
    chroma.get_collection("nobody")
except Exception as error:
    print(error.trace_id)
trace.get_tracer_provider().shutdown()
"""


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(params=CLIENTS)
def name(request):
    return request.param


class Run:
    """One run of an application: its output, and the addresses it connected to."""

    def __init__(self, command, environment, folder, calls):
        strace = shutil.which("strace") or missing("strace")
        watch = "trace=connect,sendto,sendmsg,sendmmsg"
        command = [strace, "--seccomp-bpf", "-f", "-qq", "-e", watch, "-o", calls, *command]
        self.done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
        self.spoken_to = {one or other for one, other in ADDRESS.findall(calls.read_text())}

    @property
    def output(self):
        assert self.done.returncode == 0, self.done.stdout + self.done.stderr
        return self.done.stdout


class Ground:
    """The rendered examples, and programs that run with their packages."""

    def __init__(self, tools, start, folder, version):
        self.tools, self.start, self.folder, self.version = tools, start, folder, version
        self.rendered = renderer(tools, folder)(chroma_version=version, backend="otlp", client=list(CLIENTS))
        self.server = None

    def example(self, name):
        return self.rendered / "clients" / name

    def application(self, name, endpoint, *program, **variables):
        """Runs the example, or another program with its packages. Environment variables override the addresses in
        settings.env."""
        python = self.tools.part(f"clients/{name}/bin/python")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CHROMA_PORT": str(self.server.port if self.server else 9),
            "CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint,
            **variables,
        }
        return self.run([python, *(program or ["app.py"])], environment, self.example(name))

    def run(self, command, environment, folder):
        return Run(command, environment, folder, self.folder / f"calls-{len(list(self.folder.iterdir()))}")


class Visit(Ground):
    """All examples run against one Chroma: their `runs`, and the spans that arrived after all had exited."""

    def __init__(self, tools, start, folder, version):
        super().__init__(tools, start, folder, version)
        sink = start_sink(tools, start, folder)
        self.collector = otelcol_starter(tools, start, folder)(
            self.rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc}
        )
        reporting = {"CHROMA_OTEL_COLLECTION_ENDPOINT": self.collector.grpc}
        self.server = chroma_starter(tools, start, folder)(version, reporting, self.rendered)
        self.runs = {name: self.asked(name, name) for name in CLIENTS}
        self.runs["rust"] = self.asked_in_rust()
        if version not in CONTINUE:  # version 0.6.3 continues the client's trace
            self.runs["refused"] = self.asked("refused", "python", "-c", REFUSED)
        self.server.stop()
        assert self.collector.stop() == 0, self.collector.log
        self.spans = {name: sink.spans(f"books-{name}") for name in self.runs}
        self.server_spans = sink.spans("chromadb")

    def asked(self, called, name, *program):
        variables = {"CHROMA_OTEL_SERVICE_NAME": f"books-{called}"}
        return self.application(name, self.collector.grpc, *program, **variables)

    def asked_in_rust(self):
        program = self.tools.program("examples/chroma_http")
        names = {"CHROMA_OTEL_COLLECTION_ENDPOINT": self.collector.grpc, "CHROMA_OTEL_SERVICE_NAME": "books-rust"}
        return self.run([program, self.server.url], names, self.folder)

    def calls(self):
        """The client spans of all applications, by trace id and span id."""
        spans = [span for spans in self.spans.values() for span in of_kind("CLIENT", spans)]
        return {(span["trace_id"], span["span_id"]): span for span in spans}

    def callers(self):
        """Chroma's request spans, by trace id and span id of the caller, from the parent or the user agent."""
        requests = of_kind("SERVER", self.server_spans)

        def caller(request):
            if self.version in CONTINUE:
                return request["trace_id"], request["parent_span_id"]
            return TRACEPARENT.search(request["attributes"]["user_agent.original"]).groups()

        pairs = {caller(request): request for request in requests}
        assert len(pairs) == len(requests)
        return pairs


@pytest.fixture(scope="module")
def visit(tools, tmp_path_factory):
    """visit(version) -> Visit; one per version."""

    @functools.cache
    def visit(version):
        folder = tmp_path_factory.mktemp(version)
        with starting(folder) as start:
            return Visit(tools, start, folder, version)

    return visit


@pytest.fixture(scope="module")
def ground(tools, tmp_path_factory):
    """A Chroma without tracing, for applications that send their spans directly to the sink."""
    folder = tmp_path_factory.mktemp("ground")
    with starting(folder) as start:
        ground = Ground(tools, start, folder, NEWEST)
        ground.server = chroma_starter(tools, start, folder)(NEWEST, {}, ground.rendered)
        yield ground


def sent_past_the_collector(ground, name, *program):
    sink = start_sink(ground.tools, ground.start, ground.folder)
    assert "found moby-dick" in ground.application(name, sink.grpc, *program).output
    return sink.spans("books")


def trace_of(output):
    return re.search(r"^trace ([0-9a-f]{32})$", output, re.MULTILINE).group(1)


def of_kind(kind, spans):
    return [span for span in spans if span["kind"] == kind]


def test_client_and_server_spans_arrive_and_are_linked(visit, version, name):
    seen = visit(version)
    output = seen.runs[name].output
    assert "found moby-dick among 3 books" in output
    assert found_in(seen.example(name), [*seen.spans[name], *seen.server_spans]) == []
    trace = trace_of(output)
    own = [span for span in seen.spans[name] if span["trace_id"] == trace]
    assert CLIENTS[name] in {span["name"] for span in own}
    [root] = [span for span in own if not span["parent_span_id"]]
    assert root["name"].removesuffix(".workflow") == "find a book"
    routes = [request["attributes"]["http.route"] for pair, request in seen.callers().items() if pair[0] == trace]
    ends = {route.rsplit("/", 1)[1] for route in routes}
    assert {"collections", "upsert", "query", "count"} <= ends, ends


def test_every_server_span_has_its_client_span(visit, version):
    seen = visit(version)
    calls, pairs = seen.calls(), seen.callers()
    assert pairs
    for pair, request in pairs.items():
        asked = calls[pair]["attributes"]
        asked = asked.get("http.method") or asked["http.request.method"]  # Python and Rust name it differently
        assert asked == request["attributes"]["http.request.method"]
    if version not in CONTINUE:
        applications = {span["trace_id"] for spans in seen.spans.values() for span in spans}
        assert not applications & {span["trace_id"] for span in seen.server_spans}


def is_this_machine(address):
    address = ipaddress.ip_address(address)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def test_examples_connect_only_to_this_machine(visit, version):
    for run in visit(version).runs.values():
        assert run.spoken_to and all(is_this_machine(address) for address in run.spoken_to), run.spoken_to


def test_connections_to_other_machines_are_detected(tools, start, tmp_path):
    away = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    run = Ground(tools, start, tmp_path, NEWEST).application("python", "http://127.0.0.1:9", "-c", away)
    assert run.output == "" and run.spoken_to == {"192.0.2.1"}


def test_application_exports_no_contents(ground, name):
    """The spans bypass the collector, which would also remove contents."""
    application = sent_past_the_collector(ground, name)
    assert application and found_in(ground.example(name), application) == []


@pytest.mark.parametrize("name", ["openllmetry", "openlit"], indirect=True)
def test_application_exports_contents_without_export_py(ground, name):
    """If this test fails, the packages no longer export contents and export.py can be removed."""
    application = sent_past_the_collector(ground, name, *LEAKY)
    assert "a captain hunts a white whale" in found_in(ground.example(name), application)


def found_in(folder, spans):
    """The texts of the books and the question, and the embeddings, that occur in the spans."""
    given = importlib.util.spec_from_file_location("books", folder / "books.py")
    books = importlib.util.module_from_spec(given)
    given.loader.exec_module(books)
    texts = [*books.BOOKS.values(), "hunting a whale"]
    vectors = [", ".join(map(str, books.embed(text)[:6])) for text in texts]
    said = json.dumps(spans)
    return [text for text in (*texts, *vectors) if text in said]


def test_installed_packages_match_the_requirements(render, tools, name):
    folder = render(client=name) / "clients" / name

    def pip(*words):
        command = [tools.part(f"clients/{name}/bin/pip"), "--disable-pip-version-check", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def named(text):
        return {line.lower().replace("_", "-") for line in text.splitlines()}

    installing = pip("install", "--dry-run", "--no-index", "--requirement", "requirements.txt")
    assert "Would install" not in installing
    installed = named(pip("freeze"))
    assert installed and installed - named((folder / "constraints.txt").read_text()) == set()


def test_settings_match_the_published_ports(render, name):
    import yaml  # only in the test venv

    rendered = render(client=name)
    lines = (rendered / "clients" / name / "settings.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    services = yaml.safe_load((rendered / "docker-compose.yaml").read_text())["services"]
    assert f"{settings['CHROMA_HOST']}:{settings['CHROMA_PORT']}:8000" in services["chroma"]["ports"]
    collector = settings["CHROMA_OTEL_COLLECTION_ENDPOINT"].removeprefix("http://")
    assert f"{collector}:4317" in services["otel-collector"]["ports"]


@pytest.mark.parametrize("version", ["1.0.20", NEWEST], indirect=True)  # 0.x shares one trace
def test_client_error_contains_the_trace_id_of_the_server(visit, version):
    seen = visit(version)
    [refused] = [span for span in of_kind("SERVER", seen.server_spans) if "nobody" in span["attributes"]["url.path"]]
    assert seen.runs["refused"].output.strip() == refused["trace_id"]


def test_rust_example_shares_its_trace_with_chroma(visit, version):
    seen = visit(version)
    output = seen.runs["rust"].output
    assert "found moby-dick" in output
    application = seen.spans["rust"]
    assert {span["trace_id"] for span in application} == {trace_of(output)}
    calls = {(span["trace_id"], span["span_id"]) for span in of_kind("CLIENT", application)}
    assert {pair for pair in seen.callers() if pair[0] == trace_of(output)} == calls and len(calls) == 3
    assert found_in(seen.example("python"), [*application, *seen.server_spans]) == []
