"""Every backend file: the real Collector validates the rendered configuration, every choice of a setting selects
its host, and missing keys are reported. Exports are tested in test_backends_wrapped.py and
test_backends_stock.py; backends with a cloud identity or another exporter in test_backend_*.py."""

import re
import subprocess

import pytest
from backends import IMAGES, OTHERS, PRESETS, WIRE, Case, choices, composed, generate
from conftest import HERE, start_collector
from test_collector import COMPLAINT, send

pytestmark = pytest.mark.collector

LOCAL = [
    name for name, preset in PRESETS.items() if "identity" not in preset or preset["identity"].get("replaces_keys")
]
WITH_KEYS = [name for name in LOCAL if "keys" in PRESETS[name]]
WITH_CHOICES = [name for name in LOCAL if any("choices" in one for one in PRESETS[name].get("settings", {}).values())]


def validated(tools, command, environment, configuration):
    """The exit code and output of the Collector's `validate`, which prints nothing for a valid configuration."""
    inside = "/etc/otelcol-contrib/config.yaml"
    command = command or ["--", "/otelcol-contrib", "--config", inside]
    at = command.index("--")
    entrypoint = [tools.program("chroma-otel-entrypoint"), *command[:at], "--"] if at else []
    words = ["validate", "--config", configuration]
    assert command[at + 2 :] == ["--config", inside]
    done = subprocess.run([*entrypoint, tools.otelcol, *words], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("backend", LOCAL)
def test_collector_accepts_the_configuration(tools, tmp_path, checked, backend, image):
    checked(backend, "validate")
    case = Case(backend)
    rendered = generate(tools, tmp_path, case.flags(image), case.keys)
    code, said = validated(tools, *composed(tools, rendered), rendered / "otel-collector.yaml")
    if missing := re.search(r'unknown type: "(\w+)"', said):
        pytest.skip(f"{backend}: the Collector that could be built here has no {missing[1]}")
    assert (code, said) == (0, "")


@pytest.mark.parametrize("backend", WITH_CHOICES)
def test_every_choice_of_a_setting_has_a_distinct_host(tools, tmp_path, checked, backend):
    hosts = {}
    for number, (chosen, case, known) in enumerate(choices(backend)):
        rendered = generate(tools, tmp_path, case.flags("wrapped"), case.keys, out=f"rendered-{number}")
        _, environment = composed(tools, rendered)
        host = re.fullmatch(r"https?://([^/:]+)(:\d+)?(/.*)?", environment["CHROMA_OTEL_COLLECTION_ENDPOINT"])[1]
        assert host == case.place[0]
        hosts[host] = chosen
        if known:
            checked(backend, "second source")
            assert host == case.wire["host"], chosen
    assert len(hosts) == number + 1


def test_wire_yaml_contains_only_existing_backends():
    assert sorted(set(WIRE) - PRESETS.keys()) == []


@pytest.mark.parametrize("backend", OTHERS)
def test_backends_with_other_exporters_have_a_separate_test(backend):
    if PRESETS[backend]["exporter"] == "debug":
        return  # test_debug_backend_logs_spans
    tests = [file for file in HERE.glob("test_backend_*.py") if f'checked("{backend}"' in file.read_text()]
    if not tests:
        pytest.skip(f"{backend}: there is no stand-in for {PRESETS[backend]['exporter']}, nothing was exported")


@pytest.mark.parametrize("image", IMAGES)
def test_debug_backend_logs_spans(tools, start, tmp_path, checked, image):
    checked("debug", image)
    rendered = generate(tools, tmp_path, Case("debug").flags(image))
    command, environment = composed(tools, rendered)
    collector = start_collector(
        tools, start, tmp_path, rendered / "otel-collector.yaml", command, environment, tmp_path / "queue"
    )
    send(collector, {"name": "to be seen"})
    collector.until(lambda: "to be seen" in collector.log, "the span")
    assert collector.stop() == 0
    assert COMPLAINT.findall(collector.log) == []


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("backend", WITH_KEYS)
def test_missing_key_prevents_the_start(tools, tmp_path, checked, backend, image):
    checked(backend, "keys")
    case = Case(backend)
    rendered = generate(tools, tmp_path, case.flags(image), case.keys)
    command, environment = composed(tools, rendered)
    asked = (rendered / ".env.example").read_text()
    written = (rendered / ".env").read_text()
    for variable in case.keys:
        assert re.search(rf"^#?{variable}=", asked, re.MULTILINE), asked
        [line] = re.findall(rf"^{variable}=.*\n", written, re.MULTILINE)
        for without in ("", f"{variable}=\n"):
            (rendered / ".env").write_text(written.replace(line, without))
            refused = composed(tools, rendered, check=False)
            assert refused.returncode != 0 and variable in refused.stderr, refused.stderr
        if image == "stock":
            continue
        at = command.index("--")
        for value in ({}, {variable: ""}, {variable: "  "}):
            left = {name: text for name, text in environment.items() if name != variable} | value
            words = [tools.program("chroma-otel-entrypoint"), *command[: at + 1], "/bin/true"]
            done = subprocess.run(words, env=left, capture_output=True, text=True)
            assert done.returncode == 64 and f"`{variable}` is not set" in done.stderr, done.stderr
    (rendered / ".env").write_text(written)
    assert composed(tools, rendered)[1] == environment
