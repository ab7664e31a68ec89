"""Helpers of the backend tests: the backend files, the expected requests (from wire.yaml and from the files), and
a stand-in that serves every protocol under the vendors' host names.

Invariant: no list of backends is written here; a new file is tested without an edit.
"""

import base64
import contextlib
import itertools
import json
import os
import re
import subprocess
import urllib.parse

import pytest
from conftest import HERE, ROOT, eventually, start_collector, start_sink, starting
from test_collector import COMPLAINT, ask, attributes, send

yaml = pytest.importorskip("yaml")

PRESETS = {file.stem: yaml.safe_load(file.read_text()) for file in sorted((ROOT / "templates/backends").glob("*.yaml"))}
WIRE = yaml.safe_load((HERE / "wire.yaml").read_text())
IMAGES = ["wrapped", "stock"]
# Paths that the contract keeps; it appends the first one to any other path.
ENDS = ("/v1/traces", "/api/v2/spans", "/v2/trace/otlp")
GRPC = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
# Headers that the protocols add.
OF_PROTOCOL = {
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "host",
    "te",
    "user-agent",
}
CONTENT_TYPES = {"grpc": "application/grpc", "http": "application/x-protobuf", "zipkin": "application/json"}


def protocol_of(preset, url):
    """`grpc`, `http` or `zipkin`; None if the stand-in does not support the exporter."""
    if preset["exporter"] in ("zipkin", "otlp_http"):
        return {"zipkin": "zipkin", "otlp_http": "http"}[preset["exporter"]]
    parts = urllib.parse.urlsplit(url)
    return "http" if parts.port == 4318 or parts.path.strip("/") else "grpc"


def spoken(preset):
    """Whether the stand-in can replace the backend: OTLP or Zipkin JSON, without a cloud identity."""
    return preset["exporter"] in ("otlp", "otlp_http", "zipkin") and "identity" not in preset


SPOKEN = [name for name, preset in PRESETS.items() if spoken(preset)]
OTHERS = [name for name in PRESETS if name not in SPOKEN]


class Case:
    """A backend with the operator's settings; `more` is a case of wire.yaml that overrides the others."""

    def __init__(self, name, more=None):
        self.name, self.preset = name, PRESETS[name]
        self.wire = {**WIRE.get(name, {}), **(more or {})}
        if "endpoint" in (more or {}):  # the case does not define a metrics endpoint
            self.wire["metrics"] = {key: value for key, value in self.wire.get("metrics", {}).items() if key != "path"}
        # Settings missing from wire.yaml have their default, a choice, or an arbitrary word.
        self.settings = {}
        for key, setting in self.preset.get("settings", {}).items():
            said = self.wire.get("settings", {}).get(key)
            choices = setting.get("choices") or {}
            self.settings[key] = said or setting.get("default") or next(iter(choices), "word-1")
        self.texts = {
            key: (self.preset["settings"][key].get("choices") or {}).get(value, value)
            for key, value in self.settings.items()
        }
        self.given = self.wire.get("endpoint") or ("endpoint" not in self.preset and self.preset.get("example")) or None
        self.endpoint = self.given or self.in_place(self.preset.get("endpoint", ""))
        self.operator_headers = self.wire.get("operator_headers", {})
        self.keys = {key["variable"]: f"key-of-{key['variable'].lower()}" for key in self.preset.get("keys", [])}

    def in_place(self, text):
        for name, value in {**self.texts, **getattr(self, "keys", {})}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def flags(self, image, metrics=True):
        flags = ["--target", "docker", "--backend", self.name, "--image", image]
        for name, value in self.settings.items():
            flags += ["--setting", f"{name}={value}"]
        flags += ["--endpoint", self.given] if self.given else []
        flags += ["--headers", json.dumps(self.operator_headers)] if self.operator_headers else []
        return flags + (["--metrics-to-backend"] if metrics and "metrics" in self.preset else [])

    @property
    def protocol(self):
        return protocol_of(self.preset, self.endpoint)

    @property
    def place(self):
        """(host, port, whether TLS is used)."""
        parts = urllib.parse.urlsplit(self.endpoint)
        tls = parts.scheme == "https"
        plain = {"grpc": 4317, "http": 4318, "zipkin": 9411}[self.protocol]
        return parts.hostname, parts.port or (443 if tls else plain), tls

    def expected(self, of_wire):
        """The address, paths and headers of its requests, from its own file or from wire.yaml."""
        if of_wire:
            wire = self.wire
            host, tls = wire["host"], wire["tls"]
            port = wire.get("port", 443)
            path = wire.get("path", GRPC.format("trace", "Trace"))
            metrics = wire.get("metrics", {})
            metrics_path = metrics.get(
                "path", GRPC.format("metrics", "Metrics") if wire["protocol"] == "grpc" else None
            )
            headers = {name: self.word(text) for name, text in wire["headers"].items()}
            delta = metrics.get("temporality")
            return wire["protocol"], (host, port, tls), path, metrics_path, headers, delta and delta == "delta"
        intake = self.preset.get("metrics")
        path, metrics_path = GRPC.format("trace", "Trace"), GRPC.format("metrics", "Metrics")
        if self.protocol != "grpc":
            path = urllib.parse.urlsplit(self.endpoint).path.rstrip("/")
            path += "" if path.endswith(ENDS) else ENDS[0]
            metrics_path = path.replace("/v1/traces", "/v1/metrics")
            if intake and "endpoint" in intake and not self.given:
                metrics_path = urllib.parse.urlsplit(self.in_place(intake["endpoint"])).path
        headers = {name: self.in_place(text) for name, text in self.preset.get("headers", {}).items()}
        if self.preset.get("extension", {}).get("name") == "basicauth":
            auth = self.preset["extension"]["settings"]["client_auth"]
            headers["authorization"] = basic(self.in_place(auth["username"]), self.in_place(auth["password"]))
        headers |= self.operator_headers
        return self.protocol, self.place, path, metrics_path, headers, (intake or {}).get("delta", False)

    def word(self, text):
        """A header value of wire.yaml, with the keys inserted."""
        value = lambda word: self.keys.get(word, word)
        if isinstance(text, dict):
            return basic(*map(value, text["basic"]))
        return re.sub(r"\b[A-Z][A-Z0-9_]+\b", lambda found: value(found[0]), text)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def variants(name):
    """Cases of wire.yaml with more operator options than settings."""
    more = WIRE.get(name, {}).get("more", [])
    return [Case(name, one) for one in more if "endpoint" in one or "operator_headers" in one]


