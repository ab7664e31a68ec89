//! Options of a program besides the four variables.

use std::time::Duration;

/// Options of a program besides the four variables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Attributes of the resource; they override `OTEL_RESOURCE_ATTRIBUTES`. The service name
    /// always comes from the settings.
    pub resource: Vec<(String, String)>,
    /// Destination of the program's log events.
    #[cfg(feature = "sdk")]
    pub logs: crate::Logs,
    /// Time limit for dropping the [`Guard`](crate::Guard), whatever the collector does.
    pub flush_timeout: Duration,
}

impl Default for Options {
    /// Returns the defaults: no additional attributes, logs on standard error, five seconds.
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

    /// Sets the destination of log events.
    #[cfg(feature = "sdk")]
    #[must_use]
    pub fn logs(mut self, logs: crate::Logs) -> Self {
        self.logs = logs;
        self
    }

    /// Sets the time limit for dropping the [`Guard`](crate::Guard).
    #[must_use]
    pub fn flush_timeout(mut self, flush_timeout: Duration) -> Self {
        self.flush_timeout = flush_timeout;
        self
    }
}
