//! The Collector's queue files, which a power failure or a full disk can damage: bbolt then ends the
//! Collector at every start, and tracing with it.
//!
//! Invariant: only a file that bbolt cannot open is renamed, and nothing is deleted. The rules are those of
//! bbolt 1.4 when it opens a file without a free list (`db.go`, `tx_check.go`): both meta pages, and every
//! page that can be reached.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder of the queue in the rendered configuration.
pub(crate) const DEFAULT_FOLDER: &str = "/var/lib/otelcol";

/// The end of the name of a file that was set aside; the time follows.
const ASIDE: &str = ".damaged-";

/// The start of the names of the extension's temporary files, which it deletes itself.
const COMPACTION: &str = "tempdb";

/// Longer than any batch of spans: the receiver accepts 4 MiB.
const LONGEST_PAGE: u64 = 64 * 1024 * 1024;

const PAGE_HEADER: usize = 16;
const ELEMENT: usize = 16;
const META: usize = 64;
const MAGIC: u32 = 0xED0C_DAED;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// The flag of a leaf's element whose value is a bucket.
const BUCKET: u32 = 0x01;
/// No page of a real file is larger.
const LARGEST_PAGE: u32 = 64 * 1024;

/// Renames damaged queue files. Returns a message for each.
pub(crate) fn set_damaged_aside(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let names = files.map(|entry| entry.path());
    let own = names.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.contains(ASIDE) && !name.starts_with(COMPACTION)
    });
    own.filter_map(|path| set_aside(&path)).collect()
}

fn set_aside(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let why = match check(&file) {
        Ok(Ok(())) => return None,
        Ok(Err(why)) => why,
        Err(error) => return Some(format!("`{}` cannot be read: {error}", path.display())),
    };
    let new = aside(path);
    Some(match fs::rename(path, &new) {
        Ok(()) => format!(
            "the queue `{}` is damaged ({why}), and its pending spans are lost; hint: delete `{}`, to which it was moved",
            path.display(),
            new.display()
        ),
        Err(error) => format!(
            "the queue `{}` is damaged ({why}), and cannot be moved: {error}; hint: delete it",
            path.display()
        ),
    })
}

fn aside(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs());
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{ASIDE}{seconds}"));
    name.into()
}

/// Why bbolt cannot open a file.
type Damage = &'static str;

/// Checks the file as bbolt does. An empty file is a new one.
///
/// # Errors
/// The file cannot be read.
fn check(file: &File) -> io::Result<Result<(), Damage>> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Ok(()));
    }
    let Some(meta) = newest_meta(file, length)? else {
        return Ok(Err("it has no valid meta page"));
    };
    if length < u64::from(meta.page_size) * 2 || length < u64::from(meta.page_size) * meta.end {
        return Ok(Err("it is truncated"));
    }
    Walk {
        file,
        meta: &meta,
        seen: BTreeSet::new(),
    }
    .tree(meta.root)
}

/// The fields of a meta page.
struct Meta {
    page_size: u32,
    /// The page of the root bucket.
    root: u64,
    /// The first page that is not in use.
    end: u64,
    transaction: u64,
}

/// Returns the valid meta page of the newest transaction. The size of a page is in the page itself.
fn newest_meta(file: &File, length: u64) -> io::Result<Option<Meta>> {
    let first = meta_at(file, length, 0)?;
    let size = first.as_ref().map(|meta| meta.page_size);
    let sizes = (9..=16).map(|power| 1_u32 << power); // as bbolt looks for the second page
    let mut second = None;
    for size in sizes.filter(|one| size.is_none_or(|size| size == *one)) {
        let found = meta_at(file, length, u64::from(size))?;
        second = second.or(found.filter(|meta| meta.page_size == size));
    }
    Ok([first, second]
        .into_iter()
        .flatten()
        .max_by_key(|meta| meta.transaction))
}

fn meta_at(file: &File, length: u64, at: u64) -> io::Result<Option<Meta>> {
    let mut page = [0; PAGE_HEADER + META];
    if at + page.len() as u64 > length {
        return Ok(None);
    }
    file.read_exact_at(&mut page, at)?;
    let meta = &page[PAGE_HEADER..];
    let page_size = u32_at(meta, 8);
    let is_sound = u32_at(meta, 0) == MAGIC
        && u32_at(meta, 4) == 2
        && (512..=LARGEST_PAGE).contains(&page_size)
        && u64_at(meta, 56) == fnv(&meta[..56]);
    Ok(is_sound.then(|| Meta {
        page_size,
        root: u64_at(meta, 16),
        end: u64_at(meta, 40),
        transaction: u64_at(meta, 48),
    }))
}

/// FNV-1a with 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A walk over all pages that can be reached.
struct Walk<'a> {
    file: &'a File,
    meta: &'a Meta,
    seen: BTreeSet<u64>,
}

impl Walk<'_> {
    /// Checks a page and those below it, without recursion: damage can make any depth.
    fn tree(&mut self, root: u64) -> io::Result<Result<(), Damage>> {
        let mut left = vec![root];
        while let Some(id) = left.pop() {
            match self.page(id)? {
                Ok(below) => left.extend(below),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }

    /// Checks a page and returns those below it.
    fn page(&mut self, id: u64) -> io::Result<Result<Vec<u64>, Damage>> {
        let size = self.meta.page_size as usize;
        if !(2..self.meta.end).contains(&id) {
            return Ok(Err("a page refers to one outside of the file"));
        }
        let mut page = vec![0; size];
        self.file.read_exact_at(&mut page, id * size as u64)?;
        let (flags, count) = (u16_at(&page, 8), usize::from(u16_at(&page, 10)));
        let overflow = u64::from(u32_at(&page, 12));
        if u64_at(&page, 0) != id {
            return Ok(Err("a page has another number"));
        }
        if id + overflow >= self.meta.end || overflow * size as u64 > LONGEST_PAGE {
            return Ok(Err("a page is longer than the file"));
        }
        for one in id..=id + overflow {
            if !self.seen.insert(one) {
                return Ok(Err("a page is used twice"));
            }
        }
        if overflow > 0 {
            page.resize(size * (overflow as usize + 1), 0);
            self.file.read_exact_at(&mut page, id * size as u64)?;
        }
        if PAGE_HEADER + count * ELEMENT > page.len() {
            return Ok(Err("a page has too many elements"));
        }
        Ok(match flags {
            BRANCH => Ok((0..count)
                .map(|index| u64_at(&page, start(index) + 8))
                .collect()),
            LEAF => leaf(&page, count),
            _ => Err("a page has an unknown type"),
        })
    }
}

/// Returns the roots of the buckets in a leaf.
fn leaf(page: &[u8], count: usize) -> Result<Vec<u64>, Damage> {
    let mut roots = Vec::new();
    for index in 0..count {
        let at = start(index);
        let (flags, key) = (u32_at(page, at), at + u32_at(page, at + 4) as usize);
        let value = key + u32_at(page, at + 8) as usize;
        let end = value + u32_at(page, at + 12) as usize;
        if end > page.len() {
            return Err("an element is longer than its page");
        }
        if flags & BUCKET != 0 {
            if end - value < 8 {
                return Err("a bucket has no root");
            }
            let root = u64_at(page, value);
            roots.extend((root != 0).then_some(root)); // 0: the bucket is in this page
        }
    }
    Ok(roots)
}

fn start(index: usize) -> usize {
    PAGE_HEADER + index * ELEMENT
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