def choices(name):
    """One case for every choice of every setting."""
    settings = PRESETS[name].get("settings", {})
    keys = [key for key, setting in settings.items() if "choices" in setting]
    for chosen in itertools.product(*(settings[key]["choices"] for key in keys)):
        chosen = dict(zip(keys, chosen, strict=True))
        wire = WIRE.get(name, {})
        said = wire.get("settings", {})
        known = [one for one in wire.get("more", []) if one.get("settings", {}) == {**said, **chosen}]
        yield chosen, Case(name, {"settings": {**said, **chosen}, **(known[0] if known else {})}), bool(known)


def generate(tools, folder, flags, environment=None, out="rendered", refused=False):
    """The rendered folder, or the error output if `gen` is expected to fail."""
    command = [tools.program("chroma-otel-deploy"), "gen", "--out", folder / out, *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment or {})
    assert done.returncode == (2 if refused else 0), done.stderr
    return done.stderr if refused else folder / out


def composed(tools, rendered, check=True):
    """The collector's container as the real Compose resolves it from the rendered files: (command, environment)."""
    compose = tools.part("plugins/cli-plugins/docker-compose")
    done = subprocess.run([compose, "config", "--format", "json"], cwd=rendered, env={}, capture_output=True, text=True)
    if not check:
        return done
    assert done.returncode == 0, done.stderr
    service = json.loads(done.stdout)["services"]["otel-collector"]
    plain = lambda text: (text or "").replace("$$", "$")  # Compose prints it escaped for a Compose file
    return list(map(plain, service.get("command") or [])), {
        name: plain(value) for name, value in service["environment"].items()
    }


class StandIn:
    """Receives requests to any of these addresses, under the real host names and ports, on a separate loopback
    address."""

    def __init__(self, tools, start, folder, places, address, elsewhere=None):
        """`places` are (host, port, whether TLS is used); `elsewhere` has the addresses of further names."""
        hosts, ports = {host for host, _, _ in places}, {port for _, port, _ in places}
        names = dict.fromkeys(sorted(hosts), address) | (elsewhere or {})
        self.hosts = folder / "hosts"
        self.hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in names.items()))
        options = [f"--any={address}:{port}" for port in sorted(ports)]
        options += [f"--tls-name={host}" for host in sorted(hosts)]
        self.authority = folder / "tls/ca.pem"
        self.sink = start_sink(tools, start, folder, "--tls-dir", folder / "tls", *options)

    @property
    def through(self):
        """A command prefix: in a separate mount namespace, the collector resolves names with this hosts file."""
        return ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc/hosts; shift; exec "$@"', "-", self.hosts]

    def wait_for(self, kind, name, seconds=30):
        def found():
            return [one for one in self.sink.read(kind) if one["name"] == name]

        return eventually(found, lambda: f"no {kind} `{name}`", seconds)


