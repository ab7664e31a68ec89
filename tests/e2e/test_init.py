"""`init` on a terminal: it asks for what is missing, repeats a question with an invalid answer, and writes the
deployment."""

import os
import pty
import subprocess

import pytest

pytestmark = pytest.mark.docker


def answered(tools, home, answers):
    """The exit code and the output of `init` on a terminal on which these lines are typed, then Ctrl-D."""
    terminal, other_end = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHROMA_OTEL")}
    started = subprocess.Popen(
        [tools.program("chroma-otel-deploy"), "init"],
        cwd=home,
        env=environment | {"NO_COLOR": "1"},
        stdin=other_end,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(other_end)
    os.write(terminal, "".join(f"{answer}\n" for answer in answers).encode() + b"\x04")
    printed, _ = started.communicate(timeout=60)
    os.close(terminal)
    return started.returncode, printed


def test_empty_answers_are_the_defaults(tools, tmp_path):
    code, printed = answered(tools, tmp_path, ["", "", "", ""])
    assert code == 0, printed
    assert "Target (docker, kubernetes, aws, gcp, azure) [docker]: " in printed
    spec = (tmp_path / "chroma/chroma-otel.yaml").read_text()
    assert "target: docker" in spec and "backend: jaeger" in spec
    assert (tmp_path / "chroma/docker-compose.yaml").exists()


def test_an_invalid_answer_is_explained_and_asked_again(tools, tmp_path):
    answers = ["dcoker", "docker", "honycomb", "honeycomb", "My Chroma", "search", ""]
    code, printed = answered(tools, tmp_path, answers)
    assert code == 0, printed
    assert "did you mean `docker`?" in printed and "did you mean `honeycomb`?" in printed
    assert printed.count("Name of the deployment") == 2, printed
    assert "HONEYCOMB_API_KEY" in (tmp_path / "search/docker-compose.yaml").read_text()


def test_settings_that_the_backend_requires_are_asked_for(tools, tmp_path):
    answers = ["docker", "grafana-cloud", "12 34", "", "123456", "prod-eu-west-2", "search"]
    code, printed = answered(tools, tmp_path, answers)
    assert code == 0, printed
    assert printed.count("`instance_id`: the numeric instance ID") == 3, printed
    assert "Folder" not in printed, "it would be the sixth question"
    spec = (tmp_path / "search/chroma-otel.yaml").read_text()
    assert "instance_id: '123456'" in spec and "region: prod-eu-west-2" in spec


def test_the_end_of_the_input_writes_nothing(tools, tmp_path):
    code, printed = answered(tools, tmp_path, ["docker"])
    assert code == 2, printed
    assert list(tmp_path.iterdir()) == []
