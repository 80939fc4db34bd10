//! Approvals and rejections of the release that waits. Pure.

use super::{State, sender};
use crate::contract::{
    production::{ApproveRelease, RejectRelease},
    production_answer::{ProductionAnswer, ProductionOutcome},
    production_record::{Approval, QueuedRelease, StoredVersion},
    production_status::DropCause,
};

/// The answer to an approval without a proof, where the app file demands one.
const UNPROVED: &str = "it is a claim, and the app file lets only proved approvals count (approvers: proved): approve \
                        through berth hooks";

impl State {
    /// Takes an approval in. It must name the plan that is in force.
    pub fn approve(&mut self, approve: &ApproveRelease) -> ProductionAnswer {
        let plan = self.plan_in_force();
        let plan = plan.map(|plan| (plan.planned.plan.id.clone(), plan.needs_approval, plan.needs_proof));
        let proved = approve.proof.is_some();
        let queued = self.record.queued.as_ref().filter(|queued| queued.release.number == Some(approve.release));
        let Some(queued) = queued else { return self.not_waiting(approve.release) };
        let release = queued.release.clone();
        let answer = match plan {
            None => ProductionAnswer::refused("its plan is still being made"),
            Some((_, false, _)) => ProductionAnswer::refused("the app file asks for no approval"),
            Some((id, true, true)) if id == approve.plan && !proved => {
                ProductionAnswer { plan: Some(id), ..ProductionAnswer::refused(UNPROVED) }
            }
            Some((id, true, _)) if id == approve.plan => {
                let approval = Approval { plan: id.clone(), by: approve.by.clone(), proved };
                self.record.queued =
                    self.record.queued.take().map(|queued| QueuedRelease { approval: Some(approval), ..queued });
                if let Some(planned) = &mut self.planned {
                    planned.is_stale = true;
                }
                ProductionAnswer { plan: Some(id), ..ProductionAnswer::new(ProductionOutcome::Approved) }
            }
            Some((id, true, _)) => {
                let why = format!("plan {} is not in force any more: it is {id} now", approve.plan);
                ProductionAnswer { plan: Some(id), ..ProductionAnswer::refused(why) }
            }
        };
        answer.about(&release)
    }

    /// Takes a rejection in: the release that waits is dropped.
    pub fn reject(&mut self, reject: &RejectRelease) -> ProductionAnswer {
        match self.record.queued.take_if(|queued| queued.release.number == Some(reject.release)) {
            Some(queued) => {
                self.planned = None;
                let because = reject.reason.as_ref().map_or("no reason given", |reason| reason.as_str());
                let RejectRelease { release, by, reason, proof } = reject.clone();
                let proved = proof.is_some();
                self.notes.add(format!("release {release} was rejected by {}: {because}", sender(&by, proved)));
                self.drop_release(&queued.release, DropCause::Rejected { by, reason, proved });
                ProductionAnswer::new(ProductionOutcome::Rejected).about(&queued.release)
            }
            None => self.not_waiting(reject.release),
        }
    }

    /// The answer about a release that does not wait.
    fn not_waiting(&self, release: u64) -> ProductionAnswer {
        let is = |version: &StoredVersion| version.release.number == Some(release);
        let mut answer = if let Some(by) = self.replaced_by(release) {
            ProductionAnswer::new(ProductionOutcome::Superseded).because(format!("release {by} has replaced it"))
        } else if self.record.begun.as_ref().is_some_and(|begun| is(&begun.version)) {
            ProductionAnswer::new(ProductionOutcome::RollingOut).because("it is being rolled out")
        } else if self.record.live.as_ref().is_some_and(is) {
            ProductionAnswer::new(ProductionOutcome::Live).because("it serves")
        } else {
            ProductionAnswer::refused("it does not wait")
        };
        answer.release = Some(release);
        answer
    }
}
