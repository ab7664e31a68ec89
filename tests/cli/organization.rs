//! Rules of an organization on aws: rejected values, mirrors of images, and the region of an endpoint.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{folder, refused, run};

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

#[test]
fn rejects_values_that_aws_does_not_accept() {
    let message = refused(
        "\
target: aws
machine:
  image: ubuntu-24.04
  kms_key: arn:aws:kms:eu-central-1:123456789012:alias/data
  permissions_boundary: boundary
  policies: [arn:aws:iam::123456789012:role/admin]
  allow_from: [10.0.0.0/16, sg-xyz, pl-1]
  tags: {name: x, 'aws:a': b, team: a&b, Owner: me, owner: me}
",
    );
    let expected = [
        "machine.image: `ubuntu-24.04` is not the ID of an AMI",
        "machine.kms_key: `arn:aws:kms:eu-central-1:123456789012:alias/data` is not the ARN of a KMS key",
        "machine.permissions_boundary: `boundary` is not the ARN of a policy",
        "machine.policies: `arn:aws:iam::123456789012:role/admin` is not the ARN of a policy",
        "machine.allow_from: `sg-xyz` is not the ID of a security group",
        "machine.allow_from: `pl-1` is not the ID of a prefix list",
        "machine.tags.name: the deployment sets the tag `Name`",
        "machine.tags.aws:a: AWS reserves tags that begin with `aws:`",
        "machine.tags.team: is not a tag of IAM's",
        "machine.tags.owner: differs from `Owner` only in case, which IAM does not accept",
        "10 problems",
    ];
    for line in expected {
        assert!(message.contains(line), "{line}\n{message}");
    }
}

