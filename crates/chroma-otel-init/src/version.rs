//! The versions of Chroma, and the differences between their deployments.
//!
//! Invariant: ranges apply, not a list of releases: some versions exist only as images, others only
//! as Python packages. A version outside the tested ones is treated as the nearest.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// A version of Chroma. Parses `1.5.9` and `v1.5.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ChromaVersion {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

/// The two servers that Chroma has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// Up to 0.6.3: reads the four variables from 0.4.15.
    Python,
    /// From 1.0.0: reads other variables, supports only OTLP over gRPC without TLS.
    Rust,
}

impl ChromaVersion {
    /// The oldest version that this crate supports.
    pub const OLDEST: Self = Self::new(0, 4, 0);
    /// The newest tested release. In the repository, `.ci/regenerate` copies it from `versions.env`,
    /// which the published crate does not contain.
    pub const NEWEST: Self = Self::new(1, 5, 9);
    /// The file in the data directory that names the release that last opened the data. It is not
    /// hidden, so that `*` copies and deletes it with the data.
    pub const FILE: &str = "chroma-version";
    /// The first version of each range: within a range all deployments are the same.
    pub const RANGES: &[Self] = &[
        Self::OLDEST,
        Self::TRACED,
        Self::IMAGE_SCRIPT,
        Self::V0_5,
        Self::API_V2,
        Self::V1,
        Self::FILTERS_BY_CRATE,
    ];

    /// The first version with OpenTelemetry: `CHROMA_OTEL_*` are in `chromadb/config.py` of its
    /// wheel, not in that of 0.4.14.
    const TRACED: Self = Self::new(0, 4, 15);
    /// The first version whose image starts with a script that forwards signals.
    const IMAGE_SCRIPT: Self = Self::new(0, 4, 23);
    /// The first version with the settings of 0.5.
    pub(crate) const V0_5: Self = Self::new(0, 5, 0);
    /// The first version whose server has `/api/v2` (seen in the wheels of 0.5.15 and 0.5.16).
    const API_V2: Self = Self::new(0, 5, 16);
    /// The first version with the server in Rust.
    const V1: Self = Self::new(1, 0, 0);
    /// The first version that filters spans by crate; earlier ones apply the most verbose filter
    /// to all of Chroma's crates.
    pub(crate) const FILTERS_BY_CRATE: Self = Self::new(1, 0, 13);
    /// The first version in which part of the crate `chroma_frontend` is the crate `frontend_core`.
    pub(crate) const FRONTEND_CORE: Self = Self::new(1, 5, 10);

    /// Creates a version from its three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Returns the server of this version.
    pub fn server(self) -> Server {
        if self < Self::V1 {
            Server::Python
        } else {
            Server::Rust
        }
    }

    /// Returns true if it supports tracing.
    pub fn traces(self) -> bool {
        self >= Self::TRACED
    }

    /// Returns the data directory of the published image, on which to mount the volume.
    ///
    /// On 1.x it is set in the image's `/config.yaml`: another configuration file must repeat it.
    pub fn data_directory(self) -> &'static str {
        match self.server() {
            Server::Python => "/chroma/chroma",
            Server::Rust => "/data",
        }
    }

    /// Returns the path that answers 200 when the server is ready.
    ///
    /// `/api/v2/healthcheck` also checks the executor and the log (measured on 1.0.0 and 1.5.9).
    pub fn health_path(self) -> &'static str {
        match self.server() {
            Server::Python if self < Self::API_V2 => "/api/v1/heartbeat",
            Server::Python => "/api/v2/heartbeat",
            Server::Rust => "/api/v2/healthcheck",
        }
    }

    /// Returns the command of the published image: entrypoint, and the arguments that a deployment
    /// may replace. An image derived with another entrypoint must repeat both: setting one resets
    /// the other.
    ///
    /// Read in the Dockerfiles of the source distributions 0.4.0, 0.4.14, 0.4.15, 0.4.17 to 0.4.24,
    /// 0.5.0, 0.5.5, 0.5.16, 0.5.23 and 0.6.3, and for 1.x in `rust/Dockerfile` of 2026 (`dumb-init
    /// -- chroma`; a derived image chooses its supervisor). Not seen: the images themselves, and
    /// the Dockerfiles of the first versions of 1.0.
    ///
    /// The script of 0.4.0 to 0.4.22 rebuilds a library at every start, with a network and as root,
    /// and does not forward signals: the server is started without it.
    pub fn command(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self.server() {
            Server::Python if self < Self::IMAGE_SCRIPT => (&["uvicorn"], UVICORN_ARGUMENTS),
            Server::Python => (&["/docker_entrypoint.sh"], &[PYTHON_ARGUMENTS]),
            Server::Rust => (&["chroma"], &["run", "/config.yaml"]),
        }
    }
}

