//! The granularity on Chroma 1.x, which has none: a filter of spans by crate and level.
//!
//! Invariant: a directive for logs never drops a span of the granularity, and no directive admits
//! the spans of the exporter's HTTP/2: exporting them would create more of them.

use crate::{ChromaVersion, Granularity, Server, variable};
use std::fmt;

/// Returns the `RUST_LOG` for the server, from the operator's own value (`user`) and a granularity.
///
/// Chroma 1.x has one filter for logs and spans. It is `RUST_LOG`, or by default a built-in filter
/// that admits all of Chroma's spans (except the requests on 1.2.2).
/// `CHROMA_OPEN_TELEMETRY__FILTERS`, which 1.0.0 does not have, only changes the built-in filter.
/// Therefore the granularity is set in `RUST_LOG`:
///
/// - The operator's directives are kept, except those that would drop spans of the granularity
///   (`chroma_tracing=error`) or admit those of the exporter's HTTP/2 (`h2=trace`, which never
///   ends: 1,160 spans in 3 s without a request).
/// - A more verbose directive is also kept, and adds its spans: `RUST_LOG=debug` with `operation`
///   creates the spans of `all`.
/// - Without directives, the logs are Chroma's warnings with `operation`, its infos with
///   `operation_and_segment`, and with `all` all of Chroma's logs, as by default.
///
/// With [`Granularity::None`], and on 0.x, which does not read the variable, the operator's own
/// value is returned. A blank value counts as unset; the result is never blank.
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
        Granularity::OperationAndSegment if version < ChromaVersion::FILTERS_BY_CRATE => {
            Granularity::All
        }
        other => other,
    };
    let mut needs = needs(granularity).to_vec();
    let mut logs = LOGS.to_owned();
    if version >= ChromaVersion::FRONTEND_CORE {
        logs += ",frontend_core=warn";
        needs.extend(moved(&needs));
    }
    Some(merged(user.unwrap_or(&logs), &needs))
}

