"""Tests of Compose deployments in a real Docker engine."""
