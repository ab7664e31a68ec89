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
}

/// Returns `text` of a backend with its placeholder replaced by `place`, or by the target's
/// expression for it.
pub fn in_place(text: &str, place: &str) -> String {
    places().fold(text.to_owned(), |text, one| {
        text.replace(one.placeholder, place)
    })
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
    use super::Cloud;

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