/// The crate to which part of `chroma_frontend` moves in the release after 1.5.9. Its name does not
/// begin with `chroma`, and it needs the same levels as Chroma's crates.
fn moved(needs: &[Directive<'static>]) -> Option<Directive<'static>> {
    let of_all = needs.iter().find(|need| need.target == "chroma")?;
    Some(Directive {
        target: "frontend_core",
        ..*of_all
    })
}

/// Returns the operator's directives, in which the needs replace conflicting ones.
fn merged(wishes: &str, needs: &[Directive]) -> String {
    let wishes: Vec<_> = wishes
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| (text, Directive::read(text)))
        .collect();
    let exporter = covers_exporter(&wishes).then(|| Directive {
        level: HTTP2.level.min(wished(&wishes, HTTP2.target)),
        ..HTTP2
    });
    let spans = needs.iter().map(|need| Directive {
        level: need.level.max(wished(&wishes, need.target)),
        ..*need
    });
    let needs: Vec<_> = exporter.into_iter().chain(spans).collect();
    let kept = wishes
        .iter()
        .filter(|(text, wish)| match wish {
            Some(wish) => !traces_exporter(*wish) && !is_against(*wish, &needs),
            // A bracket that is never closed: the server's interpretation is unknown.
            None => !text.contains('['),
        })
        .map(|(text, _)| (*text).to_owned());
    let filter: Vec<_> = kept.chain(needs.iter().map(Directive::to_string)).collect();
    filter.join(",")
}

/// Returns true if it admits spans of the exporter, or of one of its modules.
fn traces_exporter(wish: Directive) -> bool {
    wish.target.starts_with(HTTP2.target) && wish.level > HTTP2.level
}

/// Returns true if the directives for other targets admit spans of the exporter: by their level, or
/// by a field, which admits every span.
fn covers_exporter(wishes: &[(&str, Option<Directive>)]) -> bool {
    let by_field = |(text, wish): &(&str, Option<Directive>)| {
        let wish = wish.filter(|wish| HTTP2.target.starts_with(wish.target));
        text.contains("[{") && wish.is_some_and(|wish| wish.level > HTTP2.level)
    };
    wished(wishes, HTTP2.target) > HTTP2.level || wishes.iter().any(by_field)
}

/// Default logs if the operator has no directives; the spans are added to them.
const LOGS: &str = "error,opentelemetry_sdk=info,chroma=warn";

/// The exporter's HTTP/2 has its spans at trace level. Of the crates below Chroma's exporter it is
/// the only one with spans (read in h2 0.4, hyper 1, hyper-util 0.1, tonic 0.14, tower 0.5).
const HTTP2: Directive = Directive {
    target: "h2",
    by_field: false,
    level: Level::Debug,
};

/// Returns the targets and levels that the spans of a granularity need.
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
/// (6) instead of the latter. `none` has 0 on each.
fn needs(granularity: Granularity) -> &'static [Directive<'static>] {
    const fn need(target: &'static str, level: Level) -> Directive<'static> {
        Directive {
            target,
            by_field: false,
            level,
        }
    }
    const REQUESTS: Directive = need("chroma_tracing", Level::Debug);
    // Target of the requests in the first versions of 1.0.
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

    /// Parses a name in any case, or its number from 0 to 5.
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

/// A directive: admits all targets that start with this one, up to the level. As in
/// tracing-subscriber, the longest such target applies; among equal ones, that with a field; and
/// among those, the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directive<'a> {
    target: &'a str,
    /// True if only events with a certain field match. Spans match with any fields.
    by_field: bool,
    level: Level,
}

impl<'a> Directive<'a> {
    /// Parses `level`, `target`, `target=level`, and `target[span{field}]=level` as if it had only
    /// a field: with the name of a span, or the value of a field, it only adds to the others.
    fn read(text: &'a str) -> Option<Self> {
        let (target, level, by_field) = match text.split_once('[') {
            Some((target, rest)) => match rest.rsplit_once(']')?.1 {
                "" => (target, None, true),
                level => (target, Some(level.strip_prefix('=')?), true),
            },
            None => match text.split_once('=') {
                Some((target, level)) => (target, Some(level), false),
                None if Level::read(text).is_some() => ("", Some(text), false),
                None => (text, None, false),
            },
        };
        let level = level.map_or(Some(Level::Trace), Level::read)?;
        Some(Self {
            target,
            by_field,
            level,
        })
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

/// Returns the level that the operator's directives set for all spans and events of a target.
fn wished(wishes: &[(&str, Option<Directive>)], target: &str) -> Level {
    wishes
        .iter()
        .filter_map(|(_, wish)| *wish)
        .filter(|wish| wish.covers(target) && !wish.by_field)
        .max_by_key(|wish| wish.target.len())
        .map_or(Level::Off, |wish| wish.level)
}

/// Returns true if one of the needs replaces it: for the same target, or if it would drop spans of
/// a need (or admit those of HTTP/2).
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
            wrong || (need.target == wish.target && !wish.by_field)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filters below are those of this release.
    const RELEASE: ChromaVersion = ChromaVersion::new(1, 5, 9);

    fn filter(user: &str, granularity: Granularity) -> Option<String> {
        rust_log(Some(user), granularity, RELEASE)
    }

    #[test]
    fn without_directives_the_granularity_applies() {
        for (granularity, expected) in [
            (Granularity::None, None),
            (
                Granularity::Operation,
                Some(
                    "error,opentelemetry_sdk=info,chroma=warn,chroma_tracing=debug,\
                     chroma_frontend::tower_tracing=debug",
                ),
            ),
            (
                Granularity::OperationAndSegment,
                Some(
                    "error,opentelemetry_sdk=info,chroma=info,chroma_tracing=debug,\
                     chroma_frontend::tower_tracing=debug",
                ),
            ),
            (
                Granularity::All,
                Some("error,opentelemetry_sdk=info,chroma=trace"),
            ),
        ] {
            let answer = rust_log(None, granularity, RELEASE);
            assert_eq!(answer.as_deref(), expected, "{granularity}");
            assert_eq!(filter(" ", granularity).as_deref(), expected);
        }
    }

    #[test]
    fn directives_for_logs_do_not_drop_spans() {
        use Granularity::{All, Operation, OperationAndSegment};
        const REQUESTS: &str = "chroma_tracing=debug,chroma_frontend::tower_tracing=debug";
        for (user, granularity, expected) in [
            ("warn", Operation, format!("warn,{REQUESTS}")),
            ("OFF", Operation, format!("OFF,{REQUESTS}")),
            (
                "warn,",
                OperationAndSegment,
                format!("warn,chroma=info,{REQUESTS}"),
            ),
            ("info", All, "info,chroma=trace".into()),
            ("chroma_tracing=off", Operation, REQUESTS.into()),
            (
                "chroma_tracing::a=off,x=1",
                Operation,
                format!("x=1,{REQUESTS}"),
            ),
            ("chroma_frontend=warn", All, "chroma=trace".into()),
            // For spans, a directive with a field matches all, and overrides one without.
            (
                "info,chroma_tracing[{id}]=error",
                Operation,
                format!("info,{REQUESTS}"),
            ),
            ("chroma_tracing::a[{id}]=off", Operation, REQUESTS.into()),
            (
                "info,[{id}]=error",
                Operation,
                format!("info,[{{id}}]=error,{REQUESTS}"),
            ),
            ("chroma[{id}]=info", All, "chroma=trace".into()),
            (
                "info,chroma_log=error",
                Operation,
                format!("info,chroma_log=error,{REQUESTS}"),
            ),
        ] {
            let answer = filter(user, granularity);
            assert_eq!(answer, Some(expected), "{user} {granularity}");
        }
    }

    #[test]
    fn more_verbose_directives_are_kept() {
        use Granularity::{Operation, OperationAndSegment};
        for (user, granularity, expected) in [
            (
                "chroma=debug",
                OperationAndSegment,
                "chroma=debug,chroma_tracing=debug,chroma_frontend::tower_tracing=debug",
            ),
            (
                "chroma",
                Operation,
                "chroma,chroma_tracing=trace,chroma_frontend::tower_tracing=trace",
            ),
            (
                "debug,[request{id=1}]=trace",
                Operation,
                "debug,[request{id=1}]=trace,chroma_tracing=debug,\
                 chroma_frontend::tower_tracing=debug",
            ),
        ] {
            assert_eq!(filter(user, granularity).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_exporter_is_never_traced() {
        for user in ["trace", "info,h2=trace", "5", "h2", "h2::codec=trace,trace"] {
            let answer = filter(user, Granularity::All).unwrap();
            assert!(answer.contains("h2=debug,chroma=trace"), "{answer}");
            assert!(!answer.contains("h2=trace") && !answer.contains("h2::codec"));
        }
        for (user, expected) in [
            ("debug,h2=off", "debug,h2=off,chroma=trace"),
            ("info,h2::codec=trace", "info,chroma=trace"),
            ("info,h2::codec", "info,chroma=trace"),
            ("info,h2::proto=5,h2=warn", "info,h2=warn,chroma=trace"),
            ("info,h2::codec[{x}]=trace", "info,chroma=trace"),
            ("info,h2::codec=debug", "info,h2::codec=debug,chroma=trace"),
            ("info,[{x}]=trace", "info,[{x}]=trace,h2=info,chroma=trace"),
        ] {
            let answer = filter(user, Granularity::All);
            assert_eq!(answer.as_deref(), Some(expected), "{user}");
        }
    }

    #[test]
    fn merging_is_idempotent() {
        for user in [
            "",
            "trace",
            "warn,chroma_log=off",
            "chroma=debug",
            "h2::x=trace",
        ] {
            for granularity in Granularity::EVERY {
                let once = filter(user, granularity);
                let twice = rust_log(once.as_deref(), granularity, RELEASE);
                assert_eq!(once, twice, "{user} {granularity}");
            }
        }
    }

    #[test]
    fn the_first_versions_have_two_sets() {
        use Granularity::{All, Operation, OperationAndSegment};
        let answer =
            |version: &str, granularity| rust_log(None, granularity, version.parse().unwrap());
        for (version, two) in [("1.0.12", true), ("1.0.13", false)] {
            let segment = answer(version, OperationAndSegment);
            assert_eq!(segment == answer(version, All), two);
            assert_ne!(segment, answer(version, Operation));
        }
    }

    #[test]
    fn frontend_core_is_filtered_since_1_5_10() {
        use Granularity::{All, Operation, OperationAndSegment};
        let (last, next) = (ChromaVersion::new(1, 5, 9), ChromaVersion::new(1, 5, 10));
        for (granularity, level) in [(OperationAndSegment, "info"), (All, "trace")] {
            let answer = rust_log(None, granularity, next).unwrap();
            assert!(
                answer.ends_with(&format!(",frontend_core={level}")),
                "{answer}"
            );
            let user = rust_log(Some("frontend_core=off"), granularity, next).unwrap();
            assert!(!user.contains("off"), "{user}");
            let before = rust_log(None, granularity, last).unwrap();
            assert!(!before.contains("frontend_core"), "{before}");
        }
        let operation = rust_log(None, Operation, next).unwrap();
        assert!(
            operation.contains("chroma=warn,frontend_core=warn,"),
            "{operation}"
        );
    }

    #[test]
    fn rust_log_of_the_python_server_is_unchanged() {
        let version = "0.6.3".parse().unwrap();
        let answer = rust_log(Some("info"), Granularity::All, version);
        assert_eq!(answer.as_deref(), Some("info"));
    }
}
