//! Damaged indexes and a full disk, in the log and as metrics.
//!
//! Chroma writes the files of an index in place, one after the other, so a crash can leave files
//! that differ. Searches in that collection then fail, and later writes can make it worse.
//!
//! Invariant: only reads, and only on a separate thread. Files that Chroma may be writing, those of
//! the last [`INTERVAL`], are not judged.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use chroma_otel_init::{Gauge, Gauges};

use crate::message;

/// Time between two checks, so that damage is reported within a minute.
const INTERVAL: Duration = Duration::from_secs(30);

/// The files of an index with its vectors.
const HEADER: &str = "header.bin";
const VECTORS: &str = "data_level0.bin";
const LENGTHS: &str = "length.bin";
const LINKS: &str = "link_lists.bin";
/// The names of the vectors, which Chroma writes last.
const NAMES: &str = "index_metadata.pickle";
const FILES: [&str; 5] = [HEADER, VECTORS, LENGTHS, LINKS, NAMES];

/// Begins to check the directory, and to send the results if there is a collector.
pub(crate) fn watch(directory: PathBuf, collector: Option<Gauges>) {
    let spawned = thread::Builder::new()
        .name("data health".to_owned())
        .spawn(move || check_forever(&directory, collector.as_ref()));
    if let Err(error) = spawned {
        message::warning(format_args!("damaged indexes are not reported: {error}"));
    }
}

fn check_forever(directory: &Path, collector: Option<&Gauges>) {
    let mut reported = Findings::new();
    loop {
        let damaged = findings(directory);
        for (index, what) in &damaged {
            if reported.get(index) != Some(what) {
                message::error(format_args!(
                    "the index in `{}` is damaged: {what}; hint: repair it or restore a backup, \
                     as in README.md",
                    index.display()
                ));
            }
        }
        if let Some(collector) = collector {
            let damage = Gauge {
                name: "chroma.index.damaged",
                unit: "{index}",
                description: "Indexes whose files differ",
                value: damaged.len() as f64,
            };
            // A name of OpenTelemetry's semantic conventions.
            let space = utilization(directory).map(|value| Gauge {
                name: "system.filesystem.utilization",
                unit: "1",
                description: "Used share of the file system with the data",
                value,
            });
            let gauges: Vec<Gauge> = [damage].into_iter().chain(space.ok()).collect();
            // The next values follow, and the exporter of spans reports a missing collector.
            let _ = collector.send(&gauges);
        }
        reported = damaged;
        thread::sleep(INTERVAL);
    }
}

/// Returns the used share of the bytes that Chroma could use, as `df` does.
fn utilization(directory: &Path) -> io::Result<f64> {
    let found = rustix::fs::statvfs(directory)?;
    let used = found.f_blocks - found.f_bfree;
    Ok(used as f64 / (used + found.f_bavail).max(1) as f64)
}

/// The damaged indexes, each with the difference between its files.
type Findings = BTreeMap<PathBuf, String>;

