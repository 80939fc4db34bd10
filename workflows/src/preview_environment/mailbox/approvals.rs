//! Approvals that were given, and versions that have waited for one. Pure.
//!
//! An approval is for a commit with its images and variables. A job that runs again brings the same, and needs no second one.

use serde::{Deserialize, Serialize};

use super::{Current, Delivery, Mailbox, awaits_approval};
use crate::{
    bounded,
    contract::{
        memory::Memory,
        release::{Commit, Image, Release},
        signals::{Approve, DeployAnswer, DeployOutcome, Push},
    },
};

/// How many approved versions are remembered. An older one needs an approval again.
const KEPT_APPROVED: usize = 10;
/// How many waiting versions are remembered, each with its image.
const KEPT_WAITED: usize = 10;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Approvals {
    /// Approved versions, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approved: Vec<Release>,
    /// Versions that have waited since the last approval or close, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waited: Vec<(Commit, Image)>,
}

impl Approvals {
    fn approve(&mut self, release: &Release) {
        self.waited.retain(|(commit, _)| *commit != release.commit);
        self.approved.retain(|known| !known.is_same_version(release));
        bounded::push(&mut self.approved, release.version(), KEPT_APPROVED);
    }

    fn wait(&mut self, release: &Release) {
        if self.approved.iter().any(|approved| approved.is_same_version(release)) {
            return;
        }
        let waiting = (release.commit.clone(), release.image.clone());
        self.waited.retain(|waited| *waited != waiting);
        bounded::push(&mut self.waited, waiting, KEPT_WAITED);
    }

    /// The images with which a commit has waited.
    fn images(&self, commit: &Commit) -> Vec<String> {
        let of_commit = self.waited.iter().filter(|(waited, _)| waited == commit);
        of_commit.map(|(_, image)| image.to_string()).collect()
    }
}

impl Mailbox {
    /// Remembers approvals from now on. A run of an older version forgets each as it is given.
    pub fn remember_approvals(&mut self) {
        self.approvals.get_or_insert_default();
    }

    pub(super) fn recall_approvals(&mut self, memory: &mut Memory) {
        if let Some(approvals) = &mut self.approvals {
            approvals.approved = std::mem::take(&mut memory.approved);
            approvals.approved.truncate(KEPT_APPROVED);
        }
    }

    /// The approvals for the runs that follow.
    pub(super) fn approved_versions(&self) -> Vec<Release> {
        self.approvals.as_ref().map(|approvals| approvals.approved.clone()).unwrap_or_default()
    }

    /// Whether this version was approved, in this run or an earlier one.
    pub fn was_approved(&self, release: &Release) -> bool {
        let mut approved = self.approvals.iter().flat_map(|approvals| &approvals.approved);
        approved.any(|approved| approved.is_same_version(release))
    }

    pub(super) fn record_approval(&mut self, release: &Release) {
        if let Some(approvals) = &mut self.approvals {
            approvals.approve(release);
        }
    }

    pub(super) fn record_wait(&mut self, release: &Release) {
        if let Some(approvals) = &mut self.approvals {
            approvals.wait(release);
        }
    }

    /// Forgets what has waited, but no approval.
    pub(super) fn forget_waits(&mut self) {
        if let Some(approvals) = &mut self.approvals {
            approvals.waited.clear();
        }
    }

    /// Lets a push that has not begun wait for approval: GitHub has said only now that it is a fork's. A newer one may wait
    /// already.
    pub(super) fn hold_unapproved(&mut self) {
        // One that is only looked at serves already.
        if self.queue.is_look_next() || self.queue.next().is_some_and(|next| self.was_approved(next)) {
            return;
        }
        if self.held.is_some() || self.awaiting_approval.is_some() {
            return self.queue.drop_next(DeployOutcome::Superseded);
        }
        let withdrawn = self.queue.withdraw(|release| {
            let answer = DeployAnswer::new(DeployOutcome::AwaitingApproval, release.commit.clone());
            answer.because(awaits_approval(release.commit.as_str()))
        });
        if let Some(release) = withdrawn {
            self.replace_awaiting(Some(release), DeployOutcome::Superseded);
        }
    }

    /// Joins the version that rolls out or serves, for a job of a fork that runs again while something waits. Without a sequence it
    /// is no newer than what waits, which stays.
    pub(super) fn rejoin(&mut self, push: &Push, current: Current<'_>) -> Option<Delivery> {
        let (release, is_fork) = (push.release(), push.fork || self.facts.is_fork());
        let is_waiting = |waiting: Option<&Release>| waiting.is_some_and(|waiting| !waiting.is_same_version(&release));
        let waits = is_waiting(self.awaiting_approval()) || is_waiting(self.held().map(|(release, _)| release));
        if self.approvals.is_none() || push.sequence.is_some() || !is_fork || !waits {
            return None;
        }
        self.join(&release, current)
    }

    /// Whether a push leaves what waits for approval where it is: it was approved before, and no sequence says that it is newer.
    pub(super) fn leaves_waiting(&self, push: &Push, release: &Release) -> bool {
        let waits = self.awaiting_approval().is_some_and(|waiting| !waiting.is_same_version(release));
        waits && push.sequence.is_none() && self.was_approved(release)
    }

    /// Checks that an approval is for the version that waits, which has this commit.
    ///
    /// # Errors
    /// It names another image, or none though the commit has waited with several.
    pub(super) fn check_image(&self, approve: &Approve, waiting: &Release) -> Result<(), String> {
        let commit = &approve.commit;
        if let Some(image) = &approve.image {
            let is_waiting = *image == waiting.image;
            let why = || format!("approve {}: it waits with another image: {}", commit.short(), waiting.image);
            return if is_waiting { Ok(()) } else { Err(why()) };
        }
        let images = self.approvals.as_ref().map(|approvals| approvals.images(commit)).unwrap_or_default();
        if images.len() < 2 {
            return Ok(());
        }
        Err(format!(
            "approve {}: name one of the several images that have waited: {}",
            commit.short(),
            images.join(", ")
        ))
    }
}
