//! Keys that are there for another target, or for another choice.
//!
//! Invariant: a spec can move between targets as it is, but not in silence.

use crate::input::resolve::reading::Reading;
use crate::spec::Image;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::target::Target;

impl Reading {
    pub(super) fn note_unused(
        &mut self,
        target: Option<Target>,
        image: Image,
        mode: CollectorMode,
    ) {
        let Some(target) = target else { return };
        let elsewhere = |key: &str| target.ignores(key);
        self.note(&format!("on {}", target.info().title), elsewhere);
        if mode == CollectorMode::None {
            self.note("with `collector.mode: none`", |key| {
                let of_collector = key.starts_with("collector.") && key != "collector.mode";
                of_collector || key == "tracing.environment"
            });
        }
        let registry = ["chroma.registry", "kubernetes.registry"];
        let context = "chroma.image_context";
        match image {
            Image::Wrapped => {}
            Image::Published => self.note("with `image: published`", |key| key == context),
            Image::Stock => self.note("with `image: stock`", |key| {
                (registry.contains(&key) || key == context) && !elsewhere(key)
            }),
        }
        if !target.is_kubernetes() {
            return;
        }
        if !self.is_given("kubernetes.expose") {
            let key = "chroma.open_to_world";
            self.note("without `kubernetes.expose`", |one| one == key);
        }
        if !self.is_given("machine.secrets") {
            let key = "kubernetes.secret_store";
            self.note("without `machine.secrets`", |one| one == key);
        }
    }

    fn is_given(&self, key: &str) -> bool {
        self.input.given.iter().any(|one| one == key)
    }

    fn note(&mut self, why: &str, unused: impl Fn(&str) -> bool) {
        let given = self.input.given.iter().map(String::as_str);
        let keys: Vec<&str> = given.filter(|key| unused(key)).collect();
        if !keys.is_empty() {
            let keys = keys.join("`, `");
            self.notes.push(format!("`{keys}` says nothing {why}"));
        }
    }
}
