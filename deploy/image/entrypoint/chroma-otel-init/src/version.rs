//! The versions of Chroma, and what differs between them in a deployment.
//!
//! Invariant: the table holds what PyPI has from 0.4.0 to 1.5.9; anything newer counts as the
//! newest.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// A version of Chroma. Reads `1.5.9` and `v1.5.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChromaVersion {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

/// Whether a version was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was.
    Known,
    /// It is newer than the newest known, and treated as that.
    Newer,
    /// It never was, or is older than 0.4.0.
    Never {
        /// The closest release: of the same minor version if there is one.
        nearest: ChromaVersion,
    },
}

/// The two servers that Chroma has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Up to 0.6.3: reads the four variables from 0.4.15 on.
    Python,
    /// From 1.0.0: reads others, speaks OTLP over gRPC without TLS only.
    Rust,
}

/// Major, minor, and the patches released, oldest first; as on PyPI in November 2026.
const RELEASES: &[(u16, u16, &[u16])] = &[
    (
        0,
        4,
        &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
            24,
        ],
    ),
    (
        0,
        5,
        &[
            0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 23,
        ],
    ),
    (0, 6, &[0, 1, 2, 3]),
    (
        1,
        0,
        &[
            0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21,
        ],
    ),
    (1, 1, &[0, 1]),
    (1, 2, &[0, 1, 2]),
    (1, 3, &[0, 2, 3, 4, 5, 6, 7]),
    (1, 4, &[0, 1]),
    (1, 5, &[0, 1, 2, 4, 5, 6, 7, 8, 9]),
];

impl ChromaVersion {
    /// The newest release known here.
    pub const NEWEST: Self = Self::new(1, 5, 9);

    pub(crate) const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Every release from 0.4.0 to [`Self::NEWEST`], oldest first.
    pub fn releases() -> impl Iterator<Item = Self> {
        RELEASES.iter().flat_map(|&(major, minor, patches)| {
            patches
                .iter()
                .map(move |&patch| Self::new(major, minor, patch))
        })
    }

    /// Whether it was released.
    pub fn release(self) -> Release {
        if self > Self::NEWEST {
            return Release::Newer;
        }
        let mut nearest = Self::new(0, 4, 0);
        for release in Self::releases() {
            if release == self {
                return Release::Known;
            }
            let same_minor = (release.major, release.minor) == (self.major, self.minor);
            let closer = nearest < self
                && release.patch.abs_diff(self.patch) <= nearest.patch.abs_diff(self.patch);
            if release < self || (same_minor && closer) {
                nearest = release;
            }
        }
        Release::Never { nearest }
    }

    /// Which of the two servers it has.
    pub fn server(self) -> Server {
        if self.major == 0 {
            Server::Python
        } else {
            Server::Rust
        }
    }

    /// Whether it can be traced at all: from 0.4.15 on.
    ///
    /// Seen in the wheels: `CHROMA_OTEL_*` are first in `chromadb/config.py` of 0.4.15, not in
    /// that of 0.4.14.
    pub fn traces(self) -> bool {
        self >= Self::new(0, 4, 15)
    }

    /// Where the published image keeps its data, hence where to mount the volume.
    ///
    /// On 1.x only because the image's own `/config.yaml` says so: one's own must repeat it.
    pub fn data_directory(self) -> &'static str {
        match self.server() {
            Server::Python => "/chroma/chroma",
            Server::Rust => "/data",
        }
    }

    /// The path that answers 200 when the server is ready.
    ///
    /// `/api/v2` is first in the server of 0.5.16, not in that of 0.5.15 (seen in the wheels);
    /// `/api/v2/healthcheck` also asks the executor and the log (measured on 1.0.0 and 1.5.9).
    pub fn health_path(self) -> &'static str {
        match self.server() {
            Server::Python if self < Self::new(0, 5, 16) => "/api/v1/heartbeat",
            Server::Python => "/api/v2/heartbeat",
            Server::Rust => "/api/v2/healthcheck",
        }
    }

    /// The command of the published image: entrypoint, and the arguments that a deployment may
    /// replace. An image derived with another entrypoint must repeat both: setting one resets the
    /// other.
    ///
    /// Read in the Dockerfiles of the source distributions 0.4.0, 0.4.14, 0.4.15, 0.4.17 to
    /// 0.4.24, 0.5.0, 0.5.5, 0.5.16, 0.5.23 and 0.6.3, and for 1.x in `rust/Dockerfile` of 2026
    /// (`dumb-init -- chroma`; the supervisor is left to whoever derives). Not seen: the images
    /// themselves, and the Dockerfiles of the first versions of 1.0.
    ///
    /// The script of 0.4.0 to 0.4.22 builds a library anew at every start, with a network and as
    /// root, and does not pass signals on: the server is started without it.
    pub fn command(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self.server() {
            Server::Python if self < Self::new(0, 4, 23) => (&["uvicorn"], UVICORN_ARGUMENTS),
            Server::Python => (&["/docker_entrypoint.sh"], &[PYTHON_ARGUMENTS]),
            Server::Rust => (&["chroma"], &["run", "/config.yaml"]),
        }
    }
}

/// What the script of 0.4.0 to 0.4.22 passes on.
const UVICORN_ARGUMENTS: &[&str] = &[
    "chromadb.app:app",
    "--workers",
    "1",
    "--host",
    "0.0.0.0",
    "--port",
    "8000",
    "--proxy-headers",
];

/// One word, which the script expands: the image's `ENV` has the values.
const PYTHON_ARGUMENTS: &str = "--workers ${CHROMA_WORKERS} --host ${CHROMA_HOST_ADDR} \
    --port ${CHROMA_HOST_PORT} --proxy-headers --log-config ${CHROMA_LOG_CONFIG} \
    --timeout-keep-alive ${CHROMA_TIMEOUT_KEEP_ALIVE}";

impl fmt::Display for ChromaVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for ChromaVersion {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let text = variable::given(value).unwrap_or_default();
        let numbers: Option<Vec<_>> = text
            .strip_prefix(['v', 'V'])
            .unwrap_or(text)
            .split('.')
            .map(number)
            .collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self::new(major, minor, patch)),
            _ => Err(Invalid::new(
                variable::CHROMA_VERSION,
                format!("is `{}`, which is not a version", shown(value)),
                format!("use three numbers, such as `{}`", Self::NEWEST),
            )),
        }
    }
}

/// Digits only, no sign, no leading zero: so that `Display` gives back what was read.
fn number(text: &str) -> Option<u16> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
