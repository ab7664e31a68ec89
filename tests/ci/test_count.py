"""`.ci/count` counts tests without a result as failed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINARY = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.01s\n"
FAILED = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n"
CRASHED = "running 3 tests\ntest a ... ok\nerror: test failed, to rerun pass `--test b`\n\nCaused by:\n  (signal: 6)\n"
SIX = "".join(f"test_{number}: test\n" for number in range(6)) + "\n6 tests, 0 benchmarks\n"
COLLECTED = (
    "".join(f"tests/e2e/test_x.py::test_y[a b-{number}]\n" for number in range(5)) + "\n5 tests collected in 1s\n"
)


def count(folder, runner, log, listing, code):
    """(passed, failed, skipped)."""
    (folder / "log").write_text(log)
    if listing is not None:
        (folder / "list").write_text(listing)
    command = [ROOT / ".ci/count", runner, folder / "log", folder / "list", str(code)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


@pytest.mark.parametrize(
    "log, code, expected",
    [
        (BINARY + BINARY, 0, (4, 0, 2)),
        (BINARY + FAILED, 101, (3, 2, 1)),
        (BINARY + CRASHED, 101, (2, 3, 1)),
        (BINARY, 101, (2, 3, 1)),
        ("", 137, (0, 6, 0)),
    ],
    ids=["passed", "failed", "crashed", "stopped early", "killed"],
)
def test_cargo_tests_without_a_result_count_as_failed(tmp_path, log, code, expected):
    assert count(tmp_path, "cargo", log, SIX, code) == expected


def test_runner_failure_after_its_tests_counts_as_failed(tmp_path):
    assert count(tmp_path, "cargo", BINARY + BINARY, SIX, 101) == (4, 1, 2)


def test_cargo_build_failure_counts_the_tests_in_the_sources(tmp_path):
    passed, failed, skipped = count(tmp_path, "cargo", "error: could not compile", None, 101)
    assert (passed, skipped) == (0, 0)
    assert failed > 300


@pytest.mark.parametrize(
    "log, code, expected",
    [
        ("===== 4 passed, 1 skipped, 3 deselected, 2 warnings in 4.05s =====\n", 0, (4, 0, 1)),
        ("===== 1 failed, 3 passed, 1 error in 64.05s (0:01:04) =====\n", 1, (3, 2, 0)),
        ("===== 2 passed, 1 error in 4s =====\n", 1, (2, 3, 0)),
        ("===== 5 passed, 1 error in 4s =====\n", 1, (5, 1, 0)),
        ("INTERNALERROR> oops\n", 3, (0, 5, 0)),
        ("", 137, (0, 5, 0)),
    ],
    ids=["passed", "failed", "stopped early", "error at the end", "crashed", "killed"],
)
def test_pytest_tests_without_a_result_count_as_failed(tmp_path, log, code, expected):
    assert count(tmp_path, "tests/ci", log, COLLECTED, code) == expected


def test_collection_error_counts_the_tests_in_the_source(tmp_path):
    listing = COLLECTED + "ERROR tests/ci/test_run.py - oops\n"
    functions = (ROOT / "tests/ci/test_run.py").read_text().count("\ndef test_")
    log = "===== 5 passed, 1 error in 4s =====\n"
    assert count(tmp_path, "tests/ci", log, listing, 1) == (5, functions, 0)


def test_missing_pytest_counts_the_tests_in_the_sources(tmp_path):
    passed, failed, skipped = count(tmp_path, "tests/e2e", "pytest: not found", None, 127)
    assert (passed, skipped) == (0, 0)
    assert failed > 200
