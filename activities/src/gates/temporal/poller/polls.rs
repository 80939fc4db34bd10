//! The polls of a task queue, and whether one of the release is among them. Pure.

use std::time::Duration;

use temporalio_common::protos::temporal::api::taskqueue::v1::PollerInfo;

use super::hosts::{Hosts, Poller};
use crate::redaction::message::Message;

/// The age up to which a poll counts. A server lists a poller for five minutes after its last poll, and one poll lasts
/// a minute.
const RECENT: Duration = Duration::from_secs(90);
/// The largest difference between the clocks of a node and a server.
const SKEW_SECONDS: i64 = 2;
/// The most bytes of an identity in a verdict.
const IDENTITY_BYTES: usize = 100;

const DOES_NOT_POLL: &str = "The worker runs but does not poll. Its last log lines say why. It has to reach the server at \
    TEMPORAL_SERVER_ADDRESS and to use this namespace and task queue.";
const NO_HOST: &str = "Leave the worker's identity as the SDK makes it, with the name of its host: then its polls are told from \
    those of the worker before.";

/// The polls that are missing.
#[derive(Debug)]
pub(super) struct MissingPolls {
    pub(super) message: Message,
    pub(super) advice: &'static str,
    /// Whether a poll is there that may be of the release or of the worker before.
    pub(super) is_undecided: bool,
}

/// A poll that does not count.
#[derive(Clone, Copy)]
enum Dismissed<'a> {
    /// It was so many seconds ago, or before the worker's container started.
    Before(i64),
    /// It is the old worker's.
    Old(&'a str),
    /// It may be the old worker's.
    Undecided(&'a str),
}

/// Describes the tasks that no worker of the release polls for. A poll counts if it is recent, and not older than the worker's
/// container, by the node's clock. A poll of an unknown worker counts from `unknown_since` on, a unix time in seconds.
pub(super) fn missing_polls(
    workflows: &[PollerInfo],
    activities: &[PollerInfo],
    hosts: &Hosts,
    unknown_since: i64,
    now: i64,
) -> Option<MissingPolls> {
    let look = |pollers| dismissed(pollers, hosts, unknown_since, now);
    let (what, dismissed) = match (look(workflows), look(activities)) {
        (None, None) => return None,
        (Some(of_workflows), Some(of_activities)) => {
            ("workflow tasks or activity tasks", [of_workflows, of_activities].concat())
        }
        (Some(dismissed), None) => ("workflow tasks", dismissed),
        (None, Some(dismissed)) => ("activity tasks", dismissed),
    };
    Some(describe(what, &dismissed, hosts))
}

/// Returns the polls that do not count, or `None` if one counts.
fn dismissed<'a>(pollers: &'a [PollerInfo], hosts: &Hosts, unknown_since: i64, now: i64) -> Option<Vec<Dismissed<'a>>> {
    let recent = now.saturating_sub(i64::try_from(RECENT.as_secs()).unwrap_or(i64::MAX));
    let judge = |poller: &'a PollerInfo| {
        let at = poller.last_access_time.as_ref().map_or(i64::MIN, |at| at.seconds);
        let identity = poller.identity.as_str();
        let poller = hosts.poller(identity);
        let started = match poller {
            Poller::Current { running_since } => running_since,
            Poller::Unknown => hosts.worker_since(),
            Poller::Old => None,
        };
        let is_before = at < recent || started.is_some_and(|started| at < started - SKEW_SECONDS);
        match poller {
            _ if is_before => Some(Dismissed::Before(now.saturating_sub(at))),
            Poller::Old => Some(Dismissed::Old(identity)),
            Poller::Unknown if at < unknown_since => Some(Dismissed::Undecided(identity)),
            _ => None,
        }
    };
    pollers.iter().map(judge).collect()
}

