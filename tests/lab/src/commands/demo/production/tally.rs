//! The client's view of a page: how many requests failed, and for how long none was answered. Pure.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A request, and its result: the release that answered, or why it failed.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) asked: Instant,
    pub(super) ended: Instant,
    pub(super) result: Result<String, String>,
}

/// The requests of some time.
#[derive(Debug)]
pub(super) struct Tally {
    seen: Vec<Seen>,
}

impl Tally {
    pub(super) fn new(seen: Vec<Seen>) -> Self {
        Self { seen }
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(|seen| seen.result.is_err())
    }

    /// The longest time from an answer to the next one, over the requests between them that failed. None: all were answered.
    pub(super) fn gap(&self) -> Option<Duration> {
        let mut last: Option<Instant> = self.seen.first().map(|first| first.asked);
        let (mut longest, mut has_failed) = (None, false);
        for seen in &self.seen {
            if seen.result.is_err() {
                has_failed = true;
                continue;
            }
            if let Some(last) = last.filter(|_| has_failed) {
                longest = longest.max(Some(seen.ended - last));
            }
            (last, has_failed) = (Some(seen.ended), false);
        }
        longest
    }

    /// The first answer after the last failure, or the first one without any.
    pub(super) fn back_at(&self) -> Option<Instant> {
        let after = self.seen.iter().rposition(|seen| seen.result.is_err()).map_or(0, |at| at + 1);
        self.seen.get(after).map(|seen| seen.ended)
    }

    /// The first answer of this release after the last one of another.
    pub(super) fn served_from(&self, release: &str) -> Option<Instant> {
        let is_other = |seen: &Seen| seen.result.as_ref().is_ok_and(|other| other != release);
        let after = self.seen.iter().rposition(is_other).map_or(0, |at| at + 1);
        self.seen[after..].iter().find(|seen| seen.result.is_ok()).map(|seen| seen.ended)
    }

    fn slowest(&self) -> Duration {
        self.seen.iter().map(|seen| seen.ended - seen.asked).max().unwrap_or_default()
    }

    /// Each release with the number of its answers, in the order in which they came first.
    fn answers(&self) -> Vec<(&str, usize)> {
        let mut answers: Vec<(&str, usize)> = Vec::new();
        for release in self.seen.iter().filter_map(|seen| seen.result.as_deref().ok()) {
            match answers.iter_mut().find(|(known, _)| *known == release) {
                Some((_, count)) => *count += 1,
                None => answers.push((release, 1)),
            }
        }
        answers
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures().count();
        write!(f, "{} requests, {failed} failed, slowest {} ms", self.requests(), self.slowest().as_millis())?;
        if let Some(gap) = self.gap() {
            write!(f, ", away for {:.1} s", gap.as_secs_f32())?;
        }
        let answers: Vec<_> = self.answers().iter().map(|(release, count)| format!("{release} {count}")).collect();
        if answers.is_empty() { Ok(()) } else { write!(f, "; answered by {}", answers.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests a second apart that take a tenth of one. `-` is a failure, any other letter the release that answered.
    fn tally(begin: Instant, results: &str) -> Tally {
        let seen = results.chars().enumerate().map(|(at, result)| {
            let asked = begin + Duration::from_secs(at as u64);
            let result = if result == '-' { Err("502".to_owned()) } else { Ok(result.to_string()) };
            Seen { asked, ended: asked + Duration::from_millis(100), result }
        });
        Tally::new(seen.collect())
    }

    #[test]
    fn gap_is_the_longest_time_without_an_answer() {
        let begin = Instant::now();
        assert_eq!(tally(begin, "aaaa").gap(), None);
        assert_eq!(tally(begin, "a-a---bb").gap(), Some(Duration::from_secs(4)));
        assert_eq!(tally(begin, "--a").gap(), Some(Duration::from_millis(2100)));
        assert_eq!(tally(begin, "a--").gap(), None, "its end has not been seen");
    }

    #[test]
    fn release_serves_from_its_first_answer_after_all_others() {
        let begin = Instant::now();
        let tally = tally(begin, "aababb-aa");
        assert_eq!(tally.served_from("a"), Some(begin + Duration::from_millis(7100)));
        assert_eq!(tally.served_from("b"), None, "another release serves");
        assert_eq!(tally.back_at(), Some(begin + Duration::from_millis(7100)));
        assert_eq!(tally.to_string(), "9 requests, 1 failed, slowest 100 ms, away for 2.0 s; answered by a 5, b 3");
    }
}
