//! `chroma`: the database.
//!
//! Invariant: a value that opens Chroma to the internet, moves its data off the volume, or has no effect
//! is rejected.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use chroma_otel_init::{ChromaVersion, ignored_variables, misnamed_variable, variable};

use super::size::Size;
use crate::input::resolve::reading::Reading;
use crate::spec::target::Target;
use crate::spec::{Chroma, Image, Secret, Secrets, default};
use crate::values::{ImageRepository, Memory, VariableName};

/// Minimum memory of Chroma (its documentation: at least 2 GiB).
const LEAST_CHROMA_MEMORY: Memory = Memory::mebibytes(2048);
/// Variables of Chroma that the deployment sets itself, and their replacements. In any
/// case: Chroma also reads `chroma_persist_path` (seen on 1.5.9).
const RESERVED: &[(&str, &str)] = &[
    (variable::ENDPOINT, "use `tracing.endpoint`"),
    (variable::HEADERS, "use `tracing.headers`"),
    (variable::SERVICE_NAME, "use `tracing.service_name`"),
    (variable::GRANULARITY, "use `tracing.granularity`"),
    (
        "CHROMA_OPEN_TELEMETRY__FILTERS",
        "use `tracing.granularity`",
    ),
    (variable::RUST_ENDPOINT, "use `tracing.endpoint`"),
    (variable::RUST_SERVICE_NAME, "use `tracing.service_name`"),
    (variable::OTLP_ENDPOINT, "use `tracing.endpoint`"),
    (variable::OTLP_TRACES_ENDPOINT, "use `tracing.endpoint`"),
    (variable::OTLP_HEADERS, "use `tracing.headers`"),
    (variable::OTLP_TRACES_HEADERS, "use `tracing.headers`"),
    ("CHROMA_VERSION", "use `chroma.version`"),
    ("CHROMA_PORT", "use `chroma.port`"),
    ("CHROMA_SERVER_HTTP_PORT", "use `chroma.port`"),
    ("CHROMA_LISTEN_ADDRESS", "use `chroma.bind`"),
    ("CHROMA_SERVER_HOST", "use `chroma.bind`"),
    (
        "CHROMA_CORS_ALLOW_ORIGINS",
        "use `chroma.cors_allow_origins`",
    ),
    (
        "CHROMA_SERVER_CORS_ALLOW_ORIGINS",
        "use `chroma.cors_allow_origins`",
    ),
    ("CHROMA_PERSIST_PATH", ON_THE_VOLUME),
    ("CHROMA_SQLITE_FILENAME", ON_THE_VOLUME),
    ("PERSIST_DIRECTORY", ON_THE_VOLUME),
    ("IS_PERSISTENT", ON_THE_VOLUME),
];
const ON_THE_VOLUME: &str =
    "remove it: elsewhere than on the volume, the data is lost with the container";

/// An IP address, with a readable rule.
struct Address(IpAddr);

/// Returns true for a URL with a user and a password, such as that of a proxy.
fn has_password(value: &str) -> bool {
    let user = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    };
    value.split_once("://").is_some_and(|(_, rest)| user(rest))
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.parse().map(Self);
        address.map_err(|_| "an address such as `127.0.0.1`")
    }
}

