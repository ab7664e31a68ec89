"""What leaves the spec leaves the cluster when the commands that `gen` prints are run; data stays.

Not tested: the operators. Their resources are in the cluster without a controller.
"""

import pytest

from kubernetes_cluster.deployment import Deployment

pytestmark = pytest.mark.kubernetes

NAME = "leaving"
BASE = {"target": "kubernetes", "name": NAME, "chroma": {"image": "stock"}, "machine": {"disk": "1GiB"}}
CLUSTER = {"expose": {"host": "chroma.example.com"}, "allow_namespaces": ["friends"]}
FULL = {
    **BASE,
    "tracing": {"backend": "jaeger"},
    "metrics": {"monitoring": True},
    "backup": {},
    "kubernetes": CLUSTER,
}
MEMBER = f"statefulset/{NAME}-otel-member"


def without(spec, section, key):
    return {**spec, section: {name: value for name, value in spec[section].items() if name != key}}


SNAPSHOTS = {**FULL, "backup": {"snapshot_class": "folders"}}
BUCKET = {**FULL, "backup": {"bucket": "backups", "endpoint": "https://s3.example.com"}}
NO_ROUTE = without(FULL, "kubernetes", "expose")
NO_BACKUP = {key: value for key, value in NO_ROUTE.items() if key != "backup"}
NO_FRIENDS = without(NO_BACKUP, "kubernetes", "allow_namespaces")
NO_MONITORING = without(NO_FRIENDS, "metrics", "monitoring")
NO_JAEGER = {**NO_MONITORING, "tracing": {"backend": "debug"}}
TIERED, OPERATOR = ({**NO_JAEGER, "collector": {key: value}} for key, value in [("mode", "tiered"), ("operator", True)])
NONE = {
    **NO_JAEGER,
    "tracing": {"backend": "otlp", "endpoint": "http://collector.friends:4317"},
    "collector": {"mode": "none"},
}
# Each change with some of the objects that it removes.
CHANGES = {
    "volume to snapshots": (SNAPSHOTS, []),
    "snapshots to bucket": (BUCKET, [f"role/{NAME}-backup", f"rolebinding/{NAME}-backup"]),
    "bucket to snapshots": (SNAPSHOTS, []),
    "snapshots to volume": (FULL, [f"serviceaccount/{NAME}-backup", f"role/{NAME}-backup"]),
    "expose": (NO_ROUTE, [f"ingress/{NAME}", f"deployment/{NAME}-proxy"]),
    "backup": (NO_BACKUP, [f"cronjob/{NAME}-backup"]),
    "allow_namespaces": (NO_FRIENDS, [f"clusterrole/{NAME}-{NAME}-otel-collector"]),
    "monitoring": (NO_MONITORING, [f"podmonitor/{NAME}-otel-collector"]),
    "backend": (NO_JAEGER, [f"deployment/{NAME}-jaeger"]),
    "gateway to tiered": (TIERED, [f"deployment/{NAME}-otel-collector"]),
    "tiered to gateway": (NO_JAEGER, [f"deployment/{NAME}-otel-router", MEMBER]),
    "gateway to operator": (OPERATOR, [f"deployment/{NAME}-otel-collector"]),
    "operator to gateway": (NO_JAEGER, [f"opentelemetrycollector/{NAME}-otel"]),
    "gateway to none": (NONE, [f"deployment/{NAME}-otel-collector"]),
    "none to tiered": (TIERED, []),
    "tiered to none": (NONE, [MEMBER]),
    "everything": (FULL, []),
    "nothing": (NONE, [f"ingress/{NAME}", f"cronjob/{NAME}-backup", f"deployment/{NAME}-jaeger"]),
}


def reference(tree):
    return f"{tree['kind'].lower()}/{tree['metadata']['name']}"


def rendered(deployment):
    """The objects of the folder."""
    import yaml

    done = deployment.cluster.kubectl("kustomize", deployment.folder)
    return {reference(tree) for tree in yaml.safe_load_all(done.stdout)}


def present(deployment):
    """The deployment's objects in the cluster, except those that another object owns."""
    kinds = deployment.cluster.kubectl("api-resources", "--verbs", "list,delete", "--output", "name").stdout.split()
    selector = "app.kubernetes.io/managed-by=chroma-otel-deploy"
    words = ["--namespace", deployment.namespace, "--selector", selector]
    found = [
        tree["metadata"] | {"of": reference(tree)} for tree in deployment.cluster.get(",".join(kinds), *words)["items"]
    ]
    ours = [one for one in found if one.get("namespace") == NAME or one["name"].startswith(f"{NAME}-")]
    kept = f"persistentvolumeclaim/{NAME}-backup"
    # Kubernetes adds the labels of a Service to its Endpoints, which have no owner.
    own = (one["of"] for one in ours if "ownerReferences" not in one)
    return {of for of in own if not of.startswith("endpoints/")} - {kept}


