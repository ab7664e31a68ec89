//! `platform`, `format`, `machine`: the machine of a deployment in a cloud.
//!
//! Invariant: no value opens Chroma to the internet, and no value is a secret, only the name of one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::input::file::{MachineSection, SpecFile};
use crate::input::resolve::reading::Reading;
use crate::problem::Problem;
use crate::spec::machine_size::{MachineInfo, MachineMemory};
use crate::spec::target::{PLATFORMS, Target};
use crate::spec::{Format, Machine, Organization, default};
use crate::values::{CloudName, Line, Memory, Peer};

/// Smallest disk that every cloud accepts.
pub(super) const LEAST_DISK: Memory = Memory::mebibytes(1024);

impl Reading {
    /// Returns the format; by default, the target's first one.
    pub(super) fn format(&mut self, target: Option<Target>) -> Format {
        let formats = target.unwrap_or(Target::Docker).info().formats;
        let Some(name) = self.input.spec.format.clone() else {
            return formats[0];
        };
        let found = formats.iter().find(|format| format.name() == name.trim());
        if found.is_none() {
            let names: Vec<String> = formats.iter().map(|one| one.name().to_owned()).collect();
            let at = self.input.at("format");
            let known = Format::ALL.iter().find(|one| one.name() == name.trim());
            self.problems.push(match known.zip(target) {
                Some((other, target)) => {
                    let title = target.info().title;
                    let message = format!("{title} is rendered as `{}`", names.join("` or `"));
                    let users = on_other_platform(target, *other).unwrap_or(targets_of(*other));
                    Problem::new(at, message).hint(format!("`{}` is for {users}", other.name()))
                }
                None => Problem::unknown(at, &name, &names),
            });
        }
        found.copied().unwrap_or(formats[0])
    }

    pub(super) fn machine(&mut self, target: Option<Target>, memory: MachineMemory) -> Machine {
        self.platform(target);
        let default_disk = self.default_disk();
        let disk = self.memory(
            "machine.disk",
            |file| &file.machine.disk,
            &default_disk,
            LEAST_DISK,
        );
        if !disk.as_mebibytes().is_multiple_of(1024) {
            let whole = disk.as_mebibytes().div_ceil(1024);
            self.wrong(
                "machine.disk",
                "is not a whole number of GiB",
                format!("take `{whole}GiB`"),
            );
        }
        let default_kind = default_type(target, memory);
        Machine {
            project: self.given("machine.project", |machine| &machine.project),
            subscription: self.given("machine.subscription", |machine| &machine.subscription),
            resource_group: self.given("machine.resource_group", |machine| &machine.resource_group),
            kind: self.parse("machine.type", |file| &file.machine.kind, default_kind),
            memory,
            disk,
            network: self.given("machine.network", |machine| &machine.network),
            subnet: self.given("machine.subnet", |machine| &machine.subnet),
            zone: self.given("machine.zone", |machine| &machine.zone),
            allow_from: self.peers(),
            ssh_from: self.given("machine.ssh_from", |machine| &machine.ssh_from),
            ssh_key: self.given("machine.ssh_key", |machine| &machine.ssh_key),
            snapshots: self
                .input
                .spec
                .machine
                .snapshots
                .unwrap_or(default::SNAPSHOTS),
            log_days: self
                .input
                .spec
                .machine
                .log_days
                .unwrap_or(default::LOG_DAYS),
            start_minutes: self
                .input
                .spec
                .machine
                .start_minutes
                .unwrap_or(default::START_MINUTES),
            alarms: self.given("machine.alarms", |machine| &machine.alarms),
            restore_from: self.given("machine.restore_from", |machine| &machine.restore_from),
            secrets: self.secret_names(),
            organization: self.organization(),
        }
    }

    fn peers(&mut self) -> Vec<Peer> {
        let given = self.input.spec.machine.allow_from.take();
        let texts = given.map(|given| given.texts()).unwrap_or_default();
        let mut peers: Vec<Peer> = Vec::new();
        for peer in self.every("machine.allow_from", texts) {
            if !peers.contains(&peer) {
                peers.push(peer); // AWS rejects a rule that exists
            }
        }
        peers
    }

