# Optional alarms, created if an action group is set.

resource "azurerm_monitor_metric_alert" "machine" {
  count = local.alarms ? 1 : 0

  name                = "${var.name} machine"
  description         = "The machine is not available."
  resource_group_name = local.resource_group
  scopes              = [local.machine_id]
  severity            = 1
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = local.tags

  criteria {
    metric_namespace = "Microsoft.Compute/virtualMachines"
    metric_name      = "VmAvailabilityMetric"
    aggregation      = "Average"
    operator         = "LessThan"
    threshold        = 1
  }

  action {
    action_group_id = var.action_group_id
  }

  depends_on = [azurerm_virtual_machine_run_command.healthy] # no alarm during creation
}

# Metrics that the machine sends every ten minutes.
resource "azurerm_monitor_metric_alert" "chroma" {
  for_each = local.alarms ? {
    "does not answer" = {
      says        = "Chroma does not answer."
      metric      = "ChromaAnswers"
      aggregation = "Maximum"
      operator    = "LessThan"
      threshold   = 1
    }
    disk = {
      says        = "The data disk is over 80 % full. Raise disk_size."
      metric      = "DiskUsedPercent"
      aggregation = "Maximum"
      operator    = "GreaterThan"
      threshold   = 80
    }
  } : {}

  name                = "${var.name} ${each.key}"
  description         = each.value.says
  resource_group_name = local.resource_group
  scopes              = [local.machine_id]
  severity            = each.key == "does not answer" ? 1 : 2
  frequency           = "PT5M"
  window_size         = "PT15M"
  tags                = local.tags

  criteria {
    metric_namespace       = "Chroma"
    metric_name            = each.value.metric
    aggregation            = each.value.aggregation
    operator               = each.value.operator
    threshold              = each.value.threshold
    skip_metric_validation = true # there are no values yet
  }

  action {
    action_group_id = var.action_group_id
  }

  depends_on = [azurerm_virtual_machine_run_command.healthy]
}

# Missing metrics raise no alarm. The agent sends a heartbeat every minute.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "silent" {
  count = local.alarms ? 1 : 0

  name                    = "${var.name} is silent"
  description             = "The machine's heartbeat is missing."
  resource_group_name     = local.resource_group
  location                = local.location
  scopes                  = [azurerm_log_analytics_workspace.logs.id]
  severity                = 1
  evaluation_frequency    = "PT5M"
  window_duration         = "PT15M"
  auto_mitigation_enabled = true
  skip_query_validation   = true # the first heartbeat creates the table
  tags                    = local.tags

  criteria {
    query                   = "Heartbeat | where _ResourceId =~ \"${local.machine_id}\""
    time_aggregation_method = "Count"
    operator                = "LessThan"
    threshold               = 1
  }

  action {
    action_groups = [var.action_group_id]
  }

  depends_on = [azurerm_virtual_machine_run_command.healthy]
}
