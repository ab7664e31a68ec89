"""Several backends, and a custom backend: a real Jaeger, and stand-ins for the others."""

import json
import time
import urllib.parse
from collections import Counter

import pytest
from backends import IMAGES, StandIn, collector_of, compare, generate, own_address
from conftest import eventually, get, start_sink
from test_collector import COMPLAINT, send

pytestmark = pytest.mark.collector

KEY = "key-of-honeycomb"
OWN = """
summary: Ours
documentation: https://traces.example.com/docs
traces: https://{cell}.traces.example.com
endpoint: https://{cell}.traces.example.com:8443
exporter: otlp
settings:
  cell: {what: the cell, choices: {east: e1, west: w1}}
headers: {x-team: "Team {TEAM_KEY}", x-cell: "{cell}", x-fixed: 'a$b $HOME $$ {x y} 50% "q"'}
keys:
  - {variable: TEAM_KEY, what: the team's key}
"""


@pytest.fixture
def jaeger(tools, start):
    """jaeger(address) -> a function that counts the spans in Jaeger by name."""

    def run(address):
        program = tools.part("jaeger/jaeger")
        # By default these listen on all addresses or on `localhost`, which other tests may use.
        listen = [
            f"--set=extensions.{extension}.endpoint={address}:{port}"
            for extension, port in (
                ("jaeger_query.http", 16686),
                ("jaeger_query.grpc", 16685),
                ("healthcheckv2.grpc", 13132),
            )
        ]
        environment = {"JAEGER_LISTEN_HOST": address, "OTEL_TRACES_SAMPLER": "always_off"}
        server = start("jaeger", [program, *listen], environment)
        ui = f"http://{address}:16686/api"
        server.until(lambda: get(f"{ui}/services"), "Jaeger")

        def names():
            services = json.loads(get(f"{ui}/services"))["data"] or []
            pages = (get(f"{ui}/traces?limit=1000&service={urllib.parse.quote(one)}") for one in services)
            traces = [trace for page in pages for trace in json.loads(page)["data"]]
            return Counter(
                span["operationName"]
                for trace in traces
                for span in trace["spans"]
                if span["operationName"].startswith("span ")
            )

        return names

    return run


def counted(sink):
    return Counter(span["name"] for span in sink.spans())


@pytest.mark.parametrize("image", IMAGES)
def test_unavailable_backend_does_not_delay_the_others(tools, start, tmp_path, jaeger, image):
    elsewhere = {"jaeger": own_address(), "honeycomb.internal": own_address()}
    in_jaeger = jaeger(elsewhere["jaeger"])
    stand_in = StandIn(tools, start, tmp_path, [("zipkin", 9411, False)], own_address(), elsewhere)
    flags = ["--target", "docker", "--image", image]
    for name in ("jaeger", "honeycomb", "zipkin"):
        flags += ["--backend", name]
    flags += ["--setting", "honeycomb.endpoint=http://honeycomb.internal:14317"]
    rendered = generate(tools, tmp_path, flags, {"HONEYCOMB_API_KEY": KEY})
    collector = collector_of(tools, start, tmp_path, rendered, stand_in)
    expected = Counter()
    for turn in range(3):
        names = [f"span {turn} {number}" for number in range(20)]
        expected.update(names)
        now = str(time.time_ns())  # Jaeger shows only the last two days
        times = {"startTimeUnixNano": now, "endTimeUnixNano": now}
        send(
            collector,
            *(
                {"name": name, "spanId": f"{turn * 100 + number + 1:016x}", **times}
                for number, name in enumerate(names)
            ),
        )
        eventually(lambda: in_jaeger() == expected, lambda: f"Jaeger; there are: {in_jaeger()}")
        eventually(lambda: counted(stand_in.sink) == expected, lambda: f"Zipkin; there are: {counted(stand_in.sink)}")
    honeycomb = start_sink(tools, start, tmp_path, f"--any={elsewhere['honeycomb.internal']}:14317")
    eventually(lambda: counted(honeycomb) == expected, lambda: f"Honeycomb; there are: {counted(honeycomb)}", 60)
    place = ("honeycomb.internal", 14317, False)
    path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    compare(honeycomb.spans()[0], "grpc", place, path, {"x-honeycomb-team": KEY})
    compare(stand_in.sink.spans()[0], "zipkin", ("zipkin", 9411, False), "/api/v2/spans", {})
    assert collector.stop() == 0
    assert in_jaeger() == counted(stand_in.sink) == expected


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("as_second", [False, True], ids=["first", "second"])
def test_custom_backend_receives_spans_with_the_headers_of_its_file(tools, start, tmp_path, image, as_second):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/ours.yaml").write_text(OWN)
    spec = {"target": "docker", "tracing": {"backend_file": "files/ours.yaml", "settings": {"cell": "west"}}}
    spec["tracing"] |= {"backend": ["zipkin"]} if as_second else {}
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    place = ("w1.traces.example.com", 8443, True)
    places = [place, ("zipkin", 9411, False)]
    stand_in = StandIn(tools, start, tmp_path, places, own_address())
    rendered = generate(tools, tmp_path, ["--spec", "spec.yaml", "--image", image], {"TEAM_KEY": "a$b"})
    collector = collector_of(tools, start, tmp_path, rendered, stand_in)
    send(collector, {"name": "to ours"})
    eventually(lambda: len(stand_in.sink.spans()) == 1 + as_second, lambda: f"{stand_in.sink.spans()}\n{collector.log}")
    [span] = [span for span in stand_in.sink.spans() if span["target"]["tls"]]
    path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    compare(span, "grpc", place, path, {"x-team": "Team a$b", "x-cell": "w1", "x-fixed": 'a$b $HOME $$ {x y} 50% "q"'})
    assert collector.stop() == 0
    assert COMPLAINT.findall(collector.log) == []
