# No public address; only who is named here reaches Chroma. The address stays when the machine is replaced.

resource "google_compute_address" "chroma" {
  name         = var.name
  description  = "Chroma"
  region       = local.region
  address_type = "INTERNAL"
  subnetwork   = data.google_compute_subnetwork.chroma.self_link
  labels       = local.labels
}

# Lower numbers come first, and a network's own rules are usually at 1000 (or, of the default network, at
# 65534): none of them opens a door to this machine.
resource "google_compute_firewall" "clients" {
  name                    = "${var.name}-clients"
  description             = "Chroma's clients"
  network                 = data.google_compute_subnetwork.chroma.network
  priority                = 900
  source_ranges           = [var.allowed_cidr]
  target_service_accounts = [google_service_account.machine.email]

  allow {
    protocol = "tcp"
    ports    = ["8000"]
  }
}

resource "google_compute_firewall" "ssh" {
  name                    = "${var.name}-ssh"
  description             = "SSH, by Identity-Aware Proxy: Google asks who it is"
  network                 = data.google_compute_subnetwork.chroma.network
  priority                = 900
  source_ranges           = ["35.235.240.0/20"] # of the proxy, and nobody else
  target_service_accounts = [google_service_account.machine.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_firewall" "nobody_else" {
  name                    = "${var.name}-nobody-else"
  description             = "Nobody else"
  network                 = data.google_compute_subnetwork.chroma.network
  priority                = 910
  source_ranges           = ["0.0.0.0/0"]
  target_service_accounts = [google_service_account.machine.email]

  deny {
    protocol = "all"
  }
}
