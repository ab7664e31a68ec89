"""The rendered manifests are valid: the official schemas of the oldest and the newest supported Kubernetes
version, the CRDs of other projects, kustomize, yamllint, promtool.

Invariant: each checker is also tested with an invalid manifest, which it must reject.
"""

import functools
import json
import os
import re
import subprocess

import pytest
from conftest import CACHE, HERE, missing, renderer

pytestmark = pytest.mark.kubernetes

VERSIONS = ["1.33", "1.37"]
BY_HAND = ["keep.yaml", "restore.yaml"]
FOLDER = HERE.parent / "specs"
FILES = [file for name in ["kubernetes", "eks", "gke", "aks"] for file in FOLDER.glob(f"{name}*.yaml")]
SPECS = {
    **{file.stem: file.read_text() for file in sorted(FILES)},
    # A spec with all options that most specs omit.
    "everything": """
target: kubernetes
name: first
chroma: {vectors: 1000000, dimensions: 384, environment: {CHROMA_X: 'on'}}
machine: {allow_from: 10.0.0.0/16}
collector: {mode: tiered}
tracing: {backend: honeycomb, service_name: 'yes', environment: production}
metrics: {monitoring: true}
backup: {schedule: '0 4 * * 0', keep: 3}
kubernetes:
  expose: {host: chroma.example.com, ingress_class: nginx, issuer: letsencrypt}
  labels: {team: search}
  annotations: {example.com/owner: search}
  node_selector: {kubernetes.io/os: linux}
  tolerations: [{key: dedicated, value: search, effect: NoSchedule}]
  priority_class: important
  image_pull_secrets: [registry]
  registry: registry.example.com/search
  allow_namespaces: [web, jobs]
""",
    "bucket": """
target: kubernetes
backup: {bucket: backups, endpoint: 'https://s3.example.com'}
""",
    "internal": """
target: gcp
platform: kubernetes
machine: {project: some-project, allow_from: 10.0.0.0/16}
kubernetes: {cluster: c, region: europe-west3, internal_load_balancer: true}
metrics: {monitoring: true}
""",
}
DEFAULT = SPECS["kubernetes"]


@pytest.fixture(scope="module", params=SPECS)
def folder(request, tools, tmp_path_factory):
    return rendered(tools, tmp_path_factory.mktemp(request.param), SPECS[request.param])


@pytest.fixture(scope="module")
def full(tools, tmp_path_factory):
    """The folder of the spec with the most objects."""
    return rendered(tools, tmp_path_factory.mktemp("full"), SPECS["everything"])


def rendered(tools, home, spec):
    (home / "spec.yaml").write_text(spec + "\n")
    target = re.search(r"^target: (\w+)", spec, re.M)[1]
    return renderer(tools, home)(spec=home / "spec.yaml", target=target)


def documents(folder):
    """Every document with its file."""
    import yaml  # only in the test venv; collecting the tests does not need it

    for file in sorted(folder.glob("*.yaml")):
        for tree in yaml.safe_load_all(file.read_text()):
            yield file.name, tree


def identity(tree):
    return tree["apiVersion"], tree["kind"], tree["metadata"].get("namespace"), tree["metadata"]["name"]


