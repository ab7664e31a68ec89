"""A table at the end of a run with the outcome of each check per backend.

A test calls `checked(BACKEND, COLUMN…)` before it checks; the cell shows the outcome of the test. Invariant: every
backend file has a row; a cell without a test is empty.
"""

import pytest

COLUMNS = ["validate", "wrapped", "stock", "headers", "second source", "metrics", "keys"]
WORST = ["failed", "skipped", "passed"]


@pytest.fixture
def checked(request):
    """checked(backend, *columns): this test fills these cells."""

    def say(backend, *columns):
        assert set(columns) <= set(COLUMNS)
        request.node.user_properties.append(("backend", [backend, *columns]))

    return say


def show(terminalreporter):
    from conftest import ROOT

    cells = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", []):
                if name == "backend" and (report.when == "call" or report.outcome != "passed"):
                    for column in value[1:]:
                        cells.setdefault((value[0], column), set()).add(report.outcome)
    if not cells:
        return
    terminalreporter.section("backends")
    names = sorted(file.stem for file in (ROOT / "templates/backends").glob("*.yaml"))
    width = max(map(len, names)) + 2
    terminalreporter.write_line(" " * width + "".join(f"{column:<15}" for column in COLUMNS).rstrip())
    for backend in names:
        text = (ROOT / "templates/backends" / f"{backend}.yaml").read_text()
        none = {"metrics": "\nmetrics:" not in text, "keys": "\nkeys:" not in text}
        row = [shown(cells.get((backend, column)), none.get(column)) for column in COLUMNS]
        terminalreporter.write_line(f"{backend:<{width}}" + "".join(f"{cell:<15}" for cell in row).rstrip())


def shown(outcomes, none):
    """A cell: the worst outcome; `none` if the backend has nothing to check."""
    if not outcomes:
        return "none" if none else ""
    worst = next(outcome for outcome in WORST if outcome in outcomes)
    return {"passed": "ok", "failed": "FAILED", "skipped": "SKIPPED"}[worst]
