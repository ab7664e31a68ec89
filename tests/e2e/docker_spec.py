"""Renders deployments of target docker from a spec, including custom backends."""

import json

import pytest


@pytest.fixture
def deploy(render, tmp_path):
    """deploy({key of `tracing`: value}, key of the spec: value, …) -> the folder of a deployment."""

    def run(tracing, **keys):
        spec = {"target": "docker", "tracing": {"backend": "otlp", **tracing}, **keys}
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        return render(spec="spec.json")

    return run


def stand_in(folder, **more):
    """Writes a custom backend file; returns the keys of `tracing` that select it."""
    told = {
        "summary": "A stand-in",
        "documentation": "https://example.com/",
        "traces": "nowhere",
        "example": "http://example:4317",
        "exporter": "otlp",
    }
    (folder / "stand-in.json").write_text(json.dumps({**told, **more}))
    return {"backend": None, "backend_file": "stand-in.json"}
