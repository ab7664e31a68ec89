# Data: outlives the machine, and as a snapshot also the deployment.

resource "google_compute_disk" "data" {
  #checkov:skip=CKV_GCP_37:encrypted by a key of Google; set `machine.kms_key` for your own
  project = var.project_id
  # A disk from a snapshot can exist next to the one that it replaces.
  name        = join("-", compact([var.name, "data", var.snapshot == "" ? "" : substr(sha1(var.snapshot), 0, 8)]))
  description = "Chroma's data and its traces' queue"
  zone        = var.zone
  type        = local.disk_type
  size        = var.disk_size
  snapshot    = var.snapshot == "" ? null : var.snapshot
  labels      = local.labels

  lifecycle {
    prevent_destroy = true # see ../README.md, "Delete" and "Back up, restore, move"
  }

  depends_on = [google_project_service.compute]
}

resource "google_compute_resource_policy" "snapshots" {
  count = var.snapshots_kept > 0 ? 1 : 0

  project     = var.project_id
  name        = "${var.name}-daily"
  description = "Daily snapshots of ${var.name}"
  region      = local.region

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "03:00"
      }
    }

    retention_policy {
      max_retention_days    = var.snapshots_kept
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }

    snapshot_properties {
      labels            = local.labels
      storage_locations = [local.region]
    }
  }

  depends_on = [google_project_service.compute]
}

resource "google_compute_disk_resource_policy_attachment" "snapshots" {
  count = var.snapshots_kept > 0 ? 1 : 0

  project = var.project_id
  name    = google_compute_resource_policy.snapshots[0].name
  disk    = google_compute_disk.data.name
  zone    = var.zone

  lifecycle {
    # Detach a schedule before it is replaced: Google does not delete a schedule in use.
    replace_triggered_by = [google_compute_resource_policy.snapshots]
  }
}
