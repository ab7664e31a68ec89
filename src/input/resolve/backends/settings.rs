//! `tracing.settings`: settings of backends, as `NAME` or `BACKEND.NAME`.
//!
//! Invariant: a setting has an effect or is reported; blank counts as not set.

use std::collections::{BTreeMap, BTreeSet};

use chroma_otel_init::{Endpoint, Invalid};

use crate::backend::{Backend, Exporter, Missing, Service};
use crate::input::resolve::reading::Reading;
use crate::problem::nearest;
use crate::spec::Target;
use crate::values::ImageRepository;

/// Settings of the input, by `NAME` or `BACKEND.NAME`.
type Written = BTreeMap<String, String>;

const SETTINGS: &str = "tracing.settings";
const ENDPOINT: &str = "endpoint";
/// The setting of a backend that runs next to the collector: the repository of its image.
const REPOSITORY: &str = "repository";

impl Reading {
    /// Returns the settings that are not blank.
    pub(super) fn settings(&self) -> Written {
        let written = self.input.spec.tracing.settings.clone().unwrap_or_default();
        let written = written.into_iter();
        written
            .map(|(key, text)| (key, text.trim().to_owned()))
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }

    /// Checks that a backend accepts each setting, unless a backend is unknown.
    pub(super) fn check_settings(
        &mut self,
        settings: &Written,
        backends: &[Backend],
        complete: bool,
    ) {
        for (key, written) in settings {
            let (whose, name) = parts(key);
            let mut taken = false;
            let mut ambiguous = BTreeSet::new();
            for (index, backend) in backends.iter().enumerate() {
                if whose.is_some_and(|whose| whose != backend.name) {
                    continue;
                }
                taken |=
                    whose.is_some() && name == ENDPOINT && index > 0 && backend.wants_endpoint();
                taken |= whose.is_some() && name == REPOSITORY && backend.service.is_some();
                taken |= backend.addresses.iter().any(|one| one.is_set_by(name));
                let Some(setting) = backend.settings.get(name) else {
                    continue;
                };
                taken = true;
                // `BACKEND.NAME` overrides `NAME` and is checked separately.
                let special =
                    |backend: &Backend| settings.contains_key(&format!("{}.{name}", backend.name));
                if whose.is_none() && special(backend) {
                    continue;
                }
                // The same region name can mean something else for another backend, or nothing.
                let mut others = backends
                    .iter()
                    .filter(|other| other.settings.contains_key(name));
                if whose.is_none()
                    && others.any(|other| other.name != backend.name && !special(other))
                {
                    ambiguous.insert(format!("`{}.{name}`", backend.name));
                    continue;
                }
                if let Err(rule) = setting.text(written) {
                    let shown = written.escape_debug();
                    let message = format!(
                        "`{key}` is `{shown}`, which backend `{}` does not take",
                        backend.name
                    );
                    let choices = setting.choices.iter().flat_map(|choices| choices.keys());
                    let choices: Vec<String> = choices.cloned().collect();
                    let hint = match nearest(written, &choices) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("write {rule}"),
                    };
                    self.wrong(SETTINGS, message, hint);
                }
            }
            if !ambiguous.is_empty() {
                let names: Vec<String> = ambiguous.into_iter().collect();
                let message = format!("`{key}` is a setting of several backends");
                self.wrong(
                    SETTINGS,
                    message,
                    format!("name the backend: {}", names.join(", ")),
                );
            }
            if !taken && complete {
                self.untaken(key, backends);
            }
        }
    }

    fn untaken(&mut self, key: &str, backends: &[Backend]) {
        let (whose, name) = parts(key);
        let of = |backend: &&Backend| whose.is_none_or(|whose| whose == backend.name);
        let known: Vec<String> = backends
            .iter()
            .filter(of)
            .flat_map(|backend| {
                let of_addresses = backend.addresses.iter();
                let of_addresses = of_addresses.filter_map(|one| one.key.setting.as_ref());
                let names = backend.settings.keys().chain(of_addresses);
                let names = names.map(|name| spelled(backends, backend, name));
                let own = backend.service.as_ref();
                names.chain(own.map(|_| format!("{}.{REPOSITORY}", backend.name)))
            })
            .collect();
        let only = |name: &str| known.iter().any(|one| parts(one).1 == name);
        let hint = match (name, whose) {
            (_, Some(whose)) if backends.iter().all(|backend| backend.name != whose) => {
                format!("there is no backend `{}` here", whose.escape_debug())
            }
            (ENDPOINT, Some(whose)) if backends.first().is_some_and(|one| one.name == whose) => {
                "it is the first one: use `tracing.endpoint`".to_owned()
            }
            (ENDPOINT, None) => {
                "that of the first backend is `tracing.endpoint`, that of another `BACKEND.endpoint`"
                    .to_owned()
            }
            ("region", None) if !only("region") => {
                "no selected backend has regions; the region of a cluster is `kubernetes.region` (`--cluster-region`), and a machine is in the region of its zone".to_owned()
            }
            _ => match nearest(key, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "there are none: remove it".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            },
        };
        let message = format!(
            "`{}` is not a setting of the selected backends",
            key.escape_debug()
        );
        self.wrong(SETTINGS, message, hint);
    }

    /// Returns the backend with its settings, and with its endpoint if it is not the first.
    pub(super) fn settled(
        &mut self,
        backends: &[Backend],
        index: usize,
        settings: &Written,
        (target, endpoint): (Option<Target>, Option<&Endpoint>),
    ) -> Option<Backend> {
        let mut backend = backends[index].clone();
        let (first, name) = (index == 0, backend.name.clone());
        let reported = self.problems.len();
        let own = if first {
            None
        } else {
            self.own_endpoint(&backend, settings)
        };
        let to = if first { endpoint } else { own.as_ref() };
        if let Some(to) = to {
            if backend.service.is_some() && !is_at(&backend, to.host()) {
                backend.service = None; // no exporter would send to it
                backend.traces = format!("the address of your own {name}");
            }
            let key = if first { "tracing.endpoint" } else { SETTINGS };
            self.check_plain(key, &backend, to);
        }
        if let Some(service) = &mut backend.service {
            match settings.get(&format!("{name}.{REPOSITORY}")) {
                Some(repository) => self.mirror(service, repository),
                None => service.image = self.mirrored(target, &service.image),
            }
        }
        let wrong = self.problems.len() > reported || (first && self.is_wrong("tracing.endpoint"));
        let given = |key: &str| {
            let special = settings.get(&format!("{name}.{key}"));
            special.or_else(|| settings.get(key)).cloned()
        };
        let settled = backend.settled(&given, to.is_some() || wrong);
        let mut settled = match settled {
            Ok(settled) => settled,
            Err(missing) => {
                // An invalid value was reported already.
                let missing = missing.into_iter().filter(|one| given(&one.name).is_none());
                for one in missing {
                    self.unset(backends, &backends[index], &one);
                }
                return None;
            }
        };
        if let Some(region) = to.and_then(|to| aws_region(to.host())) {
            settled = settled.in_region(region);
        }
        if let Some(own) = own {
            settled.endpoint = Some(own.to_string());
        }
        for address in &mut settled.addresses {
            let key = address.key.setting.clone().unwrap_or_default();
            address.value = given(&key);
            let value = address.value.as_deref().unwrap_or_default();
            if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = format!("`{key}` contains blanks or characters other than ASCII");
                self.wrong(SETTINGS, message, format!("use {}", address.key.what));
            }
        }
        if !first && !wrong && settled.wants_endpoint() && settled.endpoint.is_none() {
            let message = format!("required, because backend `{name}` has no default");
            let like = settled.endpoint_example();
            let hint = format!("set it, or use `--setting {name}.endpoint=…`, such as `{like}`");
            self.wrong(&format!("{SETTINGS}.{name}.{ENDPOINT}"), message, hint);
            return None;
        }
        (first || !wrong).then_some(settled)
    }

    /// Replaces the repository of a backend's image by a mirror of it.
    fn mirror(&mut self, service: &mut Service, repository: &str) {
        match repository.parse::<ImageRepository>() {
            Ok(repository) => {
                let tag = service.image.rsplit_once(':').map_or("", |(_, tag)| tag);
                service.image = repository.tag(tag);
            }
            Err(rule) => {
                let message = format!("`{}` is not an image repository", repository.escape_debug());
                self.wrong(SETTINGS, message, format!("use {rule}"));
            }
        }
    }

    /// Rejects or reports keys that are sent without TLS.
    fn check_plain(&mut self, at: &str, backend: &Backend, to: &Endpoint) {
        if to.is_tls() || to.is_local() || backend.keys.is_empty() {
            return;
        }
        let what = format!(
            "`{}` is plain HTTP, which sends the key of `{}` unencrypted",
            to.authority(),
            backend.name
        );
        let own = backend.endpoint.as_deref();
        if own.is_some_and(|own| own.starts_with("https://")) {
            self.wrong(at, what, "write `https://`")
        } else {
            self.notes.push(what)
        }
    }

    /// Returns `BACKEND.endpoint` if the backend's exporter can send to it.
    fn own_endpoint(&mut self, backend: &Backend, settings: &Written) -> Option<Endpoint> {
        let key = format!("{}.{ENDPOINT}", backend.name);
        let read: Result<Endpoint, Invalid> = settings.get(&key)?.parse();
        match read {
            Ok(endpoint) if backend.exporter == Exporter::Zipkin && !endpoint.is_zipkin() => {
                let hint = "use `http://host:9411`, or a URL that ends in `/api/v2/spans`";
                self.wrong(
                    SETTINGS,
                    format!("`{key}` is not an address of Zipkin's"),
                    hint,
                );
                None
            }
            Ok(endpoint) => Some(endpoint),
            Err(invalid) => {
                self.wrong(
                    SETTINGS,
                    format!("`{key}` {}", invalid.what()),
                    invalid.hint(),
                );
                None
            }
        }
    }

    fn unset(&mut self, backends: &[Backend], backend: &Backend, missing: &Missing) {
        let Missing { name, what } = missing;
        let key = spelled(backends, backend, name);
        let flag = match key.as_str() {
            "region" => "--region …".to_owned(),
            key => format!("--setting {key}=…"),
        };
        let message = format!("required by backend `{}`: {what}", backend.name);
        let hint = format!("set it, or use `{flag}`");
        self.wrong(&format!("{SETTINGS}.{key}"), message, hint);
    }
}

