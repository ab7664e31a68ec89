"""Charts under the real Helm: their objects are those of the manifests, and each value has its effect.

Invariant: a value that Helm must refuse is tested beside one that it accepts.
"""

import os
import re
import subprocess
import tarfile

import pytest
from conftest import Server, free_ports
from test_kubernetes_schemas import SPECS, documents, identity, rendered, validate

pytestmark = pytest.mark.kubernetes

NAMESPACE = "this chart is for namespace `first`"


@pytest.fixture(scope="session")
def helm(tools, tmp_path_factory):
    """helm(*words) -> the completed command, which must succeed unless `check=False`."""
    program, home = tools.part("helm/helm"), tmp_path_factory.mktemp("helm")

    def run(*words, check=True):
        command = [str(word) for word in (program, *words)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    return run


def charted(tools, home, spec):
    """The folder of a spec in format `helm`."""
    return rendered(tools, home, f"{spec}\nformat: helm")


def namespace_of(folder):
    texts = [file.read_text() for file in sorted((folder / "chart/templates").glob("*.yaml"))]
    [namespace] = set(re.findall(r"^  namespace: ([a-z0-9-]+)$", "\n".join(texts), re.M))
    return namespace


def template(helm, folder, *words, **options):
    return helm("template", "any", folder / "chart", "--namespace", namespace_of(folder), *words, **options)


def objects(text):
    """Every object by its identity, without the policy that keeps it when the release is uninstalled."""
    import yaml

    found = {}
    for tree in filter(None, yaml.safe_load_all(text)):
        annotations = tree["metadata"].get("annotations", {})
        if annotations.pop("helm.sh/resource-policy", None) and not annotations:
            del tree["metadata"]["annotations"]
        found[identity(tree)] = tree
    return found


@pytest.mark.parametrize("spec", SPECS)
def test_chart_gives_the_objects_of_the_manifests(helm, tools, tmp_path, spec):
    for format in ("manifests", "chart"):
        (tmp_path / format).mkdir()
    manifests = rendered(tools, tmp_path / "manifests", SPECS[spec])
    chart = charted(tools, tmp_path / "chart", SPECS[spec])
    expected = {
        identity(tree): tree
        for file, tree in documents(manifests)
        if file != "kustomization.yaml" and tree["kind"] != "Namespace"
    }
    restore = ["--set", "restore=true"] if (manifests / "restore.yaml").exists() else []
    assert objects(template(helm, chart, "--skip-tests", *restore).stdout) == expected and len(expected) > 3
    said = helm("lint", chart / "chart", "--strict", "--namespace", namespace_of(chart)).stdout
    assert "0 chart(s) failed" in said and "WARNING" not in said and "ERROR" not in said, said


@pytest.fixture(scope="module")
def full(tools, tmp_path_factory):
    return charted(tools, tmp_path_factory.mktemp("full"), SPECS["everything"])


def pods(trees):
    """The metadata and the spec of every pod."""
    for tree in trees:
        spec = tree.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if tree["kind"] == "Pod":
            yield tree["metadata"], tree["spec"]
        elif "template" in spec:
            yield spec["template"]["metadata"], spec["template"]["spec"]


def test_every_value_has_its_effect(helm, full, tmp_path):
    import yaml

    values = yaml.safe_load((full / "chart/values.yaml").read_text())
    values["images"] = {name: f"mirror.example.com/{name}:1" for name in values["images"]}
    values["labels"], values["annotations"] = {"cost-center": "42"}, {"example.com/note": "a: b #c"}
    values["pod"] = {
        "nodeSelector": {"kubernetes.io/os": "linux", "disk": "ssd"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "mirror"}],
        "priorityClassName": "high",
    }
    values["resources"] = {
        name: {**resources, "requests": {**resources["requests"], "cpu": "77m"}}
        for name, resources in values["resources"].items()
    }
    values["existingSecret"], values["restore"] = "others", True
    values["storage"] = {name: "fast" if name.endswith("lassName") else "7Gi" for name in values["storage"]}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    text = template(helm, full, "--values", tmp_path / "values.yaml").stdout
    trees = list(objects(text).values())
    assert len(trees) > 20
    for tree in trees:
        metadata = tree["metadata"]
        assert metadata["labels"]["cost-center"] == "42" and metadata["annotations"]["example.com/note"] == "a: b #c"
    kinds = {tree["kind"] for tree in trees}
    assert {"StatefulSet", "Deployment", "CronJob", "Job", "Pod"} <= kinds
    for metadata, pod in pods(trees):
        assert metadata["labels"]["cost-center"] == "42" and metadata["annotations"]["example.com/note"] == "a: b #c"
        assert {key: pod[key] for key in values["pod"]} == values["pod"]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["image"].startswith("mirror.example.com/"), container
            assert container["resources"]["requests"]["cpu"] == "77m", container
            names = {one["valueFrom"]["secretKeyRef"]["name"] for one in container.get("env", []) if "valueFrom" in one}
            assert names <= {"others"}, container
    assert text.count("name: others") + text.count('name: "others"') > 1
    claims = [claim["spec"] for tree in trees for claim in tree.get("spec", {}).get("volumeClaimTemplates", [])]
    claims += [tree["spec"] for tree in trees if tree["kind"] == "PersistentVolumeClaim"]
    assert len(claims) == 3
    for claim in claims:
        assert claim["storageClassName"] == "fast" and claim["resources"]["requests"]["storage"] == "7Gi"


