//! The size of files that a machine receives compressed.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Returns the number of bytes of a text after compression by gzip.
pub(crate) fn gzip_size(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes());
    let compressed = written.and_then(|()| encoder.finish());
    compressed.map_or(0, |bytes| bytes.len())
}
