"""`.ci/run`: selection of checks and parts, and counting of steps."""

import os
import re
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bash(script, check=True):
    """Runs the script with the sources of .ci/run."""
    script = f"set -euo pipefail; source ./versions.env; source .ci/needs; {script}"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=check)


def steps(script):
    """The exit code and output lines of `.ci/run` for these steps."""
    done = bash(f"source .ci/steps; trap 'rm -r $logs' EXIT; {script}; time_table; totals", check=False)
    return done.returncode, done.stdout.splitlines()


def parts_of_all_lanes():
    lanes = '"${downloads[@]}" "${more_downloads[@]}" "${compilations[@]}" "${later[@]}"'
    return bash(f'printf "%s\\n" {lanes}').stdout.split()


def test_checks_match_the_pytest_markers():
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    assert bash('echo "${markers[@]}"').stdout.split() == [marker.partition(":")[0] for marker in markers]


def test_run_without_names_selects_everything():
    done = bash('choose; for name in "${!parts_of[@]}"; do wanted "$name"; done; echo $needed')
    needed = set(done.stdout.split())
    lanes = parts_of_all_lanes()
    assert needed == set(lanes)
    assert len(lanes) == len(needed)  # each part is in one lane


def test_every_part_has_a_recipe():
    lanes = parts_of_all_lanes()
    recipes = re.findall(r"^([\w-]+)\(\) \{", (ROOT / ".ci/parts").read_text(), re.MULTILINE)
    assert {part.partition(":")[0] for part in lanes} - set(recipes) == set()


def test_named_check_needs_only_its_parts():
    assert bash("choose check; echo $needed").stdout.split() == ["python"]
    assert bash("choose test package; echo $needed").stdout.split() == []
    assert "kubernetes" not in bash("choose collector; echo $needed").stdout.split()


E2E = ROOT / "tests/e2e"


@pytest.mark.parametrize(
    "file", sorted(E2E.rglob("test_*.py")), ids=lambda file: file.relative_to(E2E).with_suffix("").as_posix()
)
def test_markers_need_every_part_that_their_tests_use(file):
    text = file.read_text()
    helpers = [] if file.parent == E2E else [other.read_text() for other in file.parent.glob("*.py")]
    optional = {"az"}
    named = {
        part.replace("otelcol-", "otelcol:")
        for part in re.findall(r"""part\(f?["']([\w-]+)[/"']""", text + "".join(helpers))
    } - optional
    marked = re.search(r"^pytestmark = (.*)$", text, re.MULTILINE)
    markers = re.findall(r"mark\.(\w+)", marked[1]) if marked else ["gcp", "azure"]
    for marker in markers:
        needed = bash(f"choose {marker}; echo $needed").stdout.split()
        assert named - set(needed) == set(), marker


def test_unknown_check_is_rejected():
    done = bash("choose chekc", check=False)
    assert done.returncode == 2
    assert "unknown check `chekc`" in done.stderr


def test_every_failed_step_is_counted():
    code, lines = steps("check good true; check bad false; prepare built true; prepare broken sh -c 'echo why; exit 3'")
    assert code == 1
    assert lines[-1] == "1 passed, 2 failed, 0 skipped"
    assert "why" in lines
    assert any(line.startswith("broken ") and line.endswith("FAILED, exit code 3") for line in lines)


def test_run_without_checks_fails():
    code, lines = steps("prepare built true")
    assert (code, lines[-1]) == (1, "0 passed, 0 failed, 0 skipped")


def test_suite_counts_missing_tests_as_failed():
    listing = "printf 'a: test\\nb: test\\nc: test\\n' >$logs/tests.list"
    result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"
    code, lines = steps(f"{listing}; suite cargo tests echo '{result}'")
    assert (code, lines[-1]) == (1, "2 passed, 1 failed, 0 skipped")


# A stub of cargo: logs its arguments and the content of CARGO_HOME, adds a download, prints the test's output.
CARGO = """#!/bin/sh
echo "$*: $(ls "$CARGO_HOME" | tr '\\n' ' ')" >>"$HOME/calls"
touch "$CARGO_HOME/registry"
case $* in
*--list) cat "$HOME/list" ;;
*--no-run) exit "$(cat "$HOME/compiles")" ;;
"test --no-fail-fast") cat "$HOME/results"; exit "$(cat "$HOME/compiles")" ;;
esac
"""
RESULT = "test result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n"


@pytest.fixture
def run(tmp_path):
    """run(compiles=, results=) -> (exit code, last line, calls of cargo) of `.ci/run test package` with three
    tests."""

    def run(compiles, results):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/cargo").write_text(CARGO)
        (tmp_path / "bin/cargo").chmod(0o755)
        (tmp_path / ".cargo").mkdir()
        (tmp_path / ".cargo/config.toml").write_text("[source]\n")
        (tmp_path / ".cargo/credentials.toml").write_text("[registry]\n")
        (tmp_path / "list").write_text("a: test\nb: test\nc: test\n" if compiles else "")
        (tmp_path / "compiles").write_text("0" if compiles else "101")
        (tmp_path / "results").write_text(results)
        environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            [ROOT / ".ci/run", "test", "package"], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout.splitlines()[-1], (tmp_path / "calls").read_text().splitlines()

    return run


def test_readme_command_runs_in_an_empty_cargo_home(run):
    code, last, calls = run(compiles=True, results=RESULT.format(3))
    assert (code, last) == (0, "4 passed, 0 failed, 0 skipped")
    assert "test --no-fail-fast: config.toml " in calls
    assert (
        "package --allow-dirty --package chroma-otel-init --package chroma-otel-entrypoint: config.toml registry "
        in calls
    )


def test_missing_tests_fail_the_run(run):
    code, last, _ = run(compiles=True, results=RESULT.format(2))
    assert (code, last) == (1, "3 passed, 1 failed, 0 skipped")


def test_build_failure_counts_every_test_as_failed(run):
    code, last, _ = run(compiles=False, results="")
    failed = int(last.split()[2])
    assert code == 1
    assert last.startswith("1 passed, ")
    assert failed > 300


def test_background_program_does_not_hold_the_lock(tmp_path):
    start = "source .ci/detached; detached sleep 60 </dev/null >/dev/null 2>&1 & echo $!"
    held = subprocess.run(
        ["flock", tmp_path / "lock", "bash", "-c", start], cwd=ROOT, capture_output=True, text=True, check=True
    )
    try:
        # The program closes the lock a moment after the script ends.
        subprocess.run(["flock", "--timeout", "20", tmp_path / "lock", "true"], check=True)
    finally:
        os.kill(int(held.stdout), signal.SIGKILL)