@pytest.fixture(scope="class")
def leaving(cluster, tools, tmp_path_factory):
    deployment = Deployment(cluster, tools, tmp_path_factory.mktemp(NAME), FULL)
    (deployment.folder / ".env").write_text("CHROMA_TOKEN=a-token-0123456789\n")
    cluster.gone(deployment.namespace)
    try:
        deployment.change(FULL)
        yield deployment
    finally:
        cluster.kubectl(
            "delete", "storageclass,clusterrole,clusterrolebinding", "--selector", f"app.kubernetes.io/instance={NAME}"
        )
        deployment.remove()


class TestLeftovers:
    """A deployment whose spec changes again and again."""

    def claims(self, deployment):
        found = deployment.cluster.get("pvc", "--namespace", deployment.namespace)["items"]
        return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in found}

    @pytest.mark.parametrize("change", CHANGES)
    def test_objects_that_left_the_spec_leave_the_cluster(self, leaving, change):
        spec, gone = CHANGES[change]
        before, claims = present(leaving), self.claims(leaving)
        commands = leaving.change(spec)
        assert present(leaving) == rendered(leaving), commands
        assert set(gone) <= before - present(leaving), commands
        assert claims.items() <= self.claims(leaving).items(), "data stays"

    def test_load_balancer_leaves_and_changes_its_class(self, leaving):
        cloud = {"region": "eu-central-1", "internal_load_balancer": True}
        aws = {**NO_JAEGER, "target": "aws", "platform": "kubernetes", "kubernetes": cloud}
        aws["machine"] = {"disk": "1GiB", "allow_from": "10.0.0.0/16"}
        aws["kubernetes"]["storage_class"] = "standard"
        balancer = f"service/{NAME}-internal"
        leaving.cluster.kubectl("delete", "statefulset", NAME, "--namespace", NAME)  # its storage class differs
        leaving.change(aws, "--force")
        assert balancer in present(leaving)
        leaving.change({**aws, "kubernetes": {**cloud, "auto_mode": True}})
        tree = leaving.cluster.get(balancer, "--namespace", NAME)
        assert tree["spec"]["loadBalancerClass"] == "eks.amazonaws.com/nlb"
        leaving.change({**aws, "kubernetes": {"region": "eu-central-1", "storage_class": "standard"}})
        assert balancer not in present(leaving)
        assert present(leaving) == rendered(leaving)

    def test_secret_of_the_store_is_replaced_by_one_created_by_hand(self, leaving):
        key, secret = "HONEYCOMB_API_KEY", f"{NAME}-keys"
        by_hand = {**BASE, "tracing": {"backend": "honeycomb"}}
        stored = {
            **by_hand,
            "machine": {"disk": "1GiB", "secrets": {key: "team/honeycomb"}},
            "kubernetes": {"secret_store": "vault"},
        }
        leaving.cluster.kubectl("delete", "statefulset", NAME, "--namespace", NAME)
        leaving.change(stored, "--force")
        owner = leaving.cluster.get(f"externalsecret/{secret}", "--namespace", NAME)
        # As the External Secrets Operator creates it.
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": secret,
            "uid": owner["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        metadata = {"name": secret, "namespace": NAME, "ownerReferences": [reference]}
        leaving.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: "old"}})
        (leaving.folder / ".env").write_text(f"{key}=new\n")
        leaving.change(by_hand)
        made = leaving.cluster.get(f"secret/{secret}", "--namespace", NAME)
        assert "ownerReferences" not in made["metadata"]
        assert made["data"] == {key: "bmV3"}
        assert f"externalsecret/{secret}" not in present(leaving)

    def test_stateful_set_of_an_earlier_version_is_replaced_around_its_pod(self, leaving):
        """Earlier versions set another `serviceName`, which Kubernetes does not allow to change."""
        cluster, file = leaving.cluster, leaving.folder / "chroma.yaml"
        leaving.change(NONE, "--force")
        new = f"serviceName: {NAME}-headless"
        assert new in file.read_text()
        file.write_text(file.read_text().replace(new, f"serviceName: {NAME}-api"))
        cluster.kubectl("delete", "statefulset", NAME, "--namespace", NAME)
        cluster.kubectl("apply", "--filename", file)
        ready = ["rollout", "status", "--namespace", NAME, "--timeout", "5m", f"statefulset/{NAME}"]
        cluster.kubectl(*ready)
        pod, claims = leaving.pod(f"{NAME}-0")["metadata"]["uid"], self.claims(leaving)
        commands = leaving.change(NONE, "--force")
        assert any("--cascade=orphan" in line for line in commands), commands
        cluster.kubectl(*ready)
        assert cluster.get(f"statefulset/{NAME}", "--namespace", NAME)["spec"]["serviceName"] == f"{NAME}-headless"
        assert leaving.pod(f"{NAME}-0")["metadata"]["uid"] == pod, "it runs on"
        assert self.claims(leaving) == claims
