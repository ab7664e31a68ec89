//! Formats of names in Azure, as one expression each for the module's variables and for the spec
//! ("Naming rules and restrictions for Azure resources").
//!
//! Invariant: Terraform and JSON Schema interpret the expressions in the same way.

/// The deployment's name; a vault's name begins with it and must not contain two hyphens in a row.
pub(super) const DEPLOYMENT: &str = "^[a-z](-?[a-z0-9]){0,39}$";
/// A machine size that supports premium disks: its name has an `s` after the number of processors,
/// or an `S` before it for old sizes.
pub(super) const SIZE: &str =
    "^Standard_([A-Z]+[0-9]+(-[0-9]+)?[a-z]*s[a-z]*|[A-Z]+S[0-9]+(-[0-9]+)?)(_[A-Za-z0-9]+)*$";
/// A subscription's id.
pub(in crate::targets) const SUBSCRIPTION: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
/// The name of a resource group.
pub(in crate::targets) const GROUP: &str = "^[A-Za-z0-9._()-]{0,89}[A-Za-z0-9_()-]$";
/// A region, alone or with the number of a zone, as in Kubernetes.
pub(super) const ZONE: &str = "^[a-z0-9]+(-[1-3])?$";
/// Regions of Azure Government and of Azure in China, whose services have other addresses ("Azure
/// geographies", https://learn.microsoft.com/azure/reliability/regions-list).
pub(super) const OTHER_CLOUD: &str = "^(usgov|usdod|china)";
/// A subnet's id.
pub(super) const SUBNET: &str = "^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$";
/// An image's id: a version in a gallery, or a managed image.
pub(super) const IMAGE_ID: &str = "^/(subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Compute/(images/[^/]+|galleries/[^/]+/images/[^/]+/versions/[^/]+)|(communityGalleries|sharedGalleries)/[^/]+/images/[^/]+/versions/[^/]+)$";
/// A version of the Marketplace's image of Debian.
pub(super) const IMAGE_VERSION: &str = "^[0-9]+(\\.[0-9]+)+$";
/// A disk encryption set's id.
pub(super) const DISK_ENCRYPTION_SET: &str = "^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Compute/diskEncryptionSets/[^/]+$";
/// A key vault's id.
pub(super) const KEY_VAULT: &str = "^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.KeyVault/vaults/[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$";
/// A Log Analytics workspace's id; the portal writes its provider in lower case.
pub(super) const WORKSPACE: &str = "^/subscriptions/[^/]+/resource[Gg]roups/[^/]+/providers/[Mm]icrosoft.[Oo]perational[Ii]nsights/workspaces/[^/]+$";
/// The name of a tag.
pub(super) const TAG: &str = "^[^<>%&\\\\?/]{1,512}$";
/// The value of a tag.
pub(super) const TAG_VALUE: &str = "^.{0,256}$";
/// A snapshot's id, or blank.
pub(super) const SNAPSHOT_OR_BLANK: &str =
    "^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft.Compute/snapshots/[^/]+)?$";
/// An action group's id, or blank; `az` writes its provider in lower case.
pub(super) const ACTION_GROUP_OR_BLANK: &str = "^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[Mm]icrosoft.[Ii]nsights/actionGroups/[^/]+)?$";
/// A secret's id without a version, or blank.
pub(super) const SECRET_OR_BLANK: &str =
    "^(https://[a-z][a-z0-9-]{1,22}[a-z0-9]\\.vault\\.azure\\.net/secrets/[A-Za-z0-9-]{1,127})?$";

