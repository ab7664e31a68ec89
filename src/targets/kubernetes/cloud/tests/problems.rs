//! Tests of the problems of each cloud's cluster.

use serde_json::json;

use super::problems;

#[test]
fn reports_missing_and_invalid_values_by_key() {
    let arn = |region: &str, name: &str| {
        format!("arn:aws:secretsmanager:{region}:123456789012:secret:{name}-AbCdEf")
    };
    let two = json!({ "A_KEY": arn("eu-west-1", "a"), "HONEYCOMB_API_KEY": arn("eu-west-2", "h") });
    for (target, keys, key) in [
        ("aws", vec![], "kubernetes.region"),
        ("gcp", vec![], "machine.project"),
        (
            "aws",
            vec![("kubernetes.region", json!("Frankfurt"))],
            "kubernetes.region",
        ),
        (
            "gcp",
            vec![
                ("machine.project", json!("acme-search-1")),
                ("kubernetes.region", json!("eu-central-1")),
            ],
            "kubernetes.region",
        ),
        (
            "azure",
            vec![("kubernetes.cluster", json!("/subscriptions/1/x"))],
            "kubernetes.cluster",
        ),
        (
            "azure",
            vec![("kubernetes.identity", json!("chroma-secrets"))],
            "kubernetes.identity",
        ),
        (
            "kubernetes",
            vec![
                ("tracing.backend", json!("honeycomb")),
                ("machine.secrets", json!({ "HONEYCOMB_API_KEY": "h" })),
            ],
            "kubernetes.secret_store",
        ),
        (
            "azure",
            vec![
                ("tracing.backend", json!("honeycomb")),
                ("chroma.environment", json!({ "A_KEY": null })),
                (
                    "machine.secrets",
                    json!({ "A_KEY": "https://acme.vault.azure.net/secrets/a" }),
                ),
            ],
            "machine.secrets.HONEYCOMB_API_KEY",
        ),
        (
            "azure",
            vec![("kubernetes.region", json!("usgovvirginia"))],
            "kubernetes.region",
        ),
        (
            "azure",
            vec![(
                "machine.secrets",
                json!({ "NOBODY": "https://acme.vault.azure.net/secrets/a" }),
            )],
            "machine.secrets.NOBODY",
        ),
        (
            "azure",
            vec![(
                "machine.secrets",
                json!({ "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=s3cret" }),
            )],
            "machine.secrets.APPLICATIONINSIGHTS_CONNECTION_STRING",
        ),
        (
            "aws",
            vec![
                ("tracing.backend", json!("honeycomb")),
                ("chroma.environment", json!({ "A_KEY": null })),
                ("machine.secrets", two),
            ],
            "machine.secrets.HONEYCOMB_API_KEY",
        ),
    ] {
        let found = problems(target, &keys);
        let [problem] = &found[..] else {
            panic!("{key}: {found:?}");
        };
        assert!(
            problem.contains(key) && !problem.contains("s3cret"),
            "{problem}"
        );
    }
    let keys = [
        (
            "machine.secrets",
            json!({ "APPLICATIONINSIGHTS_CONNECTION_STRING": "https://acme.vault.azure.net/secrets/a" }),
        ),
        (
            "kubernetes.identity",
            json!("01234567-89ab-cdef-0123-456789abcdef"),
        ),
    ];
    assert!(problems("azure", &keys)[0].contains("kubernetes.tenant"));
}