@pytest.mark.parametrize(
    "value, reason",
    [
        ("image.chroma=x:1", "image"),
        ("images.chrome=x:1", "chrome"),
        ("labels.team=other", "team"),
        (r"annotations.checksum/config=none", "checksum/config"),
        ("resources.member.limits.memory=2Gi", "memory"),
        ("pod.hostNetwork=true", "hostNetwork"),
    ],
)
def test_helm_refuses_values_without_an_effect(helm, full, value, reason):
    done = template(helm, full, "--set-string", value, check=False)
    assert done.returncode != 0 and "values don't meet the specifications of the schema" in done.stderr, done.stderr
    assert reason in done.stderr


def test_chart_refuses_another_namespace(helm, full):
    done = helm("template", "any", full / "chart", "--namespace", "other", check=False)
    assert done.returncode != 0 and NAMESPACE in done.stderr, done.stderr


def test_package_contains_only_the_chart(helm, full, tmp_path):
    """A package, and the release in the cluster, are not as protected as `.env`."""
    (full / ".env").write_text("HONEYCOMB_API_KEY=secret\n")
    helm("package", full / "chart", "--destination", tmp_path)
    [package] = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = archive.getnames()
    assert {"first/Chart.yaml", "first/values.yaml", "first/templates/NOTES.txt"} <= set(names)
    files = {f"first/{file.relative_to(full / 'chart')}" for file in (full / "chart").rglob("*") if file.is_file()}
    assert set(names) == files
    assert package.name.startswith("first-1.5")


@pytest.mark.parametrize(
    "file, old, new, said",
    [
        ("templates/chroma.yaml", "containerPort", "containerport", "containerport"),
        ("values.yaml", "caddy: caddy:", "caddy: caddy #", "caddy"),
    ],
)
def test_validate_checks_what_the_chart_gives(tools, full, tmp_path, file, old, new, said):
    assert validate(tools, full, tmp_path).returncode == 0
    path = full / "chart" / file
    text = path.read_text()
    try:
        path.write_text(text.replace(old, new, 1))
        done = validate(tools, full, tmp_path)
    finally:
        path.write_text(text)
    assert done.returncode == 1 and said in done.stdout + done.stderr, done.stdout + done.stderr


def test_validate_lists_templates_that_it_cannot_render(tools, full, tmp_path):
    path = full / "chart/templates/chroma.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("  name: first\n", "  name: {{ .Release.Name }}\n", 1))
        done = validate(tools, full, tmp_path)
    finally:
        path.write_text(text)
    said = (done.stdout + done.stderr).splitlines()
    [line] = [line for line in said if line.strip().startswith("not checked")]
    assert "chart/templates/chroma.yaml" in line or "chart/ (" in line, line


def test_chart_is_published_and_installed_with_the_readmes_commands(helm, tools, full, tmp_path):
    """In a registry without TLS, therefore `--plain-http`; `helm template` takes the place of the installation."""
    (port,) = free_ports(1)
    program = tools.part("registry/registry")
    server = Server([program, "--port", port], {}, tmp_path / "registry.log", tmp_path)
    try:
        server.until(lambda: "serving" in server.log, "the registry starts")
        section = (full / "README.md").read_text().split("### Publish the chart\n")[1]
        block = re.search(r"```sh\n(.*?)```", section, re.S)[1].replace("registry.example.com", f"localhost:{port}")
        block, installs = re.subn("^helm upgrade --install", "helm template --skip-tests", block, flags=re.M)
        block, uses = re.subn(r"^(helm (?:push|template) .*)$", r"\1 --plain-http", block, flags=re.M)
        assert (installs, uses) == (1, 2), block
        environment = {"PATH": f"{tools.part('helm')}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        command = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=full)
        assert done.returncode == 0, done.stderr
    finally:
        server.stop()
    local, published = template(helm, full, "--skip-tests").stdout, done.stdout
    assert published[published.index("---") :] == local
