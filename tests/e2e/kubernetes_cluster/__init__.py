"""A Kubernetes of one node, shared by the tests of this folder."""