impl Reading {
    pub(super) fn chroma(&mut self, target: Option<Target>, secrets: &mut Secrets) -> Chroma {
        let version = self.version();
        let Address(mut bind) = self.parse("chroma.bind", |file| &file.chroma.bind, default::BIND);
        if target.is_some_and(|target| target != Target::Docker) {
            bind = IpAddr::V4(Ipv4Addr::LOCALHOST); // others say otherwise who may connect
        }
        let access = self.access(target, bind);
        let port = self.input.spec.chroma.port.unwrap_or(default::PORT);
        self.replicas();
        let memory = self.default_memory();
        let image = self.parse("chroma.image", |file| &file.chroma.image, default::IMAGE);
        let repository = self.mirrored(target, default::CHROMA_REPOSITORY);
        Chroma {
            version,
            image,
            repository: self.parse(
                "chroma.repository",
                |file| &file.chroma.repository,
                &repository,
            ),
            registry: self.registry(target, image),
            image_context: self.parse(
                "chroma.image_context",
                |file| &file.chroma.image_context,
                default::IMAGE_CONTEXT,
            ),
            bind,
            port,
            access,
            memory: self.memory(
                "chroma.memory",
                |file| &file.chroma.memory,
                &memory,
                LEAST_CHROMA_MEMORY,
            ),
            cors_allow_origins: self.origins(),
            environment: self.environment(version, secrets),
        }
    }

    /// Reads `chroma.registry`; on Kubernetes, also its deprecated name.
    fn registry(&mut self, target: Option<Target>, image: Image) -> Option<ImageRepository> {
        let file = &self.input.spec;
        let (own, old) = (
            file.chroma.registry.clone(),
            file.kubernetes.registry.clone(),
        );
        let own = self.optional::<ImageRepository>("chroma.registry", &own);
        let old = self.optional::<ImageRepository>("kubernetes.registry", &old);
        let old = old.filter(|_| target.is_some_and(Target::is_kubernetes));
        match (&own, &old) {
            (Some(own), Some(old)) if own != old => self.wrong(
                "kubernetes.registry",
                format!("`{old}` conflicts with `chroma.registry`, which is `{own}`"),
                "remove it: `chroma.registry` replaces it",
            ),
            (_, Some(_)) => self.notes.push(
                "`kubernetes.registry` is deprecated: use `chroma.registry`, which means the same"
                    .to_owned(),
            ),
            (None, None) if image == Image::Published && !self.is_wrong("chroma.registry") => {
                self.wrong(
                    "chroma.registry",
                    "is required with `image: published`",
                    "the registry that `chroma-otel-deploy image` names in its bake file",
                );
            }
            _ => {}
        }
        own.or(old)
    }

    /// Rejects more than one server: each would have its own SQLite database and index.
    fn replicas(&mut self) {
        if let Some(replicas) = self.input.spec.chroma.replicas.filter(|count| *count != 1) {
            self.wrong(
                "chroma.replicas",
                format!("is `{replicas}`, but Chroma's data files allow only one server"),
                "remove it; give it more memory instead",
            );
        }
    }

    /// Returns the default of `chroma.memory` for the expected vectors.
    fn default_memory(&mut self) -> String {
        self.sized()
            .map_or("2GiB".to_owned(), |size| size.memory.to_string())
    }

    /// Returns the default of `machine.disk` for the expected vectors.
    pub(super) fn default_disk(&mut self) -> String {
        self.sized()
            .map_or("20GiB".to_owned(), |size| size.disk.to_string())
    }

    fn sized(&mut self) -> Option<Size> {
        let file = &self.input.spec.chroma;
        match (file.vectors, file.dimensions) {
            (Some(vectors), Some(dimensions)) => Some(Size::of(vectors, dimensions)),
            (None, None) => None,
            (given, _) => {
                let key = match given {
                    Some(_) => "chroma.dimensions",
                    None => "chroma.vectors",
                };
                if !self.is_wrong(key) {
                    self.wrong(
                        key,
                        "is missing: `chroma.vectors` and `chroma.dimensions` require each other",
                        "set both or neither",
                    );
                }
                None
            }
        }
    }

