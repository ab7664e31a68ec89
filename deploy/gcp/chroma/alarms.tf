# Optional alarms, created if a notification channel is set. The machine sends metrics every ten
# minutes.

resource "google_monitoring_alert_policy" "chroma" {
  for_each = { for name, condition in local.conditions : name => condition if local.alarms }

  project               = var.project_id
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  notification_channels = [var.notification_channel]
  user_labels           = local.labels

  conditions {
    display_name = each.key

    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = each.value.lasts
      disable_metric_validation = true # the first value creates the metric
    }
  }

  documentation {
    content   = each.value.means
    mime_type = "text/markdown"
  }

  depends_on = [google_project_service.needed, google_compute_instance.chroma]
}

locals {
  # Covers the last one or two values.
  of_late = "{monitored_resource=\"gce_instance\", deployment=\"${var.name}\"}[12m]"
  metric  = "custom_googleapis_com:chroma_"

  conditions = {
    "does not answer" = {
      query = "max_over_time(${local.metric}ChromaAnswers${local.of_late}) < 1"
      lasts = "720s" # two values: the first one after a boot may precede Chroma's start
      means = "Chroma does not answer."
    }
    "machine is silent" = {
      query = "absent_over_time(${local.metric}ChromaAnswers${local.of_late})"
      lasts = "720s"
      means = "The machine publishes nothing: it is down, cannot boot, or has no way out."
    }
    "disk" = {
      query = "max_over_time(${local.metric}DiskUsedPercent${local.of_late}) > 80"
      lasts = "0s"
      means = "The data disk is over 80 % full. Raise disk_size."
    }
    "queue" = {
      query = "max_over_time(${local.metric}CollectorQueueSize${local.of_late}) > 134217728" # bytes, of 256 MiB
      lasts = "0s"
      means = "The collector's queue is over 50 % full. The backend is unavailable or too slow."
    }
    "refused" = {
      query = "max_over_time(${local.metric}CollectorSendFailedSpans${local.of_late}) > 0"
      lasts = "0s"
      means = "Traces are lost. Check the log of the container otel-collector for the backend's answers."
    }
  }
}
