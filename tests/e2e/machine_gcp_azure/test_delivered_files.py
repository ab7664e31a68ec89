"""Lints of the files that Terraform delivers to the machine."""

from stand_in_machine import host


def test_scripts_and_units_pass_their_linters(machine):
    folder = machine.path("/etc/chroma-otel")
    host("shellcheck", "--shell=bash", folder / "boot", folder / "watch", folder / "cloud")
    units = ("chroma-otel.service", "chroma.service", "otel-collector.service", "chroma-otel-watch.timer")
    done = machine.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{unit}" for unit in units))
    assert done.stdout + done.stderr == ""
