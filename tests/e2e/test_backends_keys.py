"""Keys with special characters, in every place of a configuration: they arrive unchanged, or are rejected by name
before the collector starts."""

import json
import subprocess

import pytest
from backends import IMAGES, StandIn, basic, collector_of, composed, generate, own_address
from conftest import eventually
from test_collector import send

pytestmark = pytest.mark.collector

# Values that a shell, Compose, YAML or the Collector could interpret or convert.
KEYS = [
    "01234567890123456789012345678901",
    "007",
    "1e3",
    "0x1F",
    "1_000",
    "12345.60",
    "true",
    "null",
    "~",
    "no",
    "2024-01-01",
    "a$b",
    "$HOME",
    "a$",
    "$(id)",
    "`id`",
    "a b",
    "a  b",
    'a"b',
    "a'b",
    "a'b\"c",
    "a\\b",
    "a\\nb",
    "=a==",
    "a=b=",
    "a,b",
    "a:b",
    "a #b",
    "#a",
    "a{b}",
    "a{KEY_0}",
    "[a]",
    "%41",
    "&a",
    "*a",
    "!a",
    "@a",
    "|",
    ">",
    "-",
    "- a",
    "a?",
    "a;b",
    "a}b",
]
# Values that the Collector would expand: the entrypoint escapes them; without it, they are rejected.
EXPANDED = ["${", "${HOME}", "a${HOME}b", "${env:HOME}", "$$", "a$$b", "$$$", "$${HOME}"]
# Values that the Collector would parse as mappings.
MAPPINGS = ["1: 2", "1:", "{1: 2}", "? 1", "true: a"]
OPERATOR = "CHROMA_OTEL_COLLECTION_HEADERS"


def variable(number):
    return f"KEY_{number}"


def named(name, number):
    """A header name such as `x-whole-1`."""
    return f"x-{name}-{number}"


def files(folder, keys, port):
    """Custom backends with each key in every place: the first one in the entrypoint's headers, the others in the
    configuration."""
    common = {"summary": "s", "documentation": "https://d.example", "traces": "t"}
    numbers = range(len(keys))
    asked = lambda numbers: [{"variable": variable(number), "what": "a key"} for number in numbers]
    endpoint = f"http://keys.example.com:{port}"
    headers = {named("whole", n): f"{{{variable(n)}}}" for n in numbers} | {
        named("part", n): f"Bearer {{{variable(n)}}};" for n in numbers
    }
    of_setting = {named("setting", n): f"{{{variable(n)}}}" for n in numbers}
    backends = {
        "first": {"exporter": "otlp", "endpoint": f"{endpoint}/first", "headers": headers, "keys": asked(numbers)},
        "again": {"exporter": "otlp_http", "endpoint": f"{endpoint}/again", "headers": headers, "keys": asked(numbers)},
        "component": {
            "keys": asked(numbers),
            "exporter": {
                "name": "otlp_http",
                "queue": True,
                "settings": {"traces_endpoint": f"{endpoint}/component", "headers": of_setting},
            },
        },
    } | {
        f"basic-{n}": {
            "exporter": "otlp_http",
            "endpoint": f"{endpoint}/basic-{n}",
            "keys": asked([n]),
            "extension": {
                "name": "basicauth",
                "settings": {"client_auth": {"username": "user", "password": f"{{{variable(n)}}}"}},
            },
        }
        for n in numbers
    }
    flags = ["--target", "docker"]
    for name, backend in backends.items():
        (folder / f"{name}.yaml").write_text(json.dumps(common | backend))
        flags += ["--backend-file", f"{name}.yaml"]
    return flags


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("part", range(3))
def test_keys_arrive_unchanged(tools, start, tmp_path, part, image):
    keys = (KEYS + (EXPANDED if image == "wrapped" else []))[part::3]  # the stand-in accepts 100 headers per request
    stand_in = StandIn(tools, start, tmp_path, [("keys.example.com", 4318, False)], own_address())
    own = {named("own", number): key for number, key in enumerate(keys)}
    flags = [*files(tmp_path, keys, 4318), "--image", image, "--headers", json.dumps(own)]
    rendered = generate(tools, tmp_path, flags, {variable(number): key for number, key in enumerate(keys)})
    collector = collector_of(tools, start, tmp_path, rendered, stand_in)
    send(collector, {"name": "with keys"})
    paths = ["first", "again", "component", *(f"basic-{number}" for number in range(len(keys)))]

    def arrived():
        spans = {span["target"]["path"].split("/")[1]: span["headers"] for span in stand_in.sink.spans()}
        return spans if len(spans) == len(paths) else None

    headers = eventually(
        arrived, lambda: f"requests; there are: {[span['target'] for span in stand_in.sink.spans()]}\n{collector.log}"
    )
    assert sorted(headers) == sorted(paths)
    for number, key in enumerate(keys):
        for path in ("first", "again"):
            assert headers[path][named("whole", number)] == key, path
            assert headers[path][named("part", number)] == f"Bearer {key};", path
        assert headers["first"][named("own", number)] == key
        assert headers["component"][named("setting", number)] == key
        assert headers[f"basic-{number}"]["authorization"] == basic("user", key)


