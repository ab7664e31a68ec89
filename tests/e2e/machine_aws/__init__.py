"""Tests on a stand-in machine in AWS: real systemd, Docker, disks and `aws`, with the files of the rendered
template."""