    fn version(&mut self) -> ChromaVersion {
        let Some(text) = self.input.spec.chroma.version.clone() else {
            return ChromaVersion::NEWEST;
        };
        match text.trim().parse::<ChromaVersion>() {
            Ok(version) => {
                let (oldest, newest) = (ChromaVersion::OLDEST, ChromaVersion::NEWEST);
                if version > newest {
                    self.notes.push(format!(
                        "Chroma {version} is newer than {newest}, the newest tested release, and \
                         is deployed in the same way: check that its image exists"
                    ));
                } else if version < oldest {
                    self.wrong(
                        "chroma.version",
                        format!("`{version}` is older than the oldest supported release"),
                        format!("use {oldest} or newer; see `list versions`"),
                    );
                }
                if !version.traces() {
                    self.notes.push(format!(
                        "Chroma {version} cannot be traced: 0.4.15 is the first version that can"
                    ));
                }
                version
            }
            Err(_) => {
                self.wrong(
                    "chroma.version",
                    format!("`{}` is not a version", text.escape_debug()),
                    format!(
                        "three numbers, such as `{}`; `latest` changes without notice",
                        ChromaVersion::NEWEST
                    ),
                );
                ChromaVersion::NEWEST
            }
        }
    }

    fn origins(&mut self) -> Vec<String> {
        let origins = self
            .input
            .spec
            .chroma
            .cors_allow_origins
            .clone()
            .unwrap_or_default();
        for origin in &origins {
            let host = origin
                .split_once("://")
                .filter(|(scheme, _)| ["http", "https"].contains(scheme));
            let plain = |host: &str| {
                !host.is_empty()
                    && host
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
            };
            if origin != "*" && !host.is_some_and(|(_, host)| plain(host)) {
                self.wrong(
                    "chroma.cors_allow_origins",
                    format!("`{}` is not an origin", origin.escape_debug()),
                    "scheme, host and port without a path, such as `https://app.example.com`",
                );
            }
        }
        origins
    }

    /// Returns the additional variables. Values that look like secrets are added to the secrets.
    fn environment(
        &mut self,
        version: ChromaVersion,
        secrets: &mut Secrets,
    ) -> BTreeMap<VariableName, Option<String>> {
        let mut variables = BTreeMap::new();
        for (name, value) in self
            .input
            .spec
            .chroma
            .environment
            .clone()
            .unwrap_or_default()
        {
            let key = format!("chroma.environment.{name}");
            if let Some((_, instead)) = RESERVED
                .iter()
                .find(|(reserved, _)| reserved.eq_ignore_ascii_case(&name))
            {
                self.wrong(&key, "is set by the deployment itself", *instead);
                continue;
            }
            let parsed: VariableName = match name.parse() {
                Ok(parsed) => parsed,
                Err(rule) => {
                    self.wrong(
                        &key,
                        format!("invalid variable name `{}`", name.escape_debug()),
                        format!("write {rule}"),
                    );
                    continue;
                }
            };
            let value = value.filter(|value| !value.trim().is_empty());
            if value
                .as_ref()
                .is_some_and(|value| value.contains(['\n', '\r', '\0']))
            {
                self.wrong(
                    &key,
                    "has more than one line",
                    "a variable of a container is one line",
                );
                continue;
            }
            if let Some((_, instead)) =
                ignored_variables(version).find(|(ignored, _)| ignored.eq_ignore_ascii_case(&name))
            {
                self.wrong(&key, format!("does not work on Chroma {version}"), instead);
                continue;
            }
            if let Some(meant) = misnamed_variable(&name) {
                let key_meant = RESERVED.iter().find(|(reserved, _)| *reserved == meant);
                let hint = key_meant.map_or("remove it", |(_, instead)| instead);
                self.wrong(&key, "is read by no version of Chroma", hint);
                continue;
            }
            if value.is_none() && name == variable::RUST_LOG {
                self.wrong(
                    &key,
                    "has no value",
                    "give it one, such as `warn`, or remove it",
                );
                continue;
            }
            match value {
                Some(value) if parsed.is_secret() || has_password(&value) => {
                    secrets.insert(name, Secret::new(value));
                    variables.insert(parsed, None);
                }
                value => drop(variables.insert(parsed, value)),
            }
        }
        variables
    }
}