@functools.cache
def definitions():
    """The CRD schemas by apiVersion and kind, as strict as the API server with strict validation."""
    import yaml

    part = CACHE / "now/crds"
    found = {}
    for file in sorted(part.glob("*.yaml")) if part.exists() else missing(f"`{part}` (see .ci/parts)"):
        for definition in yaml.load_all(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if definition["kind"] != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                found[key] = strict(version["schema"]["openAPIV3Schema"])
    return found


def strict(schema):
    """Rejects unknown fields, unless any field is allowed; accepts int-or-string values."""
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        return schema
    for name in ["properties", "patternProperties"]:
        for inner in schema.get(name, {}).values():
            strict(inner)
    for name in ["items", "additionalProperties"]:
        if isinstance(schema.get(name), dict):
            strict(schema[name])
    free = schema.get("x-kubernetes-preserve-unknown-fields", False)
    if "properties" in schema and "additionalProperties" not in schema and not free:
        schema["additionalProperties"] = False
        if "apiVersion" in schema["properties"]:
            schema["properties"].pop("metadata", None)
            schema["properties"]["metadata"] = {"type": "object"}
    return schema


def official(tools, tmp_path, version, trees):
    """The errors and warnings of the official schemas of that version, and the number of valid objects."""
    import yaml

    file = tmp_path / f"official-{version}.yaml"
    file.write_text(yaml.safe_dump_all(trees))
    command = [tools.checker("kubernetes-validate"), "--strict", "--kubernetes-version", version, file]
    done = subprocess.run(command, capture_output=True, text=True)
    said = done.stdout + done.stderr
    passed = len(re.findall(r"^INFO .* passed", said, re.M))
    return [line for line in said.splitlines() if line and not line.startswith("INFO ")], passed


def of_others(tree):
    group = tree["apiVersion"].rpartition("/")[0]
    return "." in group and not re.search(r"(?<!gateway\.networking)\.k8s\.io$", group)


def lint(tools, *files):
    rules = "{extends: default, rules: {line-length: disable, document-start: disable,"
    rules += " comments: {min-spaces-from-content: 1}, braces: {max-spaces-inside: 1},"
    rules += " indentation: {indent-sequences: consistent}, truthy: {check-keys: false}}}"
    return subprocess.run([tools.checker("yamllint"), "--strict", "-d", rules, *files], capture_output=True, text=True)


def kustomized(folder):
    """The result and the objects of `kubectl kustomize`."""
    import yaml

    kubectl = CACHE / "now/kubernetes/kubectl"
    kubectl = kubectl if kubectl.exists() else missing(f"`{kubectl}` (see .ci/parts)")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, env=environment)
    return done, [*yaml.safe_load_all(done.stdout)]


def test_specs_render_every_file_and_kind(tools, tmp_path_factory):
    root = HERE.parent.parent
    templates = {file.name.removesuffix(".j2") for file in (root / "templates/kubernetes").glob("*.yaml.j2")}
    code = "".join(file.read_text() for file in (root / "src/targets/kubernetes").glob("**/*.rs"))
    files, kinds = set(), set()
    for spec in SPECS.values():
        for file, tree in documents(rendered(tools, tmp_path_factory.mktemp("any"), spec)):
            files.add(file)
            kinds.add(tree["kind"])
    assert {name for name in templates if f'"{name}"' in code} <= files and len(files) > 10, files
    others = {"ExternalSecret", "HTTPRoute", "OpenTelemetryCollector", "PodMonitor", "PrometheusRule", "SecretStore"}
    assert others <= kinds, others - kinds


