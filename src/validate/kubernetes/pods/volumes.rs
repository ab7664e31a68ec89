//! The volumes of a pod, and where its containers have them.
//!
//! Invariant: what is mounted is a volume, and what is a volume is mounted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PodSpec;

use super::super::workload::Workload;
use crate::validate::Finding;
use crate::values::DnsLabel;

/// What is wrong with them.
pub(super) fn check(spec: &PodSpec, workload: &Workload) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut mounted: BTreeMap<&str, bool> = BTreeMap::new();
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let at = format!("volumes[{index}]");
        let sources =
            serde_yaml::to_value(volume).map_or(0, |tree| crate::validate::keys(&tree).count());
        if sources != 2 {
            findings.push((
                at.clone(),
                format!("`{}` is of no kind or of more than one", volume.name),
            ));
        }
        if volume.name.parse::<DnsLabel>().is_err() {
            findings.push((at.clone(), format!("`{}` is no DNS label", volume.name)));
        }
        if mounted.insert(&volume.name, false).is_some() {
            findings.push((at, format!("`{}` is there twice", volume.name)));
        }
    }
    for claim in &workload.claims {
        mounted.insert(claim.metadata.name.as_deref().unwrap_or_default(), false);
    }
    for (path, _, one) in workload.containers() {
        let mut places = BTreeSet::new();
        for (index, mount) in one.volume_mounts.iter().flatten().enumerate() {
            let mut wrong =
                |message: String| findings.push((format!("{path}.volumeMounts[{index}]"), message));
            match mounted.get_mut(mount.name.as_str()) {
                Some(used) => *used = true,
                None => wrong(format!("there is no volume `{}`", mount.name)),
            }
            if !mount.mount_path.starts_with('/') || mount.mount_path.contains(':') {
                wrong(format!("`{}` is no path from the root", mount.mount_path));
            }
            if !places.insert(mount.mount_path.trim_end_matches('/')) {
                wrong(format!("`{}` is there twice", mount.mount_path));
            }
            if mount
                .sub_path
                .as_deref()
                .is_some_and(|path| path.starts_with('/') || path.contains(".."))
            {
                wrong("has a path that leaves its volume".to_owned());
            }
        }
    }
    let unused = mounted.into_iter().filter(|(_, used)| !used);
    findings.extend(
        unused.map(|(name, _)| ("volumes".to_owned(), format!("`{name}` is never mounted"))),
    );
    findings
}
