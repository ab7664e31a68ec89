//! Machines in a cloud: required values and rejected ones.

use crate::command::{folder, refused, run};

#[test]
fn rejects_a_clouds_backend_on_other_targets() {
    let home = folder();
    let arguments = ["gen", "--target", "docker", "--backend", "aws-xray"];
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 2);
    assert!(!home.path().join("deploy").exists());
    insta::assert_snapshot!(message, @r##"
    error: --backend: `aws-xray` identifies senders by their machine's identity in AWS
      hint: use `--target aws` or another backend
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn warns_of_the_effect_of_a_changed_name_or_version_on_the_data() {
    let home = folder();
    run(
        home.path(),
        &["gen", "--target", "docker", "--chroma-version", "1.0.20"],
    );
    let (_, _, message) = run(
        home.path(),
        &[
            "gen",
            "--name",
            "other",
            "--chroma-version",
            "1.5.9",
            "--out",
            "chroma",
        ],
    );
    assert!(
        message.contains("`chroma` is now named `other` and starts with empty volumes"),
        "{message}"
    );
    assert!(
        message.contains("Chroma changes from 1.0.20 to 1.5.9"),
        "{message}"
    );
}

#[test]
fn a_cloud_target_needs_a_location_and_no_secret() {
    let home = folder();
    let arguments = [
        "gen",
        "--target",
        "aws",
        "--backend",
        "honeycomb",
        "--headers",
        "x-a=do-not-render-me",
        "--out",
        "out",
    ];
    let (code, answer, message) = run(home.path(), &arguments);
    assert_eq!(code, 0, "{message}");
    insta::assert_snapshot!(answer, @"");
    // The number of sources is not part of this test.
    let lines = message.lines().skip(1);
    let lines = lines.map(|line| line.split("entrypoint/ (").next().unwrap_or(line));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r##"
      + README.md
      + image/.dockerignore
      + image/Dockerfile
      + image/docker-bake.hcl
      + parameters.json
      + template.yaml
      + image/
      spec: saved in out/chroma-otel.yaml
    you still have to set, in the spec, or when you deploy:
      machine.network (VpcId): the VPC's id
      machine.subnet (SubnetId): the id of a private subnet
      machine.zone (AvailabilityZone): the subnet's availability zone
      machine.allow_from (AllowedCidr): the allowed clients: a range such as `10.0.0.0/16`, or a security group
      machine.secrets.HONEYCOMB_API_KEY: the ARN of a secret in Secrets Manager with an ingest key of the environment for the traces (Honeycomb: Environment settings, API keys)
      machine.secrets.CHROMA_OTEL_COLLECTION_HEADERS: the ARN of a secret in Secrets Manager with the headers x-a, as a JSON object or as k=v,k2=v2; the given value was ignored
    next:
      cd out
      # build and push the images: README.md, "Build"
      # deploy: README.md, "Deploy"
      # view the traces: the output `Traces` of the stack
    "##);
    for file in ["template.yaml", "parameters.json", "README.md"] {
        let text = std::fs::read_to_string(home.path().join("out").join(file)).unwrap();
        assert!(!text.contains("do-not-render-me"), "{file}");
    }
    assert!(!home.path().join("out/.env").exists());
}

#[test]
fn rejects_values_that_no_cloud_supports_all_at_once() {
    let home = folder();
    std::fs::write(
        home.path().join("chroma-otel.yaml"),
        "target: aws
name: 2nd
platform: k8s
format: pulumi
chroma: {version: 0.4.14, image: stock, environment: {A: '{{resolve:ssm:x}}', B: 'ü', VPC_ID: }}
tracing: {backend: otlp, endpoint: https://otlp.example.com, service_name: 'a\"b'}
machine:
  type: large
  disk: 1500MiB
  network: net-1
  subnet: vpc-1
  allow_from: 0.0.0.0/0
  log_days: 31
  alarms: pager
  restore_from: backup-1
  secrets: {NO_SUCH_KEY: 'arn:aws:x', X: 'the key: itself'}
",
    )
    .unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: format: `pulumi` is not one of `cloudformation`, `terraform`
    error: chroma-otel.yaml: platform: `k8s` is not one of `vm`, `kubernetes`
    error: chroma-otel.yaml: machine.disk: is not a whole number of GiB
      hint: take `2GiB`
    error: chroma-otel.yaml: machine.allow_from: `0.0.0.0/0` cannot be used
      hint: write a range of /8 or narrower: Chroma has no authentication, and every client can read and delete everything
    error: chroma-otel.yaml: machine.secrets.X: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: 5 problems; nothing was written
    "##);
    // Values that can be parsed, but do not exist in AWS.
    let spec = std::fs::read_to_string(home.path().join("chroma-otel.yaml")).unwrap();
    let readable = spec
        .replace("platform: k8s\nformat: pulumi\n", "")
        .replace("disk: 1500MiB", "disk: 2GiB")
        .replace("0.0.0.0/0", "10.0.0.0/8")
        .replace(", X: 'the key: itself'", "");
    std::fs::write(home.path().join("chroma-otel.yaml"), readable).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: name: `2nd` begins with a digit, which CloudFormation does not allow
      hint: use a name that begins with a letter
    error: machine.type: `large` is not an instance type
      hint: use an instance type such as `t3.medium` or `t4g.medium` (Arm)
    error: machine.network: `net-1` is not a VPC's id
      hint: use `vpc-` and 8 or 17 hexadecimal digits
    error: machine.subnet: `vpc-1` is not a subnet's id
      hint: use `subnet-` and 8 or 17 hexadecimal digits
    error: machine.restore_from: `backup-1` is not a snapshot's id
      hint: use `snap-` and 8 or 17 hexadecimal digits
    error: machine.alarms: `pager` is not an SNS topic's ARN
      hint: use a value that begins with `arn:`
    error: machine.log_days: `31` is not a retention period of CloudWatch Logs
      hint: use the next longer period, `60`
    error: chroma.version: Chroma `0.4.14` does not support tracing
      hint: use 0.4.15 or newer
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `VPC_ID`
    error: tracing.service_name: contains a `"` or a `\`, which Chroma cannot parse unescaped
      hint: use a name without these characters, or `image: wrapped`
    error: chroma.environment.A: contains `{{resolve:`, which CloudFormation would resolve
      hint: for a secret, omit the value and name the secret in `machine.secrets`
    error: chroma.environment.B: contains a non-ASCII character, which CloudFormation may replace by `?`
      hint: remove the character, or use `--format terraform`
    error: chroma.environment.VPC_ID: cannot be a secret: the parameter name `VpcId` is invalid or already in use
      hint: give its value here if it is not secret, or rename it
    error: 13 problems; nothing was written
    "##);
}

#[test]
fn warns_that_cloud_keys_have_no_effect_on_docker() {
    let home = folder();
    let spec = "target: docker\nplatform: vm\nmachine: {disk: 50GiB}\n";
    std::fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    let note = "note: `machine.disk`, `platform` have no effect on target `docker`\n";
    assert!(message.contains(note), "{message}");
}

/// The first problem of `gen` with these arguments, and its hint.
fn refusal(arguments: &str) -> String {
    let home = folder();
    let words: Vec<&str> = arguments.split(' ').collect();
    let (code, _, message) = run(home.path(), &[&["gen", "--target"], &words[..]].concat());
    assert_eq!(code, 2, "{message}");
    let lines: Vec<&str> = message.lines().take(2).map(str::trim).collect();
    lines.join("; ")
}

#[test]
fn flags_without_an_effect_on_the_target_are_refused() {
    for (arguments, expected) in [
        (
            "docker --platform kubernetes",
            "error: --platform: has no effect on target `docker`; hint: did you mean `--target kubernetes`?",
        ),
        (
            "aws --bind 10.0.0.1",
            "error: --bind: has no effect on target `aws`; hint: remove it, or use `--target docker`",
        ),
        (
            "docker --zone eu-central-1a",
            "error: --zone: has no effect on target `docker`; hint: remove it: targets `aws`, `gcp`, `azure` use it",
        ),
        (
            "aws --namespace a",
            "error: --namespace: has no effect on target `aws`; hint: remove it, or use `--platform kubernetes`",
        ),
    ] {
        assert_eq!(refusal(arguments), expected);
    }
    let home = folder();
    let arguments = ["gen", "--target", "kubernetes", "--platform", "kubernetes"];
    assert_eq!(run(home.path(), &arguments).0, 0);
}

#[test]
fn values_in_flags_are_refused_with_the_flag_and_what_to_write() {
    for (arguments, expected) in [
        (
            "docker --bind localhost",
            "error: --bind: `localhost` cannot be used; hint: write an address such as `127.0.0.1`",
        ),
        (
            "docker --memory 1GiB",
            "error: --memory: `1GiB` is too little; hint: give it `2GiB` or more",
        ),
        (
            "docker --memory 512m",
            "error: --memory: `512m` is too little; hint: give it `2048m` or more",
        ),
        (
            "docker --sample 10%",
            "error: --sample: `10%` cannot be used; hint: write a number such as `0.1`",
        ),
        (
            "docker --setting x",
            "error: --setting: has no `=`; hint: write NAME=VALUE",
        ),
        (
            "docker --format terraform",
            "error: --format: target `docker` is rendered as `compose`; hint: `terraform` is for `aws`, `gcp`, `azure`",
        ),
        (
            "aws --format manifests",
            "error: --format: target `aws` is rendered as `cloudformation` or `terraform`; hint: `manifests` is for platform `kubernetes`",
        ),
        (
            "aws --zone eu-central-1",
            "error: --zone: `eu-central-1` is not an availability zone; hint: write one such as `eu-central-1a`: the region and the letter of the zone",
        ),
        (
            "aws --network vpc-1",
            "error: --network: `vpc-1` is not a VPC's id; hint: use `vpc-` and 8 or 17 hexadecimal digits",
        ),
    ] {
        assert_eq!(refusal(arguments), expected);
    }
    let refused = refusal("docker --service-name a$b");
    assert!(refused.starts_with("error: --service-name: "), "{refused}");
    let refused = refusal("docker --backend grafana-cloud");
    assert!(
        refused.starts_with("error: tracing.settings.instance_id: "),
        "{refused}"
    );
    for zone in ["eu-central-1a", "us-west-2-lax-1a", "us-gov-east-1b"] {
        let home = folder();
        let (code, _, message) = run(home.path(), &["gen", "--target", "aws", "--zone", zone]);
        assert_eq!(code, 0, "{message}");
    }
}

#[test]
fn warns_of_a_data_disk_that_would_shrink() {
    for target in ["aws", "aws --format terraform", "gcp", "azure"] {
        let home = folder();
        let written = |disk: &str| {
            let arguments = format!("gen --out out --target {target} --disk {disk}");
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let (code, _, message) = run(home.path(), &arguments);
            assert_eq!(code, 0, "{message}");
            message
        };
        assert!(!written("40GiB").contains("can only grow"), "{target}");
        assert!(!written("60GiB").contains("can only grow"), "{target}");
        let smaller = written("50GiB");
        let told = "note: `machine.disk` changes from 60GiB to 50GiB, but the disk of an existing deployment can only grow: set it to 60GiB or more";
        assert!(smaller.contains(told), "{target}: {smaller}");
    }
}

#[test]
fn rejects_a_start_that_cloudformation_would_cut_off() {
    let spec = "target: aws\nmachine: {start_minutes: 61}\n";
    insta::assert_snapshot!(refused(spec), @r##"
    error: machine.start_minutes: `61` is longer than CloudFormation waits for an instance
      hint: use `60` or less, or `--format terraform`
    error: 1 problem; nothing was written
    "##);
    for (target, minutes) in [
        ("aws", 60),
        ("aws\nformat: terraform", 1440),
        ("azure", 1440),
    ] {
        let home = folder();
        let spec = format!("target: {target}\nmachine: {{start_minutes: {minutes}}}\n");
        std::fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
        let (code, _, message) = run(home.path(), &["gen"]);
        assert_eq!(code, 0, "{target}: {message}");
    }
}

#[test]
fn rejects_values_that_google_does_not_support_all_at_once() {
    let message = refused(
        "target: gcp
name: chroma-of-the-whole-company
chroma: {version: 0.4.14, environment: {VERSION: , PROJECT_ID: }}
tracing: {backend: aws-xray}
machine:
  type: t4g.medium
  disk: 5GiB
  project: '123456'
  network: projects/p/global/networks/default
  subnet: subnet_1
  zone: europe-west3
  allow_from: sg-0123456789abcdef0
  log_days: 3651
  alarms: pager@example.com
  restore_from: snapshots/1
  secrets: {NO_SUCH_KEY: headers, VERSION: headers}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma.version: Chroma `0.4.14` does not support tracing
      hint: use 0.4.15 or newer
    error: tracing.backend: `aws-xray` identifies senders by their machine's identity in AWS
      hint: use `--target aws` or another backend
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `CHROMA_OTEL_COLLECTION_HEADERS`, `PROJECT_ID`, `VERSION`
    error: machine.secrets.VERSION: is not the name of a secret, `projects/PROJECT/secrets/NAME`, without a version
      hint: `gcloud secrets describe NAME --format='value(name)'` shows the name; do not enter the secret itself
    error: chroma.environment.PROJECT_ID: cannot be a secret: the module already has a variable `project_id`
      hint: give its value here if it is not secret, or remove it
    error: chroma.environment.VERSION: cannot be a secret: Terraform reserves the variable name `version`
      hint: give its value here if it is not secret, or remove it
    error: name: `chroma-of-the-whole-company` is too long or begins with a digit: the service account is named `NAME-machine`
      hint: use at most 22 characters, beginning with a letter
    error: machine.type: `t4g.medium` is not a machine type
      hint: use a machine type such as `e2-medium`, `n4-standard-2` or `c4a-standard-2` (Arm)
    error: machine.project: `123456` is not the id of a project
      hint: use the id, not the name or number; see `gcloud projects list`
    error: machine.zone: `europe-west3` is not a zone
      hint: use a zone such as `europe-west3-a`; see `gcloud compute zones list`
    error: machine.network: `projects/p/global/networks/default` is not the name of a network
      hint: use the name, not the URL; see `gcloud compute networks list`; for a Shared VPC, set `machine.network_project`
    error: machine.subnet: `subnet_1` is not the name of a subnet
      hint: use the name, not the URL; see `gcloud compute networks subnets list`
    error: machine.restore_from: `snapshots/1` is not the name of a snapshot
      hint: use the name, not the URL; see `gcloud compute snapshots list`
    error: machine.alarms: `pager@example.com` is not a notification channel
      hint: use `projects/PROJECT/notificationChannels/NUMBER`; see `gcloud beta monitoring channels list`
    error: machine.allow_from: `sg-0123456789abcdef0` is an AWS security group
      hint: use the address range of the clients' subnet, such as `10.0.0.0/16`
    error: machine.disk: `5GiB` is smaller than the smallest disk
      hint: use `10GiB` or more
    error: machine.log_days: `3651` is longer than the longest retention of Cloud Logging
      hint: use `3650` or less
    error: 17 problems; nothing was written
    "##);
}

#[test]
fn rejects_values_that_azure_does_not_support_all_at_once() {
    let message = refused(
        "target: azure
format: cloudformation
machine: {ssh_from: 0.0.0.0/0, ssh_key: ssh-dss AAAA, secrets: {KEY: 'the key: itself'}}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: format: target `azure` is rendered as `terraform`
      hint: `cloudformation` is for `aws`
    error: chroma-otel.yaml: machine.ssh_from: `0.0.0.0/0` cannot be used
      hint: write a range of /8 or narrower: Chroma has no authentication, and every client can read and delete everything
    error: chroma-otel.yaml: machine.ssh_key: `ssh-dss AAAA` cannot be used
      hint: write the one line of a `.pub` file: `ssh-rsa AAAA…` or `ssh-ed25519 AAAA…`
    error: chroma-otel.yaml: machine.secrets.KEY: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: 4 problems; nothing was written
    "##);
    // Values that can be parsed, but do not exist in Azure.
    let message = refused(
        "target: azure
name: chroma--1
chroma: {version: 0.4.14, environment: {LOCATION: }}
tracing: {backend: google-cloud-trace}
machine:
  type: t4g.medium
  subscription: my-subscription
  resource_group: ends.with.
  subnet: default
  zone: westeurope-9
  allow_from: sg-0123456789abcdef0
  log_days: 7
  snapshots: 1000
  alarms: pager
  restore_from: snapshot-1
  secrets: {NO_SUCH_KEY: headers, LOCATION: headers}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma.version: Chroma `0.4.14` does not support tracing
      hint: use 0.4.15 or newer
    error: tracing.backend: `google-cloud-trace` identifies senders by their machine's identity in GCP
      hint: use `--target gcp` or another backend
    error: machine.secrets.LOCATION: is not the id of a secret without a version, `https://VAULT.vault.azure.net/secrets/NAME`
      hint: `az keyvault secret list --vault-name VAULT --query '[].id'` shows the name; do not enter the secret itself
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `CHROMA_OTEL_COLLECTION_HEADERS`, `LOCATION`
    error: chroma.environment.LOCATION: cannot be a secret: the module already has a variable `location`
      hint: give its value here if it is not secret, or remove it
    error: name: `chroma--1` is not a valid prefix of a key vault's name
      hint: use at most 40 characters, beginning with a letter, without two hyphens in a row or one at the end
    error: machine.type: `t4g.medium` is not a machine size that supports premium disks
      hint: use a size such as `Standard_B2s_v2` or `Standard_B2pls_v2` (Arm)
    error: machine.subscription: `my-subscription` is not the id of a subscription
      hint: use the id, not the name; see `az account show --query id`
    error: machine.resource_group: `ends.with.` is not the name of a resource group
      hint: use the name, not the id; see `az group list --query '[].name'`
    error: machine.zone: `westeurope-9` is not a zone
      hint: use the region and the number of the zone, such as `westeurope-1`, or the region alone if it has no zones
    error: machine.subnet: `default` is not the id of a subnet
      hint: use `/subscriptions/…/subnets/…`; see `az network vnet subnet list … --query '[].id'`
    error: machine.restore_from: `snapshot-1` is not the id of a snapshot
      hint: use `/subscriptions/…/snapshots/…`; see `az snapshot list --query '[].id'`
    error: machine.alarms: `pager` is not the id of an action group
      hint: use `/subscriptions/…/actionGroups/…`; see `az monitor action-group list --query '[].id'`
    error: machine.allow_from: `sg-0123456789abcdef0` is an AWS security group
      hint: use an address range such as `10.0.0.0/16`
    error: machine.log_days: `7` is not a retention period of a Log Analytics workspace
      hint: use 30 to 730 days; the nearest value is `30`
    error: machine.snapshots: `1000` exceeds Azure's limit of snapshots per disk
      hint: use at most 365; 0 disables snapshots
    error: 16 problems; nothing was written
    "##);
}

/// Runs a block of the README while `gcloud` says this; returns the exit code and the output.
fn pasted(block: &str, said: &str) -> (Option<i32>, String) {
    let done = std::process::Command::new("bash")
        .args([
            "-c",
            &format!("gcloud() {{ echo \"$SAID\"; }}; sleep() {{ :; }}\n{block}"),
        ])
        .env("SAID", said)
        .output()
        .unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

#[test]
fn the_command_that_waits_for_the_boot_ends_with_its_result() {
    let home = folder();
    let (code, _, message) = run(home.path(), &["gen", "--target", "gcp", "--out", "out"]);
    assert_eq!(code, 0, "{message}");
    let readme = std::fs::read_to_string(home.path().join("out/README.md")).unwrap();
    let mut blocks = readme.split("```sh\n").map(|text| text.split("```").next());
    let wait = blocks.find_map(|block| block.filter(|text| text.contains("chroma-otel/boot")));
    for (said, code, shown) in [
        ("healthy", 0, "healthy\n"),
        (
            "images failed: no such image",
            1,
            "images failed: no such image\n",
        ),
        ("", 1, "no report yet\n"),
    ] {
        assert_eq!(pasted(wait.unwrap(), said), (Some(code), shown.to_owned()));
    }
}
