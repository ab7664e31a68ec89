"""The real Collector accepts every configuration that is rendered for Kubernetes."""

import json
import re
import subprocess

import pytest
from backends import PRESETS, Case
from conftest import HERE
from kubernetes_collector import documents
from test_collector import ENVIRONMENT

pytestmark = [pytest.mark.collector, pytest.mark.kubernetes]


def check_configurations(tools, rendered, folder, keys):
    """Validates each rendered configuration with the real Collector; returns the number of configurations."""
    import yaml

    trees = documents(rendered)
    maps = [
        one for one in trees if one["kind"] == "ConfigMap" and re.search("-otel-.*-config$", one["metadata"]["name"])
    ]
    found = [one["data"]["config.yaml"] for one in maps]
    found += [yaml.safe_dump(one["spec"]["config"]) for one in trees if one["kind"] == "OpenTelemetryCollector"]
    for number, configuration in enumerate(found):
        file = folder / f"{number}.yaml"
        file.write_text(configuration)
        command = [tools.otelcol, "validate", "--config", file]
        done = subprocess.run(
            command,
            env={**ENVIRONMENT, "CHROMA_OTEL_METRICS_URL": "http://backend:4318/v1/metrics", **keys},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return len(found)


@pytest.mark.parametrize("way", ["gateway", "tiered", "operator", "stock"])
@pytest.mark.parametrize("backend", [name for name, preset in PRESETS.items() if "identity" not in preset])
def test_collector_accepts_the_configuration_of_every_backend(render, tools, tmp_path, backend, way):
    """Backends with a cloud identity are tested in test_backend_aws.py and test_backend_google.py."""
    case = Case(backend)
    tracing = {"backend": backend, "settings": case.settings, **({"endpoint": case.given} if case.given else {})}
    spec = {
        "target": "kubernetes",
        "tracing": tracing,
        "metrics": {"to_backend": "metrics" in case.preset},
        "chroma": {"image": "stock" if way == "stock" else "wrapped"},
        "collector": {"gateway": {}, "tiered": {"mode": "tiered"}, "operator": {"operator": True}, "stock": {}}[way],
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    rendered = render(target="kubernetes", spec="spec.yaml")
    assert check_configurations(tools, rendered, tmp_path, case.keys) == (2 if way == "tiered" else 1)


@pytest.mark.parametrize("spec", ["kubernetes-several", "kubernetes-operator-several", "eks-several"])
def test_collector_accepts_configurations_with_several_backends(render, tools, tmp_path, spec):
    file = HERE.parent / f"specs/{spec}.yaml"
    rendered = render(target=re.search(r"^target: (\w+)", file.read_text(), re.M)[1], spec=file)
    read = set(re.findall(r"secretKeyRef: \{name: chroma-keys, key: (\w+)", (rendered / "collector.yaml").read_text()))
    of_cloud = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
    keys = {**of_cloud, **{name: "key" for name in read if name not in ENVIRONMENT}}
    assert check_configurations(tools, rendered, tmp_path, keys) > 0
