//! The preset of an endpoint's host.
//!
//! Invariant: hosts are derived from the `endpoint`s of the backends' files, and never listed here.

use super::{Backend, Exporter, all};

impl Backend {
    /// Returns the preset whose endpoint is at this host.
    pub fn at_host(host: &str) -> Option<Self> {
        let presets = all().filter_map(Result::ok);
        let mut sent_to = presets.filter(|preset| preset.exporter != Exporter::Debug);
        sent_to.find(|preset| preset.is_at_host(host))
    }

    /// Returns the name of the vendor or program.
    pub fn title(&self) -> &str {
        self.summary.split(',').next().unwrap_or(&self.summary)
    }

    fn is_at_host(&self, host: &str) -> bool {
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        let Some((_, address)) = endpoint.split_once("://") else {
            return false;
        };
        // A placeholder contains neither of the two characters that end a host.
        let end = address.find(['/', ':']).unwrap_or(address.len());
        self.fits(&address[..end], host)
    }

    /// Returns true if `host` is `pattern` with a value for each placeholder.
    fn fits(&self, pattern: &str, host: &str) -> bool {
        let Some((start, rest)) = pattern.split_once('{') else {
            return pattern == host;
        };
        let (Some((name, rest)), Some(host)) = (rest.split_once('}'), host.strip_prefix(start))
        else {
            return false;
        };
        let choices = self.settings.get(name).and_then(|one| one.choices.as_ref());
        match choices {
            Some(choices) => choices.values().any(|text| {
                let behind = host.strip_prefix(text.as_str());
                behind.is_some_and(|behind| self.fits(rest, behind))
            }),
            None => (1..=host.len())
                .filter(|length| host.is_char_boundary(*length))
                .any(|length| self.fits(rest, &host[length..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_preset_whose_endpoint_it_is() {
        for (host, preset) in [
            ("api.honeycomb.io", Some("honeycomb")),
            ("api.eu1.honeycomb.io", Some("honeycomb")),
            ("api.eu2.honeycomb.io", None),
            ("otlp.datadoghq.eu", Some("datadog")),
            ("otlp.example.com", None),
            (
                "otlp-gateway-prod-eu-west-2.grafana.net",
                Some("grafana-cloud"),
            ),
            ("otlp-gateway-.grafana.net", None),
            ("abc12345.live.dynatrace.com", Some("dynatrace")),
            ("xray.eu-central-1.amazonaws.com", Some("aws-xray")),
            ("telemetry.googleapis.com", Some("google-cloud-trace")),
            ("jaeger", Some("jaeger")),
            ("api.honeycomb.io.example.com", None),
        ] {
            let found = Backend::at_host(host).map(|backend| backend.name);
            assert_eq!(found.as_deref(), preset, "{host}");
        }
    }
}
