"""The collector in tiered mode: routers and members."""

import json
import signal

import pytest
from conftest import eventually, free_ports, get
from kubernetes_collector import cluster, run  # noqa: F401 (fixtures)
from test_collector import ask, request_of_1x, samples, send

pytestmark = [pytest.mark.collector, pytest.mark.kubernetes]

MEMBERS = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
MEMBER = "chroma-otel-member"
NAME = f"{MEMBER}.chroma.svc"  # the name that routers resolve


@pytest.fixture
def tiers(run, render, sink, cluster, tmp_path):
    """tiers -> (routers, members by address, hosts, member): both tiers as rendered, with members at separate
    addresses. `hosts(*addresses)` sets the addresses of the headless Service, `member(address)` starts a
    member."""
    rendered = render(target="kubernetes", backend="otlp", endpoint="http://backend:4317", collector_mode="tiered")
    file, (port,) = tmp_path / "hosts", free_ports(1)
    cluster.allowed.add("/api/v1/namespaces/chroma/pods")

    def hosts(*addresses):
        file.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {NAME}\n" for address in addresses))

    def member(address):
        more = {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{address}:{port}"}}}}}
        return run(
            rendered, MEMBER, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc}, more, tmp_path / f"queue-{address}"
        )

    def router():
        # A separate mount namespace has the test's hosts file.
        through = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc/hosts; shift; exec "$@"', "-", file]
        resolver = {"resolver": {"dns": {"port": str(port), "interval": "1s"}}}
        more = {"exporters": {"load_balancing": resolver, "load_balancing/metrics": resolver}}
        return run(rendered, "chroma-otel-router", more=more, through=through)

    hosts(*MEMBERS)
    members = {address: member(address) for address in MEMBERS}
    routers = [router() for _ in range(2)]
    return routers, members, hosts, member


def accepted(server):
    return sum(samples(get(server.telemetry), "otelcol_receiver_accepted_spans"))


def trace(number):
    """The sixteen spans of a trace, to be sent one at a time, as from several services."""
    return [
        {
            "name": f"{number}-{part}",
            "traceId": f"{number * 2654435761 % 2**128:032x}",
            "spanId": f"{number * 16 + part + 1:016x}",
        }
        for part in range(16)
    ]


def test_all_spans_of_a_trace_reach_one_member(tiers, sink):
    routers, members, _, _ = tiers
    traces = [trace(number) for number in range(1, 61)]
    for part in range(16):
        send(routers[part % 2], *(spans[part] for spans in traces))
    wanted = {span["name"] for spans in traces for span in spans}
    arrived = sink.wait_for(lambda spans: {span["name"] for span in spans} == wanted and spans, seconds=60)
    assert len(arrived) == len(wanted)  # no duplicates
    assert {span["resource"]["k8s.pod.name"] for span in arrived} == {"chroma-0"}
    # Spans in the sink do not identify the member; the members' counters show that each had complete traces.
    counted = [accepted(server) for server in members.values()]
    assert sum(counted) == len(wanted) and all(count > 0 and count % 16 == 0 for count in counted), counted


def test_all_metrics_of_a_service_reach_one_member(tiers, sink, chroma, tools, tmp_path):
    routers, members, _, _ = tiers
    for router in routers:
        send(router, request_of_1x(200, "/api/v2/tenants"))
    body = {
        "resourceMetrics": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "chromadb"}}]},
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "collection_add",
                                "sum": {
                                    "aggregationTemporality": 2,
                                    "isMonotonic": True,
                                    "dataPoints": [
                                        {"asInt": "3", "startTimeUnixNano": "1", "timeUnixNano": "1700000000000000000"}
                                    ],
                                },
                            }
                        ]
                    }
                ],
            }
        ]
    }
    for router in routers:
        assert ask(f"{router.http}/v1/metrics", json.dumps(body)) == 200

    def seen():
        pages = [get(server.prometheus) for server in members.values()]
        return [samples(page, "collection_add_total") for page in pages]

    values = eventually(lambda: (found := [value for value in seen() if value]) and found, seen)
    assert values == [[3]]


def test_lost_and_returning_member_loses_no_spans(tiers, sink):
    routers, members, hosts, member = tiers
    gone = MEMBERS[0]
    first = [span for number in range(1, 41) for span in trace(number)]
    send(routers[0], *first)
    sink.wait_for(lambda spans: len({span["name"] for span in spans}) == len(first), seconds=60)
    members[gone].stop(signal.SIGKILL)
    second = [span for number in range(101, 141) for span in trace(number)]
    send(routers[0], *second)
    hosts(*MEMBERS[1:])  # the Service no longer has the member
    wanted = {span["name"] for span in first + second}
    sink.wait_for(lambda spans: {span["name"] for span in spans} == wanted, seconds=120)
    member(gone)
    hosts(*MEMBERS)
    third = [span for number in range(201, 241) for span in trace(number)]
    send(routers[0], *third)
    wanted |= {span["name"] for span in third}
    sink.wait_for(lambda spans: {span["name"] for span in spans} == wanted, seconds=120)