COUNTER = itertools.count()


def own_address():
    """A loopback address that no other test process uses."""
    pid = os.getpid()
    return f"127.{64 + next(COUNTER) % 64}.{pid >> 8 & 255}.{max(pid & 255, 1)}"


@pytest.fixture(scope="module")
def stand_in(tools, tmp_path_factory):
    """A stand-in for all supported backends at all their addresses."""
    folder = tmp_path_factory.mktemp("stand-in")
    places = {case.place for name in SPOKEN for case in (Case(name), *variants(name))}
    with starting(folder) as start:
        yield StandIn(tools, start, folder, places, own_address())


def collector_of(tools, start, folder, rendered, stand_in, ready=True, more=None):
    """The real Collector, started as the deployment starts it; it trusts the stand-in's certificate authority."""
    command, environment = composed(tools, rendered)
    environment |= {"SSL_CERT_FILE": str(stand_in.authority)}
    return start_collector(
        tools,
        start,
        folder,
        rendered / "otel-collector.yaml",
        command,
        environment,
        folder / "queue",
        ready=ready,
        more=more,
        through=stand_in.through,
    )


def send_metric(collector, name):
    """Sends a counter whose data point covers one second."""
    import time

    begin = time.time_ns()
    point = {"startTimeUnixNano": str(begin), "timeUnixNano": str(begin + 10**9), "asInt": "7"}
    metric = {"name": name, "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}}
    resource = {"attributes": attributes({"service.name": "sender"})}
    body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}
    assert ask(f"{collector.http}/v1/metrics", json.dumps(body)) == 200


def compare(record, protocol, place, path, headers):
    """Checks that a request matches the expected protocol, address, path and headers."""
    host, port, tls = place
    target, sent = record["target"], record["headers"]
    bare = [host] if port == (443 if tls else 80) else []
    assert target["authority"] in [f"{host}:{port}", *bare]
    assert (target["tls"], target["path"]) == (tls, path)
    assert sent["content-type"] == CONTENT_TYPES[protocol]
    of_protocol = {name: text for name, text in headers.items() if name in OF_PROTOCOL}
    assert of_protocol.items() <= sent.items()
    own = {name: value for name, value in sent.items() if name not in OF_PROTOCOL}
    assert own == {name: text for name, text in headers.items() if name not in OF_PROTOCOL}


@contextlib.contextmanager
def exporting(tools, start, folder, case, image, stand_in):
    """(collector, name of its span), after a span and a metric are sent."""
    rendered = generate(tools, folder, case.flags(image), case.keys)
    collector = collector_of(tools, start, folder, rendered, stand_in)
    name = f"{case.name} {next(COUNTER)}"
    send(collector, {"name": f"{name} a"}, {"name": f"{name} b"})
    if "metrics" in case.preset:
        send_metric(collector, name.replace(" ", "."))
    yield collector, name
    collector.stop()
    assert COMPLAINT.findall(collector.log) == []
    for value in case.keys.values():
        assert value not in collector.log


def check_export(tools, start, folder, case, image, stand_in, checked):
    """Spans, and metrics if supported, arrive with the headers that the vendor requires."""
    with exporting(tools, start, folder, case, image, stand_in) as (_, name):
        checked(case.name, image)
        spans = [stand_in.wait_for("span", f"{name} {part}")[0] for part in "ab"]
        taken = case.preset.get("metrics") is not None
        metrics = stand_in.wait_for("metric", name.replace(" ", ".")) if taken else []
        sources = ["headers"] + (["second source"] if case.name in WIRE else [])
        for of_wire, column in enumerate(sources):
            checked(case.name, column)
            protocol, place, path, metrics_path, headers, delta = case.expected(of_wire=bool(of_wire))
            for span in spans:
                compare(span, protocol, place, path, headers)
            for metric in metrics:
                checked(case.name, "metrics")
                if metrics_path:
                    compare(metric, protocol, place, metrics_path, headers)
                wanted = {True: "DELTA", False: "CUMULATIVE"}.get(delta)
                assert (metric["kind"], metric["temporality"]) == ("SUM", wanted or metric["temporality"])
