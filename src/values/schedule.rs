//! A schedule in cron's syntax.
//!
//! Invariant: Kubernetes accepts each schedule, and systemd has the same times.

use std::fmt;
use std::str::FromStr;

/// A schedule of cron and of Kubernetes' CronJob: five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(String);

impl Schedule {
    /// The default: once a day, at 03:17.
    pub const DEFAULT: &'static str = "17 3 * * *";
    /// Pattern in the schema.
    pub const PATTERN: &'static str = r"^\s*\S+(\s+\S+){4}\s*$";
}

/// The minimum and maximum of each field: Sunday is 0, and 7 is invalid (robfig/cron, which
/// Kubernetes uses).
const FIELDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];

impl Default for Schedule {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let mut pairs = fields.iter().zip(FIELDS);
        let sound =
            fields.len() == FIELDS.len() && pairs.all(|(field, range)| is_cron_field(field, range));
        sound
            .then(|| Self(fields.join(" ")))
            .ok_or_else(|| "five fields of cron in numbers, such as `17 3 * * *`".to_owned())
    }
}

/// The days of a week in systemd's calendar.
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Schedule {
    /// Returns the same times for systemd (systemd.time, "Calendar Events"), of which any applies: two
    /// restricted days mean either, as in cron.
    pub fn calendar(&self) -> Vec<String> {
        let fields: Vec<&str> = self.0.split(' ').collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Vec::new();
        };
        let [minute, hour, date, month] = [
            (minute, FIELDS[0]),
            (hour, FIELDS[1]),
            (day, FIELDS[2]),
            (month, FIELDS[3]),
        ]
        .map(|(field, range)| calendar_field(field, range));
        let at = |weekdays: &str, date: &str| {
            format!("{weekdays}*-{month}-{date} {hour}:{minute}:00 UTC")
        };
        let weekdays = weekdays(weekday);
        if [day, weekday].iter().any(|field| field.starts_with('*')) {
            vec![at(&weekdays, &date)]
        } else {
            vec![at("", &date), at(&weekdays, "*")]
        }
    }
}

/// Returns a field of cron for systemd, which writes ranges with `..` and a step of all with a start.
fn calendar_field(field: &str, (least, _): (u32, u32)) -> String {
    if field.split(',').any(|part| part == "*") {
        return "*".to_owned();
    }
    let start = format!("{least}/");
    field.replace("*/", &start).replace('-', "..")
}

/// Returns the names of the days that a field of cron has, followed by a space; nothing for all days.
fn weekdays(field: &str) -> String {
    let has = |day: u32| {
        field.split(',').any(|part| {
            let (span, step) = part.split_once('/').unwrap_or((part, ""));
            let number = |text: &str| text.parse().unwrap_or(0);
            let (first, last) = match span.split_once('-') {
                Some((first, last)) => (number(first), number(last)),
                None if span == "*" => (0, 6),
                None if step.is_empty() => (number(span), number(span)),
                None => (number(span), 6),
            };
            (first..=last).contains(&day) && (day - first).is_multiple_of(number(step).max(1))
        })
    };
    let days = (0..).zip(DAYS).filter(|(day, _)| has(*day));
    let days: Vec<&str> = days.map(|(_, name)| name).collect();
    if days.len() == DAYS.len() {
        String::new()
    } else {
        format!("{} ", days.join(","))
    }
}

fn is_cron_field(field: &str, (least, most): (u32, u32)) -> bool {
    let number = |text: &str| {
        let digits = text.chars().all(|c| c.is_ascii_digit());
        let number: Option<u32> = text.parse().ok().filter(|_| digits);
        number.filter(|number| (least..=most).contains(number))
    };
    field.split(',').all(|part| {
        let (span, step) = part.split_once('/').unwrap_or((part, "1"));
        let spans = match span.split_once('-') {
            Some((first, last)) => number(first)
                .zip(number(last))
                .is_some_and(|(first, last)| first <= last),
            None => span == "*" || number(span).is_some(),
        };
        let steps = step.chars().all(|c| c.is_ascii_digit())
            && step.parse().is_ok_and(|step| (1..=most).contains(&step));
        spans && steps
    })
}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_five_fields_within_their_ranges() {
        for (text, shown) in [
            ("17 3 * * *", "17 3 * * *"),
            (" */15  0-6/2 1,15 1-12 0 ", "*/15 0-6/2 1,15 1-12 0"),
        ] {
            assert_eq!(text.parse::<Schedule>().expect(text).to_string(), shown);
        }
        let default = Schedule::default();
        assert_eq!(default.to_string().parse(), Ok(default));
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "30-10 * * * *",
            "*/0 * * * *",
            "*/+5 * * * *",
            "+5 * * * *",
            "1, * * * *",
            "- * * * *",
            "@daily",
            "0 3 * * MON",
            "$(id) * * * *",
        ] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn systemd_has_the_times_of_cron() {
        for (text, calendar) in [
            ("17 3 * * *", &["*-*-* 3:17:00 UTC"][..]),
            ("*/15 * * * *", &["*-*-* *:0/15:00 UTC"]),
            ("50/5,0 1-9/4 * * *", &["*-*-* 1..9/4:50/5,0:00 UTC"]),
            ("0 0 1 */3 *", &["*-1/3-1 0:0:00 UTC"]),
            ("0 0 * * 1-5", &["Mon,Tue,Wed,Thu,Fri *-*-* 0:0:00 UTC"]),
            ("0 0 * * 0-6", &["*-*-* 0:0:00 UTC"]),
            ("0 0 * * 5/1,0", &["Sun,Fri,Sat *-*-* 0:0:00 UTC"]),
            ("0 0 */2 * 1", &["Mon *-*-1/2 0:0:00 UTC"]),
            ("0 0 2 * */2", &["Sun,Tue,Thu,Sat *-*-2 0:0:00 UTC"]),
            // Both days are restricted: either.
            ("0 0 2 * 1", &["*-*-2 0:0:00 UTC", "Mon *-*-* 0:0:00 UTC"]),
        ] {
            let schedule: Schedule = text.parse().expect(text);
            assert_eq!(schedule.calendar(), calendar, "{text}");
        }
    }
}
