# No public address, only allowed clients. The address stays when the machine is replaced.

resource "google_compute_address" "chroma" {
  project      = var.project_id
  name         = var.name
  description  = "Chroma"
  region       = local.region
  address_type = "INTERNAL"
  subnetwork   = data.google_compute_subnetwork.chroma.self_link
  labels       = local.labels
}

# Lower numbers have priority over other rules of the network, which usually have 1000 (65534 in the
# default network).
resource "google_compute_firewall" "clients" {
  project                 = var.project_id
  name                    = "${var.name}-clients"
  description             = "Clients of Chroma"
  network                 = data.google_compute_subnetwork.chroma.network
  priority                = 900
  source_ranges           = var.allowed_cidrs
  target_service_accounts = [google_service_account.machine.email]

  allow {
    protocol = "tcp"
    ports    = ["8000"]
  }
}

resource "google_compute_firewall" "ssh" {
  project                 = var.project_id
  name                    = "${var.name}-ssh"
  description             = "SSH through Identity-Aware Proxy, authenticated by Google"
  network                 = data.google_compute_subnetwork.chroma.network
  priority                = 900
  source_ranges           = ["35.235.240.0/20"] # only the proxy
  target_service_accounts = [google_service_account.machine.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_firewall" "nobody_else" {
  project                 = var.project_id
  name                    = "${var.name}-nobody-else"
  description             = "Deny all other clients"
  network                 = data.google_compute_subnetwork.chroma.network
  priority                = 910
  source_ranges           = ["0.0.0.0/0"]
  target_service_accounts = [google_service_account.machine.email]

  deny {
    protocol = "all"
  }
}
