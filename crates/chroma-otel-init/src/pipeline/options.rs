//! What a program can choose besides the four variables.

use std::time::Duration;

/// What a program can choose besides the four variables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Attributes of the resource; they override `OTEL_RESOURCE_ATTRIBUTES`. The service name
    /// always comes from the settings.
    pub resource: Vec<(String, String)>,
    /// Where the program's log events go.
    #[cfg(feature = "sdk")]
    pub logs: crate::Logs,
    /// The longest that dropping the [`Guard`](crate::Guard) may take, whatever the collector does.
    pub flush_timeout: Duration,
}

impl Default for Options {
    /// No further attributes, logs on standard error, five seconds.
    fn default() -> Self {
        Self {
            resource: Vec::new(),
            #[cfg(feature = "sdk")]
            logs: crate::Logs::Stderr,
            flush_timeout: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// Adds an attribute to the resource.
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((name.into(), value.into()));
        self
    }

    /// Sets where log events go.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn logs(mut self, logs: crate::Logs) -> Self {
        self.logs = logs;
        self
    }

    /// Sets the longest that dropping the [`Guard`](crate::Guard) may take.
    #[must_use]
    pub fn flush_timeout(mut self, flush_timeout: Duration) -> Self {
        self.flush_timeout = flush_timeout;
        self
    }
}
