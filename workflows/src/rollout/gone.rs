//! The wait of an apply for objects that are being deleted, and that the release has.

use temporalio_workflow::WorkflowContext;

use super::Rollout;
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        apply::Applied,
        rollout_input::RolloutInput,
        verdict::{FailureType, Verdict},
    },
    failure::Unfinished,
};

impl Rollout {
    /// Repeats an apply until nothing keeps it waiting, and reports meanwhile what does. The apply is told what it has
    /// waited for.
    ///
    /// # Errors
    /// The apply's own. `KubernetesDenied` once the objects have had their time to go.
    pub(super) async fn until_gone(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        mut apply: impl AsyncFnMut(Option<String>) -> Result<Applied, Unfinished>,
    ) -> Result<Applied, Unfinished> {
        let deadline_ms = now_ms(ctx) + options::OBJECTS_GONE_SECONDS * 1000;
        let mut reported: Option<String> = None;
        loop {
            let applied = apply(reported.clone()).await?;
            let Some(waits_for) = applied.waits_for.clone() else {
                if reported.is_some() {
                    Self::wait_for(ctx, rollout, None).await;
                }
                return Ok(applied);
            };
            if now_ms(ctx) >= deadline_ms {
                return Err(never_gone(&rollout.environment.namespace, &waits_for));
            }
            if reported.as_ref() != Some(&waits_for) {
                Self::wait_for(ctx, rollout, Some(waits_for.clone())).await;
            }
            reported = Some(waits_for);
        }
    }
}

fn never_gone(namespace: &str, waits_for: &str) -> Unfinished {
    let seconds = options::OBJECTS_GONE_SECONDS;
    let message = format!("the release waited {seconds} s for {waits_for}; nothing of it was applied");
    let verdict = Verdict::new(FailureType::KubernetesDenied, message);
    verdict
        .advise(format!(
            "find the finalizer and its controller: kubectl get … -n {namespace} -o yaml; then push again, or signal redeploy"
        ))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_that_waited_in_vain_names_the_object_and_how_to_find_its_finalizer() {
        let object = "the old ConfigMap/web (finalizer example.com/hold) to be gone";
        let Unfinished::Failed(verdict) = never_gone("pr-1", object) else { panic!("no failure") };
        assert_eq!(verdict.failure, FailureType::KubernetesDenied);
        let expected = format!("the release waited 300 s for {object}; nothing of it was applied");
        assert_eq!(verdict.message, expected);
        assert!(verdict.advice.contains("-n pr-1 "), "{}", verdict.advice);
    }
}
