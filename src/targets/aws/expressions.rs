//! CloudFormation expressions.

use crate::render::{is_plain, quoted};
use crate::values::{AwsHosts, in_partition};

/// The host of AWS's console in the stack's partition, behind the region.
pub(super) const CONSOLE: &str = "!If [InChina, console.amazonaws.cn, !If [InGovCloud, console.amazonaws-us-gov.com, console.aws.amazon.com]]";

/// Returns a text for `!Sub`, with the stack's region for `{region}`. A text in the console also
/// needs [`CONSOLE`] as `Console`.
pub(super) fn in_stack_region(text: &str) -> String {
    let hosts = AwsHosts {
        services: "${AWS::URLSuffix}",
        console: "${Console}",
    };
    in_partition(&text.replace("${", "${!"), "${AWS::Region}", &hosts)
}

/// Returns a text as a YAML scalar.
pub(super) fn scalar_text(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}
