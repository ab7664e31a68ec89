"""Every OTLP and Zipkin backend with the published image: a real Collector, started as the deployment starts it,
exports to a stand-in with the vendor's host name and port."""

import pytest
from backends import SPOKEN, Case, check_export, stand_in  # noqa: F401 (a fixture)

pytestmark = pytest.mark.collector

IMAGE = "stock"


@pytest.mark.parametrize("backend", SPOKEN)
def test_backend_receives_spans_with_exactly_its_headers(tools, start, tmp_path, stand_in, checked, backend):
    check_export(tools, start, tmp_path, Case(backend), IMAGE, stand_in, checked)
