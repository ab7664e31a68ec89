"""The README's section on Argo CD, Flux and Kustomize: its resources match the definitions of both, overlays change
what it allows, and break what it names (with the real `kubectl kustomize`).

Not tested: HelmRelease, whose definition is in no package registry.
"""

import copy
import json
import re

import pytest
from test_kubernetes_schemas import SPECS, definitions, identity, kustomized, rendered

pytestmark = pytest.mark.kubernetes

CONFIGURED = ["http://first-otel-collector:4317", "first-otel-member.first.svc"]


@pytest.fixture(scope="module")
def base(tools, tmp_path_factory):
    return rendered(tools, tmp_path_factory.mktemp("base"), SPECS["everything"])


@pytest.fixture
def overlaid(base, tmp_path):
    """overlaid(**fields) -> (the objects of the base, those of an overlay with these fields)."""
    import yaml

    def overlaid(**fields):
        folder = tmp_path / "overlay"
        folder.mkdir()
        (tmp_path / "base").symlink_to(base)
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../base"], **fields}))
        _, before = kustomized(base)
        done, after = kustomized(folder)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return before, after

    return overlaid


def pod_of(tree):
    spec = tree.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    return spec["template"]["spec"] if "template" in spec else None


def test_overlay_changes_images_and_nothing_else(overlaid):
    new = {"name": "caddy", "newName": "mirror.example.com/caddy", "newTag": "1"}
    before, after = overlaid(images=[new])
    changed = [
        (one, other)
        for one, other in zip(sorted(before, key=identity), sorted(after, key=identity), strict=True)
        if one != other
    ]
    [(one, other)] = changed
    expected = copy.deepcopy(one)
    expected["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror.example.com/caddy:1"
    assert other == expected


def test_overlay_adds_labels_to_objects_and_pods_but_not_to_selectors(overlaid):
    before, after = overlaid(labels=[{"pairs": {"cost-center": "42"}, "includeTemplates": True}])
    old = {identity(tree): tree for tree in before}
    assert old.keys() == {identity(tree) for tree in after}
    for tree in after:
        assert tree["metadata"]["labels"].pop("cost-center") == "42"
        if pod_of(tree):
            spec = tree["spec"].get("jobTemplate", {}).get("spec", tree["spec"])
            assert spec["template"]["metadata"]["labels"].pop("cost-center") == "42"
            tree["spec"].get("jobTemplate", {}).get("metadata", {"labels": {}})["labels"].pop("cost-center", None)
        for claim in tree["spec"].get("volumeClaimTemplates", []) if "spec" in tree else []:
            claim["metadata"]["labels"].pop("cost-center", None)
        assert tree == old[identity(tree)]


def test_overlay_patches_a_field(overlaid):
    level = {"op": "add", "path": "/spec/template/spec/securityContext/seLinuxOptions", "value": {"level": "s0:c1,c2"}}
    target = {"kind": "StatefulSet", "name": "first"}
    before, after = overlaid(patches=[{"target": target, "patch": json.dumps([level])}])
    changed = {identity(tree)[1:] for tree in after if tree not in before}
    assert changed == {("StatefulSet", "first", "first")}


@pytest.mark.parametrize("fields", [{"namePrefix": "new-"}, {"nameSuffix": "-new"}, {"namespace": "other"}])
def test_renaming_overlay_leaves_the_old_addresses_in_configurations(overlaid, fields):
    """The README forbids these; if Kustomize learned to change the addresses, it could allow them."""
    before, after = overlaid(**fields)
    assert {identity(tree) for tree in before} != {identity(tree) for tree in after}
    texts = json.dumps([tree["data"] for tree in after if tree["kind"] == "ConfigMap"])
    assert [address for address in CONFIGURED if address not in texts] == []


@pytest.mark.parametrize(
    "format, kinds",
    [
        ("manifests", ["Application", "Application", "Kustomization", "Kustomization"]),
        ("helm", ["Application", "Application", "Kustomization", "HelmRelease"]),
    ],
)
def test_resources_of_the_recipe_match_their_definitions(tools, tmp_path, format, kinds):
    import jsonschema
    import yaml

    folder = rendered(tools, tmp_path, SPECS["everything"] + f"format: {format}\n")
    section = (folder / "README.md").read_text().split("\n## Argo CD and Flux\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```yaml\n(.*?)```", section, re.S)
    trees = [tree for block in blocks for tree in yaml.safe_load_all(block)]
    assert [tree["kind"] for tree in trees] == kinds
    for tree in trees:
        if tree["kind"] == "HelmRelease":
            continue
        schema = definitions()[tree["apiVersion"], tree["kind"]]
        errors = jsonschema.Draft202012Validator(schema).iter_errors(tree)
        assert [error.message[:300] for error in errors] == []
        if "path" in tree["spec"].get("source", {}):
            path = tree["spec"]["source"]["path"].removeprefix("first")
            assert (folder / path.lstrip("/")).is_dir()
            assert tree["spec"]["destination"]["namespace"] == "first"
