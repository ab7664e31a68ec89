//! Keys without an effect on the target or with another setting.
//!
//! Invariant: a spec can move between targets unchanged, with a note about each key without an effect; a
//! flag without an effect is rejected.

use crate::input::resolve::reading::{Reading, given};
use crate::spec::Image;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::target::Target;

/// Keys that close Chroma to strangers: a note about one without an effect would be too little.
const EXPOSING: [&str; 2] = ["kubernetes.expose", "chroma.access"];

impl Reading {
    pub(super) fn note_unused(
        &mut self,
        target: Option<Target>,
        image: Image,
        mode: CollectorMode,
    ) {
        let Some(target) = target else { return };
        let elsewhere = |key: &str| target.ignores(key);
        self.check_elsewhere(target);
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

    /// Rejects flags without an effect on the target, and adds a note about such keys of the file.
    fn check_elsewhere(&mut self, target: Target) {
        let given = self.input.given.iter();
        let unused: Vec<String> = given.filter(|key| target.ignores(key)).cloned().collect();
        let title = target.info().title;
        let mut refused = Vec::new();
        for key in unused {
            let is_flag = self.input.at(&key).starts_with("--");
            if EXPOSING.contains(&key.as_str()) {
                let (lacks, hint) = match (target, target.is_kubernetes()) {
                    (Target::Docker, _) => ("", "use `chroma.access`".to_owned()),
                    (_, true) => ("", "use `kubernetes.expose`".to_owned()),
                    _ => (", which adds neither TLS nor a token", user(target, &key)),
                };
                self.wrong(&key, format!("has no effect on {title}{lacks}"), hint);
                refused.push(key);
            } else if is_flag && !(key == "platform" && self.is_platform_of(target)) {
                let hint = match key.as_str() {
                    "platform" if self.asks_for_kubernetes() => {
                        "did you mean `--target kubernetes`?".to_owned()
                    }
                    _ => user(target, &key),
                };
                self.wrong(&key, format!("has no effect on {title}"), hint);
                refused.push(key);
            }
        }
        self.note(&format!("on {title}"), |key| {
            target.ignores(key) && refused.iter().all(|one| one != key)
        });
    }

    fn asks_for_kubernetes(&self) -> bool {
        given(&self.input.spec.platform) == Some("kubernetes")
    }

    /// Returns true if the platform is the default of the target.
    fn is_platform_of(&self, target: Target) -> bool {
        target.is_kubernetes() && self.asks_for_kubernetes()
    }

    fn is_given(&self, key: &str) -> bool {
        self.input.given.iter().any(|one| one == key)
    }

    fn note(&mut self, why: &str, unused: impl Fn(&str) -> bool) {
        let given = self.input.given.iter().map(String::as_str);
        let keys: Vec<&str> = given.filter(|key| unused(key)).collect();
        if !keys.is_empty() {
            let verb = if keys.len() == 1 { "has" } else { "have" };
            let keys = keys.join("`, `");
            self.notes.push(format!("`{keys}` {verb} no effect {why}"));
        }
    }
}

/// Returns the hint for a key without an effect on `target`: the targets that use it.
fn user(target: Target, key: &str) -> String {
    let users = Target::ALL.into_iter().filter(|one| !one.ignores(key));
    let mut names: Vec<&str> = users.map(|one| one.info().name).collect();
    names.dedup();
    if names.is_empty() || names.contains(&target.info().name) {
        let other = if target.is_kubernetes() {
            "vm"
        } else {
            "kubernetes"
        };
        format!("remove it, or use `--platform {other}`")
    } else if let [name] = names[..] {
        format!("remove it, or use `--target {name}`")
    } else {
        format!("remove it: targets `{}` use it", names.join("`, `"))
    }
}
