"""Lints of the files that CloudFormation delivers to the machine."""

import pytest
from booted_machine import check_delivered_files

from machine_aws.machine_files import SPEC, STOCK, rendered_files

pytestmark = pytest.mark.aws


def test_scripts_and_units_pass_their_linters(machine):
    check_delivered_files(machine)


@pytest.mark.parametrize("spec", [SPEC, STOCK], ids=["wrapped", "stock"])
def test_delivered_files_are_ascii(cloud, tools, folder, spec):
    """CloudFormation's API, which cfn-init uses, returns `?` for other characters in metadata."""
    parameters = {"ChromaOtelCollectionEndpoint": "otlp.example.com", "SecretSecretArn": cloud.extra}
    own = {"ChromaOtelNamesKeySecretArn": cloud.names}
    files = rendered_files(tools, folder, cloud, spec, parameters if spec == SPEC else own)
    assert [path for path, (_, text) in files.items() if not text.isascii()] == []
