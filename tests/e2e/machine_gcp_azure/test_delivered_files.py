"""Lints of the files that Terraform delivers to the machine."""

from booted_machine import check_delivered_files


def test_scripts_and_units_pass_their_linters(machine):
    check_delivered_files(machine)
