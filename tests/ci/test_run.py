"""`.ci/run`: the checks that it knows, and how it counts the steps."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bash(script, check=True):
    """Runs the script with what .ci/run consists of."""
    script = f"set -euo pipefail; source .ci/versions; source .ci/needs; {script}"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=check)


def steps(script):
    """What `.ci/run` prints of these steps, line by line."""
    done = bash(f"source .ci/steps; trap 'rm -r $logs' EXIT; {script}; time_table; totals", check=False)
    return done.returncode, done.stdout.splitlines()


def test_every_marker_is_a_check_and_no_other():
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    assert bash('echo "${markers[@]}"').stdout.split() == [marker.partition(":")[0] for marker in markers]


def test_without_a_name_everything_is_wanted_and_every_part_is_needed():
    done = bash('choose; for name in "${!parts_of[@]}"; do wanted "$name"; done; echo $needed')
    needed = set(done.stdout.split())
    lanes = bash('printf "%s\\n" "${downloads[@]}" "${compilations[@]}"').stdout.split()
    assert needed == set(lanes)
    assert len(lanes) == len(needed)  # no part is in both lanes


def test_every_part_has_a_recipe():
    lanes = bash('printf "%s\\n" "${downloads[@]}" "${compilations[@]}"').stdout.split()
    recipes = re.findall(r"^([\w-]+)\(\) \{", (ROOT / ".ci/parts").read_text(), re.MULTILINE)
    assert {part.partition(":")[0] for part in lanes} - set(recipes) == set()


def test_a_named_check_needs_only_its_own_parts():
    assert bash("choose check; echo $needed").stdout.split() == ["python"]
    assert bash("choose test package; echo $needed").stdout.split() == []
    assert "kubernetes" not in bash("choose collector; echo $needed").stdout.split()


def test_an_unknown_name_is_refused():
    done = bash("choose chekc", check=False)
    assert done.returncode == 2
    assert "unknown check `chekc`" in done.stderr


def test_every_step_that_fails_is_counted():
    code, lines = steps("check good true; check bad false; prepare built true; prepare broken sh -c 'echo why; exit 3'")
    assert code == 1
    assert lines[-1] == "1 passed, 2 failed, 0 skipped"
    assert "why" in lines
    assert any(line.startswith("broken ") and line.endswith("FAILED, exit code 3") for line in lines)


def test_a_run_without_a_check_fails():
    code, lines = steps("prepare built true")
    assert (code, lines[-1]) == (1, "0 passed, 0 failed, 0 skipped")


def test_a_suite_counts_the_tests_that_did_not_run():
    listing = "printf 'a: test\\nb: test\\nc: test\\n' >$logs/tests.list"
    result = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"
    code, lines = steps(f"{listing}; suite cargo tests echo '{result}'")
    assert (code, lines[-1]) == (1, "2 passed, 1 failed, 0 skipped")
