//! `tracing.sampling`, `tracing.redact`, `metrics` and `clients`.
//!
//! Invariant: a value that keeps or sends nothing is rejected.

use std::collections::BTreeSet;

use crate::backend::Backend;
use crate::input::resolve::reading::Reading;
use crate::problem::Problem;
use crate::spec::signals::{Client, Metrics, Names, Ratio, Redact, Sampling, Tail};

impl Reading {
    pub(super) fn sampling(&mut self) -> Option<Sampling> {
        let file = self.input.spec.tracing.sampling.take()?;
        let tail = Tail {
            errors: file.errors.unwrap_or(false),
            slower_than: self.optional("tracing.sampling.slower_than", &file.slower_than),
        };
        let tail = (tail.errors || tail.slower_than.is_some()).then_some(tail);
        let key = "tracing.sampling.ratio";
        let Some(number) = file.ratio else {
            if !self.is_wrong(key) {
                let parts = ["tracing.sampling.errors", "tracing.sampling.slower_than"];
                let flag = parts.iter().find_map(|part| self.input.flags.get(part));
                if let Some(flag) = flag {
                    let problem = Problem::new(*flag, "requires `--sample`");
                    let hint = "the share of the other traces that is kept, such as `--sample 0.1`";
                    self.problems.push(problem.hint(hint));
                } else {
                    let hint = "the share of the traces that is kept, such as `0.1`";
                    self.wrong(key, "is missing", hint);
                }
            }
            return None;
        };
        match Ratio::try_from(number) {
            Ok(ratio) if ratio.percent() > 0.0 || tail.is_some() => Some(Sampling { ratio, tail }),
            Ok(_) => {
                let hint = "a share such as `0.1`, or `tracing.granularity: none`";
                self.wrong(key, format!("is `{number}`, which keeps no trace"), hint);
                None
            }
            Err(rule) => {
                self.wrong(
                    key,
                    format!("`{number}` cannot be used"),
                    format!("write {rule}"),
                );
                None
            }
        }
    }

    pub(super) fn redact(&mut self) -> Redact {
        let Some(file) = self.input.spec.tracing.redact.take() else {
            return Redact::default();
        };
        let names: Option<Names> = self.optional("tracing.redact.names", &file.names);
        let allow = file.allow.map(|texts| {
            let mut names = self.names("tracing.redact.allow", Some(texts));
            names.sort();
            names
        });
        Redact { names, allow }
    }

    pub(super) fn metrics(&mut self, backends: &[&Backend]) -> Metrics {
        let file = std::mem::take(&mut self.input.spec.metrics);
        let to_backend = file.to_backend.unwrap_or(false);
        let takes = |backend: &&Backend| backend.metrics.is_some();
        if to_backend && !backends.is_empty() && !backends.iter().any(takes) {
            let names: Vec<String> = backends
                .iter()
                .map(|one| format!("`{}`", one.name))
                .collect();
            self.wrong(
                "metrics.to_backend",
                format!(
                    "cannot be used: {} is a backend for traces only",
                    names.join(", ")
                ),
                "remove it and let Prometheus scrape the collector, or choose another backend",
            );
        }
        let without: Vec<String> = backends
            .iter()
            .filter(|backend| backend.metrics.is_none())
            .map(|backend| format!("`{}`", backend.name))
            .collect();
        if to_backend && !without.is_empty() && without.len() < backends.len() {
            self.notes.push(format!(
                "no metrics go to {}, a backend for traces only",
                without.join(", ")
            ));
        }
        Metrics {
            to_backend,
            monitoring: file.monitoring.unwrap_or(false),
        }
    }

    pub(super) fn clients(&mut self) -> BTreeSet<Client> {
        let mut clients = BTreeSet::new();
        let names = Client::ALL.map(|client| client.name().to_owned());
        for text in self
            .input
            .spec
            .clients
            .take()
            .map(|given| given.texts())
            .unwrap_or_default()
        {
            let text = text.trim();
            match Client::ALL.into_iter().find(|client| client.name() == text) {
                Some(client) => drop(clients.insert(client)),
                None => {
                    let at = self.input.at("clients");
                    self.problems.push(Problem::unknown(at, text, &names));
                }
            }
        }
        clients
    }
}
