//! The granularity on Chroma 1.x, which has none: a filter of spans by crate and level.
//!
//! Invariant: a wish for logs never costs a span of the granularity, and the exporter's own spans
//! never get in: they would be exported, which makes more of them.

use crate::{ChromaVersion, Granularity, Server, variable};
use std::fmt;

/// The `RUST_LOG` to give to the server, for the operator's own (`user`) and a granularity.
///
/// Chroma 1.x has one filter for logs and spans alike. It is `RUST_LOG`, or where that is not set
/// a built-in one, which lets all of Chroma's spans through (but not the requests on 1.2.2);
/// `CHROMA_OPEN_TELEMETRY__FILTERS`, where it exists (not in 1.0.0), only changes the built-in one.
/// So the granularity goes into `RUST_LOG`:
///
/// - The operator's directives stay, except those that would take away spans of the granularity
///   (`chroma_tracing=error`) or let in those of the exporter's HTTP/2 (`h2=trace`, which goes on
///   for ever: 1,160 spans in 3 s without a request).
/// - A more verbose wish stays too, and brings its spans: `RUST_LOG=debug` with `operation` makes
///   the spans of `all`.
/// - Without a wish, the logs are Chroma's warnings with `operation`, its infos with
///   `operation_and_segment`, and everything of Chroma's, as it has them by itself, with `all`.
///
/// With [`Granularity::None`], and on 0.x, which does not read it, the operator's own comes back.
/// A blank one counts as unset; the result is never blank.
pub fn rust_log(
    user: Option<&str>,
    granularity: Granularity,
    version: ChromaVersion,
) -> Option<String> {
    let user = user.and_then(variable::given);
    if version.server() == Server::Python || granularity == Granularity::None {
        return user.map(str::to_owned);
    }
    let granularity = match granularity {
        Granularity::OperationAndSegment if version < FILTERS_BY_CRATE => Granularity::All,
        other => other,
    };
    Some(merged(user.unwrap_or(LOGS), needs(granularity)))
}

/// Before it, the most verbose directive holds for all of Chroma's crates, so that there are only
/// two sets of spans to choose from.
const FILTERS_BY_CRATE: ChromaVersion = ChromaVersion::new(1, 0, 13);

/// The wishes, with the needs in the place of those that are against them.
fn merged(wishes: &str, needs: &[Directive]) -> String {
    let wishes: Vec<_> = wishes
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| (text, Directive::read(text)))
        .collect();
    let exporter = (wished(&wishes, HTTP2.target) > HTTP2.level).then_some(HTTP2);
    let spans = needs.iter().map(|need| Directive {
        level: need.level.max(wished(&wishes, need.target)),
        ..*need
    });
    let needs: Vec<_> = exporter.into_iter().chain(spans).collect();
    let kept = wishes
        .iter()
        .filter(|(_, wish)| wish.is_none_or(|wish| !is_against(wish, &needs)))
        .map(|(text, _)| (*text).to_owned());
    let filter: Vec<_> = kept.chain(needs.iter().map(Directive::to_string)).collect();
    filter.join(",")
}

/// What is logged where the operator has no wish; the spans come on top of it.
const LOGS: &str = "error,opentelemetry_sdk=info,chroma=warn";

/// The exporter's HTTP/2 has its spans at trace level.
const HTTP2: Directive = Directive {
    target: "h2",
    level: Level::Debug,
};

/// Which targets must be let through, and up to which level, for the spans of a granularity.
///
/// Spans measured with one workload (the Python client's start, heartbeat, get-or-create
/// collection, add 20, query, get, delete, count) against an OTLP sink:
///
/// | Chroma | `operation` | `operation_and_segment` | `all` |
/// |---|---|---|---|
/// | 1.1.1, 1.2.2, 1.3.7, 1.4.1, 1.5.9 | 11 | 17 | 21 |
/// | 1.0.17, 1.0.20 | 11 | 17 | 21 |
/// | 1.0.13 | 11 | 16 | 20 |
/// | 1.0.4, 1.0.9 | 16 | 22 | 22 |
/// | 1.0.0 | 11 | 17 | 17 |
/// | 0.6.3, by its own granularity | 69 | 82 | 267 |
///
/// The 11 are the requests. The next 6 are `collection_add`, `push_logs` (2) and `read` (3); the
/// last 4 are the reading of the requests' JSON. Up to 1.0.12 there are messages between components
/// (6) in place of the latter. `none` has 0 on each.
fn needs(granularity: Granularity) -> &'static [Directive<'static>] {
    const fn need(target: &'static str, level: Level) -> Directive<'static> {
        Directive { target, level }
    }
    const REQUESTS: Directive = need("chroma_tracing", Level::Debug);
    // Where they come from in the first versions of 1.0.
    const FORMER_REQUESTS: Directive = need("chroma_frontend::tower_tracing", Level::Debug);
    match granularity {
        Granularity::None => &[],
        Granularity::Operation => &[REQUESTS, FORMER_REQUESTS],
        Granularity::OperationAndSegment => {
            const { &[need("chroma", Level::Info), REQUESTS, FORMER_REQUESTS] }
        }
        Granularity::All => const { &[need("chroma", Level::Trace)] },
    }
}

/// The levels of `tracing`, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    const NAMES: [(Self, &'static str); 6] = [
        (Self::Off, "off"),
        (Self::Error, "error"),
        (Self::Warn, "warn"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
        (Self::Trace, "trace"),
    ];

    /// Reads a name in any case, or its number from 0 to 5.
    fn read(text: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .enumerate()
            .find(|(number, (_, name))| {
                text.eq_ignore_ascii_case(name) || text == number.to_string()
            })
            .map(|(_, (level, _))| *level)
    }
}

/// What is let through: of the targets that start with this one, everything up to the level. As in
/// tracing-subscriber, the longest such target decides, and among equal ones the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directive<'a> {
    target: &'a str,
    level: Level,
}

impl<'a> Directive<'a> {
    /// Reads `level`, `target` or `target=level`; not those with a span, `target[span]=level`,
    /// which add to the others and take nothing away.
    fn read(text: &'a str) -> Option<Self> {
        if text.contains('[') {
            return None;
        }
        let (target, level) = match text.split_once('=') {
            Some((target, level)) => (target, Level::read(level)?),
            None => match Level::read(text) {
                Some(level) => ("", level),
                None => (text, Level::Trace),
            },
        };
        Some(Self { target, level })
    }

    fn covers(&self, target: &str) -> bool {
        target.starts_with(self.target)
    }
}

impl fmt::Display for Directive<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Level::NAMES[self.level as usize];
        write!(formatter, "{}={name}", self.target)
    }
}

/// The level that the operator's directives have for a target.
fn wished(wishes: &[(&str, Option<Directive>)], target: &str) -> Level {
    wishes
        .iter()
        .filter_map(|(_, wish)| *wish)
        .filter(|wish| wish.covers(target))
        .max_by_key(|wish| wish.target.len())
        .map_or(Level::Off, |wish| wish.level)
}

/// Whether one of the needs stands in its place: for the same target, or for a shorter one whose
/// spans it would take away (or, of HTTP/2, let in).
fn is_against(wish: Directive, needs: &[Directive]) -> bool {
    needs
        .iter()
        .filter(|need| need.covers(wish.target))
        .max_by_key(|need| need.target.len())
        .is_some_and(|need| {
            let wrong = if need.target == HTTP2.target {
                wish.level > need.level
            } else {
                wish.level < need.level
            };
            need.target == wish.target || wrong
        })
}
