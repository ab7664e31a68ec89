"""`versions.env` pins the versions that a rendered deployment uses."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = dict(re.findall(r'^(\w+)="?([^"\n]*)', (ROOT / "versions.env").read_text(), re.MULTILINE))


def texts(folder, *endings):
    """The contents of the files below a folder with these endings."""
    return [file.read_text() for file in (ROOT / folder).rglob("*") if file.name.endswith(endings)]


@pytest.mark.parametrize(
    "image, name",
    [
        ("otel/opentelemetry-collector-contrib", "COLLECTOR_VERSION"),
        ("jaegertracing/jaeger", "JAEGER_VERSION"),
        ("chromadb/chroma", "CHROMA_VERSION"),
    ],
)
def test_recipes_use_the_pinned_version(image, name):
    rendered = "".join(texts("deploy", ".yaml", "Dockerfile"))
    assert set(re.findall(rf"{image}:(\d+\.\d+\.\d+)", rendered)) == {PINNED[name]}


def test_zipkin_backend_uses_the_pinned_version():
    [zipkin] = texts("templates/backends", "zipkin.yaml")
    assert f"openzipkin/zipkin:{PINNED['ZIPKIN_VERSION']}" in zipkin


def test_newest_chroma_is_the_last_pinned_version():
    [source] = texts("crates/chroma-otel-init/src", "version.rs")
    newest = re.search(r"const NEWEST: Self = Self::new\((\d+), (\d+), (\d+)\)", source)
    assert PINNED["CHROMA_VERSIONS"].split()[-1] == PINNED["CHROMA_VERSION"] == ".".join(newest.groups())


def test_collector_is_built_at_the_pinned_version():
    manifest = (ROOT / "tests/e2e/otelcol.yaml").read_text()
    assert re.search(r"^  version: (.*)$", manifest, re.MULTILINE)[1] == PINNED["COLLECTOR_VERSION"]
