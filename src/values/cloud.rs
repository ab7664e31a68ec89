//! The clouds whose machines have an identity, and each cloud's name for the location of a machine.
//!
//! Invariant: a placeholder has the same meaning in every text of a backend, and only its own cloud
//! may use it (a rule of the backends' files).

use serde::Deserialize;

/// A cloud whose machines have an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

/// The most bytes of user data that EC2 accepts, before the encoding in Base64
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>).
pub const USER_DATA_LIMIT: usize = 16 << 10;

/// The key of Application Insights, whose identity replaces it.
pub const CONNECTION_STRING: &str = "APPLICATIONINSIGHTS_CONNECTION_STRING";

/// A machine's location in a cloud, as far as a backend depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its placeholder in texts, settings and commands.
    pub placeholder: &'static str,
    /// The variable in the collector's environment that contains it.
    pub variable: &'static str,
}

impl Cloud {
    /// All clouds, in the order of lists.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Gcp, Self::Azure];

    /// Returns its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Gcp => "GCP",
            Self::Azure => "Azure",
        }
    }

    /// Returns its value of `--target`.
    pub fn target(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }

    /// Returns the part of the location on which backends may depend. Azure's keys contain it.
    pub fn place(self) -> Option<Place> {
        let place = |placeholder, variable| Place {
            placeholder,
            variable,
        };
        match self {
            Self::Aws => Some(place("{region}", "AWS_REGION")),
            Self::Gcp => Some(place("{project}", "GOOGLE_CLOUD_PROJECT")),
            Self::Azure => None,
        }
    }

    /// Returns the variables in the collector's environment that select its identity, if one is not
    /// enough to find it.
    pub fn identity_variables(self) -> &'static [&'static str] {
        match self {
            Self::Aws | Self::Gcp => &[],
            // In a cluster, Workload Identity's webhook sets them ("Microsoft Entra Workload ID",
            // https://azure.github.io/azure-workload-identity/docs/quick-start.html).
            Self::Azure => &[
                "AZURE_CLIENT_ID",
                "AZURE_TENANT_ID",
                "AZURE_FEDERATED_TOKEN_FILE",
            ],
        }
    }
}

/// Returns `text` of a backend with its placeholder replaced by `place`, or by the target's
/// expression for it.
pub fn in_place(text: &str, place: &str) -> String {
    in_partition(text, place, &AwsHosts::of(place))
}

/// Hosts of AWS behind the region. They depend on its partition; the texts of backends contain those
/// of most regions.
#[derive(Debug, Clone, Copy)]
pub struct AwsHosts<'a> {
    /// Host of the services' endpoints.
    pub services: &'a str,
    /// Host of the console.
    pub console: &'a str,
}

impl AwsHosts<'static> {
    const USUAL: Self = Self {
        services: "amazonaws.com",
        console: "console.aws.amazon.com",
    };

    /// Returns the hosts of a region's partition.
    /// <https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html>,
    /// <https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/using-govcloud-endpoints.html>
    fn of(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self {
                services: "amazonaws.com.cn",
                console: "console.amazonaws.cn",
            }
        } else if region.starts_with("us-gov-") {
            Self {
                console: "console.amazonaws-us-gov.com",
                ..Self::USUAL
            }
        } else {
            Self::USUAL
        }
    }
}

/// Returns `text` of a backend with its placeholder replaced by `place`, and the hosts of AWS behind
/// it by `hosts`.
pub fn in_partition(text: &str, place: &str, hosts: &AwsHosts) -> String {
    let usual = AwsHosts::USUAL;
    let text = [
        (usual.services, hosts.services),
        (usual.console, hosts.console),
    ]
    .iter()
    .fold(text.to_owned(), |text, (usual, host)| {
        text.replace(
            &format!("{{region}}.{usual}"),
            &format!("{{region}}.{host}"),
        )
    });
    places().fold(text, |text, one| text.replace(one.placeholder, place))
}

/// Returns true if a text of a backend is an address in AWS's console.
pub fn is_in_console(text: &str) -> bool {
    text.contains(&format!("{{region}}.{}", AwsHosts::USUAL.console))
}

/// Returns true if a text of a backend depends on the location.
pub fn has_place(text: &str) -> bool {
    places().any(|one| text.contains(one.placeholder))
}

fn places() -> impl Iterator<Item = Place> {
    Cloud::ALL.into_iter().filter_map(Cloud::place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_aws_follow_the_partition_of_the_region() {
        let endpoint = "https://xray.{region}.amazonaws.com/v1/traces";
        let console = "https://{region}.console.aws.amazon.com/xray?region={region}";
        for (region, services, host) in [
            ("eu-central-1", "amazonaws.com", "console.aws.amazon.com"),
            ("cn-north-1", "amazonaws.com.cn", "console.amazonaws.cn"),
            (
                "us-gov-west-1",
                "amazonaws.com",
                "console.amazonaws-us-gov.com",
            ),
        ] {
            assert_eq!(
                in_place(endpoint, region),
                format!("https://xray.{region}.{services}/v1/traces")
            );
            assert_eq!(
                in_place(console, region),
                format!("https://{region}.{host}/xray?region={region}")
            );
        }
        assert_eq!(in_place("https://{project}.x", "cn-1"), "https://cn-1.x");
    }

    #[test]
    fn all_contains_every_cloud() {
        // A new variant does not compile here: add it to `ALL` as well.
        let position = |cloud| match cloud {
            Cloud::Aws => 0,
            Cloud::Gcp => 1,
            Cloud::Azure => 2,
        };
        assert_eq!(Cloud::ALL.map(position), [0, 1, 2]);
    }
}
