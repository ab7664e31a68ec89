"""The API server's validation of every rendered object."""

import re

import pytest
from conftest import renderer
from test_kubernetes_schemas import SPECS

pytestmark = pytest.mark.kubernetes


class TestApiServer:
    """A server-side dry run of every spec."""

    def take(self, cluster, folder):
        import yaml

        keep = [*yaml.safe_load_all((folder / "keep.yaml").read_text())]
        [namespace] = [one for one in keep if one["kind"] == "Namespace"]
        # Objects need their namespace; its labels make the server warn about forbidden pods.
        cluster.namespace(namespace["metadata"]["name"])
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
