//! Formats of names in Google Cloud, as one expression each for the module's variables and for the
//! spec (Compute Engine's "Naming resources", Resource Manager's `projectId`).
//!
//! Invariant: Terraform and JSON Schema interpret the expressions in the same way.

/// The deployment's name; its service account is `NAME-machine`, of at most 30 characters.
pub(super) const DEPLOYMENT: &str = "^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$";
/// A machine type, `FAMILY-KIND` or `FAMILY-KIND-SIZE`.
pub(super) const MACHINE_TYPE: &str = "^[a-z][a-z0-9]*(-[a-z0-9]+)+$";
/// A project's id.
pub(in crate::targets) const PROJECT: &str = "^[a-z][a-z0-9-]{4,28}[a-z0-9]$";
/// An image, not a family.
pub(super) const IMAGE: &str =
    "^projects/[a-z0-9-]+/global/images/[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";
/// A key of Cloud KMS, without a version.
pub(super) const KMS_KEY: &str = "^projects/[a-z0-9-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}$";
/// The name of a label.
pub(super) const LABEL: &str = "^[a-z][a-z0-9_-]{0,62}$";
/// The value of a label.
pub(super) const LABEL_VALUE: &str = "^[a-z0-9_-]{0,63}$";
/// A zone: the name of its region and a letter.
pub(super) const ZONE: &str = "^[a-z]+-[a-z]+[0-9]+-[a-z]$";
/// A network or a subnet.
pub(super) const NAME: &str = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";
/// A snapshot, or blank.
pub(super) const NAME_OR_BLANK: &str = "^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$";
/// A notification channel, or blank.
pub(super) const CHANNEL_OR_BLANK: &str = "^(projects/[a-z0-9-]+/notificationChannels/[0-9]+)?$";
/// A secret, or blank.
pub(super) const SECRET_OR_BLANK: &str = "^(projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]{1,255})?$";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::machine::patterns::assert_forms;

    #[test]
    fn accepts_valid_names_only() {
        let long = "a".repeat(23);
        assert_forms(&[
            (
                DEPLOYMENT,
                &["a", "chroma", "a-1"],
                &["", "1a", "a-", "A", "a_b", &long],
            ),
            (
                MACHINE_TYPE,
                &["e2-medium", "n2-custom-4-8192", "c4a-standard-2"],
                &["e2", "t4g.medium", "Standard_B2s_v2", "e2-", "2e-medium"],
            ),
            (
                PROJECT,
                &["acme-search-1", "abcdef"],
                &[
                    "acme",
                    "123456789012",
                    "acme:search",
                    "Acme Search",
                    "acme-s-",
                ],
            ),
            (
                IMAGE,
                &["projects/debian-cloud/global/images/debian-13-trixie-v20251111"],
                &[
                    "debian-13",
                    "projects/debian-cloud/global/images/family/debian-13",
                    "https://www.googleapis.com/compute/v1/projects/p/global/images/i",
                ],
            ),
            (
                KMS_KEY,
                &["projects/keys/locations/europe-west3/keyRings/chroma/cryptoKeys/data_1"],
                &[
                    "data",
                    "projects/keys/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
                    "arn:aws:kms:eu-central-1:123456789012:key/1",
                ],
            ),
            (
                LABEL,
                &["team", "cost-center_1"],
                &["", "Team", "1st", "a b", "a.b"],
            ),
            (
                LABEL_VALUE,
                &["", "search", "0-x_"],
                &["Search", "a@b", "a b"],
            ),
            (
                ZONE,
                &["europe-west3-a", "northamerica-northeast1-c"],
                &[
                    "europe-west3",
                    "eu-central-1a",
                    "europe-west3-aa",
                    "europe-3-a",
                ],
            ),
            (
                NAME,
                &["default", "a", "chroma-20260101"],
                &["", "1", "a.b", "global/networks/default", "a-"],
            ),
            (
                CHANNEL_OR_BLANK,
                &["", "projects/acme-search/notificationChannels/123"],
                &[
                    "123",
                    "projects/p/notificationChannels/",
                    "projects//notificationChannels/1",
                ],
            ),
            (
                SECRET_OR_BLANK,
                &[
                    "",
                    "projects/acme-search/secrets/A_key-1",
                    "projects/12/secrets/k",
                ],
                &[
                    "k",
                    "projects/p/secrets/",
                    "projects/p/secrets/k/versions/1",
                ],
            ),
        ]);
    }
}
