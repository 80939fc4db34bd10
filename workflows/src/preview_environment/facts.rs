//! Facts about the pull request: what GitHub has said so far, and which pushes it lets wait. Pure.
//!
//! Webhooks are late, doubled, out of order and lost. So a push is refused only for what is known, never for what is missing.

use serde::{Deserialize, Serialize};

use crate::{
    bounded,
    contract::{
        load_app::GithubRules,
        pull_request::PullRequestFacts,
        release::{Commit, Release},
        signals::DeployOutcome,
    },
};

/// How many earlier heads are remembered. A push whose commit was the head before these is taken as a new one.
const KEPT_HEADS: usize = 20;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<PullRequestFacts>,
    /// Commits that were the head before the newest one, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier_heads: Vec<Commit>,
    /// The app file's rules, as last read. None: they have not been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Rules>,
    /// Whether the rules must be read before the next push is judged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    are_rules_due: bool,
    /// Whether the pull request was opened again since its last close.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_reopened: bool,
}

/// The rules of the app file for GitHub. None: it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Rules {
    #[serde(skip_serializing_if = "Option::is_none")]
    github: Option<GithubRules>,
}

/// Something still to come that a push waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// The pull request is a draft.
    Draft,
    /// The label that the app file asks for.
    Label(String),
    /// The end of the label with which pushes wait.
    SkipLabel(String),
}

impl Hold {
    /// The condition, to be read after "waits for".
    pub fn waits_for(&self) -> String {
        match self {
            Self::Draft => "the pull request to be ready for review".to_owned(),
            Self::Label(label) => format!("the label {label}"),
            Self::SkipLabel(label) => format!("the label {label} to be taken away"),
        }
    }

    /// The reason for the sender of the push.
    pub fn reason(&self) -> String {
        let why = if *self == Self::Draft { "the pull request is a draft: " } else { "" };
        format!("{why}it waits for {}", self.waits_for())
    }
}

impl Facts {
    /// Takes facts over that an earlier run has seen, with the commits that were the head before.
    pub fn remember(&mut self, closed: Option<PullRequestFacts>, earlier_heads: Vec<Commit>) {
        self.newest = closed;
        self.earlier_heads = earlier_heads;
        self.earlier_heads.truncate(KEPT_HEADS);
    }

