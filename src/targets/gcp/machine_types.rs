//! Machine types of Compute Engine by their names: architecture and memory
//! (<https://docs.cloud.google.com/compute/docs/general-purpose-machines>).

/// Types with a part of a processor, and their memory in MiB.
const SHARED: [(&str, u64); 5] = [
    ("f1-micro", 614),
    ("g1-small", 1740),
    ("e2-micro", 1024),
    ("e2-small", 2048),
    ("e2-medium", 4096),
];

/// Kinds of types, and their memory for each processor in MiB. A few families have a little less.
const KINDS: [(&str, u64); 3] = [("standard", 4096), ("highmem", 8192), ("highcpu", 2048)];

/// Families with half the memory of other types `highcpu`.
const SMALL_HIGHCPU: [&str; 4] = ["e2", "n1", "n2", "n2d"];

/// Returns the memory of a machine type in MiB, or a little more; `None` if the name does not tell.
pub(super) fn memory(kind: &str) -> Option<u64> {
    if let Some((_, mebibytes)) = SHARED.into_iter().find(|(name, _)| *name == kind) {
        return Some(mebibytes);
    }
    let parts: Vec<&str> = kind.split('-').collect();
    match parts[..] {
        // `n2-custom-4-8192`, and with more memory for each processor `n2-custom-2-32768-ext`.
        [_, "custom", _, mebibytes, ..] => mebibytes.parse().ok(),
        [family, kind, processors, ..] => {
            let (_, each) = KINDS.into_iter().find(|(name, _)| *name == kind)?;
            let half = kind == "highcpu" && SMALL_HIGHCPU.contains(&family);
            let each = if half { each / 2 } else { each };
            Some(each * processors.parse::<u64>().ok()?)
        }
        _ => None,
    }
}

/// Returns true if a machine of this type has an Arm processor.
pub(super) fn is_arm(kind: &str) -> bool {
    let family = kind.split('-').next().unwrap_or_default();
    ["a4x", "c4a", "n4a", "t2a"].contains(&family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Target;
    use crate::targets::machine::sizes::assert_memory;

    #[test]
    fn knows_the_memory_of_general_machine_types() {
        assert_memory(
            Target::Gcp,
            memory,
            &[
                ("f1-micro", 614),
                ("e2-micro", 1024),
                ("e2-small", 2048),
                ("e2-medium", 4096),
                ("e2-highcpu-2", 2048),
                ("c3-highcpu-4", 8192),
                ("n4-standard-2", 8192),
                ("c3-standard-4-lssd", 16384),
                ("n2-highmem-8", 65536),
                ("n2-custom-4-8192", 8192),
            ],
            &["m1-megamem-96", "a2-highgpu-1g", "e2", "n2-standard-x"],
        );
    }

    #[test]
    fn recognizes_arm_machine_types() {
        for arm in ["t2a-standard-1", "c4a-highmem-4", "n4a-standard-2"] {
            assert!(is_arm(arm), "{arm}");
        }
        for x86 in ["e2-medium", "c4-standard-2", "a2-highgpu-1g"] {
            assert!(!is_arm(x86), "{x86}");
        }
    }
}
