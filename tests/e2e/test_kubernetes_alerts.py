"""Alerts on Kubernetes metrics of Chroma. Alerts on the collector's metrics: test_monitoring.py.

Invariant: each alert fires only if its condition holds, and ignores the series of other deployments.
"""

import pytest
from test_monitoring import fires  # noqa: F401

pytestmark = pytest.mark.kubernetes

STATEFUL = "kube_statefulset_status_replicas_ready"
FREE, SIZE = "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"
DUE, DONE = "kube_cronjob_status_last_schedule_time", "kube_cronjob_status_last_successful_time"
CHROMA = '{namespace="chroma", statefulset="chroma", instance="10.0.0.7:8080"}'
DATA = '{namespace="chroma", persistentvolumeclaim="data-chroma-0", node="a"}'
QUEUE = '{namespace="chroma", persistentvolumeclaim="queue-chroma-otel-member-1", node="b"}'
BACKUP = '{namespace="chroma", cronjob="chroma-backup"}'


@pytest.mark.parametrize(
    "alert, at, series, called",
    [
        ("ChromaDown", "10m", {STATEFUL + CHROMA: "0x60"}, True),
        ("ChromaDown", "3m", {STATEFUL + CHROMA: "0x60"}, False),
        ("ChromaDown", "10m", {STATEFUL + CHROMA: "1x60"}, False),
        (
            "ChromaDown",
            "10m",
            {STATEFUL + CHROMA.replace('statefulset="chroma"', 'statefulset="other"'): "0x60"},
            False,
        ),
        ("VolumeFillsUp", "30m", {FREE + DATA: "14x60", SIZE + DATA: "100x60"}, True),
        ("VolumeFillsUp", "30m", {FREE + DATA: "16x60", SIZE + DATA: "100x60"}, False),
        ("VolumeFillsUp", "30m", {FREE + QUEUE: "14x60", SIZE + QUEUE: "100x60"}, True),
        (
            "VolumeFillsUp",
            "30m",
            {
                FREE + DATA.replace("chroma-0", "chroma-2-0"): "1x60",
                SIZE + DATA.replace("chroma-0", "chroma-2-0"): "100x60",
            },
            False,
        ),
        ("BackupFailed", "7h", {DUE + BACKUP: "600x600", DONE + BACKUP: "500x600"}, True),
        ("BackupFailed", "7h", {DUE + BACKUP: "600x600"}, True),  # no backup has ever succeeded
        ("BackupFailed", "5h", {DUE + BACKUP: "600x600", DONE + BACKUP: "500x600"}, False),
        ("BackupFailed", "7h", {DUE + BACKUP: "600x600", DONE + BACKUP: "500x30 660x570"}, False),
    ],
)
def test_alerts_fire_only_when_their_condition_holds(fires, alert, at, series, called):
    assert fires("kubernetes", alert, at, series) == called
