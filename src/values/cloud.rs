//! The clouds whose machines have an identity, and what each calls the place that a machine is in.
//!
//! Invariant: a placeholder stands for the same thing in every text of a backend, and only the
//! cloud that has it may use it (a rule of the backends' files).

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

/// Where in a cloud a machine is, as far as a backend must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What stands for it in texts, settings and commands.
    pub placeholder: &'static str,
    /// The variable of the collector's environment that names it.
    pub variable: &'static str,
}

impl Cloud {
    /// All of them, in the order that they are listed in.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Gcp, Self::Azure];

    /// Its name, for a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Gcp => "GCP",
            Self::Azure => "Azure",
        }
    }

    /// What `--target` takes for it.
    pub fn target(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }

    /// The one thing about the place that backends may depend on. Azure's know it by their keys.
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

/// `text` of a backend with `place`, or the target's expression for it, in the placeholder's place.
pub fn in_place(text: &str, place: &str) -> String {
    places().fold(text.to_owned(), |text, one| {
        text.replace(one.placeholder, place)
    })
}

/// Whether a text of a backend depends on the place.
pub fn has_place(text: &str) -> bool {
    places().any(|one| text.contains(one.placeholder))
}

fn places() -> impl Iterator<Item = Place> {
    Cloud::ALL.into_iter().filter_map(Cloud::place)
}
