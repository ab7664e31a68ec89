//! Instance types of EC2 by their names: architecture and memory
//! (<https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>).

/// Families by their first letter, and the memory of their size `xlarge` in GiB. A few old
/// generations have a little less.
const FAMILIES: [(char, u64); 5] = [('a', 8), ('c', 8), ('m', 16), ('r', 32), ('t', 16)];

/// Sizes smaller than `xlarge`, and how many of them are one `xlarge`.
const SMALLER: [(&str, u64); 5] = [
    ("nano", 32),
    ("micro", 16),
    ("small", 8),
    ("medium", 4),
    ("large", 2),
];

/// Returns the memory of an instance type in MiB, at most 10 % too high; `None` if the name does not
/// tell.
pub(super) fn memory(kind: &str) -> Option<u64> {
    let (family, size) = kind.split_once('.')?;
    let mut letters = family.chars();
    let (first, second) = (letters.next()?, letters.next()?);
    // Other families begin with more than one letter (`mac2`, `trn1`); c5n has more memory than c5.
    if !second.is_ascii_digit() || family == "c5n" {
        return None;
    }
    let (_, gibibytes) = FAMILIES.into_iter().find(|(letter, _)| *letter == first)?;
    let mebibytes = gibibytes << 10;
    if let Some((_, parts)) = SMALLER.into_iter().find(|(name, _)| *name == size) {
        return Some(mebibytes / parts);
    }
    match size.strip_suffix("xlarge")? {
        "" => Some(mebibytes),
        times => Some(mebibytes * times.parse::<u64>().ok()?),
    }
}

/// Returns the architecture of an instance type. Graviton types have a `g` after the number of the
/// generation (`t4g`, `m7gd`, `im4gn`); the first were called `a1`.
pub(super) fn architecture(kind: &str) -> &'static str {
    let family = kind.split('.').next().unwrap_or(kind);
    let attributes = family.trim_start_matches(|c: char| !c.is_ascii_digit());
    if family == "a1" || attributes.contains('g') {
        "arm64"
    } else {
        "x86_64"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Target;
    use crate::targets::machine::sizes::assert_memory;

    #[test]
    fn knows_the_memory_of_general_instance_types() {
        assert_memory(
            Target::Aws,
            memory,
            &[
                ("t4g.nano", 512),
                ("t3.micro", 1024),
                ("t3a.small", 2048),
                ("t4g.medium", 4096),
                ("c7g.medium", 2048),
                ("c7i-flex.large", 4096),
                ("m7gd.large", 8192),
                ("r8g.2xlarge", 65536),
                ("m7i.48xlarge", 786_432),
            ],
            &[
                "large",
                "c5n.large",
                "x2gd.medium",
                "mac2.metal",
                "m5.metal",
            ],
        );
    }

    #[test]
    fn recognizes_graviton_instance_types() {
        for arm in [
            "t4g.medium",
            "m7gd.large",
            "im4gn.large",
            "x2gd.medium",
            "a1.large",
            "c6gn.xlarge",
        ] {
            assert_eq!(architecture(arm), "arm64", "{arm}");
        }
        for x86 in [
            "t3.medium",
            "m7i.large",
            "g4dn.xlarge",
            "g5.xlarge",
            "i4i.large",
            "r6a.large",
        ] {
            assert_eq!(architecture(x86), "x86_64", "{x86}");
        }
    }
}
