//! The attempts of a gate, until it passes, cannot pass any more, or reaches its deadline.

use std::time::Duration;

use berth_manifests::app::Gate;
use tokio::time::{Instant, timeout_at};

use crate::{
    gates::{
        checks::{Checks, NotPassed, Unmet},
        sight::OBSERVED_FOR,
    },
    kubernetes::log_tail::Log,
    redaction::message::Message,
    rollout::classify::name_of,
};

/// The pauses between attempts: short at first, because a release may just be starting.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest wait for what an attempt could not tell. It is within the activity's timeout.
const LONGEST: Duration = Duration::from_secs(570);
/// The time before a gate's deadline in which a timeout of an attempt's own request comes from that deadline.
const CUT_OFF: Duration = Duration::from_millis(50);

/// The subject of a gate, for its verdict.
pub(super) struct Asked<'a> {
    pub(super) gate: &'a Gate,
    /// The check in words: `GET / on port 8080 of web`.
    pub(super) what: String,
    /// The workload that a failure is attributed to. Empty: that of the pod whose log may explain it.
    pub(super) workload: &'a str,
}

/// A pod, and its container whose log may explain a failure.
pub(super) type PodAndContainer = (String, Option<String>);

/// An attempt that did not pass.
#[derive(Debug, Default)]
pub(super) struct Miss {
    pub(super) message: Message,
    pub(super) pod: Option<PodAndContainer>,
    /// True if the container has restarted: the log of the instance before explains it.
    pub(super) restarted: bool,
    pub(super) exit_code: Option<i32>,
    /// True if the attempt did not reach the pod, because of the API server, its node or berth's rights.
    pub(super) unobserved: bool,
    /// True if another attempt would have the same result.
    pub(super) is_final: bool,
    /// True if the server did not answer the attempt's request in time.
    pub(super) timed_out: bool,
    /// The time from which another attempt can tell, if this one could not. The gate waits for it.
    pub(super) decided_at: Option<Instant>,
    /// Advice for a person. `None` means the advice that fits any gate.
    pub(super) advice: Option<Box<str>>,
}

impl Miss {
    pub(super) fn new(message: impl Into<Message>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into().into_boxed_str()), ..self }
    }

    pub(super) fn finally(self) -> Self {
        Self { is_final: true, ..self }
    }
}

/// Repeats attempts until the gate passes. Each attempt gets the time at which it must end. Attempts that do not reach the
/// pod move the deadline.
pub(super) async fn until_passed<F>(
    checks: &Checks<'_>,
    asked: &Asked<'_>,
    mut try_once: impl FnMut(Instant) -> F + Send,
) -> Result<(), NotPassed>
where
    F: Future<Output = Result<(), Miss>> + Send,
{
    let begun = Instant::now();
    let patience = checks.patience(asked.gate.deadline.as_duration());
    let mut deadline = begun + patience;
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    let mut unobserved_since = None;
    loop {
        // Boxed, because futures of Temporal requests are large and nested deeply.
        match timeout_at(deadline, Box::pin(try_once(deadline))).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(missed)) if missed.unobserved => {
                let since = *unobserved_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= Duration::from_secs(checks.check.unobserved_seconds) {
                    let reason = format!("{}: {}", asked.what, missed.message.without_foreign("(omitted)"));
                    return Err(NotPassed::NotObserved { reason, since });
                }
                deadline = deadline.max(Instant::now() + patience.min(OBSERVED_FOR));
            }
            Ok(Err(missed)) => {
                unobserved_since = None;
                deadline = deadline.max(missed.decided_at.unwrap_or(deadline).min(begun + LONGEST));
                last = Some(more_telling(last, missed, deadline));
            }
            Err(_) => return Err(stopped(checks, asked, last, begun)),
        }
        if last.as_ref().is_some_and(|last| last.is_final) || Instant::now() + pause >= deadline {
            return Err(stopped(checks, asked, last, begun));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Keeps the earlier attempt if the gate's deadline cut the later one off: a complete attempt says more.
fn more_telling(earlier: Option<Miss>, later: Miss, deadline: Instant) -> Miss {
    match earlier {
        Some(earlier) if later.timed_out && Instant::now() + CUT_OFF >= deadline => earlier,
        _ => later,
    }
}

fn stopped(checks: &Checks<'_>, asked: &Asked<'_>, last: Option<Miss>, begun: Instant) -> NotPassed {
    let last = last.unwrap_or_else(|| Miss::new("it was not tried"));
    let Asked { gate, what, workload } = asked;
    let how_long = if last.is_final {
        format!("after {} s", begun.elapsed().as_secs())
    } else {
        let patience = checks.patience(gate.deadline.as_duration());
        format!("for {} s", if last.decided_at.is_some() { begun.elapsed() } else { patience }.as_secs())
    };
    let workloads = &checks.check.workloads;
    let workload = workloads.iter().find(|known| known.name == *workload).or_else(|| {
        let snapshot = checks.current.borrow();
        let pod = snapshot.pods.get(&last.pod.as_ref()?.0)?;
        workloads.iter().find(|known| snapshot.is_of(pod, known))
    });
    let log = match (&last.pod, last.restarted) {
        (None, _) => Log::None,
        (Some(_), true) => Log::Previous,
        (Some(_), false) => Log::Current,
    };
    let Miss { message, pod, exit_code, advice, .. } = last;
    let message = Message::from(format!("{what}: ")).join(message).own(format!(", {how_long}"));
    Unmet {
        workload: workload.map(name_of),
        log,
        pod,
        exit_code,
        advice: advice.map(String::from),
        ..Unmet::new(&gate.name, message)
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attempt_cut_off_by_the_deadline_does_not_replace_a_complete_one() {
        let now = Instant::now();
        let complete = || Some(Miss::new("nobody polls"));
        let timed_out = || Miss { timed_out: true, ..Miss::new("no answer") };
        let told = |miss: Miss| miss.message.unredacted();
        assert_eq!(told(more_telling(complete(), timed_out(), now)), "nobody polls");
        let later = now + Duration::from_secs(5);
        assert_eq!(told(more_telling(complete(), timed_out(), later)), "no answer", "the server itself is slow");
        assert_eq!(told(more_telling(complete(), Miss::new("refused"), now)), "refused");
        assert_eq!(told(more_telling(None, timed_out(), now)), "no answer", "the only attempt");
    }
}
