//! Defaults of the spec that are the same for every target.

/// Default of `name`.
pub const NAME: &str = "chroma";
/// Default of `chroma.image`.
pub const IMAGE: &str = "wrapped";
/// Default of `chroma.image_context`.
pub const IMAGE_CONTEXT: &str = "image";
/// Default of `chroma.repository`.
pub const CHROMA_REPOSITORY: &str = "chromadb/chroma";
/// Default of `chroma.bind`.
pub const BIND: &str = "127.0.0.1";
/// Default of `chroma.port`.
pub const PORT: u16 = 8000;
/// Default of `tracing.environment`.
pub const ENVIRONMENT: &str = "production";
/// Default of `collector.repository`.
pub const COLLECTOR_REPOSITORY: &str = "otel/opentelemetry-collector-contrib";
/// Default of `collector.version`: the release for which the templates are written.
pub const COLLECTOR_VERSION: &str = env!("COLLECTOR_VERSION");
/// Default of `collector.memory`.
pub const COLLECTOR_MEMORY: &str = "512MiB";
/// Default of `collector.mode`.
pub const COLLECTOR_MODE: &str = "gateway";
/// Default of `collector.replicas`: one can be away, for an update or with its node, and nothing is lost.
pub const COLLECTOR_REPLICAS: u16 = 2;
/// Default of `collector.max_replicas`.
pub const COLLECTOR_MAX_REPLICAS: u16 = 10;
/// Default of `machine.snapshots`.
pub const SNAPSHOTS: u16 = 7;
/// Default of `machine.log_days`.
pub const LOG_DAYS: u16 = 30;
/// Default of `machine.start_minutes`.
pub const START_MINUTES: u16 = 15;
/// Default of `chroma.access.repository`.
pub const PROXY_REPOSITORY: &str = "caddy";
/// Memory limit of the proxy in front of Chroma, in MiB.
pub const PROXY_MEMORY: u64 = 256;
/// Memory of backups on a machine, in MiB. Their limit is higher and includes cached files.
pub const BACKUP_MEMORY: u64 = 128;
/// Default of `backup.keep`.
pub const BACKUPS: u16 = 7;