fn describe(what: &str, dismissed: &[Dismissed<'_>], hosts: &Hosts) -> MissingPolls {
    let message = Message::from(format!("no worker polls it for {what}"));
    if let Some(identity) = undecided(dismissed) {
        let why = match hosts.old_worker() {
            Some(pod) => format!(" does, which may be the worker before: pod {pod} is still ending)"),
            None => " did, while the worker before was still ending)".to_owned(),
        };
        let message = message.own(" (").foreign(identity, IDENTITY_BYTES).own(why);
        return MissingPolls { message, advice: NO_HOST, is_undecided: true };
    }
    let old = dismissed.iter().find_map(|dismissed| match dismissed {
        Dismissed::Old(identity) => Some(*identity),
        _ => None,
    });
    let last = dismissed.iter().filter_map(|dismissed| match dismissed {
        Dismissed::Before(seconds) => Some(*seconds),
        _ => None,
    });
    let message = match (old, last.min()) {
        (Some(old), _) => message.own(" (only the worker before does: ").foreign(old, IDENTITY_BYTES).own(")"),
        (None, Some(seconds)) => message.own(format!(" (the last poll was {seconds} s ago)")),
        (None, None) => message,
    };
    MissingPolls { message, advice: DOES_NOT_POLL, is_undecided: false }
}

fn undecided<'a>(dismissed: &[Dismissed<'a>]) -> Option<&'a str> {
    dismissed.iter().find_map(|dismissed| match dismissed {
        Dismissed::Undecided(identity) => Some(*identity),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::json;

    use super::*;
    use crate::rollout::fixtures::{case, pod, put, replica_set, snapshot, workload};

    fn poll(identity: &str, seconds: i64) -> PollerInfo {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        PollerInfo { last_access_time: Some(time.into()), identity: identity.to_owned(), ..Default::default() }
    }

    fn at(seconds: i64) -> Vec<PollerInfo> {
        vec![poll("greeter", seconds)]
    }

    fn missing(workflows: &[PollerInfo], activities: &[PollerInfo]) -> Option<String> {
        let missing = missing_polls(workflows, activities, &Hosts::default(), 0, 1000)?;
        Some(missing.message.unredacted())
    }

    /// The Deployment `web` whose new container runs since the 990th second, and an old pod that is ending.
    fn hosts(old: bool) -> Hosts {
        let mut snapshot = snapshot("ready");
        let mut status = case("ready")["pod"].clone();
        status["containerStatuses"][0]["state"] = json!({"running": {"startedAt": "1970-01-01T00:16:30Z"}});
        put(&mut snapshot, &pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &status));
        if old {
            put(&mut snapshot, &replica_set("web-4c7e", "1", &json!(null)));
            put(&mut snapshot, &pod("web-4c7e-fghij", "old-uid", "web-4c7e", &status));
        }
        Hosts::of(&snapshot, &[workload("Deployment", "web", 2)], "web", None)
    }

    fn missing_of(hosts: &Hosts, polls: &[PollerInfo], unknown_since: i64) -> Option<MissingPolls> {
        missing_polls(polls, polls, hosts, unknown_since, 1000)
    }

    #[test]
    fn a_queue_needs_recent_polls_for_both_kinds_of_tasks() {
        assert_eq!(missing(&at(950), &at(940)), None);
        let none = "no worker polls it for workflow tasks or activity tasks";
        assert_eq!(missing(&[], &[]).as_deref(), Some(none));
        assert_eq!(missing(&at(990), &[]).as_deref(), Some("no worker polls it for activity tasks"));
        let long_ago = format!("{none} (the last poll was 200 s ago)");
        assert_eq!(missing(&at(800), &at(800)), Some(long_ago));
    }

    #[test]
    fn a_poll_older_than_the_worker_does_not_count() {
        for identity in ["1@web-5d8f-abcde", "greeter"] {
            assert!(missing_of(&hosts(false), &[poll(identity, 980)], 0).is_some(), "{identity}");
            assert!(missing_of(&hosts(false), &[poll(identity, 989)], 0).is_none(), "{identity}");
        }
    }

    #[test]
    fn a_poll_of_the_worker_before_does_not_count() {
        let hosts = hosts(true);
        let old = poll("1@web-4c7e-fghij", 999);
        let found = missing_of(&hosts, std::slice::from_ref(&old), 0).unwrap();
        assert!(found.message.unredacted().ends_with("(only the worker before does: 1@web-4c7e-fghij)"), "{found:?}");
        assert!(!found.is_undecided);
        assert!(missing_of(&hosts, &[old, poll("1@web-5d8f-abcde", 999)], i64::MAX).is_none(), "the new one polls too");
        let gone = [poll("1@web-4c7f9d8b6-xzz42", 999)];
        assert!(missing_of(&self::hosts(false), &gone, 0).is_some(), "its pod is gone, and its last poll is recent");
    }

    #[test]
    fn a_poll_without_a_host_counts_once_the_worker_before_is_gone() {
        let polls = [poll("greeter", 999)];
        let found = missing_of(&hosts(true), &polls, i64::MAX).unwrap();
        assert!(found.is_undecided && found.advice == NO_HOST, "{found:?}");
        assert!(found.message.unredacted().contains("pod web-4c7e-fghij is still ending"), "{found:?}");
        assert!(missing_of(&hosts(false), &polls, 1000).unwrap().is_undecided, "it polled before the other was gone");
        assert!(missing_of(&hosts(false), &polls, 998).is_none());
    }
}