    fn organization(&mut self) -> Organization {
        let machine = &mut self.input.spec.machine;
        let policies = machine.policies.take().unwrap_or_default();
        let tags = machine.tags.take().unwrap_or_default();
        let (public_address, encryption_at_host) =
            (machine.public_address, machine.encryption_at_host);
        let create_firewall_rules = machine.create_firewall_rules.unwrap_or(true);
        Organization {
            image: self.given("machine.image", |machine| &machine.image),
            tags: self.tags(tags),
            kms_key: self.given("machine.kms_key", |machine| &machine.kms_key),
            permissions_boundary: self.given("machine.permissions_boundary", |machine| {
                &machine.permissions_boundary
            }),
            policies: self.every("machine.policies", policies),
            public_address: public_address.unwrap_or_default(),
            network_project: self.given("machine.network_project", |machine| {
                &machine.network_project
            }),
            create_firewall_rules,
            key_vault: self.given("machine.key_vault", |machine| &machine.key_vault),
            workspace: self.given("machine.workspace", |machine| &machine.workspace),
            encryption_at_host: encryption_at_host.unwrap_or_default(),
        }
    }

    fn tags(&mut self, given: BTreeMap<String, String>) -> BTreeMap<String, Line> {
        let mut tags = BTreeMap::new();
        for (name, value) in given {
            let key = format!("machine.tags.{name}");
            if value.trim().is_empty() {
                self.wrong(&key, "has no value", "give it one, or remove the tag");
            } else if let Some(value) = self.optional(&key, &Some(value)) {
                tags.insert(name, value);
            }
        }
        tags
    }

    /// Returns the valid texts of a list.
    pub(super) fn every<T>(&mut self, key: &str, texts: Vec<String>) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let texts = texts.into_iter();
        texts
            .filter_map(|text| self.optional(key, &Some(text)))
            .collect()
    }

    fn secret_names(&mut self) -> BTreeMap<String, CloudName> {
        let given = self.input.spec.machine.secrets.take().unwrap_or_default();
        let mut names = BTreeMap::new();
        for (variable, name) in given {
            match name.trim().parse() {
                Ok(name) => drop(names.insert(variable, name)),
                // The operator may have entered the secret itself: never print the value.
                Err(_) => self.wrong(
                    &format!("machine.secrets.{variable}"),
                    "is not the name of a secret in the cloud's store",
                    "its name there (on aws the ARN, on azure the address), never its value",
                ),
            }
        }
        names
    }

    /// Returns a value of the machine that has no default.
    fn given<T>(&mut self, key: &str, get: impl Fn(&MachineSection) -> &Option<String>) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = get(&self.input.spec.machine).clone();
        self.optional(key, &text)
    }

    fn platform(&mut self, target: Option<Target>) {
        let given = |file: &SpecFile| file.platform.clone().filter(|name| !name.trim().is_empty());
        let (Some(name), Some(target)) = (given(&self.input.spec), target) else {
            return;
        };
        let platforms = PLATFORMS.map(str::to_owned);
        if target.cloud().is_some() && !platforms.iter().any(|one| one == name.trim()) {
            let at = self.input.at("platform");
            self.problems.push(Problem::unknown(at, &name, &platforms));
        }
    }
}

/// Returns the smallest machine type with enough memory, or the largest one.
fn default_type(target: Option<Target>, memory: MachineMemory) -> &'static str {
    let machine = target.and_then(|target| target.info().machine);
    let of = |machine: &'static MachineInfo| {
        let fitting = machine.fitting(memory.nominal());
        fitting.or(machine.types.last().copied())
    };
    machine.and_then(of).map_or("none", |one| one.name)
}

/// Returns the other platform of a target in a cloud, for a sentence, if it has the format.
fn on_other_platform(target: Target, format: Format) -> Option<String> {
    let name = target.info().name;
    let other = Target::from_name(name, !target.is_kubernetes())?;
    let platform = PLATFORMS[usize::from(other.is_kubernetes())];
    let has = other != target && other.info().formats.contains(&format);
    has.then(|| format!("platform `{platform}`"))
}

/// Returns the targets that can be rendered in a format, for a sentence.
fn targets_of(format: Format) -> String {
    let targets = Target::ALL.into_iter();
    let targets = targets.filter(|target| target.info().formats.contains(&format));
    let mut names: Vec<String> = if matches!(format, Format::Manifests | Format::Helm) {
        vec!["`kubernetes`, and for a cloud with `--platform kubernetes`".to_owned()]
    } else {
        targets
            .map(|target| format!("`{}`", target.info().name))
            .collect()
    };
    names.dedup();
    names.join(", ")
}
