"""The API server's validation of every rendered object."""

import json
import re

import pytest
from conftest import renderer
from test_kubernetes_schemas import SPECS, identity, of_others

pytestmark = pytest.mark.kubernetes


def differences(old, new, at="", whole=None, listed=False):
    """What the API server changes of an applied object, and what it adds within a list of a custom resource."""
    whole = of_others(old) if not at and "apiVersion" in old else whole
    if isinstance(old, dict) and isinstance(new, dict):
        found = [f"{at}: `{name}` is lost" for name in old if name not in new]
        found += [f"{at}: `{name}` is added" for name in new if whole and listed and name not in old]
        for name in old.keys() & new.keys():
            found += differences(old[name], new[name], f"{at}.{name}", whole, listed)
        return found
    if isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return [f"{at}: {len(old)} elements become {len(new)}"]
        pairs = enumerate(zip(old, new, strict=True))
        return [line for index, (one, other) in pairs for line in differences(one, other, f"{at}.{index}", whole, True)]
    return [] if old == new else [f"{at}: `{old}` becomes `{new}`"]


class TestApiServer:
    """A server-side dry run of every spec."""

    def take(self, cluster, folder):
        import yaml

        database = [*yaml.safe_load_all((folder / "chroma.yaml").read_text())]
        # Objects need their namespace; its labels make the server warn about forbidden pods.
        cluster.namespace(database[0]["metadata"]["namespace"])
        by_hand = [
            word
            for name in ("keep.yaml", "restore.yaml")
            if (folder / name).exists()
            for word in ("--filename", folder / name)
        ]
        said = []
        for words in (by_hand, ["--kustomize", folder]):
            said.append(cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *words, check=False))
        return said

    @pytest.mark.parametrize("spec", SPECS)
    def test_api_server_accepts_every_object_without_warnings(self, cluster, tools, tmp_path, spec):
        (tmp_path / "spec.yaml").write_text(SPECS[spec])
        target = re.search(r"^target: (\w+)", SPECS[spec], re.M)[1]
        folder = renderer(tools, tmp_path)(spec=tmp_path / "spec.yaml", target=target)
        for done in self.take(cluster, folder):
            assert done.returncode == 0 and done.stderr == "", done.stderr
            assert "(server dry run)" in done.stdout

    @pytest.mark.parametrize("spec", SPECS)
    def test_api_server_changes_no_value_of_an_applied_object(self, cluster, tools, tmp_path, spec):
        """Otherwise GitOps controllers report a difference for ever. They know the defaults of Kubernetes' own
        kinds; of others, they compare every element of a list."""
        import yaml

        (tmp_path / "spec.yaml").write_text(SPECS[spec])
        target = re.search(r"^target: (\w+)", SPECS[spec], re.M)[1]
        folder = renderer(tools, tmp_path)(spec=tmp_path / "spec.yaml", target=target)
        trees = [
            tree
            for file in sorted(folder.glob("*.yaml"))
            if file.name != "kustomization.yaml"
            for tree in yaml.safe_load_all(file.read_text())
            if tree and "kind" in tree
        ]
        for namespace in {tree["metadata"]["namespace"] for tree in trees if "namespace" in tree["metadata"]}:
            cluster.namespace(namespace)
        words = ["apply", "--server-side", "--dry-run=server", "--output", "json", "--filename", "-"]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": trees})
        made = json.loads(cluster.kubectl(*words, input=text).stdout)
        made = made["items"] if made["kind"] == "List" else [made]
        assert len(made) == len(trees) > 5
        wrong = [
            f"{identity(old)}: {line}" for old, new in zip(trees, made, strict=True) for line in differences(old, new)
        ]
        assert wrong == []

    def test_differences_finds_defaults_in_lists_of_other_kinds(self):
        old = {"apiVersion": "a.example/v1", "spec": {"list": [{"a": 1}], "map": {"a": 1}}}
        new = {"apiVersion": "a.example/v1", "spec": {"list": [{"a": 1, "b": 2}], "map": {"a": 1, "b": 2}}}
        assert differences(old, new) == [".spec.list.0: `b` is added"]
        assert differences({**old, "apiVersion": "apps/v1"}, {**new, "apiVersion": "apps/v1"}) == []
        assert differences({"a": "1024Mi"}, {"a": "1Gi"}) == [".a: `1024Mi` becomes `1Gi`"]
        assert differences({"a": [1], "b": 1}, {"a": [1, 2]}) == [": `b` is lost", ".a: 1 elements become 2"]

    @pytest.mark.parametrize(
        "old, new",
        [
            ("replicas: 1", "replica: 1"),  # no such field
            ("runAsNonRoot: true", "runAsNonRoot: false"),  # a warning
            ("port: 8000, targetPort", "port: 80000, targetPort"),  # not in range
        ],
    )
    def test_api_server_rejects_invalid_fields(self, cluster, tools, tmp_path, old, new):
        folder = renderer(tools, tmp_path)(target="kubernetes")
        text = (folder / "chroma.yaml").read_text()
        assert old in text
        (folder / "chroma.yaml").write_text(text.replace(old, new))
        _, done = self.take(cluster, folder)
        assert done.returncode != 0 or "Warning" in done.stderr
