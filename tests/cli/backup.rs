//! Locations of backups: what the target cannot use is rejected by its key.

use crate::command::{folder, refused, run};

fn of(target: &str, backup: &str) -> String {
    format!(
        "target: {target}\nplatform: kubernetes\ntracing: {{backend: debug}}\nbackup: {backup}\n"
    )
}

fn notes(spec: &str) -> String {
    let home = folder();
    std::fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    let lines = message.lines().filter(|line| line.starts_with("note: "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn rejects_a_bucket_that_the_cluster_cannot_reach() {
    insta::assert_snapshot!(refused(&of("aws", "{bucket: acme-chroma}")), @r##"
    error: chroma-otel.yaml: backup.region: required, because `kubernetes.region` is not set
      hint: the region of the bucket, such as `eu-central-1`
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(refused(&of("azure", "{bucket: acme.chroma}")), @r##"
    error: chroma-otel.yaml: backup.bucket: `acme.chroma` is not a bucket name
      hint: the name of a container: 3 to 63 lower-case letters, digits and single `-`
    error: chroma-otel.yaml: backup.account: is missing
      hint: the name of the storage account with the container; for an S3-compatible store, set `backup.endpoint`
    error: 2 problems; nothing was written
    "##);
    let wrong = "{bucket: acme-chroma, account: Acme_Chroma, identity: me}";
    insta::assert_snapshot!(refused(&of("azure", wrong)), @r##"
    error: chroma-otel.yaml: backup.account: `Acme_Chroma` is not a storage account
      hint: 3 to 24 lower-case letters and digits
    error: 1 problem; nothing was written
    "##);
    let wrong = "{bucket: acme-chroma, account: acme, identity: me}";
    insta::assert_snapshot!(refused(&of("azure", wrong)), @r##"
    error: backup.identity: `me` is not a client id
      hint: see `az identity list --query '[].clientId'`
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(refused(&of("azure", "{account: acme}")), @r##"
    error: chroma-otel.yaml: backup.account: requires `backup.bucket`
      hint: set the bucket, or remove this key
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn notes_keys_that_the_store_does_not_have() {
    let keys = "{bucket: acme-chroma, region: europe-west3, account: acme}";
    insta::assert_snapshot!(notes(&of("gcp", keys)), @r##"
    note: `backup.region` has no effect on Cloud Storage
    note: `backup.account` has no effect on Cloud Storage
    "##);
    let keys = "{bucket: acme-chroma, endpoint: 'https://s3.example.com', account: acme}";
    insta::assert_snapshot!(notes(&of("azure", keys)), @"note: `backup.account` has no effect on an S3-compatible store");
}

#[test]
fn machines_back_up_to_the_store_of_their_cloud() {
    let of = |target: &str, backup: &str| {
        format!("target: {target}\ntracing: {{backend: debug}}\nbackup: {backup}\n")
    };
    for (target, backup) in [
        ("aws", "{bucket: acme-chroma}"),
        (
            "gcp",
            "{bucket: acme-chroma, image_registry: eu.gcr.io/acme}",
        ),
        ("azure", "{bucket: backups, account: acme}"),
    ] {
        assert!(!notes(&of(target, backup)).contains("backup"), "{target}");
    }
    insta::assert_snapshot!(refused(&of("azure", "{bucket: backups}")), @r##"
    error: chroma-otel.yaml: backup.account: is missing
      hint: the name of the storage account with the container
    error: 1 problem; nothing was written
    "##);
    let foreign = "{bucket: acme-chroma, endpoint: 'https://s3.example.com'}";
    insta::assert_snapshot!(refused(&of("gcp", foreign)), @r##"
    error: chroma-otel.yaml: backup.endpoint: applies to Kubernetes only: machines back up to the cloud's own store, without keys
      hint: remove it, and set `backup.bucket` to a bucket of the cloud
    error: 1 problem; nothing was written
    "##);
    let keys = "{bucket: backups, account: acme, identity: 00000000-0000-0000-0000-000000000002, disk: 9GiB}";
    insta::assert_snapshot!(notes(&of("azure", keys)), @"note: `backup.disk`, `backup.identity` have no effect on target `azure`");
    let module = "target: aws\nformat: terraform\nbackup: {bucket: acme-chroma}\n";
    let hint = "use `--format cloudformation`, which has room for the programs of backups";
    assert!(refused(module).contains(hint), "{}", refused(module));
}

#[test]
fn backups_on_docker_are_on_a_volume() {
    let docker = |backup: &str| format!("target: docker\nbackup: {backup}\n");
    insta::assert_snapshot!(refused(&docker("{bucket: acme-chroma}")), @r##"
    error: chroma-otel.yaml: backup.bucket: has no effect on target `docker`, where backups are on a volume
      hint: remove it; README.md describes how to copy the backups to another place
    error: 1 problem; nothing was written
    "##);
    let (machine, unused) = (
        "target: gcp\nbackup: {keep: 3}\n",
        "`backup` has no effect on target `gcp`, whose backups are snapshots of the disk",
    );
    assert!(notes(machine).contains(unused), "{}", notes(machine));
    assert!(!notes(&docker("{keep: 3}")).contains("backup"));
}

#[test]
fn rejects_keys_of_archives_with_snapshots() {
    let both = "{snapshot_class: csi-snapclass, bucket: acme-chroma, disk: 40GiB}";
    insta::assert_snapshot!(refused(&of("aws", both)), @r##"
    error: chroma-otel.yaml: backup.disk: applies to archives only, and `backup.snapshot_class` selects snapshots
      hint: remove one of them
    error: chroma-otel.yaml: backup.bucket: applies to archives only, and `backup.snapshot_class` selects snapshots
      hint: remove one of them
    error: 2 problems; nothing was written
    "##);
    let wrong = "{snapshot_class: CSI_Snapclass}";
    insta::assert_snapshot!(refused(&of("gcp", wrong)), @r##"
    error: chroma-otel.yaml: backup.snapshot_class: `CSI_Snapclass` cannot be used
      hint: write lower-case letters, digits, `-` and `.`, at most 253, a letter or digit at either end
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn snapshot_class_has_no_effect_without_a_cluster() {
    let spec = "target: docker\nbackup: {snapshot_class: csi-snapclass}\n";
    let unused = "`backup.snapshot_class` has no effect on target `docker`";
    assert!(notes(spec).contains(unused), "{}", notes(spec));
}