/// Returns the region and the number of the zone; the latter is blank in a region without zones.
pub(super) fn place(zone: &str) -> (&str, &str) {
    zone.split_once('-').unwrap_or((zone, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::machine::patterns::assert_forms;

    #[test]
    fn accepts_valid_names_only() {
        let long = "a".repeat(41);
        let group = "/subscriptions/s/resourceGroups/g/providers";
        let of = |rest: &str| format!("{group}/{rest}");
        let subnet = of("Microsoft.Network/virtualNetworks/n/subnets/s");
        let snapshot = of("Microsoft.Compute/snapshots/s");
        let action = of("microsoft.insights/actionGroups/a");
        let version = of("Microsoft.Compute/galleries/g/images/i/versions/1.0.0");
        let vault = of("Microsoft.KeyVault/vaults/acme-Keys");
        let workspace = of("Microsoft.OperationalInsights/workspaces/logs");
        assert_forms(&[
            (
                DEPLOYMENT,
                &["a", "chroma", "a-1"],
                &["", "1a", "a-", "a--b", "A", "a_b", &long],
            ),
            (
                SIZE,
                &[
                    "Standard_B2s_v2",
                    "Standard_E4-2ds_v5",
                    "Standard_NC24ads_A100_v4",
                    "Standard_B2pls_v2",
                    "Standard_DS12-1_v2",
                ],
                &[
                    "B2s",
                    "t4g.medium",
                    "standard_b2s_v2",
                    "e2-medium",
                    "Standard_D2_v5",
                    "Basic_A1",
                ],
            ),
            (
                SUBSCRIPTION,
                &["01234567-89ab-cdef-0123-456789abcdef"],
                &["", "Pay-As-You-Go", "01234567-89AB-CDEF-0123-456789ABCDEF"],
            ),
            (GROUP, &["chroma", "rg_1.(a)"], &["", "a.", "a b", "/a"]),
            (
                ZONE,
                &["westeurope-1", "westus"],
                &["", "West Europe", "westeurope-4", "eu-central-1a"],
            ),
            (SUBNET, &[&subnet], &["", "default", &snapshot]),
            (
                IMAGE_ID,
                &[
                    &version,
                    &of("Microsoft.Compute/images/i"),
                    "/communityGalleries/g/images/i/versions/1.0.0",
                ],
                &[&of("Microsoft.Compute/galleries/g/images/i"), &snapshot],
            ),
            (
                IMAGE_VERSION,
                &["0.20251117.2299"],
                &["latest", "13", &version],
            ),
            (
                DISK_ENCRYPTION_SET,
                &[&of("Microsoft.Compute/diskEncryptionSets/e")],
                &["e", &vault],
            ),
            (
                KEY_VAULT,
                &[&vault],
                &[
                    "https://acme.vault.azure.net",
                    &of("Microsoft.KeyVault/vaults/a--"),
                ],
            ),
            (
                WORKSPACE,
                &[
                    &workspace,
                    &workspace.replace("OperationalInsights", "operationalinsights"),
                ],
                &["logs", &vault],
            ),
            (TAG, &["team", "Cost center:1"], &["", "a/b", "a?b", "a\\b"]),
            (TAG_VALUE, &["", "Search & more"], &[&"a".repeat(257)]),
            (SNAPSHOT_OR_BLANK, &["", &snapshot], &["s", &subnet]),
            (
                ACTION_GROUP_OR_BLANK,
                &[
                    "",
                    &action,
                    &action.replace("microsoft.insights", "Microsoft.Insights"),
                ],
                &["a", &snapshot],
            ),
            (
                SECRET_OR_BLANK,
                &["", "https://acme-01234567.vault.azure.net/secrets/A-KEY"],
                &[
                    "A-KEY",
                    "https://a.vault.azure.net/secrets/A",
                    "https://acme.vault.azure.net/secrets/A_KEY",
                    "https://acme.vault.azure.net/secrets/A/0123",
                    "https://acme.example.com/secrets/A",
                ],
            ),
        ]);
    }

    #[test]
    fn splits_a_zone_into_region_and_number() {
        assert_eq!(place("westeurope-1"), ("westeurope", "1"));
        assert_eq!(place("westus"), ("westus", ""));
    }
}
