//! Variables that Kubernetes injects for a Service whose name begins with `chroma`.
//!
//! Invariant: only names and values of the form that Kubernetes writes are removed, and none of
//! the four variables and their synonyms: a wrong endpoint must be reported, not removed.
//!
//! `CHROMA_PORT=tcp://10.0.0.1:8000` makes Chroma 1.x panic (measured on 1.5.9: `expected u16 for
//! key "PORT"`). The forms are those of "Accessing the Service, Environment variables" in the
//! Kubernetes documentation.

use std::ffi::OsStr;

use chroma_otel_init::variable;

use crate::variables::Variables;

/// Removes them; returns one warning that names them, if there were any.
pub(crate) fn remove(variables: &mut Variables) -> Option<String> {
    let mut removed = Vec::new();
    variables.retain(|name, value| {
        let is_link = is_link(name, value);
        if is_link {
            removed.push(format!("`{}`", name.display()));
        }
        !is_link
    });
    (!removed.is_empty()).then(|| {
        format!(
            "removed {}, which a Kubernetes service link set; hint: set `enableServiceLinks: false`",
            removed.join(", ")
        )
    })
}

fn is_link(name: &OsStr, value: &OsStr) -> bool {
    let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
        return false;
    };
    let synonyms = [variable::RUST_ENDPOINT, variable::RUST_SERVICE_NAME];
    let ours = variable::TABLE.iter().any(|one| one.name == name);
    if ours || synonyms.contains(&name) || !name.starts_with("CHROMA_") {
        return false;
    }
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    is_address
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || is_port_detail(name)
}

/// Returns true for `…_PORT_8000_TCP`, with or without `_PROTO`, `_PORT`, `_ADDR`.
fn is_port_detail(name: &str) -> bool {
    let stem = ["_PROTO", "_PORT", "_ADDR"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let number = ["_TCP", "_UDP", "_SCTP"]
        .iter()
        .find_map(|protocol| stem.strip_suffix(protocol))
        .and_then(|stem| stem.rsplit_once("_PORT_"))
        .map(|(_, number)| number);
    number.is_some_and(|number| number.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut variables = pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        remove(&mut variables);
        variables
            .keys()
            .map(|name| name.display().to_string())
            .collect()
    }

    #[test]
    fn removes_variables_that_kubernetes_injects() {
        let links = [
            ("CHROMA_PORT", "tcp://10.0.0.1:8000"),
            ("CHROMA_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("CHROMA_PORT_8000_TCP_PROTO", "tcp"),
            ("CHROMA_PORT_8000_TCP_PORT", "8000"),
            ("CHROMA_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("CHROMA_PORT_53_UDP_ADDR", "10.0.0.1"),
            ("CHROMA_SERVICE_HOST", "10.0.0.1"),
            ("CHROMA_SERVICE_PORT", "8000"),
            ("CHROMA_SERVICE_PORT_HTTP", "8000"),
            ("CHROMA_SERVER_SERVICE_HOST", "10.0.0.1"),
            ("CHROMA_SERVER_PORT", "udp://10.0.0.1:8000"),
        ];
        assert_eq!(kept(&links), Vec::<String>::new());
    }

    #[test]
    fn keeps_variables_that_an_operator_sets() {
        let own = [
            ("CHROMA_LISTEN_ADDRESS", "0.0.0.0"),
            ("CHROMA_OPEN_TELEMETRY__ENDPOINT", "tcp://collector:4317"),
            ("CHROMA_OTEL_COLLECTION_ENDPOINT", "tcp://collector:4317"),
            ("CHROMA_OTEL_SERVICE_NAME", "a"),
            ("CHROMA_PORT", "8000"),
            ("CHROMA_SERVER_HTTP_PORT", "8000"),
            ("CHROMA_SYSDB_PORT_RANGE_TCP", "1-2"),
            ("OTEL_COLLECTOR_PORT", "tcp://10.0.0.1:4317"),
        ];
        assert_eq!(kept(&own), own.map(|(name, _)| name));
    }

    #[test]
    fn one_warning_names_them_and_the_fix() {
        let mut variables = [("CHROMA_PORT", "tcp://x:1"), ("CHROMA_SERVICE_HOST", "x")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        let warning = remove(&mut variables).unwrap_or_default();
        assert!(
            warning.contains("`CHROMA_PORT`, `CHROMA_SERVICE_HOST`"),
            "{warning}"
        );
        assert!(warning.contains("enableServiceLinks: false"), "{warning}");
        assert_eq!(remove(&mut variables), None);
    }
}