class TestEverySpec:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_official_schemas_accept_every_object(self, tools, folder, tmp_path, version):
        trees = [tree for file, tree in documents(folder) if file != "kustomization.yaml" and not of_others(tree)]
        wrong, passed = official(tools, tmp_path, version, trees)
        assert wrong == [] and passed == len(trees) > 5

    def test_crd_schemas_accept_every_object(self, folder):
        import jsonschema

        known = definitions()
        for file, tree in documents(folder):
            if file != "kustomization.yaml" and of_others(tree):
                key = tree["apiVersion"], tree["kind"]
                errors = jsonschema.Draft202012Validator(known[key]).iter_errors(tree)
                assert [f"{'.'.join(map(str, error.path))}: {error.message[:300]}" for error in errors] == [], key

    def test_kustomize_outputs_every_object_unchanged(self, folder):
        done, made = kustomized(folder)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        applied = [tree for file, tree in documents(folder) if file not in ["kustomization.yaml", *BY_HAND]]
        assert {identity(tree): tree for tree in made} == {identity(tree): tree for tree in applied}
        assert len(made) == len(applied) > 3

    def test_files_pass_yamllint(self, tools, folder):
        done = lint(tools, *folder.glob("*.yaml"))
        assert done.returncode == 0, done.stdout

    def test_plain_scalars_mean_the_same_in_yaml_1_1_and_1_2(self, folder):
        """kubectl reads YAML 1.1, which has more booleans and other number formats than YAML 1.2."""
        import yaml

        told_apart = re.compile(r"(?i:y|n|yes|no|on|off)|[-+]?0[0-7]+|[0-9]+(:[0-5][0-9])+|[0-9_]*_[0-9_]*")
        for file in folder.glob("*.yaml"):
            scalars = [token for token in yaml.scan(file.read_text()) if isinstance(token, yaml.ScalarToken)]
            plain = [token.value for token in scalars if token.plain and told_apart.fullmatch(token.value)]
            assert plain == [] and len(scalars) > 5, f"{file.name}: {plain}"

    def test_validate_accepts_the_folder(self, tools, folder, tmp_path):
        done = validate(tools, folder, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_alert_rules_pass_promtool(self, folder, tmp_path):
        for index, tree in enumerate(tree for _, tree in documents(folder) if tree["kind"] == "PrometheusRule"):
            file = tmp_path / f"rules-{index}.json"
            file.write_text(json.dumps(tree["spec"]))
            done = promtool(file)
            assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def validate(tools, folder, home):
    command = [tools.program("chroma-otel-deploy"), "validate", "--out", folder]
    return subprocess.run(command, capture_output=True, text=True, cwd=home)


def promtool(file):
    try:
        return subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    except FileNotFoundError:
        return missing("`promtool` (Debian's package prometheus)")


class TestInvalidManifests:
    """Each checker rejects an invalid manifest."""

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize(
        "old, new",
        [
            ('"replicas": 1', '"replica": 1'),
            ('"replicas": 1', '"replicas": "one"'),
            ('"apiVersion": "policy/v1"', '"apiVersion": "policy/v1beta1"'),
            ('"containerPort"', '"containerport"'),
        ],
    )
    def test_official_schemas_reject_invalid_fields(self, tools, full, tmp_path, version, old, new):
        trees = [tree for file, tree in documents(full) if file != "kustomization.yaml" and not of_others(tree)]
        text = json.dumps(trees)
        assert old in text
        wrong, _ = official(tools, tmp_path, version, json.loads(text.replace(old, new, 1)))
        assert wrong != []

    @pytest.mark.parametrize("kind, field", [("PodMonitor", "podMetricsEndpoints"), ("PrometheusRule", "groups")])
    def test_crd_schemas_reject_unknown_fields(self, full, kind, field):
        import jsonschema

        [tree, *_] = [tree for _, tree in documents(full) if tree["kind"] == kind]
        tree["spec"][f"{field}s"] = tree["spec"].pop(field)
        key = tree["apiVersion"], kind
        assert not jsonschema.Draft202012Validator(definitions()[key]).is_valid(tree)

    def test_kustomize_rejects_a_missing_file(self, tools, tmp_path):
        folder = rendered(tools, tmp_path, DEFAULT)
        file = folder / "kustomization.yaml"
        file.write_text(file.read_text().replace("- chroma.yaml", "- chrome.yaml"))
        assert kustomized(folder)[0].returncode != 0

    def test_yamllint_rejects_duplicate_keys(self, tools, tmp_path):
        file = tmp_path / "twice.yaml"
        file.write_text("a: 1\na: 2\n")
        assert lint(tools, file).returncode != 0

    def test_promtool_rejects_invalid_expressions(self, tmp_path):
        file = tmp_path / "rules.yaml"
        file.write_text("groups: [{name: a, rules: [{alert: A, expr: 'rate(x[5m'}]}]\n")
        assert promtool(file).returncode != 0

    @pytest.mark.parametrize(
        "file, old, new, said",
        [
            ("chroma.yaml", "serviceName:", "serviceNames:", "spec.serviceNames: unknown field"),
            ("chroma.yaml", "replicas: 1", "replicas: 2", "spec.replicas: `2` servers"),
            ("kustomization.yaml", "- chroma.yaml", "- chrome.yaml", "file `chrome.yaml` not found"),
        ],
    )
    def test_validate_rejects_invalid_manifests(self, tools, tmp_path, file, old, new, said):
        folder = rendered(tools, tmp_path, DEFAULT)
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))
        done = validate(tools, folder, tmp_path)
        assert done.returncode == 1 and said in done.stdout + done.stderr
