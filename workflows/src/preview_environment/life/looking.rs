//! A look at what serves, before a push of the same version is answered.

use crate::{
    contract::{look::LookAtInput, release::Release, signals::DeployAnswer, stop_reason::StopReason},
    environment::{book::LookEnd, queue::QueuedRelease},
    preview_environment::{life::Step, record::Record},
};

impl Record {
    pub(super) fn begin_look(&mut self, queued: QueuedRelease) -> Step {
        self.book.looking = Some(queued.clone());
        Step::Look(Box::new(queued))
    }

    /// What is looked for. None: no names are known, so that there is nothing.
    pub fn to_look_for(&self) -> Option<LookAtInput> {
        let environment = self.book.environment.clone()?;
        let stored_release = self.book.serving.as_ref().and_then(|serving| serving.stored_release.clone());
        Some(LookAtInput { environment, stored_release })
    }

    /// Answers a push of what serves, or rolls it out again.
    pub(super) fn end_look(&mut self, queued: QueuedRelease, end: LookEnd) {
        self.book.looking = None;
        let QueuedRelease { ticket, release } = queued;
        let newer = self.mailbox.stop_reason();
        let answer = match (end, newer) {
            (LookEnd::Serves, _) => {
                let mut answer = self.book.answer_serving(&release);
                answer.show_pages(self.answering());
                answer
            }
            (LookEnd::Stopped(reason), _) => stopped(&reason, &release),
            (LookEnd::Missing(missing), newer) => {
                let what = missing.as_ref().map_or("something may be missing", |missing| missing.what.as_str());
                self.notes.add(format!(
                    "{}: it is rolled out again, for it is not all there: {what}",
                    release.commit.short()
                ));
                self.book.lose(missing.as_ref());
                match newer {
                    Some(reason) => stopped(&reason, &release),
                    None => return self.mailbox.queue.put_under(ticket, release),
                }
            }
        };
        // A redeploy of the same release has taken the ticket over.
        if self.mailbox.queue.next_ticket() != Some(ticket) {
            self.mailbox.queue.answer(ticket, answer);
        }
    }
}

fn stopped(reason: &StopReason, release: &Release) -> DeployAnswer {
    DeployAnswer::new(reason.outcome(), release.commit.clone())
}
