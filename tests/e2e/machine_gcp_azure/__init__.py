"""Tests on a stand-in machine in Google Cloud and in Azure, with the files that the applied Terraform module
delivers."""
