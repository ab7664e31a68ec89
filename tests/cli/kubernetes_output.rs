//! Secrets, next steps and missing values of a cluster.

use crate::command::{folder, refused, run, run_with, snapshot, texts};

#[test]
fn secrets_are_written_only_to_env() {
    let home = folder();
    let arguments = ["gen", "--target", "kubernetes", "--backend", "honeycomb"];
    let key = [("HONEYCOMB_API_KEY", "wh1sp3r-$-\"value\" #")];
    let (code, answer, message) = texts(&run_with(home.path(), &arguments, &key));
    assert_eq!((code, answer.as_str()), (0, ""), "{message}");
    assert!(!message.contains("wh1sp3r"), "{message}");
    for (path, bytes) in snapshot(home.path()) {
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.contains("wh1sp3r"), path.ends_with("/.env"), "{path}");
        // As `kubectl create secret --from-env-file` reads it: everything after `=`, including
        // quotes.
        let line = "HONEYCOMB_API_KEY=wh1sp3r-$-\"value\" #\n";
        assert!(!path.ends_with("/.env") || text == line, "{text}");
    }
    let broken = [("HONEYCOMB_API_KEY", "wh1sp3r\nMORE=x")];
    let (code, _, message) = texts(&run_with(home.path(), &arguments, &broken));
    assert!(code == 2 && !message.contains("wh1sp3r"), "{message}");
    insta::assert_snapshot!(message, @r##"
    error: HONEYCOMB_API_KEY: contains a line break, which `.env` cannot express
      hint: check that the value was copied completely
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn gen_prints_the_next_steps() {
    let home = folder();
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "kubernetes", "--backend", "honeycomb"],
    );
    assert_eq!(code, 0, "{message}");
    let told = message.split_once("sources)\n").unwrap().1;
    insta::assert_snapshot!(told, @r##"
      spec: saved in chroma/chroma-otel.yaml
    you still have to set, in chroma/.env:
      HONEYCOMB_API_KEY: an ingest key of the environment for the traces (Honeycomb: Environment settings, API keys)
    you still have to set, in the spec:
      chroma.registry: the registry from which nodes pull the images that you build; without it the images must be on the nodes. `--image stock` builds no images
    next:
      cd chroma
      cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env
      # build the images: README.md, "Build"
      kubectl apply --filename keep.yaml
      kubectl create secret generic chroma-keys --namespace chroma --from-env-file .env --dry-run=client --output yaml | kubectl apply --server-side --filename -
      kubectl apply --kustomize .
      # view a trace, back up, upgrade: README.md
    "##);
    let arguments = ["check", "--target", "kubernetes", "--backend", "honeycomb"];
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 0, "{message}");
    let out = home.path().join("chroma");
    assert!(out.join("keep.yaml").exists(), "{message}");
}

#[test]
fn values_that_a_clouds_cluster_lacks_are_reported_at_once() {
    let of = |cloud: &str, more: &str| {
        refused(&format!(
            "target: {cloud}\nplatform: kubernetes\nformat: terraform\n{more}"
        ))
    };
    insta::assert_snapshot!(of("aws", ""), @r##"
    error: chroma-otel.yaml: format: target `aws`, platform `kubernetes` is rendered as `manifests` or `helm`
      hint: `terraform` is for platform `vm`
    error: 1 problem; nothing was written
    "##);
    let lacking = |cloud: &str, more: &str| {
        refused(&format!("target: {cloud}\nplatform: kubernetes\n{more}"))
    };
    let balancer = "kubernetes: {internal_load_balancer: true, cluster: 'arn:aws:eks:x'}\n";
    insta::assert_snapshot!(lacking("aws", balancer), @r##"
    error: kubernetes.cluster: `arn:aws:eks:x` is not the name of a cluster
      hint: use the name, not the ARN; see `aws eks list-clusters`
    error: kubernetes.region: required, because the endpoint of `aws-xray` depends on the region
      hint: set it, or use `--cluster-region`, with a region such as `eu-central-1`
    error: machine.allow_from: required, because `kubernetes.internal_load_balancer` allows only these clients
      hint: use an address range such as `10.0.0.0/16`; Chroma itself has no authentication
    error: 3 problems; nothing was written
    "##);
    insta::assert_snapshot!(lacking("gcp", "tracing: {backend: aws-xray-classic}"), @r##"
    error: tracing.backend: `aws-xray-classic` identifies senders by their machine's identity in AWS
      hint: use `--target aws --platform kubernetes` or another backend
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(lacking("gcp", "kubernetes: {region: eu-central-1}"), @r##"
    error: kubernetes.region: `eu-central-1` is not a region or zone
      hint: use the cluster's location; see `gcloud container clusters list`
    error: machine.project: required, because `google-cloud-trace` stores traces by project
      hint: set it, or use `--project`, with the project's id; see `gcloud projects list`
    error: 2 problems; nothing was written
    "##);
    let secrets = "machine: {secrets: {KEY: a}}\nkubernetes: {identity: me}\n";
    insta::assert_snapshot!(lacking("azure", secrets), @r##"
    error: kubernetes.identity: `me` is not a client id
      hint: see `az identity list --query '[].clientId'`
    error: kubernetes.tenant: required, because `kubernetes.identity` belongs to a tenant
      hint: see `az account show --query tenantId`
    error: machine.secrets.KEY: names a secret, but the deployment reads none
      hint: remove it
    error: 3 problems; nothing was written
    "##);
}
