//! GitHub's limits: requests an hour, and the secondary limits of writes.
//!
//! Numbers: docs.github.com, "Rate limits for the REST API".

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{answers::Refusal, observe::Recorded};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;

/// The limits in force. `None` switches one off.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests of one caller in an hour.
    pub requests_per_hour: Option<u64>,
    pub writes_per_minute: Option<usize>,
    pub writes_per_hour: Option<usize>,
}

impl Limits {
    /// No limit at all. Requests and writes are counted all the same.
    pub const NONE: Self = Self { requests_per_hour: None, writes_per_minute: None, writes_per_hour: None };
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_hour: Some(5000), writes_per_minute: Some(80), writes_per_hour: Some(500) }
    }
}

/// The requests and writes that callers have used.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub(super) limits: Limits,
    /// Windows of an hour by caller and resource: the start in milliseconds, and the requests.
    windows: BTreeMap<(String, &'static str), (u64, u64)>,
    /// The times of the last hour's writes in milliseconds, of all callers: tests have one App.
    writes: VecDeque<u64>,
}

/// A caller's state of the primary limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    limit: u64,
    used: u64,
    /// Seconds since 1970.
    reset: u64,
    resource: &'static str,
}

impl Usage {
    /// Counts a request of one of GitHub's resources, `core` or `graphql`.
    pub(super) fn count(&mut self, caller: &str, resource: &'static str, now: u64) -> Allowance {
        let window = self.windows.entry((caller.to_owned(), resource)).or_insert((now, 0));
        if now >= window.0 + HOUR {
            *window = (now, 0);
        }
        window.1 += 1;
        self.allowance(caller, resource, now)
    }

    pub(super) fn allowance(&self, caller: &str, resource: &'static str, now: u64) -> Allowance {
        let window = self.windows.get(&(caller.to_owned(), resource)).copied();
        let (start, used) = window.filter(|(start, _)| now < start + HOUR).unwrap_or((now, 0));
        let limit = self.limits.requests_per_hour.unwrap_or(5000);
        Allowance { limit, used, reset: (start + HOUR).div_ceil(1000), resource }
    }

    /// Refuses a request beyond the primary limit.
    pub(super) fn check(&self, allowance: &Allowance) -> Result<(), Refusal> {
        if self.limits.requests_per_hour.is_none() || allowance.used <= allowance.limit {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::FORBIDDEN, "API rate limit exceeded for installation."))
    }

    /// Counts a write, or refuses it with the seconds until there is room.
    pub(super) fn write(&mut self, now: u64) -> Result<(), Refusal> {
        while self.writes.front().is_some_and(|time| time + HOUR <= now) {
            self.writes.pop_front();
        }
        let limits = [(self.limits.writes_per_minute, MINUTE), (self.limits.writes_per_hour, HOUR)];
        for (limit, window) in limits.into_iter().filter_map(|(limit, window)| Some((limit?, window))) {
            let recent = self.writes.iter().filter(|time| **time + window > now).count();
            if recent >= limit {
                let oldest = self.writes.iter().rev().nth(limit.saturating_sub(1)).copied().unwrap_or(now);
                return Err(exceeded((oldest + window).saturating_sub(now).div_ceil(1000)));
            }
        }
        self.writes.push_back(now);
        Ok(())
    }
}

fn exceeded(retry_after: u64) -> Refusal {
    let message = "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. \
                   Please retry your request again later.";
    Refusal::new(StatusCode::FORBIDDEN, message).header("retry-after", &retry_after.to_string())
}

impl Allowance {
    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "limit": self.limit, "used": self.used, "remaining": self.remaining(), "reset": self.reset,
            "resource": self.resource,
        })
    }

    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        let mut set = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        set("x-ratelimit-limit", self.limit.into());
        set("x-ratelimit-remaining", self.remaining().into());
        set("x-ratelimit-used", self.used.into());
        set("x-ratelimit-reset", self.reset.into());
        set("x-ratelimit-resource", HeaderValue::from_static(self.resource));
    }
}

/// The greatest number of writes within any window of a length, whatever they were answered.
pub fn busiest(requests: &[Recorded], window: Duration) -> usize {
    let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let times: Vec<_> = requests.iter().filter(|request| request.is_write()).map(|request| request.at_ms).collect();
    let within =
        |start: &u64| times.iter().filter(|time| (*start..start.saturating_add(window)).contains(time)).count();
    times.iter().map(within).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(limits: Limits, times: impl IntoIterator<Item = u64>) -> Vec<bool> {
        let mut usage = Usage { limits, ..Usage::default() };
        times.into_iter().map(|time| usage.write(time).is_ok()).collect()
    }

    #[test]
    fn eighty_writes_fit_into_a_minute() {
        let answers = writes(Limits::default(), (0..81).chain([MINUTE, MINUTE]));
        assert!(answers[..80].iter().all(|admitted| *admitted));
        assert_eq!(answers[80..], [false, true, false]);
    }

    #[test]
    fn five_hundred_writes_fit_into_an_hour() {
        let every_second = (0..501).map(|second| second * 1000);
        let answers = writes(Limits::default(), every_second.chain([HOUR]));
        assert_eq!(answers.iter().filter(|admitted| **admitted).count(), 501);
        assert_eq!(answers[499..], [true, false, true]);
    }

    #[test]
    fn no_limit_admits_every_write() {
        assert!(writes(Limits::NONE, (0..1000).map(|_| 0)).iter().all(|admitted| *admitted));
    }

    #[test]
    fn primary_limit_ends_with_its_hour() {
        let limits = Limits { requests_per_hour: Some(2), ..Limits::default() };
        let mut usage = Usage { limits, ..Usage::default() };
        let mut ask = |now: u64| {
            let allowance = usage.count("installation", "core", now);
            (usage.check(&allowance).is_ok(), allowance.remaining())
        };
        assert_eq!([ask(0), ask(1), ask(2)], [(true, 1), (true, 0), (false, 0)]);
        assert_eq!(ask(HOUR), (true, 1));
    }
}
