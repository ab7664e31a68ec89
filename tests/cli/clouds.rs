//! Machines in a cloud: what is asked for, and what is refused.

use crate::command::{folder, refused, run};

#[test]
fn a_backend_of_a_cloud_is_refused_elsewhere() {
    let home = folder();
    let arguments = ["gen", "--target", "docker", "--backend", "aws-xray"];
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 2);
    assert!(!home.path().join("deploy").exists());
    insta::assert_snapshot!(message, @r"
    error: --backend: is `aws-xray`, which knows a sender by the identity of its machine in AWS
      hint: use `--target aws`, or another backend
    error: one problem; nothing was written
    ");
}

#[test]
fn a_changed_name_or_version_says_what_becomes_of_the_data() {
    let home = folder();
    run(
        home.path(),
        &["gen", "--target", "docker", "--chroma-version", "1.0.20"],
    );
    let (_, _, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--name", "other"],
    );
    assert!(
        message.contains("`chroma` is called `other` now and starts with empty volumes"),
        "{message}"
    );
    assert!(
        message.contains("Chroma goes from 1.0.20 to 1.5.9"),
        "{message}"
    );
}

#[test]
fn a_cloud_is_told_where_and_asked_for_nothing_secret() {
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
    let (code, told, message) = run(home.path(), &arguments);
    assert_eq!(code, 0, "{message}");
    insta::assert_snapshot!(told, @"");
    // How many sources there are is no matter of this test.
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
    you still have to set, in the spec, or when you deploy:
      machine.network (VpcId): the VPC's id
      machine.subnet (SubnetId): the id of a private subnet
      machine.zone (AvailabilityZone): the subnet's availability zone
      machine.allow_from (AllowedCidr): who may connect: a range such as `10.0.0.0/16`, or a security group
      machine.secrets.HONEYCOMB_API_KEY: the ARN of a secret in Secrets Manager with an ingest key (Honeycomb: Environment settings, API keys) of the environment the traces go to
      machine.secrets.CHROMA_OTEL_COLLECTION_HEADERS: the ARN of a secret in Secrets Manager with the headers x-a, as a JSON object or as k=v,k2=v2; the value given here went nowhere
    next:
      cd out
      # build and push the images: README.md, "Build"
      # deploy: README.md, "Deploy"
      # see the traces: the output `Traces` of the stack
    "##);
    for file in ["template.yaml", "parameters.json", "README.md"] {
        let text = std::fs::read_to_string(home.path().join("out").join(file)).unwrap();
        assert!(!text.contains("do-not-render-me"), "{file}");
    }
    assert!(!home.path().join("out/.env").exists());
}

