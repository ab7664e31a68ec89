//! The data volume of a CloudFormation stack: `gen` and `check` reject changes with which an existing
//! stack would lose data or could not be updated.

use std::fs;

use tempfile::TempDir;

use crate::command::{folder, relative, run};

const FIRST: &str = "snap-0123456789abcdef0";
const SECOND: &str = "snap-0fedcba9876543210";

/// A folder with a stack: an empty volume in this zone.
fn stack(zone: &str) -> TempDir {
    let home = folder();
    assert_eq!(generated(&home, zone, "", &[]).0, 0);
    home
}

/// Runs `gen` with a zone and a snapshot, each blank or set.
fn generated(home: &TempDir, zone: &str, snapshot: &str, more: &[&str]) -> (i32, String) {
    let line = |key: &str, value: &str| match value {
        "" => String::new(),
        value => format!("  {key}: {value}\n"),
    };
    let spec = format!(
        "target: aws\nname: chroma\nmachine:\n  disk: 20GiB\n{}{}",
        line("zone", zone),
        line("restore_from", snapshot)
    );
    fs::create_dir_all(home.path().join("chroma")).unwrap();
    fs::write(home.path().join("chroma/chroma-otel.yaml"), spec).unwrap();
    let (code, _, message) = run(&home.path().join("chroma"), &[&["gen"], more].concat());
    (code, message)
}

/// Returns the logical ID of the volume in the template, and the snapshot that it is created from.
fn volume(home: &TempDir) -> (String, Option<String>) {
    let template = fs::read_to_string(home.path().join("chroma/template.yaml")).unwrap();
    let (before, after) = template
        .split_once(":\n    Type: AWS::EC2::Volume\n")
        .unwrap();
    let id = before.rsplit_once("\n  ").unwrap().1.to_owned();
    let properties = after.split("\n\n").next().unwrap();
    let mut lines = properties.lines().map(str::trim);
    let snapshot = lines.find_map(|line| line.strip_prefix("SnapshotId: "));
    (id, snapshot.map(str::to_owned))
}

#[test]
fn only_another_snapshot_changes_the_id_of_the_volume() {
    let home = stack("");
    assert_eq!(volume(&home), ("DataVolume".to_owned(), None));
    let (code, message) = generated(&home, "eu-central-1a", "", &[]);
    assert_eq!(code, 0, "{message}");
    assert!(!message.contains("data volume"), "{message}");
    assert_eq!(volume(&home), ("DataVolume".to_owned(), None));

    let (code, message) = generated(&home, "eu-central-1a", FIRST, &[]);
    assert_eq!(code, 0, "{message}");
    let told = "note: `machine.restore_from` changed: an existing stack gets a new data volume (created from snap-0123456789abcdef0) and keeps the old one as a snapshot";
    assert!(message.contains(told), "{message}");
    let restored = (
        "DataVolume0123456789abcdef0".to_owned(),
        Some(FIRST.to_owned()),
    );
    assert_eq!(volume(&home), restored);

    let (code, message) = generated(&home, "", FIRST, &[]);
    assert_eq!((code, volume(&home)), (0, restored), "{message}");
    // A move: the zone and the snapshot at once.
    assert_eq!(generated(&home, "eu-central-1b", SECOND, &[]).0, 0);
    assert_eq!(volume(&home).0, "DataVolume0fedcba9876543210");
}

#[test]
fn rejects_a_removed_snapshot_and_a_zone_without_a_new_one() {
    for (before, after, expected) in [
        (
            ("eu-central-1a", ""),
            ("eu-central-1b", ""),
            "error: machine.zone: changes from `eu-central-1a` to `eu-central-1b`, but the data volume of an existing stack cannot leave its zone\n  hint: create a snapshot, and set `machine.restore_from` to it as well (README.md, \"Back up and restore\"); if no stack exists, use `gen --force`\n",
        ),
        (
            ("eu-central-1a", FIRST),
            ("eu-central-1b", FIRST),
            "error: machine.zone: changes from `eu-central-1a` to `eu-central-1b`",
        ),
        (
            ("", FIRST),
            ("", ""),
            "error: machine.restore_from: was removed: an existing stack would replace its data volume by an empty one\n  hint: set it to `snap-0123456789abcdef0` again; if no stack has a volume from this snapshot, use `gen --force`\n",
        ),
    ] {
        let home = stack(before.0);
        assert_eq!(generated(&home, before.0, before.1, &[]).0, 0);
        let files = relative(&home.path().join("chroma"));
        let (code, message) = generated(&home, after.0, after.1, &[]);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(expected), "{message}");
        let spec = "chroma-otel.yaml".to_owned();
        let mut left = relative(&home.path().join("chroma"));
        left.insert(spec.clone(), files[&spec].clone());
        assert!(left == files, "something was written");

        let (code, _, message) = run(&home.path().join("chroma"), &["check"]);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("chroma-otel-deploy gen"), "{message}");

        let (code, message) = generated(&home, after.0, after.1, &["--force"]);
        assert_eq!(code, 0, "{message}");
    }
}

/// CloudFormation changes neither the zone nor the key of a volume.
#[test]
fn rejects_another_key_without_a_new_snapshot() {
    let key = |name: &str| format!("arn:aws:kms:eu-central-1:123456789012:key/{name}");
    let with = |key: &str| format!("{FIRST}\n  kms_key: {key}");
    let home = stack("");
    assert_eq!(generated(&home, "", FIRST, &[]).0, 0);
    let (code, message) = generated(&home, "", &with(&key("one")), &[]);
    let expected = "error: machine.kms_key: changes from the default key to `arn:aws:kms:eu-central-1:123456789012:key/one`, but the data volume of an existing stack cannot change its key";
    assert!(code == 1 && message.contains(expected), "{message}");
    assert_eq!(generated(&home, "", &with(&key("one")), &["--force"]).0, 0);
    assert_eq!(generated(&home, "", &with(&key("two")), &[]).0, 1);
    let both = format!("{SECOND}\n  kms_key: {}", key("two"));
    let (code, message) = generated(&home, "", &both, &[]);
    assert_eq!(code, 0, "{message}");
}

/// Before, the snapshot was a parameter of a volume whose logical ID did not contain it.
#[test]
fn rejects_the_snapshot_from_which_an_existing_volume_was_created() {
    let home = stack("");
    let path = home.path().join("chroma/parameters.json");
    let parameters = fs::read_to_string(&path).unwrap();
    let earlier = parameters.replace(
        "  \"SnapshotsKept=",
        &format!("  \"SnapshotId={FIRST}\",\n  \"SnapshotsKept="),
    );
    assert_ne!(earlier, parameters);
    fs::write(&path, earlier).unwrap();
    let (code, message) = generated(&home, "", FIRST, &[]);
    assert_eq!(code, 1, "{message}");
    let told = "error: machine.restore_from: an existing stack would replace its data volume by another one from `snap-0123456789abcdef0`, without later data";
    assert!(message.contains(told), "{message}");
}
