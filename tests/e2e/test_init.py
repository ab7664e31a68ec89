"""`init` on a terminal: it asks for what is missing, repeats a question with an invalid answer, and writes the
deployment."""

import os
import pty
import re
import subprocess

import pytest

pytestmark = pytest.mark.docker


def answered(tools, home, answers, *flags):
    """The exit code and the output of `init` on a terminal on which these lines are typed, then Ctrl-D."""
    terminal, other_end = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHROMA_OTEL")}
    started = subprocess.Popen(
        [tools.program("chroma-otel-deploy"), "init", *flags],
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
    [backends] = re.findall("Backends: ([^:]*)$", printed.partition("Trace backend")[0])
    names = backends.replace("\n", " ").strip().split(", ")
    assert {"jaeger", "grafana-cloud", "azure-monitor"} < set(names) and "aws-xray" not in names, names
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


def test_the_backend_fits_the_target(tools, tmp_path):
    code, printed = answered(tools, tmp_path, ["docker", "aws-xray", "jaeger", "", ""])
    assert code == 0, printed
    assert "hint: use `--target aws` or another backend" in printed
    assert printed.count("Trace backend") == 2, printed


def test_the_location_in_a_cloud_is_asked_for(tools, tmp_path):
    answers = ["aws", "", "vpc-1", "vpc-01234567", "", "eu-central-1", "eu-central-1a"]
    code, printed = answered(tools, tmp_path, answers)
    assert code == 0, printed
    assert printed.count("`--network`: the VPC's id (empty: later): ") == 2, printed
    assert "hint: use `vpc-` and 8 or 17 hexadecimal digits" in printed
    spec = (tmp_path / "chroma/chroma-otel.yaml").read_text()
    assert "network: vpc-01234567" in spec and "zone: eu-central-1a" in spec and "subnet" not in spec
    left = printed.partition("you still have to set")[2]
    assert "machine.subnet (SubnetId)" in left and "machine.allow_from (AllowedCidr)" in left, printed


def test_a_value_that_a_cluster_requires_cannot_be_left_out(tools, tmp_path):
    answers = ["aws", "", "", "eu-central-1", "", "search", ""]
    code, printed = answered(tools, tmp_path, answers, "--platform", "kubernetes")
    assert code == 0, printed
    question = "`--cluster-region`, required, because the endpoint of `aws-xray` depends on the region: "
    assert printed.count(question) == 2, printed
    assert "region: eu-central-1" in (tmp_path / "search/chroma-otel.yaml").read_text()


def test_another_deployment_needs_another_name(tools, tmp_path):
    assert answered(tools, tmp_path, ["", "", "", ""])[0] == 0
    first = (tmp_path / "chroma/chroma-otel.yaml").read_bytes()
    code, printed = answered(tools, tmp_path, ["", "zipkin", "", "chroma", "second", "chroma", ""])
    assert code == 0, printed
    assert printed.count("error: chroma: has a deployment\n  hint: choose another name or folder") == 3, printed
    assert "backend: zipkin" in (tmp_path / "second/chroma-otel.yaml").read_text()
    assert (tmp_path / "chroma/chroma-otel.yaml").read_bytes() == first


def test_nothing_is_asked_about_a_deployment_that_exists(tools, tmp_path):
    assert answered(tools, tmp_path, ["", "", "", ""])[0] == 0
    for home, flags, another in [
        (tmp_path / "chroma", [], "run `init` in another folder"),
        (tmp_path, ["--name", "chroma"], "use another `--name` or `--out`"),
    ]:
        code, printed = answered(tools, home, [], *flags)
        assert code == 0, printed
        assert "already describes `chroma` on target `docker`, so nothing is asked" in printed
        assert f"to change it, edit the file or use flags, then run `gen`; for another deployment, {another}" in printed
        assert "up to date" in printed


def test_the_end_of_the_input_writes_nothing(tools, tmp_path):
    code, printed = answered(tools, tmp_path, ["docker"])
    assert code == 2, printed
    assert list(tmp_path.iterdir()) == []
