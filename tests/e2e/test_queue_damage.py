"""Damaged queue files, such as a power failure leaves: the entrypoint moves them aside, and tracing goes on."""

import random

import pytest
from conftest import eventually, free_ports, start_sink
from test_collector import send

pytestmark = pytest.mark.collector

ENDPOINT = "CHROMA_OTEL_COLLECTION_ENDPOINT"
SPANS = 400


def overwrite_pages(file):
    """Writes noise over pages behind the two meta pages."""
    pages = file.stat().st_size // 4096
    noise = random.Random(1)
    with file.open("r+b") as out:
        for page in range(2, pages, 3):
            out.seek(page * 4096)
            out.write(noise.randbytes(4096))


def truncate(file):
    with file.open("r+b") as out:
        out.truncate(5000)


def halve(file):
    with file.open("r+b") as out:
        out.truncate(file.stat().st_size // 2)


def clear_meta_pages(file):
    with file.open("r+b") as out:
        out.write(bytes(2 * 4096))


def empty(file):
    file.write_bytes(b"")


DAMAGES = [overwrite_pages, truncate, halve, clear_meta_pages, empty]


@pytest.fixture
def queue(tmp_path, render, otelcol):
    """A folder with the queue of a collector that could not send, and was killed."""
    folder = tmp_path / "queue"
    (nobody,) = free_ports(1)
    collector = otelcol(render(backend="otlp"), {ENDPOINT: f"http://127.0.0.1:{nobody}"}, queue=folder)
    for _ in range(SPANS // 20):
        send(collector, *({"attributes": {"filler": "x" * 2000}} for _ in range(20)))
    size = SPANS * 2000
    eventually(lambda: sum(file.stat().st_size for file in folder.iterdir()) > size, "the spans in the queue", 30)
    collector.process.kill()
    collector.process.wait()
    return folder


def restart(tools, start, tmp_path, render, otelcol, queue):
    """A sink, and a collector with the queue that sends to it."""
    sink = start_sink(tools, start, tmp_path)
    return sink, otelcol(render(backend="otlp", out="again"), {ENDPOINT: sink.grpc}, queue=queue)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_queue_is_moved_aside_and_tracing_goes_on(tools, start, tmp_path, render, otelcol, queue, damage):
    [file] = [file for file in queue.iterdir() if file.is_file()]
    damage(file)
    kept = file.read_bytes()
    sink, collector = restart(tools, start, tmp_path, render, otelcol, queue)
    send(collector, {"name": "after"})
    sink.wait_for(lambda spans: [span for span in spans if span["name"] == "after"], "the span after the damage")
    aside = list(queue.glob("*.damaged-*"))
    if damage is empty:
        assert not aside
    else:
        assert [one.read_bytes() for one in aside] == [kept]
        assert f"the queue `{file}` is damaged" in collector.log


def test_undamaged_queue_is_sent_completely(tools, start, tmp_path, render, otelcol, queue):
    sink, _ = restart(tools, start, tmp_path, render, otelcol, queue)
    sink.wait_for(lambda spans: len(spans) >= SPANS and spans, f"{SPANS} spans")
    assert not list(queue.glob("*.damaged-*"))
