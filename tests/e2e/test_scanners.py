"""The security scanners that organizations run on infrastructure code, on the default deployment of each cloud and on
one with every setting of an organization.

Invariant: every finding is fixed, or has its reason in the rendered file, in the form of the scanner.
"""

import json
import re
import subprocess

import pytest
from conftest import HERE

FORMATS = {"aws": "cloudformation", "aws-terraform": "terraform", "gcp": "terraform", "azure": "terraform"}
TERRAFORM = [name for name, format in FORMATS.items() if format == "terraform"]


def cases(names):
    """Parameters `spec`: the default and the organization's deployment of these targets, with the marker of the cloud's
    scanners."""
    return pytest.mark.parametrize("spec", [spec for name in names for spec in (name, f"{name}-organization")])


pytestmark = pytest.mark.scanners


@pytest.fixture(scope="session")
def folder(tools, tmp_path_factory):
    """folder(spec) -> the folder that `gen` writes for the spec of that name."""
    written = {}

    def render(spec):
        if spec not in written:
            written[spec] = tmp_path_factory.mktemp(spec)
            file = HERE.parent / "specs" / f"{spec}.yaml"
            gen = [tools.program("chroma-otel-deploy"), "gen", "--spec", file, "--out", written[spec]]
            subprocess.run(gen, check=True, capture_output=True)
        return written[spec]

    return render


def report(command, codes, cwd=None):
    """The JSON that a scanner prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode in codes, done.stdout + done.stderr
    return json.loads(done.stdout)


def checkov(tools, directory, framework):
    command = [tools.part("checkov/bin/checkov"), "--framework", framework, "--output", "json", "--compact"]
    return report([*command, "--skip-download", "--directory", directory], {0, 1})


def without_reasons(directory, target, pattern):
    """A copy of the folder without the lines that match."""
    for file in directory.rglob("*"):
        copy = target / file.relative_to(directory)
        if file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(re.sub(pattern, "", file.read_text(), flags=re.MULTILINE))
    return target


@cases(FORMATS)
def test_checkov_has_no_finding_without_a_reason(tools, folder, spec):
    found = checkov(tools, folder(spec), FORMATS[spec.removesuffix("-organization")])
    assert found["summary"]["parsing_errors"] == 0 and found["summary"]["passed"] > 20
    assert [(one["check_id"], one["resource"]) for one in found["results"]["failed_checks"]] == []
    reasons = [one["check_result"]["suppress_comment"] for one in found["results"]["skipped_checks"]]
    assert all(len(reason.split()) > 2 for reason in reasons), reasons


@pytest.mark.parametrize("spec", FORMATS)
def test_checkov_finds_what_the_reasons_hide(tools, folder, spec, tmp_path):
    pattern = r"^ *(#checkov:skip=|Metadata: \{checkov: ).*\n"
    bare = without_reasons(folder(spec), tmp_path, pattern)
    hidden = checkov(tools, folder(spec), FORMATS[spec])["results"]["skipped_checks"]
    found = checkov(tools, bare, FORMATS[spec])["results"]["failed_checks"]
    ids = lambda checks: {(one["check_id"], one["resource"]) for one in checks}
    assert ids(found) == ids(hidden) and hidden


# Findings of AWS Control Tower's rules, which have no form for a reason in a template, with their reasons.
GUARD = {
    "autoscaling_group_elb_healthcheck_required_check": "a slow start must not replace the instance",
    "autoscaling_launch_template_check": "the rule cannot read `!GetAtt Machine.LatestVersionNumber`",
    "autoscaling_mixed_instances_policy_multiple_instance_types_check": "there is one instance",
    "autoscaling_multiple_az_check": "the data volume is in one zone",
    "cloudwatch_log_group_encrypted_check": "`machine.kms_key` sets a key",
    "cloudwatch_log_group_retention_period_check": "the rule reads no parameters; `machine.log_days` sets a year",
    "ec2_launch_template_monitoring_enabled_check": "the alarm uses status checks, which EC2 publishes each minute",
    "ec2_launch_template_nitro_instance_type_check": "the rule reads no parameters; the default is a Nitro type",
    "ec2_launch_template_public_ip_disabled_check": "`machine.public_address` asks for it",
    "elbv2_deletion_protection_enabled_check": "the stack has termination protection",
    "elbv2_logging_enabled_check": "a network load balancer logs TLS connections only",
    "nlb_cross_zone_load_balancing_enabled_check": "there is one subnet and one target",
    "vpc_sg_open_only_to_authorized_ports_check": "the rule supports no prefix lists",
    "vpc_sg_restricted_common_ports_check": "the rule supports no prefix lists",
}
# The parts that each spec lacks: the settings of an organization, or a key of AWS.
FIXED = {
    "aws": {
        "ec2_launch_template_public_ip_disabled_check",
        "vpc_sg_open_only_to_authorized_ports_check",
        "vpc_sg_restricted_common_ports_check",
    },
    "aws-organization": {"cloudwatch_log_group_encrypted_check"},
}


def cfn_guard(tools, template):
    """The names of the failed rules, and the number of those that passed."""
    command = [tools.part("cfn-guard/cfn-guard"), "validate", "--structured", "--output-format=json"]
    command += ["--show-summary=none", "--rules", tools.part("cfn-guard/rules"), "--data", template]
    [found] = report(command, {0, 19})
    return {one["Rule"]["name"] for one in found["not_compliant"]}, len(found["compliant"])


@pytest.mark.parametrize("spec", FIXED)
def test_cfn_guard_has_only_findings_with_a_reason(tools, folder, spec):
    failed, passed = cfn_guard(tools, folder(spec) / "template.yaml")
    assert failed == GUARD.keys() - FIXED[spec] and passed >= 10


def test_cfn_guard_finds_an_unencrypted_volume(tools, folder, tmp_path):
    text = (folder("aws") / "template.yaml").read_text()
    wrong = text.replace("      Encrypted: true\n", "      Encrypted: false\n")
    assert wrong != text
    (tmp_path / "template.yaml").write_text(wrong)
    failed, _ = cfn_guard(tools, tmp_path / "template.yaml")
    assert failed - GUARD.keys() == {"ec2_encrypted_volumes_check"}


@cases(TERRAFORM)
def test_tflint_accepts_every_module(tools, folder, spec, tmp_path):
    settings = tmp_path / "tflint.hcl"
    settings.write_text('plugin "terraform" {\n  enabled = true\n  preset  = "all"\n}\n')
    command = [tools.part("tflint/tflint"), "--recursive", f"--config={settings}", "--format=json"]
    found = report(command, {0, 2}, cwd=folder(spec))
    assert [(one["rule"]["name"], one["range"]["filename"], one["message"]) for one in found["issues"]] == []
    assert found["errors"] == []
