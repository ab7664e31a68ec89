"""Tests in a real Kubernetes cluster with one node, which is started once for all of them."""
