"""Backs up Chroma's volume as a VolumeSnapshot, by way of the Kubernetes API.

A controller in the cluster creates the snapshot. It repeats a step that failed, so an error counts if it persists.
Invariant: old snapshots are deleted only after a new one is ready to use.

Reads the variables KEEP, KEEP_DAYS (optional), ERROR_SECONDS and READY_SECONDS, and `snapshot.json` beside this file, which is the object.
"""

import contextlib
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CLAIM = "chroma-otel-deploy/claim"  # the label of all snapshots of a volume
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SNAPSHOT = json.loads(Path(__file__).with_name("snapshot.json").read_text())
UNFINISHED = 6 * 3600  # seconds, after which the job of an unfinished snapshot has ended


class Failure(Exception):
    """Ends the program with a message for the operator."""


def say(*words):
    print(*words, flush=True)


def api(method, name="", query="", body=None):
    """Sends a request for the snapshots of the namespace and returns the answer."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    path = f"/apis/{SNAPSHOT['apiVersion']}/namespaces/{SNAPSHOT['metadata']['namespace']}/volumesnapshots"
    # The kubelet replaces the token before it expires.
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"https://{host}:{port}{path}{name and '/' + name}{query}", data, headers, method=method)
    trusted = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
        return json.load(answer)


def rejected(error):
    """Returns true if the API server answered, and the same request will fail again."""
    return isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429


def reason(error):
    """Returns the message of the API server, or the error of the connection."""
    if not isinstance(error, urllib.error.HTTPError):
        return f"the Kubernetes API does not answer: {getattr(error, 'reason', error)}"
    try:
        return json.load(error)["message"]
    except (ValueError, KeyError, TypeError):
        if error.code == 404:
            return "the cluster has no VolumeSnapshots: install the CRDs and the controller of kubernetes-csi/external-snapshotter"
        return f"the Kubernetes API answers {error.code} {error.reason}"


def wait(name):
    """Waits until the snapshot is ready to use."""
    began, failing, found = time.monotonic(), None, "no status: no controller has processed it"
    while True:
        status = {}
        try:
            status = api("GET", name).get("status") or {}
        except OSError as error:
            if rejected(error):
                raise
            found = reason(error)
        if status.get("readyToUse"):
            return
        now = time.monotonic()
        if status.get("error"):
            found = status["error"].get("message", "an error without a message")
            failing = failing or now
            if now - failing > float(os.environ["ERROR_SECONDS"]):
                raise Failure(f"{name}: {found}")
        elif status:
            failing, found = None, "the storage has not completed it"
        if now - began > float(os.environ["READY_SECONDS"]):
            raise Failure(f"{name}: not ready to use after {os.environ['READY_SECONDS']} s: {found}")
        time.sleep(2)


def ago(seconds):
    """Returns a time in the past, as the API server writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))


def delete_old(keep, days):
    """Deletes ready snapshots beyond the newest ones or older than this, and what earlier jobs left unfinished."""
    selector = urllib.parse.urlencode({"labelSelector": f"{CLAIM}={SNAPSHOT['metadata']['labels'][CLAIM]}"})
    found = api("GET", query=f"?{selector}")["items"]
    found = [one for one in found if "deletionTimestamp" not in one["metadata"]]
    found.sort(key=lambda one: one["metadata"]["creationTimestamp"])
    ready = [one["metadata"]["name"] for one in found if (one.get("status") or {}).get("readyToUse")]
    before = lambda limit: [one["metadata"]["name"] for one in found if one["metadata"]["creationTimestamp"] < limit]
    old = before(ago(int(days) * 86400)) if days else []
    surplus = [name for name in ready[:-1] if name in ready[:-keep] or name in old]
    for name in [*surplus, *(name for name in before(ago(UNFINISHED)) if name not in ready)]:
        api("DELETE", name)
        say(f"{name}: deleted, keeping {keep}" + (f" of the last {days} days" if days else ""))


def main():
    keep = int(os.environ["KEEP"])
    name = SNAPSHOT["metadata"]["name"] + time.strftime("-%Y%m%dt%H%M%Sz", time.gmtime())
    began = time.monotonic()
    api("POST", body={**SNAPSHOT, "metadata": {**SNAPSHOT["metadata"], "name": name}})
    say(f"{name}: created")
    try:
        wait(name)
    except Failure:
        with contextlib.suppress(OSError):
            api("DELETE", name)  # or it would count once it is ready
        raise
    say(f"{name}: ready to use after {time.monotonic() - began:.0f} s")
    delete_old(keep, os.environ.get("KEEP_DAYS"))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
    except OSError as error:
        sys.exit(reason(error))
