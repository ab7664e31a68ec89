//! The region of an endpoint on aws.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{folder, run};

/// Renders a spec for aws with these lines; returns the files and the messages.
fn rendered(lines: &str) -> (BTreeMap<&'static str, String>, String) {
    let home = folder();
    let path = home.path().join("chroma-otel.yaml");
    fs::write(path, format!("target: aws\n{lines}\n")).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    let names = ["template.yaml", "parameters.json", "README.md"];
    let read = |name| fs::read_to_string(home.path().join(name)).unwrap();
    (
        names.into_iter().map(|name| (name, read(name))).collect(),
        message,
    )
}

/// X-Ray rejects requests that are signed for another region.
#[test]
fn requests_are_signed_for_the_region_of_their_endpoint() {
    let region = |endpoint: &str| {
        let (files, _) = rendered(&format!("tracing: {{backend: aws-xray{endpoint}}}"));
        let after = files["template.yaml"]
            .split_once("sigv4auth:\n")
            .unwrap()
            .1
            .to_owned();
        let mut lines = after.lines().map(str::trim);
        let region = lines
            .find_map(|line| line.strip_prefix("region: "))
            .unwrap()
            .trim_matches('"')
            .to_owned();
        (
            region,
            files["template.yaml"].contains("https://us-east-1.console.aws.amazon.com/"),
        )
    };
    assert_eq!(region(""), ("${env:AWS_REGION}".to_owned(), false));
    for host in [
        "xray.us-east-1.amazonaws.com",
        "vpce-0a-0b.xray.us-east-1.vpce.amazonaws.com",
    ] {
        let endpoint = format!(", endpoint: 'https://{host}/v1/traces'");
        assert_eq!(region(&endpoint), ("us-east-1".to_owned(), true), "{host}");
    }
    let own = ", endpoint: 'https://xray.internal.example.com/v1/traces'";
    assert_eq!(region(own).0, "${env:AWS_REGION}");
}
