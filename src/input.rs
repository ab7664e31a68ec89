//! The spec as the operator writes it, merged with flags and resolved into a [`crate::spec::Spec`].

mod environment;
pub mod file;
mod resolve;

pub use environment::overrides as exported;
pub use resolve::resolve;

/// Returns the resolved spec of these values.
#[cfg(test)]
pub(crate) fn sound(keys: &[(&'static str, serde_json::Value)]) -> crate::spec::Resolved {
    let overrides = keys.iter().map(|(key, value)| file::Override {
        key,
        flag: key,
        value: value.clone(),
    });
    let input = file::read(None, overrides.collect()).expect("flags can be read");
    resolve(input, &|_| None).expect("the spec is sound")
}
