//! Sizes of Azure's machines by their names: architecture and memory
//! (<https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions>).

/// Burstable sizes of the first version, and their memory in MiB.
const BURSTABLE: [(&str, u64); 10] = [
    ("B1ls", 512),
    ("B1s", 1024),
    ("B1ms", 2048),
    ("B2s", 4096),
    ("B2ms", 8192),
    ("B4ms", 16384),
    ("B8ms", 32768),
    ("B12ms", 49152),
    ("B16ms", 65536),
    ("B20ms", 81920),
];

/// Families, the versions for which this holds, and the memory for each processor in MiB.
const FAMILIES: [(&str, std::ops::RangeInclusive<u8>, u64); 4] = [
    ("B", 2..=9, 4096),
    ("D", 3..=9, 4096),
    ("E", 3..=9, 8192),
    ("F", 2..=2, 2048),
];

/// Returns the memory of a size in MiB, or a little more; `None` if the name does not tell.
pub(super) fn memory(size: &str) -> Option<u64> {
    let name = size.strip_prefix("Standard_")?;
    if let Some((_, mebibytes)) = BURSTABLE.into_iter().find(|(known, _)| *known == name) {
        return Some(mebibytes);
    }
    let (kind, version) = name.rsplit_once("_v")?;
    let version: u8 = version.parse().ok()?;
    let (family, rest) = kind.split_at(kind.find(|c: char| c.is_ascii_digit())?);
    let processors = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let known = |one: &&(&str, std::ops::RangeInclusive<u8>, u64)| {
        one.0 == family && one.1.contains(&version)
    };
    let (_, _, each) = FAMILIES.iter().find(known)?;
    // Of the features after the number, `t` means tiny and `l` low memory.
    let each = match rest {
        rest if rest.contains('t') => each / 8,
        rest if rest.contains('l') => each / 2,
        _ => *each,
    };
    Some(each * processors.parse::<u64>().ok()?)
}

/// Returns true if a machine of this size has an Arm processor: the lowercase letters after the
/// number of processors contain a `p` (`Standard_B2pls_v2`, `Standard_D4ps_v5`).
pub(super) fn is_arm(size: &str) -> bool {
    let kind = size.split('_').nth(1).unwrap_or_default();
    let features = kind.rsplit(|c: char| c.is_ascii_digit()).next();
    features.is_some_and(|features| features.contains('p'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Target;
    use crate::targets::machine::sizes::assert_memory;

    #[test]
    fn knows_the_memory_of_general_sizes() {
        assert_memory(
            Target::Azure,
            memory,
            &[
                ("Standard_B1s", 1024),
                ("Standard_B2s", 4096),
                ("Standard_B2ts_v2", 1024),
                ("Standard_B2pls_v2", 4096),
                ("Standard_B2s_v2", 8192),
                ("Standard_D2lds_v5", 4096),
                ("Standard_D4as_v5", 16384),
                ("Standard_E4-2ds_v5", 32768),
                ("Standard_F2s_v2", 4096),
            ],
            &[
                "Standard_DS2_v2",
                "Standard_DC2s_v3",
                "Standard_NC24ads_A100_v4",
                "Standard_F2as_v6",
                "Standard_M8ms",
            ],
        );
    }

    #[test]
    fn recognizes_arm_sizes() {
        for arm in [
            "Standard_B2pls_v2",
            "Standard_B2pts_v2",
            "Standard_D4ps_v5",
            "Standard_E2pds_v6",
            "Standard_D2plds_v5",
        ] {
            assert!(is_arm(arm), "{arm}");
        }
        for x86 in [
            "Standard_B2s_v2",
            "Standard_D2as_v5",
            "Standard_E4-2ds_v5",
            "Standard_NP10s",
            "Standard_A1_v2",
        ] {
            assert!(!is_arm(x86), "{x86}");
        }
    }
}