/// Returns the damaged indexes. An index with an unreadable file is omitted: Chroma may delete it at
/// the moment.
fn findings(directory: &Path) -> Findings {
    let Ok(entries) = fs::read_dir(directory) else {
        return Findings::new();
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    folders
        .filter_map(|folder| {
            let files = FILES.map(|name| fs::metadata(folder.join(name)).ok());
            let files = Some(files).filter(is_at_rest)?;
            let what = difference(&folder, &files).ok()??;
            Some((folder, what))
        })
        .collect()
}

/// Returns true if no file has changed recently.
fn is_at_rest(files: &[Option<Metadata>; 5]) -> bool {
    let changes = files.iter().flatten();
    let last = changes.filter_map(|file| file.modified().ok()).max();
    last.and_then(|last| last.elapsed().ok()) > Some(INTERVAL)
}

/// Returns what differs between the files of an index; `files` is in the order of [`FILES`]. An index
/// without names has never been written completely: all of its records are still in Chroma's log.
///
/// # Errors
/// A file cannot be read.
fn difference(folder: &Path, files: &[Option<Metadata>; 5]) -> io::Result<Option<String>> {
    let [.., Some(_)] = files else {
        return Ok(None);
    };
    let pairs = FILES.into_iter().zip(files);
    let missing = pairs.filter(|(_, file)| file.is_none());
    let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
    if !missing.is_empty() {
        return Ok(Some(format!("it has no {}", missing.join(", "))));
    }
    let mut header = [0; 36];
    if File::open(folder.join(HEADER))?
        .read_exact(&mut header)
        .is_err()
    {
        return Ok(Some(format!("{HEADER} is cut off")));
    }
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let (count, element) = (number(20), number(28)); // after the format, an offset and the capacity
    let sizes = files
        .each_ref()
        .map(|file| file.as_ref().map_or(0, Metadata::len));
    let [_, vectors, lengths, ..] = sizes;
    let stored = vectors.checked_div(element).unwrap_or_default();
    let lengths = lengths / 4;
    let mut names = File::open(folder.join(NAMES))?;
    let added = added(&mut names)?;
    Ok(match added {
        None => Some(format!("{NAMES} is cut off")),
        Some(added) if added != count || stored < count || lengths < count => Some(format!(
            "its files differ: {HEADER} has {count} vectors, {NAMES} {added}, {VECTORS} {stored}, {LENGTHS} {lengths}"
        )),
        Some(_) => None,
    })
}

/// Returns the number of vectors that were added to the index, from a pickle that has it near its
/// start; `None` if the pickle does not end, or does not have it.
fn added(pickle: &mut File) -> io::Result<Option<u64>> {
    const KEY: &[u8] = b"total_elements_added";
    let mut last = [0];
    if pickle.seek(SeekFrom::End(-1)).is_err() {
        return Ok(None); // it is empty
    }
    pickle.read_exact(&mut last)?;
    pickle.rewind()?;
    let mut start = Vec::new();
    pickle.take(4096).read_to_end(&mut start)?;
    let key = start.windows(KEY.len()).position(|bytes| bytes == KEY);
    let value = key.and_then(|at| integer(&start[at + KEY.len()..]));
    Ok(value.filter(|_| last == *b"."))
}

/// Returns the integer after an optional memo. The opcodes are those of Python's `pickletools`.
fn integer(pickle: &[u8]) -> Option<u64> {
    let rest = match pickle {
        [b'q', _, rest @ ..] | [0x94, rest @ ..] | [b'r', _, _, _, _, rest @ ..] => rest,
        rest => rest,
    };
    let width = match rest.first()? {
        b'K' => 1,
        b'M' => 2,
        b'J' => 4,
        _ => return None,
    };
    let bytes = rest.get(1..=width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test writes its own files")]
mod tests {
    use super::*;

    #[test]
    fn reads_integers_of_a_pickle() {
        for (pickle, value) in [
            (&b"J\x4e\x02\0\0X"[..], Some(590)),
            (b"K\x05", Some(5)),
            (b"M\x00\x01", Some(256)),
            (b"q\x01K\x05", Some(5)),
            (b"\x94K\x05", Some(5)),
            (b"r\x01\0\0\0K\x05", Some(5)),
            (b"N", None),
            (b"M\x01", None),
            (b"", None),
        ] {
            assert_eq!(integer(pickle), value, "{pickle:?}");
        }
    }

    #[test]
    fn differences_between_the_files_of_an_index_are_found() {
        let folder = std::env::temp_dir().join(format!("data-health-{}", std::process::id()));
        let index = folder.join("0b5e4e60-4d98-4fbd-aa6e-26bd9e2f4a15");
        fs::create_dir_all(&index).expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            fs::write(index.join(name), bytes).expect("a file");
            let file = File::open(index.join(name)).expect("a file");
            file.set_modified(std::time::UNIX_EPOCH).expect("a time");
        };
        let mut header = [0; 100];
        (header[20], header[28]) = (3, 8);
        let sound = || {
            write(HEADER, &header);
            write(VECTORS, &[0; 24]);
            write(LENGTHS, &[0; 12]);
            write(LINKS, &[]);
            write(
                NAMES,
                b"\x80\x03}(X\x14\0\0\0total_elements_addedJ\x03\0\0\0u.",
            );
        };
        let what = || findings(&folder).remove(&index);
        sound();
        assert_eq!(what(), None);
        for (name, bytes, expected) in [
            (VECTORS, &[0; 16][..], "data_level0.bin 2"),
            (LENGTHS, &[0; 8], "length.bin 2"),
            (HEADER, &header[..30], "header.bin is cut off"),
            (
                NAMES,
                b"\x80\x03}(X\x14\0\0\0total_elements_addedJ\x04\0\0\0u.",
                "index_metadata.pickle 4",
            ),
            (
                NAMES,
                b"\x80\x03}(X\x14\0\0\0total_elements_addedJ\x03\0\0\0u",
                "is cut off",
            ),
            (NAMES, b"", "is cut off"),
        ] {
            sound();
            write(name, bytes);
            let what = what().unwrap_or_default();
            assert!(what.contains(expected), "{name} {bytes:?}: {what}");
        }
        fs::write(index.join(LENGTHS), []).expect("a file");
        assert_eq!(what(), None, "Chroma may be writing it");
        sound();
        fs::remove_file(index.join(LINKS)).expect("removed");
        assert_eq!(what().as_deref(), Some("it has no link_lists.bin"));
        fs::remove_file(index.join(NAMES)).expect("removed");
        assert_eq!(what(), None, "it was never written completely");
        fs::remove_dir_all(&folder).expect("removed");
    }
}
