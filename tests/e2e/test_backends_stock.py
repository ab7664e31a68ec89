"""Every backend that speaks OTLP or Zipkin's JSON, by the published image: a real Collector, started
as the rendered deployment starts it, exports to a stand-in under the vendor's own name and port."""

import pytest

from backends import SPOKEN, Case, StandIn, check_export, own_address, variants
from conftest import starting

IMAGE = "stock"


@pytest.fixture(scope="module")
def stand_in(tools, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stand-in")
    places = {case.place for name in SPOKEN for case in (Case(name), *variants(name))}
    with starting(folder) as start:
        yield StandIn(tools, start, folder, places, own_address())


@pytest.mark.parametrize("backend", SPOKEN)
def test_it_gets_spans_and_exactly_its_headers(tools, start, tmp_path, stand_in, checked, backend):
    check_export(tools, start, tmp_path, Case(backend), IMAGE, stand_in, checked)
