"""kube-score and checkov on the manifests of a default deployment, a full one, and one with snapshots.

Invariant: every finding is fixed, or has its reason in the rendered file, in the form of the scanner.
"""

import pytest
from conftest import HERE
from test_kubernetes_schemas import SPECS, rendered
from test_scanners import checkov, report, without_reasons

pytestmark = pytest.mark.scanners

ROOT = HERE.parent.parent
CASES = {
    "default": (ROOT / "deploy/kubernetes/chroma-otel.yaml").read_text(),
    "full": SPECS["everything"],
    "snapshots": SPECS["kubernetes-snapshots"].replace("openshift: true", "openshift: false"),
}
# kube-score hides this check, which passes, with `container-resources`.
HIDDEN_TOO = "container-ephemeral-storage-request-and-limit"
REASONS = r"^ *(checkov\.io/skip\d|kube-score/ignore): .*\n"


@pytest.fixture(scope="module")
def folder(tools, tmp_path_factory):
    """folder(case) -> the folder that `gen` writes for the spec of that name."""
    written = {}

    def folder(case):
        if case not in written:
            home = tmp_path_factory.mktemp(case)
            spec = CASES[case].replace("image_context: ../image", "image: wrapped")
            written[case] = rendered(tools, home, spec)
        return written[case]

    return folder


def manifests(directory):
    return sorted(file for file in directory.glob("*.yaml") if file.name != "kustomization.yaml")


def kube_score(tools, directory):
    """(the number of checks that were passed, those that were not, those that a reason hides), each as (object,
    check)."""
    command = [tools.part("kube-score/kube-score"), "score", "--output-format", "json", "--kubernetes-version", "v1.33"]
    passed, failed, hidden = 0, set(), set()
    for one in report([*command, *manifests(directory)], {0, 1}):
        for check in one["checks"]:
            place = one["object_name"].split("/", 3)[3], check["check"]["id"]
            if check["check"]["optional"] or check["grade"] == 0:
                continue
            if check["grade"] == 10:
                passed += not check["skipped"]
            else:
                (hidden if check["skipped"] else failed).add(place)
    return passed, failed, hidden


@pytest.mark.parametrize("case", CASES)
def test_kube_score_has_no_finding_without_a_reason(tools, folder, case):
    passed, failed, hidden = kube_score(tools, folder(case))
    assert failed == set()
    assert passed > 50 and hidden


@pytest.mark.parametrize("case", CASES)
def test_kube_score_finds_what_the_reasons_hide(tools, folder, case, tmp_path):
    _, _, hidden = kube_score(tools, folder(case))
    _, failed, nothing = kube_score(tools, without_reasons(folder(case), tmp_path, REASONS))
    assert failed == {place for place in hidden if place[1] != HIDDEN_TOO} and nothing == set()


@pytest.mark.parametrize("case", CASES)
def test_checkov_has_no_finding_without_a_reason(tools, folder, case):
    found = checkov(tools, folder(case), "kubernetes")
    assert found["summary"]["parsing_errors"] == 0 and found["summary"]["passed"] > 200
    assert [(one["check_id"], one["resource"]) for one in found["results"]["failed_checks"]] == []
    reasons = [one["check_result"]["suppress_comment"] for one in found["results"]["skipped_checks"]]
    assert reasons and all(len(reason.split()) > 2 for reason in reasons), reasons


@pytest.mark.parametrize("case", CASES)
def test_checkov_finds_what_the_reasons_hide(tools, folder, case, tmp_path):
    hidden = checkov(tools, folder(case), "kubernetes")["results"]["skipped_checks"]
    bare = without_reasons(folder(case), tmp_path, REASONS)
    found = checkov(tools, bare, "kubernetes")["results"]["failed_checks"]
    ids = lambda checks: {(one["check_id"], one["resource"]) for one in checks}
    assert ids(found) == ids(hidden) and hidden