#[test]
fn rejects_keys_of_other_regions_blank_tags_and_a_network_without_rules() {
    for (spec, expected) in [
        (
            "target: aws\nmachine: {zone: eu-central-1a, kms_key: 'arn:aws:kms:us-east-1:123456789012:key/1'}\n",
            "machine.kms_key: `us-east-1` is not the region of `machine.zone`, `eu-central-1a`",
        ),
        (
            "target: gcp\nmachine: {zone: europe-west3-a, kms_key: projects/p/locations/us-east1/keyRings/r/cryptoKeys/k}\n",
            "machine.kms_key: `us-east1` is not the region of `machine.zone`, `europe-west3-a`",
        ),
        (
            "target: aws\nmachine: {tags: {team: ''}}\n",
            "machine.tags.team: has no value",
        ),
        (
            "target: gcp\nmachine: {create_firewall_rules: false}\n",
            "machine.create_firewall_rules: `false` is for a Shared VPC",
        ),
        (
            "target: azure\nmachine: {secrets: {CHROMA_OTEL_COLLECTION_HEADERS: 'https://v.vault.azure.net/secrets/k'}}\n",
            "machine.secrets.CHROMA_OTEL_COLLECTION_HEADERS: names a secret, but the deployment reads none",
        ),
    ] {
        let message = refused(spec);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn allows_ipv6_ranges_on_aws_only() {
    let (files, _) = rendered("machine: {allow_from: ['fd00:12::/32', 10.0.0.0/16]}");
    let template = &files["template.yaml"];
    assert!(template.contains("      IpAddressType: dualstack\n"));
    assert_eq!(template.matches("CidrIpv6: fd00:12::/32}").count(), 1);
    assert!(files["parameters.json"].contains("\"AllowedCidr=10.0.0.0/16\""));
    assert!(files["README.md"].contains("need IPv6 ranges"));
    let (files, _) = rendered("machine: {allow_from: 10.0.0.0/16}");
    assert!(!files["template.yaml"].contains("IpAddressType"));
    for target in ["gcp", "azure", "kubernetes"] {
        let spec = format!("target: {target}\nmachine: {{allow_from: 'fd00::/8'}}\n");
        let message = refused(&spec);
        let expected = "machine.allow_from: `fd00::/8` is an IPv6 range, which only `aws` supports";
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn leaves_the_firewall_rules_of_a_shared_vpc_to_its_administrators() {
    let home = folder();
    let spec =
        "target: gcp\nmachine: {network_project: acme-network, create_firewall_rules: false}\n";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    assert_eq!(run(home.path(), &["gen"]).0, 0);
    let root = fs::read_to_string(home.path().join("main.tf")).unwrap();
    let line = root
        .lines()
        .find(|line| line.contains("create_firewall_rules"));
    assert!(line.is_some_and(|line| line.ends_with("= false")), "{root}");
}

#[test]
fn pulls_every_mirrored_image_with_the_identity_of_the_machine() {
    let host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";
    let mirror = |name: &str| format!("{host}/docker-hub/{name}");
    let (files, message) = rendered(&format!(
        "chroma: {{image: stock, repository: {}}}\ncollector: {{repository: {}}}\ntracing: {{backend: jaeger, settings: {{jaeger.repository: {}}}}}",
        mirror("chromadb/chroma"),
        mirror("otel/collector"),
        mirror("jaegertracing/jaeger"),
    ));
    assert!(!message.contains("without credentials"), "{message}");
    let template = &files["template.yaml"];
    for name in ["chromadb/chroma", "otel/collector", "jaegertracing/jaeger"] {
        let arn = format!("ecr:eu-central-1:123456789012:repository/docker-hub/{name}\n");
        assert_eq!(
            template.matches(&arn).count(),
            2,
            "{name}: pulls and the cache"
        );
        assert!(template.contains(&format!("{}:", mirror(name))), "{name}");
    }
    assert_eq!(
        template
            .matches(&format!("\\\"{host}\\\": \\\"ecr-login"))
            .count(),
        1
    );
    assert!(template.contains("amazon-ecr-credential-helper"));
    assert!(files["README.md"].contains("VPC endpoints `cloudformation`"));
}

#[test]
fn says_which_registries_must_allow_pulls_without_credentials() {
    for (lines, host) in [
        (
            "chroma: {image: stock, repository: registry.example.com/chroma}",
            Some("registry.example.com"),
        ),
        (
            "tracing: {backend: zipkin, settings: {zipkin.repository: 'mirror:5000/zipkin'}}",
            Some("mirror:5000"),
        ),
        (
            "chroma: {image: published, registry: registry.example.com/search}",
            Some("registry.example.com"),
        ),
        (
            "chroma: {image: stock, repository: ghcr.io/chroma-core/chroma}",
            None,
        ),
        ("chroma: {image: stock}", None),
    ] {
        let (files, message) = rendered(lines);
        let note = host.map(|host| format!("note: the machine pulls images from `{host}` without credentials, which the registry must allow"));
        let said = message
            .lines()
            .find(|line| line.contains("without credentials"));
        assert_eq!(said, note.as_deref(), "{lines}");
        assert_eq!(
            files["README.md"].contains("without credentials"),
            host.is_some()
        );
    }
}

#[test]
fn rejects_a_mirror_that_is_not_a_repository() {
    let message = refused(
        "target: aws\ntracing: {backend: jaeger, settings: {jaeger.repository: 'a:1', zipkin.repository: b}}\n",
    );
    assert!(
        message.contains("`a:1` is not an image repository"),
        "{message}"
    );
    assert!(
        message.contains("`zipkin.repository` is not a setting of the selected backends"),
        "{message}"
    );
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

/// EC2 accepts 16 KiB, which a module compresses its files to. `template.yaml` has no such limit.
#[test]
fn rejects_files_that_do_not_fit_in_user_data() {
    // Digits of a hash, which cannot be compressed to less than half.
    let value = |length: usize| -> String {
        let mut state: u64 = 1;
        let digits = (0..length).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from_digit((state >> 60) as u32, 16).unwrap()
        });
        digits.collect()
    };
    let spec = |format: &str, length: usize| {
        format!(
            "target: aws\nformat: {format}\nchroma: {{environment: {{CHROMA_NOTE: x{}}}}}\n",
            value(length)
        )
    };
    let message = refused(&spec("terraform", 9000));
    let expected = "format: `terraform` delivers the instance's files in user data of at most 16384 bytes, and this deployment needs about";
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("hint: shorten `chroma.environment`, whose values have 9001 bytes, or use `--format cloudformation`"), "{message}");
    for (format, length) in [("terraform", 500), ("cloudformation", 9000)] {
        let home = folder();
        fs::write(home.path().join("chroma-otel.yaml"), spec(format, length)).unwrap();
        let (code, _, message) = run(home.path(), &["gen"]);
        assert_eq!(code, 0, "{message}");
    }
}
