//! The rules on complete files, and their messages.

use super::identity::is_permission;
use crate::backend::{load, names, read};
use crate::values::Cloud;

#[test]
fn every_backend_file_follows_the_rules() {
    assert!(names().len() >= 5);
    for name in names() {
        let backend = load(&name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(backend.map(|backend| backend.name), Some(name));
    }
}

#[test]
fn permissions_have_no_wildcards() {
    for (cloud, word, is_one) in [
        (Cloud::Aws, "xray:PutSpans", true),
        (Cloud::Aws, "xray:*", false),
        (Cloud::Aws, "*", false),
        (Cloud::Gcp, "roles/telemetry.tracesWriter", true),
        (Cloud::Gcp, "roles/editor", false),
        (Cloud::Gcp, "telemetry.traces.write", false),
        (Cloud::Gcp, "projects/p/roles/own", false),
        (Cloud::Azure, "Monitoring Metrics Publisher", true),
        (Cloud::Azure, "Contributor", false),
        (Cloud::Azure, "User Access Administrator", false),
        (Cloud::Azure, "3913510d-42f4-4e42-8a64-420c390055eb", false),
    ] {
        assert_eq!(is_permission(cloud, word), is_one, "{word}");
    }
}

#[test]
fn rejects_files_that_break_a_rule() {
    let sound = "summary: s\ndocumentation: https://d\ntraces: t\n";
    let aws = "identity: {cloud: aws, permissions: [xray:PutSpans]}\n";
    for (rest, why) in [
        ("exporter: otlp\n", None),
        ("exporter: otpl\n", Some("Exporter")),
        ("exporter: otlp\ntypo: 1\n", Some("typo")),
        (
            "exporter: {name: a_b, queue: true, typo: 1}\n",
            Some("Exporter"),
        ),
        (
            "exporter: {name: A-B, queue: true}\n",
            Some("not a valid name of a component"),
        ),
        (
            "exporter: {name: prometheus, queue: false}\n",
            Some("every collector already has it"),
        ),
        (
            "exporter: debug\nendpoint: http://h:4317\n",
            Some("`endpoint` is for"),
        ),
        ("exporter: otlp\nendpoint: ftp://h\n", Some("ftp")),
        (
            "exporter: otlp_http\nendpoint: http://h:4317\n",
            Some("as OTLP over HTTP does"),
        ),
        (
            "exporter: zipkin\nendpoint: http://h:4318\n",
            Some("ends in `/api/v2/spans`"),
        ),
        (
            "exporter: zipkin\nextension: {name: a}\n",
            Some("`extension`"),
        ),
        (
            "exporter: debug\nspans_per_request: 1\n",
            Some("`spans_per_request`"),
        ),
        (
            "exporter: otlp\nprepare: {what: '', commands: x}\n",
            Some("`prepare`"),
        ),
        (
            "exporter: otlp\nheaders: {'a b': x}\n",
            Some("header `a b` needs"),
        ),
        (
            "exporter: {name: a, queue: true}\nheaders: {a: x}\n",
            Some("`headers` are for"),
        ),
        (
            "exporter: {name: a, queue: true, settings: {b: x}}\nkeys: [{variable: A, what: w}]\n",
            Some("key `A`"),
        ),
        (
            "exporter: {name: a, queue: true, settings: {b: 'x {A}'}}\nkeys: [{variable: A, what: w}]\n",
            None,
        ),
        (
            "exporter: {name: a, queue: true, settings: {b: 'x {A}'}}\nkeys: [{variable: A, what: w, setting: a}]\n",
            Some("`setting` is for a key"),
        ),
        (
            "exporter: {name: a, queue: true}\nidentity: {cloud: azure, permissions: [A Publisher], replaces_keys: true}\n",
            Some("`replaces_keys` is for the key `APPLICATIONINSIGHTS_CONNECTION_STRING`"),
        ),
        (
            "exporter: {name: a, queue: true}\nextension: {name: b, on_machine: {c: '{AZURE_CLIENT_ID}'}}\n",
            Some("`{AZURE_CLIENT_ID}` is neither"),
        ),
        (
            "exporter: {name: a, queue: true}\nextension: {name: b, in_cluster: {c: '{AZURE_CLIENT_ID}'}}\nidentity: {cloud: azure, permissions: [A Publisher]}\n",
            None,
        ),
        (
            "exporter: otlp\nheaders: {a: 'b {KEY}'}\n",
            Some("`{KEY}` is neither"),
        ),
        (
            "exporter: otlp\nheaders: {a: 'b {KEY}'}\nkeys: [{variable: KEY, what: w}]\n",
            None,
        ),
        (
            "exporter: otlp\nheaders: {a: b}\nkeys: [{variable: KEY, what: w}]\n",
            Some("key `KEY`"),
        ),
        (
            "exporter: otlp\nendpoint: https://h.{realm}.x\nsettings: {realm: {what: w, default: a, choices: {b: c}}}\n",
            Some("setting `realm`"),
        ),
        (
            "exporter: otlp\nsettings: {realm: {what: w}}\n",
            Some("setting `realm`"),
        ),
        (
            "exporter: otlp_http\nendpoint: https://h.x{path}\nsettings: {path: {what: w, choices: {b: /c, d: ''}}}\n",
            Some("as OTLP over HTTP does"),
        ),
        (
            "exporter: otlp\nendpoint: https://h.{region}.x\nsettings: {region: {what: w}}\n",
            None,
        ),
        (
            "exporter: otlp\nspans_per_request: 1\nbytes_per_request: 1\n",
            Some("set only one of"),
        ),
        (
            "exporter: otlp\nendpoint: https://h\nexample: https://h\n",
            Some("`example`"),
        ),
        (
            "exporter: zipkin\nmetrics: {}\n",
            Some("`metrics` are for OTLP"),
        ),
        (
            "exporter: otlp\nendpoint: https://h.{region}.x\n",
            Some("`{region}`"),
        ),
        (
            "exporter: {name: a, queue: true, settings: {b: [{c: '{region}'}]}}\n",
            Some("`{region}`"),
        ),
        (
            "exporter: otlp\nidentity: {cloud: aws, permissions: ['xray:*']}\n",
            Some("`permissions`"),
        ),
        (
            "exporter: otlp\nendpoint: https://h.{project}.x\n",
            Some("`{project}` is for a backend with an `identity` in GCP"),
        ),
        (
            "exporter: otlp\nidentity: {cloud: gcp, permissions: [roles/telemetry.tracesWriter]}\nresource: {a: '{region}'}\n",
            Some("`{region}` is for a backend with an `identity` in AWS"),
        ),
        (
            "exporter: otlp\nidentity: {cloud: gcp, permissions: [roles/telemetry.tracesWriter]}\nresource: {gcp.project_id: '{project}'}\n",
            None,
        ),
        (
            "exporter: otlp\nresource: {'Gcp:x': a}\n",
            Some("`resource`"),
        ),
        ("exporter: otlp\nresource: {a.b: ''}\n", Some("`resource`")),
        (
            "exporter: {name: a, queue: false, retries_itself: true}\n",
            Some("`retries_itself`"),
        ),
        (
            "exporter: otlp\nidentity: {cloud: gcp, permissions: [roles/telemetry.tracesWriter], services: [telemetry.googleapis.com]}\n",
            None,
        ),
        (
            "exporter: otlp\nidentity: {cloud: gcp, permissions: [roles/telemetry.tracesWriter], services: [telemetry]}\n",
            Some("`services` must be Google's"),
        ),
        (
            "exporter: otlp\nidentity: {cloud: aws, permissions: [xray:PutSpans], services: [a.googleapis.com]}\n",
            Some("`services` are only for GCP"),
        ),
        (
            "exporter: otlp\nidentity: {cloud: mars, permissions: [a]}\n",
            Some("mars"),
        ),
    ] {
        let read = read("name", format!("{sound}{rest}").as_bytes());
        match (read, why) {
            (Ok(_), None) => {}
            (Err(error), Some(why)) => {
                assert!(format!("{error:#}").contains(why), "{rest}{error:#}");
            }
            (read, _) => panic!("{rest}{read:?}"),
        }
    }
    let region =
        format!("{sound}{aws}exporter: otlp_http\nendpoint: https://x.{{region}}.y/v1/traces\n");
    assert!(read("name", region.as_bytes()).is_ok());
}