/// Arguments that the script of 0.4.0 to 0.4.22 passes on.
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

/// One word, which the script expands: the image's `ENV` sets the values.
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

/// Parses digits without a sign or a leading zero, so that `Display` writes the same text.
fn number(text: &str) -> Option<u16> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ChromaVersion {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_writes_three_numbers() {
        for (text, expected) in [
            ("1.5.9", "1.5.9"),
            ("v0.6.3", "0.6.3"),
            (" \"V1.0.20\" ", "1.0.20"),
            ("2.0.65535", "2.0.65535"),
        ] {
            assert_eq!(version(text).to_string(), expected);
        }
        for text in [
            "",
            "latest",
            "1.5",
            "1",
            "1.5.9.1",
            "1.5.9-rc1",
            "1.5.9.dev3",
            "1.05.9",
            "1..9",
            "+1.5.9",
            "1.5.65536",
            "1.5.9 x",
            "vv1.5.9",
            "-1.5.9",
            "١.٥.٩",
            "1.5.9.",
            "1.5.9..1",
        ] {
            let invalid = text.parse::<ChromaVersion>().unwrap_err();
            let newest = ChromaVersion::NEWEST.to_string();
            assert!(invalid.hint().contains(&newest), "{text}");
        }
    }

    #[test]
    fn ranges_are_in_order_and_begin_up_to_the_newest_release() {
        assert!(ChromaVersion::RANGES.is_sorted());
        assert!(
            ChromaVersion::RANGES
                .iter()
                .all(|first| *first <= ChromaVersion::NEWEST)
        );
        for text in ["1.5.3", "1.5.10", "1.6.0", "2.0.0"] {
            assert_eq!(version(text).server(), Server::Rust);
            assert_eq!(version(text).command(), ChromaVersion::NEWEST.command());
        }
    }

    #[test]
    fn deployments_differ_between_ranges() {
        for (text, server, traces, data, health, words) in [
            (
                "0.4.0",
                Server::Python,
                false,
                "/chroma/chroma",
                "/api/v1/heartbeat",
                9,
            ),
            (
                "0.4.14",
                Server::Python,
                false,
                "/chroma/chroma",
                "/api/v1/heartbeat",
                9,
            ),
            (
                "0.4.15",
                Server::Python,
                true,
                "/chroma/chroma",
                "/api/v1/heartbeat",
                9,
            ),
            (
                "0.4.23",
                Server::Python,
                true,
                "/chroma/chroma",
                "/api/v1/heartbeat",
                2,
            ),
            (
                "0.5.15",
                Server::Python,
                true,
                "/chroma/chroma",
                "/api/v1/heartbeat",
                2,
            ),
            (
                "0.5.16",
                Server::Python,
                true,
                "/chroma/chroma",
                "/api/v2/heartbeat",
                2,
            ),
            (
                "0.6.3",
                Server::Python,
                true,
                "/chroma/chroma",
                "/api/v2/heartbeat",
                2,
            ),
            (
                "1.0.0",
                Server::Rust,
                true,
                "/data",
                "/api/v2/healthcheck",
                3,
            ),
            (
                "1.5.9",
                Server::Rust,
                true,
                "/data",
                "/api/v2/healthcheck",
                3,
            ),
        ] {
            let version = version(text);
            assert_eq!(version.server(), server, "{text}");
            assert_eq!(version.traces(), traces, "{text}");
            assert_eq!(version.data_directory(), data, "{text}");
            assert_eq!(version.health_path(), health, "{text}");
            let (entrypoint, arguments) = version.command();
            assert_eq!(entrypoint.len() + arguments.len(), words, "{text}");
        }
    }

    #[test]
    fn arguments_of_the_python_server_are_one_word() {
        let (entrypoint, arguments) = version("0.6.3").command();
        assert_eq!(entrypoint, ["/docker_entrypoint.sh"]);
        assert_eq!(
            arguments,
            [
                "--workers ${CHROMA_WORKERS} --host ${CHROMA_HOST_ADDR} --port ${CHROMA_HOST_PORT} \
              --proxy-headers --log-config ${CHROMA_LOG_CONFIG} \
              --timeout-keep-alive ${CHROMA_TIMEOUT_KEEP_ALIVE}"
            ]
        );
    }
}