/// Splits `BACKEND.NAME` into the backend, if there is one, and the name.
fn parts(key: &str) -> (Option<&str>, &str) {
    match key.split_once('.') {
        Some((whose, name)) => (Some(whose), name),
        None => (None, key),
    }
}

/// Returns the number of backends with a setting of that name.
fn takers(backends: &[Backend], name: &str) -> usize {
    let has = |backend: &&Backend| backend.settings.contains_key(name);
    backends.iter().filter(has).count()
}

/// Returns the name of a backend's setting, with the backend's name if another one has it as well.
fn spelled(backends: &[Backend], backend: &Backend, name: &str) -> String {
    if takers(backends, name) > 1 {
        format!("{}.{name}", backend.name)
    } else {
        name.to_owned()
    }
}

/// Returns the region in the name of an endpoint of AWS: `xray.eu-central-1.amazonaws.com`.
fn aws_region(host: &str) -> Option<&str> {
    let (service, _) = host.split_once(".amazonaws.com")?;
    let mut labels = service.split('.');
    labels.find(|label| {
        let mut parts = label.split('-');
        parts.clone().count() >= 3
            && parts.next().is_some_and(|area| area.len() == 2)
            && parts
                .next_back()
                .is_some_and(|number| number.parse::<u8>().is_ok())
    })
}

/// Returns true if the backend's default endpoint has this host.
fn is_at(backend: &Backend, host: &str) -> bool {
    let own = backend.endpoint.as_deref().map(str::parse::<Endpoint>);
    own.is_some_and(|own| own.is_ok_and(|own| own.host() == host))
}
