//! What is known of the pull request: all facts so far, and the app file's rules.

use super::messages::{Facts, Outcome, Rules};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct PullRequest {
    /// Each commit that was the head, with the newest facts last.
    facts: Vec<Facts>,
    rules: Option<Rules>,
    pub(crate) are_rules_due: bool,
    pub(crate) is_reopened: bool,
}

/// What facts change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    None,
    Open,
    /// They say for the first time that the pull request is a fork's.
    Fork,
    Close,
}

impl PullRequest {
    /// What an earlier run has known of a closed one.
    pub(crate) fn of(facts: Vec<Facts>) -> Self {
        Self { facts, ..Self::default() }
    }

    /// What is known, if it is closed. Labels that no rule names are forgotten.
    pub(crate) fn closed_facts(&mut self) -> Vec<Facts> {
        self.forget_labels();
        if self.newest().is_some_and(|newest| newest.closed) { self.facts.clone() } else { Vec::new() }
    }

    pub(crate) fn newest(&self) -> Option<&Facts> {
        self.facts.last()
    }

    /// Older facts change nothing but that their head is known. Of two of one second `closed` counts, until GitHub is asked.
    pub(crate) fn take(&mut self, facts: Facts) -> News {
        let before = self.newest().copied();
        if let Some(before) = before {
            if facts.second < before.second {
                self.facts.insert(0, facts);
                return News::None;
            }
            if facts.second == before.second {
                let counts = facts.asked || facts.closed && !before.asked;
                if facts.closed != before.closed && !counts {
                    return News::None;
                }
                // Of two heads of one second nobody knows which one is newer.
                self.facts.retain(|earlier| earlier.head != before.head);
            }
        }
        self.facts.push(facts);
        let was_closed = before.is_some_and(|before| before.closed);
        let is_known = before.is_some_and(|before| Facts { second: facts.second, ..before } == facts);
        self.are_rules_due |= !(facts.closed || is_known && self.rules.is_some());
        self.is_reopened = !facts.closed && (was_closed || self.is_reopened);
        let is_later = before.is_none_or(|before| before.second < facts.second);
        match facts.closed {
            true if is_later || !was_closed || facts.asked => News::Close,
            _ if facts.fork && !before.is_some_and(|before| before.fork) => News::Fork,
            _ => News::Open,
        }
    }

    /// Rules that cannot be read leave those that are known.
    pub(crate) fn take_rules(&mut self, rules: Option<Rules>) {
        self.rules = rules.or(self.rules).or(Some(Rules { drafts: false, label: false, skip_label: false }));
        self.are_rules_due = false;
    }

    /// There are none, and no environment is wanted without them.
    pub(crate) fn forget_rules(&mut self) {
        self.rules = None;
        (self.are_rules_due, self.is_reopened) = (false, false);
    }

    /// Whether a push must wait for the rules.
    pub(crate) fn needs_rules(&mut self, depends_on_them: bool) -> bool {
        self.are_rules_due |= depends_on_them && self.rules.is_none();
        self.are_rules_due
    }

    /// The answer to a push of a commit that is the head no more, or of a closed pull request.
    pub(crate) fn refuses(&self, commit: u8) -> Option<Outcome> {
        let newest = self.newest()?;
        let is_named = self.facts.iter().any(|facts| facts.head == commit);
        match newest.closed {
            true if is_named => Some(Outcome::Closed),
            false if is_named && newest.head != commit => Some(Outcome::Skipped),
            _ => None,
        }
    }

    /// Whether pushes wait for something to change. Facts know better than a push whether it is of a draft.
    pub(crate) fn holds(&self, is_draft: bool) -> bool {
        let rules = self.rules.unwrap_or_default();
        let is_draft = self.newest().map_or(is_draft, |facts| facts.draft);
        let is_labelled = |facts: &Facts| rules.label && !facts.has_label || rules.skip_label && facts.has_skip_label;
        is_draft && !rules.drafts || self.newest().is_some_and(is_labelled)
    }

    /// Forgets labels that no rule names, as a run does that continues another one.
    pub(crate) fn forget_labels(&mut self) {
        let rules = self.rules.unwrap_or_default();
        if let Some(newest) = self.facts.last_mut().filter(|_| !self.are_rules_due) {
            newest.has_label &= rules.label;
            newest.has_skip_label &= rules.skip_label;
        }
    }

    pub(crate) fn is_fork(&self) -> bool {
        self.newest().is_some_and(|facts| facts.fork)
    }
}