#[test]
fn what_no_cloud_can_have_is_refused_all_at_once() {
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
    error: chroma-otel.yaml: machine.disk: is no whole number of GiB
      hint: take `2GiB`
    error: chroma-otel.yaml: machine.allow_from: `0.0.0.0/0` cannot be used
      hint: write a range of /8 or narrower: Chroma has no authentication of its own, and anyone who connects can read and delete everything
    error: chroma-otel.yaml: machine.secrets.X: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: 5 problems; nothing was written
    "##);
    // What reads, but is nothing that AWS has.
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
    error: name: `2nd` begins with a digit, which no CloudFormation stack may
      hint: begin with a letter
    error: machine.type: `large` is no instance type
      hint: write one such as `t4g.medium` (Arm) or `t3.medium`
    error: machine.network: `net-1` is not a VPC's id
      hint: `vpc-` and 8 or 17 hexadecimal digits
    error: machine.subnet: `vpc-1` is not a subnet's id
      hint: `subnet-` and 8 or 17 hexadecimal digits
    error: machine.restore_from: `backup-1` is not a snapshot's id
      hint: `snap-` and 8 or 17 hexadecimal digits
    error: machine.alarms: `pager` is not an SNS topic's ARN
      hint: it begins with `arn:`
    error: machine.log_days: `31` is no retention of CloudWatch Logs
      hint: the next one is `60`
    error: chroma.version: `0.4.14` cannot be traced
      hint: take 0.4.15 or newer
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `VPC_ID`
    error: tracing.service_name: has a `"` or a `\` in it, which nobody escapes for Chroma
      hint: leave it out, or use `image: wrapped`
    error: chroma.environment.A: has `{{resolve:` in it, which CloudFormation would resolve
      hint: for a secret, leave the value out and name the secret in `machine.secrets`
    error: chroma.environment.B: has a character beyond ASCII, which CloudFormation may give back as `?`
      hint: leave it out, or use `--format terraform`
    error: chroma.environment.VPC_ID: would be the parameter `VpcId`, which is no name or taken
      hint: give it a value, or another name
    error: 13 problems; nothing was written
    "##);
}

#[test]
fn keys_without_an_effect_on_the_target_are_noted() {
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
            "error: --format: target `aws` is rendered as `cloudformation` or `terraform`; hint: `manifests` is for `kubernetes`, and for a cloud with `--platform kubernetes`",
        ),
        (
            "aws --zone eu-central-1",
            "error: --zone: `eu-central-1` is not an availability zone; hint: write one such as `eu-central-1a`: the region and the letter of the zone",
        ),
        (
            "aws --network vpc-1",
            "error: --network: `vpc-1` is not a VPC's id; hint: `vpc-` and 8 or 17 hexadecimal digits",
        ),
    ] {
        assert_eq!(refusal(arguments), expected);
    }
    let refused = refusal("docker --service-name a$b");
    assert!(refused.starts_with("error: --service-name: "), "{refused}");
    let refused = refusal("docker --backend grafana-cloud");
    assert!(
        refused.starts_with("error: tracing.settings: "),
        "{refused}"
    );
    let home = folder();
    for zone in ["eu-central-1a", "us-west-2-lax-1a", "us-gov-east-1b"] {
        let (code, _, message) = run(home.path(), &["gen", "--target", "aws", "--zone", zone]);
        assert_eq!(code, 0, "{message}");
    }
}

#[test]
fn a_new_zone_or_snapshot_says_what_becomes_of_the_data() {
    let home = folder();
    let written = |more: &[&str]| {
        let arguments = [&["gen", "--target", "aws", "--out", "out"], more].concat();
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 0, "{message}");
        message
    };
    assert!(!written(&["--zone", "eu-central-1a"]).contains("data volume"));
    assert!(!written(&["--zone", "eu-central-1a", "--disk", "40GiB"]).contains("data volume"));
    let moved = written(&["--zone", "eu-central-1b"]);
    let told = "note: `AvailabilityZone` is another: a stack that exists gets a new data volume, an empty one; the old one becomes a snapshot";
    assert!(moved.contains(told), "{moved}");
}

#[test]
fn what_google_cannot_have_is_refused_all_at_once() {
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
    error: chroma.version: `0.4.14` cannot be traced
      hint: take 0.4.15 or newer
    error: tracing.backend: is `aws-xray`, which knows a sender by the identity of its machine in AWS
      hint: use `--target aws`, or another backend
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `CHROMA_OTEL_COLLECTION_HEADERS`, `PROJECT_ID`, `VERSION`
    error: machine.secrets.VERSION: is not the name of a secret, `projects/PROJECT/secrets/NAME`, without a version
      hint: `gcloud secrets describe NAME --format='value(name)'` shows it; never the value itself
    error: chroma.environment.PROJECT_ID: is a secret, and the module has another variable `project_id`
      hint: give its value here if it is none, or leave it out
    error: chroma.environment.VERSION: is a secret, and Terraform allows no variable `version` for it
      hint: give its value here if it is none, or leave it out
    error: name: `chroma-of-the-whole-company` is too long, or begins with a digit: a service account `NAME-machine` is made of it
      hint: take at most 22 signs, a letter first
    error: machine.type: `t4g.medium` is no machine type
      hint: write one such as `e2-medium`, `n4-standard-2` or `c4a-standard-2` (Arm)
    error: machine.project: `123456` is no project's id
      hint: `gcloud projects list` shows it: not its name, not its number
    error: machine.zone: `europe-west3` is no zone
      hint: write one such as `europe-west3-a`: `gcloud compute zones list` shows them
    error: machine.network: `projects/p/global/networks/default` is no network's name
      hint: `gcloud compute networks list` shows it: the name, not the address
    error: machine.subnet: `subnet_1` is no subnet's name
      hint: `gcloud compute networks subnets list` shows it: the name, not the address
    error: machine.restore_from: `snapshots/1` is no snapshot's name
      hint: `gcloud compute snapshots list` shows it: the name, not the address
    error: machine.alarms: `pager@example.com` is no notification channel
      hint: it is `projects/PROJECT/notificationChannels/NUMBER`: `gcloud beta monitoring channels list`
    error: machine.allow_from: `sg-0123456789abcdef0` is a security group of AWS
      hint: write a range of addresses such as `10.0.0.0/16`: that of the clients' subnet
    error: machine.disk: `5GiB` is less than the smallest disk
      hint: take `10GiB` or more
    error: machine.log_days: `3651` is longer than Cloud Logging keeps logs
      hint: take `3650` or less
    error: 17 problems; nothing was written
    "##);
}

#[test]
fn what_azure_cannot_have_is_refused_all_at_once() {
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
      hint: write a range of /8 or narrower: Chroma has no authentication of its own, and anyone who connects can read and delete everything
    error: chroma-otel.yaml: machine.ssh_key: `ssh-dss AAAA` cannot be used
      hint: write the one line of a `.pub` file: `ssh-rsa AAAA…` or `ssh-ed25519 AAAA…`
    error: chroma-otel.yaml: machine.secrets.KEY: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: 4 problems; nothing was written
    "##);
    // What reads, but is nothing that Azure has.
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
    error: chroma.version: `0.4.14` cannot be traced
      hint: take 0.4.15 or newer
    error: tracing.backend: is `google-cloud-trace`, which knows a sender by the identity of its machine in GCP
      hint: use `--target gcp`, or another backend
    error: machine.secrets.LOCATION: is not the id of a secret without a version, `https://VAULT.vault.azure.net/secrets/NAME`
      hint: `az keyvault secret list --vault-name VAULT --query '[].id'` shows it; never the value itself
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `CHROMA_OTEL_COLLECTION_HEADERS`, `LOCATION`
    error: chroma.environment.LOCATION: is a secret, and the module has another variable `location`
      hint: give its value here if it is none, or leave it out
    error: name: `chroma--1` is no name for what belongs to it: a key vault's begins with it
      hint: take at most 40 signs, a letter first, no two dashes in a row, none at the end
    error: machine.type: `t4g.medium` is no size of a machine that takes premium disks
      hint: write one such as `Standard_B2s_v2` or `Standard_B2pls_v2` (Arm)
    error: machine.subscription: `my-subscription` is no subscription's id
      hint: `az account show --query id` shows it: not its name
    error: machine.resource_group: `ends.with.` is no resource group's name
      hint: `az group list --query '[].name'` shows it: not its id
    error: machine.zone: `westeurope-9` is no zone
      hint: write the region and the zone's number, `westeurope-1`, or the region alone where there are no zones
    error: machine.subnet: `default` is no subnet's id
      hint: `az network vnet subnet list … --query '[].id'` shows it: `/subscriptions/…/subnets/…`
    error: machine.restore_from: `snapshot-1` is no snapshot's id
      hint: `az snapshot list --query '[].id'` shows it: `/subscriptions/…/snapshots/…`
    error: machine.alarms: `pager` is no action group's id
      hint: `az monitor action-group list --query '[].id'` shows it: `/subscriptions/…/actionGroups/…`
    error: machine.allow_from: `sg-0123456789abcdef0` is a security group of AWS
      hint: write a range such as `10.0.0.0/16`
    error: machine.log_days: `7` is no retention of a Log Analytics workspace
      hint: it keeps logs for 30 to 730 days: the nearest is `30`
    error: machine.snapshots: `1000` are more than Azure keeps of a disk
      hint: take 365 or fewer; 0 makes none
    error: 16 problems; nothing was written
    "##);
}
