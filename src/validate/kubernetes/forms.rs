//! The forms of values that have no type of their own: quantities, names of ports, ranges of addresses.
//!
//! Invariant: a form is Kubernetes' own, no wider and no narrower.

use std::net::IpAddr;

/// How much a quantity is, in its base unit; nothing of what is none. `1500m` is 1.5, `2Gi` 2³¹.
/// (Kubernetes: apimachinery, `resource.Quantity`.)
pub(super) fn quantity(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (number, suffix) = match text.split_once(['e', 'E']) {
        // `1e3` is an exponent, `1E` are exabytes.
        Some((number, exponent)) if exponent.parse::<i8>().is_ok() => {
            let exponent: i32 = exponent.parse().ok()?;
            return Some(decimal(number)? * 10f64.powi(exponent));
        }
        _ => (digits, &text[digits.len()..]),
    };
    let unit = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        binary => {
            let power = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
                .iter()
                .position(|unit| *unit == binary)?;
            1024f64.powi(i32::try_from(power).ok()? + 1)
        }
    };
    Some(decimal(number)? * unit)
}

fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sound = digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    sound.then(|| text.parse().ok()).flatten()
}

/// A name of a port: `IANA_SVC_NAME`, at most 15 characters, a letter among them.
pub(super) fn is_port_name(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=15).contains(&text.len())
        && text.chars().all(sound)
        && text.contains(|c: char| c.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// A range of addresses, `10.0.0.0/16` or IPv6's.
pub(super) fn is_range(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, amount) in [
            ("2", 2.0),
            ("500m", 0.5),
            ("1.5Gi", 1.5 * 1024.0 * 1024.0 * 1024.0),
            ("1e3", 1000.0),
            ("2E", 2e18),
            (".5", 0.5),
            ("-1", -1.0),
        ] {
            assert_eq!(quantity(text), Some(amount), "{text}");
        }
        for text in [
            "", "Gi", "2GB", "2 Gi", "2gi", "1..5", "two", "1e", "inf", "NaN", "٢",
        ] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    #[test]
    fn ports_and_ranges_have_their_forms() {
        for good in ["http", "otlp-grpc", "a", "8a"] {
            assert!(is_port_name(good), "{good}");
        }
        for bad in [
            "",
            "HTTP",
            "80",
            "a--b",
            "-a",
            "a-",
            "sixteen-letters-",
            "a_b",
            "is-longer-than-it",
        ] {
            assert!(!is_port_name(bad), "{bad}");
        }
        for good in ["10.0.0.0/8", "169.254.20.10/32", "::/0", "fd00::/8"] {
            assert!(is_range(good), "{good}");
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/",
        ] {
            assert!(!is_range(bad), "{bad}");
        }
    }
}