    /// The facts for the runs that follow, if the pull request is closed.
    pub fn memory(&self) -> (Option<PullRequestFacts>, Vec<Commit>) {
        let mut facts = self.clone();
        facts.shorten();
        match facts.newest {
            Some(newest) if newest.is_closed() => (Some(newest), facts.earlier_heads),
            _ => (None, Vec::new()),
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes facts in. Returns whether they are news of a close.
    ///
    /// # Errors
    /// The reason why they are ignored.
    pub fn take(&mut self, facts: PullRequestFacts) -> Result<bool, String> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let Some(newest) = &self.newest else { return Ok(self.accept(facts, true)) };
        match facts.updated_at.cmp(&newest.updated_at) {
            Less => {
                let (at, seen) = (facts.updated_at.as_str().to_owned(), newest.updated_at.as_str().to_owned());
                // They are no news, but their commit was the head.
                self.remember_head(facts.head);
                Err(format!("its facts of {at} are older than those of {seen}, already seen"))
            }
            Equal if facts.state != newest.state && !counts_at_once(&facts, newest) => {
                Err("it was closed and open within one second: closed counts until GitHub is asked".to_owned())
            }
            Equal => Ok(self.accept(facts, false)),
            Greater => {
                let before = newest.head.clone();
                let closes = self.accept(facts, true);
                self.remember_head(before);
                Ok(closes)
            }
        }
    }

    /// Makes facts the newest ones. `is_later`: they are of a later time than those before. Returns whether they are news of a
    /// close.
    fn accept(&mut self, facts: PullRequestFacts, is_later: bool) -> bool {
        let before = self.newest.take();
        let was_closed = before.as_ref().is_some_and(PullRequestFacts::is_closed);
        let is_known = before.is_some_and(|before| says_the_same(&before, &facts));
        self.are_rules_due |= !(facts.is_closed() || is_known && self.rules.is_some());
        self.earlier_heads.retain(|head| !head.matches(facts.head.as_str()));
        // GitHub was asked because something is there that a closed pull request has no more.
        let closes = facts.is_closed() && (is_later || !was_closed || facts.asked);
        self.is_reopened = !facts.is_closed() && (was_closed || self.is_reopened);
        self.newest = Some(facts);
        closes
    }

    fn remember_head(&mut self, head: Commit) {
        let is_newest = self.newest.as_ref().is_some_and(|newest| newest.is_head(&head));
        if is_newest || self.was_head(&head) {
            return;
        }
        bounded::push(&mut self.earlier_heads, head, KEPT_HEADS);
    }

    fn was_head(&self, commit: &Commit) -> bool {
        self.earlier_heads.iter().any(|head| head.matches(commit.as_str()))
    }

    /// The answer to a push that is not rolled out: its commit was the head and newer facts name another, or the pull request
    /// is closed with it. A commit that no facts have named is taken.
    pub fn refuse(&self, commit: &Commit) -> Option<(DeployOutcome, String)> {
        let newest = self.newest.as_ref()?;
        let (is_head, was_head) = (newest.is_head(commit), self.was_head(commit));
        if newest.is_closed() && (is_head || was_head) {
            return Some((DeployOutcome::Closed, "the pull request is closed".to_owned()));
        }
        (was_head && !is_head).then(|| {
            let head = newest.head.short();
            (DeployOutcome::Skipped, format!("{} is not the head any more: {head} is", commit.short()))
        })
    }

    /// Something still to come that pushes wait for. `is_draft`: the push says that it is of a draft. Facts know better.
    pub fn hold(&self, is_draft: bool) -> Option<Hold> {
        let rules = self.github();
        let is_draft = self.newest.as_ref().map_or(is_draft, |newest| newest.draft);
        if is_draft && !rules.is_some_and(|rules| rules.drafts) {
            return Some(Hold::Draft);
        }
        let (facts, rules) = (self.newest.as_ref()?, rules?);
        let missing = rules.label.as_ref().filter(|label| !facts.has_label(label));
        let skipped = rules.skip_label.as_ref().filter(|label| facts.has_label(label));
        missing.cloned().map(Hold::Label).or_else(|| skipped.cloned().map(Hold::SkipLabel))
    }

    /// Whether the commits come from another repository, as far as is known.
    pub fn is_fork(&self) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.fork)
    }

    /// Whether the app file must be read before a push is judged. Remembers that it must.
    pub fn need_rules(&mut self, depends_on_them: bool) -> bool {
        self.are_rules_due |= depends_on_them && self.rules.is_none();
        self.are_rules_due
    }

    /// Asks for the app file's rules, if they have not been read.
    pub fn ask_for_rules(&mut self) {
        self.are_rules_due |= self.rules.is_none();
    }

    /// Whether the app file must be read.
    pub fn are_rules_due(&self) -> bool {
        self.are_rules_due
    }

    /// Takes the app file's rules in. None: it has none.
    pub fn set_rules(&mut self, github: Option<GithubRules>) {
        self.rules = Some(Rules { github });
        self.are_rules_due = false;
    }

    /// Goes on with the rules that are known: the app file cannot be read, which a rollout will report.
    pub fn keep_rules(&mut self) {
        self.rules.get_or_insert_default();
        self.are_rules_due = false;
    }

    /// Forgets the rules: there is no app file.
    pub fn forget_rules(&mut self) {
        self.rules = None;
        self.are_rules_due = false;
    }

    /// The app file's rules for GitHub, if it has any and they were read.
    pub fn github(&self) -> Option<&GithubRules> {
        self.rules.as_ref()?.github.as_ref()
    }

    /// The newest facts.
    pub fn newest(&self) -> Option<&PullRequestFacts> {
        self.newest.as_ref()
    }

    /// Whether the pull request was opened again since its last close.
    pub fn is_reopened(&self) -> bool {
        self.is_reopened
    }

    /// Records a close.
    pub fn close(&mut self) {
        self.is_reopened = false;
    }

    /// The head whose image has not come, if one is known. `newest` is the newest release that was asked for.
    pub fn awaited_head(&self, newest: Option<&Release>) -> Option<&Commit> {
        let facts = self.newest.as_ref().filter(|facts| !facts.is_closed())?;
        let is_older = newest.is_none_or(|release| !facts.is_head(&release.commit) && self.was_head(&release.commit));
        is_older.then_some(&facts.head)
    }

    /// All digits of a commit, if facts name it or it has them itself.
    pub fn full_commit(&self, commit: &Commit) -> Option<Commit> {
        let heads = self.newest.iter().map(|newest| &newest.head).chain(&self.earlier_heads);
        let named = heads.into_iter().find(|head| head.matches(commit.as_str())).cloned();
        named.or_else(|| (commit.as_str().len() >= 40).then(|| commit.clone()))
    }

    /// Forgets labels that no rule names: a pull request may have many. Rules that are still to be read may name any.
    pub fn shorten(&mut self) {
        if self.are_rules_due {
            return;
        }
        let rules = self.rules.clone().unwrap_or_default().github;
        let named = |label: &String| {
            let mut of_rules = rules.iter().flat_map(|rules| rules.label.iter().chain(&rules.skip_label));
            of_rules.any(|named| named.to_lowercase() == label.to_lowercase())
        };
        if let Some(newest) = &mut self.newest {
            newest.labels.retain(named);
        }
    }
}

/// Whether facts of another state than those of the same second count.
fn counts_at_once(facts: &PullRequestFacts, newest: &PullRequestFacts) -> bool {
    facts.asked || (facts.is_closed() && !newest.asked)
}

/// Whether two facts say the same of what is decided by.
fn says_the_same(one: &PullRequestFacts, other: &PullRequestFacts) -> bool {
    let of = |facts: &PullRequestFacts| {
        (facts.head.clone(), facts.state, facts.draft, facts.fork, facts.labels.clone(), facts.asked)
    };
    of(one) == of(other)
}

#[cfg(test)]
pub(crate) mod tests;
