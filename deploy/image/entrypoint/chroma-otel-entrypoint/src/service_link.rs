//! Variables that Kubernetes injects for a Service whose name begins with `chroma`.
//!
//! Invariant: only names and values of the form that Kubernetes writes are removed, and none of
//! the four variables: a wrong endpoint must be told, not removed.
//!
//! `CHROMA_PORT=tcp://10.0.0.1:8000` makes Chroma 1.x panic (measured on 1.5.9: `expected u16 for
//! key "PORT"`). The forms are those of "Accessing the Service, Environment variables" in the
//! Kubernetes documentation.

use std::ffi::OsStr;

use chroma_otel_init::variable;

use crate::environment::Variables;

/// Removes them; gives the one warning that says which, if there were any.
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
            "removed {}, left by Kubernetes service links; hint: set `enableServiceLinks: false`",
            removed.join(", ")
        )
    })
}

fn is_link(name: &OsStr, value: &OsStr) -> bool {
    let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else {
        return false;
    };
    let ours = variable::TABLE.iter().any(|one| one.name == name);
    if ours || !name.starts_with("CHROMA_") {
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

/// `…_PORT_8000_TCP`, with or without `_PROTO`, `_PORT`, `_ADDR`.
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