@pytest.mark.parametrize("key", EXPANDED + MAPPINGS)
def test_stock_image_rejects_keys_that_the_collector_would_change(tools, tmp_path, key):
    flags = files(tmp_path, [key], 4318)
    said = generate(tools, tmp_path, [*flags, "--image", "stock"], {variable(0): key}, refused=True)
    assert f"error: {variable(0)}: " in said and "image: wrapped" in said
    assert not (tmp_path / "rendered").exists()
    harmless = {variable(0): "harmless"}
    said = generate(
        tools, tmp_path, [*flags, "--image", "stock", "--headers", json.dumps({"x-own": key})], harmless, refused=True
    )
    assert "error: CHROMA_OTEL_HEADER_X_OWN: " in said
    assert not (tmp_path / "rendered").exists()


@pytest.mark.parametrize("key", MAPPINGS)
def test_entrypoint_rejects_keys_that_are_yaml_mappings(tools, tmp_path, key):
    """Keys in a header of the first backend are valid: only the entrypoint reads them."""
    flags = files(tmp_path, [key], 4318)
    for given, code in ((flags[:4], 0), (flags, 64)):
        rendered = generate(tools, tmp_path, given, {variable(0): key}, out=f"rendered-{code}")
        command, environment = composed(tools, rendered)
        words = [tools.program("chroma-otel-entrypoint"), *command[: command.index("--") + 1], "/usr/bin/env"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == code
        if code:
            assert f"`{variable(0)}`" in done.stderr and key not in done.stderr
        else:
            assert json.dumps(f"Bearer {key};") in done.stdout


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("key", ["a\\", "a\\'b", "a\nb"])
def test_gen_rejects_keys_that_an_env_file_cannot_hold(tools, tmp_path, key, image):
    flags = files(tmp_path, [key], 4318)
    said = generate(tools, tmp_path, [*flags, "--image", image], {variable(0): key}, refused=True)
    assert f"error: {variable(0)}: " in said and key not in said
    assert not (tmp_path / "rendered").exists()


@pytest.mark.parametrize("key", ["", "  ", "a\nb", "a\x01b", "\N{SNOWMAN}"])
def test_entrypoint_rejects_keys_that_are_invalid_in_headers(tools, tmp_path, key):
    flags = files(tmp_path, ["fine"], 4318)
    rendered = generate(tools, tmp_path, flags, {variable(0): "fine"})
    command, environment = composed(tools, rendered)
    words = [tools.program("chroma-otel-entrypoint"), *command[: command.index("--") + 1], "/bin/true"]
    for name, value in ((variable(0), key), (OPERATOR, f"x-own={key}" if key.strip() else "x-own")):
        done = subprocess.run(words, env=environment | {name: value}, capture_output=True, text=True)
        assert done.returncode == 64 and f"`{name}`" in done.stderr, done.stderr
        assert not key.strip() or key not in done.stderr


def test_entrypoint_removes_quotes_around_a_key(tools, tmp_path):
    """Docker's `--env-file` keeps quotes, which other programs remove."""
    flags = files(tmp_path, ["fine"], 4318)
    rendered = generate(tools, tmp_path, flags, {variable(0): "fine"})
    command, environment = composed(tools, rendered)
    words = [tools.program("chroma-otel-entrypoint"), *command[: command.index("--") + 1], "/usr/bin/env"]
    for quoted in ('"in quotes"', "'in quotes'"):
        done = subprocess.run(words, env=environment | {variable(0): quoted}, capture_output=True, text=True)
        assert f"\n{variable(0)}=in quotes\n" in done.stdout and '"Bearer in quotes;"' in done.stdout
