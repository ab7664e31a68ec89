"""Every OTLP and Zipkin backend with the wrapped image: a real Collector, started as the deployment starts it,
exports to a stand-in with the vendor's host name and port."""

import pytest
from backends import SPOKEN, Case, check_export, stand_in, variants  # noqa: F401 (a fixture)

pytestmark = pytest.mark.collector

IMAGE = "wrapped"


@pytest.mark.parametrize("backend", SPOKEN)
def test_backend_receives_spans_with_exactly_its_headers(tools, start, tmp_path, stand_in, checked, backend):
    check_export(tools, start, tmp_path, Case(backend), IMAGE, stand_in, checked)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=f"{case.name}-{number}") for name in SPOKEN for number, case in enumerate(variants(name))],
)
def test_settings_of_the_operator_change_the_request(tools, start, tmp_path, stand_in, checked, case):
    check_export(tools, start, tmp_path, case, IMAGE, stand_in, checked)
