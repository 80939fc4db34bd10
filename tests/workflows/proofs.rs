//! Proofs of messages, on a real dev server: signed and checked with real keys, and forged in each way that is known.

use std::{
    sync::atomic::Ordering,
    time::{SystemTime, UNIX_EPOCH},
};

use berth_activities::proof::SigningKey;
use berth_test_support::{
    fake_activities::Does,
    preview::{Preview, preview, push},
    production::{Production, name, numbered, production},
};
use berth_workflows::{
    contract::{
        phase::Phase,
        production::{ApproveRelease, Freeze},
        production_answer::{ProductionAnswer, ProductionOutcome},
        production_status::ProductionStatus,
        proof::ProofAction,
        provable::Provable,
        signals::{DeployOutcome, Push},
        verdict::FailureType,
    },
    production_environment::ProductionEnvironment,
};
use serde_json::json;
use temporalio_client::{Client, UntypedUpdate, UntypedWorkflow, WorkflowExecuteUpdateOptions};
use temporalio_common::{
    data_converters::{PayloadConverter, RawValue},
    protos::temporal::api::enums::v1::EventType,
};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The message as hooks passes it on, signed at that Unix time in seconds.
fn signed_at<M: Provable>(key: &SigningKey, mut message: M, to: (&str, ProofAction), at: u64) -> M {
    let content = message.proven_content(to.0, to.1);
    let actor = content.actor.clone().unwrap_or_else(|| name("octocat"));
    let run_id = content.run_id;
    message.set_proof(key.sign(content.claims(actor, run_id, at)));
    message
}

fn signed<M: Provable>(key: &SigningKey, message: M, to: (&str, ProofAction)) -> M {
    signed_at(key, message, to, now())
}

fn authored(push: Push) -> Push {
    Push { author: Some(name("octocat")), ..push }
}

async fn markers(client: &Client, workflow_id: String) -> usize {
    let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
    let events = handle.fetch_history(Default::default()).into_events().await.unwrap();
    events.iter().filter(|event| event.event_type() == EventType::MarkerRecorded).count()
}

/// Waits until a release waits for approval. Returns its number and plan.
async fn awaiting(t: &Production) -> (u64, String) {
    let status = t.until("awaiting approval", |s| s.phase == Phase::AwaitingApproval).await;
    let queued = status.queued.unwrap();
    (queued.release.number.unwrap(), queued.plan.unwrap().id)
}

async fn approve(t: &Production, approve: ApproveRelease) -> ProductionAnswer {
    let update = ProductionEnvironment::answer_approve;
    t.handle().execute_update(update, approve.into(), WorkflowExecuteUpdateOptions::default()).await.unwrap()
}

#[tokio::test]
async fn release_that_hooks_has_signed_is_shown_as_proved() {
    production("proved", async |t: Production| {
        let key = t.world.sign_proofs();
        let to = ("production-proved", ProofAction::Release);
        assert_eq!(t.release(authored(numbered('a', 1))).await.outcome, ProductionOutcome::Queued);
        assert!(!t.until_serves(1).await.serving.unwrap().release.proved, "it came without a proof");
        assert_eq!(
            markers(&t.client, t.input.workflow_id()).await,
            0,
            "a message without a proof adds nothing to the history"
        );

        let answer = t.release(signed(&key, authored(numbered('b', 2)), to)).await;
        assert_eq!((answer.outcome, answer.release), (ProductionOutcome::Queued, Some(2)));
        let status = t.until_serves(2).await;
        assert!(status.serving.as_ref().unwrap().release.proved && status.notes.is_empty(), "{status:#?}");
        assert!(status.to_markdown().contains("`bbbbbbb` by `octocat` (proved)"), "{}", status.to_markdown());

        let freeze = Freeze { reason: name("incident"), by: name("octocat"), proof: None };
        let freeze = signed(&key, freeze, ("production-proved", ProofAction::Freeze));
        let options = WorkflowExecuteUpdateOptions::default();
        let frozen = t.handle().execute_update(ProductionEnvironment::answer_freeze, freeze.into(), options).await;
        assert_eq!(frozen.unwrap().outcome, ProductionOutcome::Frozen);
        assert!(t.status().await.frozen.unwrap().proved);
        assert_eq!((markers(&t.client, t.input.workflow_id()).await, t.world.count("check_proof")), (2, 2));
        t.record_history("proved", None).await;
    })
    .await;
}

#[tokio::test]
async fn forged_proof_of_a_release_leaves_a_claim() {
    production("forged", async |t: Production| {
        let key = t.world.sign_proofs();
        let to = ("production-forged", ProofAction::Release);
        let proof = signed(&key, authored(numbered('a', 1)), to).proof;
        let images = |digit: &str| {
            let image = format!("acme/worker@sha256:{}", digit.repeat(64));
            serde_json::from_value(json!({"WORKER": image})).unwrap()
        };
        let of_worker = signed(&key, Push { images: images("1"), ..authored(numbered('f', 5)) }, to);
        let cases = [
            (
                "copied to another image",
                Push { proof, image: push('b').image, ..authored(numbered('a', 1)) },
                "`images` differs",
            ),
            ("too old", signed_at(&key, authored(numbered('c', 2)), to, now() - 700), "the limit is 600 s"),
            ("for a preview", signed(&key, authored(numbered('d', 3)), ("preview-forged-1", to.1)), "`environment`"),
            (
                "by another key",
                signed(&SigningKey::generate().unwrap().0, numbered('e', 4), to),
                "no key of this worker",
            ),
            ("copied to another worker", Push { images: images("2"), ..of_worker }, "`images` differs"),
        ];
        for (what, push, why) in cases {
            let (release, commit) = (t.release(push.clone()).await.release.unwrap(), push.commit);
            let status = t.until_serves(release).await;
            let serving = status.serving.unwrap().release;
            assert_eq!((serving.commit, serving.proved), (commit, false), "{what}");
            let note = status.notes.last().unwrap();
            assert!(note.starts_with("release: its proof does not hold") && note.contains(why), "{what}: {note}");
        }
    })
    .await;
}

#[tokio::test]
async fn field_proved_by_hand_is_refused() {
    production("by-hand", async |t: Production| {
        let handle = t.client.get_workflow_handle::<UntypedWorkflow>(t.input.workflow_id());
        for (message, input) in [
            ("approve", json!({"release": 1, "plan": "plan-1-", "by": "octocat", "proved": true})),
            ("release", json!({"commit": "4f2a9c1", "image": push('a').image.to_string(), "proved": true})),
        ] {
            let input = RawValue::from_value(&input, &PayloadConverter::default());
            let options = WorkflowExecuteUpdateOptions::default();
            let refused = handle.execute_update(UntypedUpdate::new(message), input, options).await.unwrap_err();
            assert!(format!("{refused:?}").contains("unknown field `proved`"), "{message}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn approval_must_be_proved_where_the_app_file_says_so() {
    production("approvers", async |t: Production| {
        let key = t.world.sign_proofs();
        t.world.needs_approval.store(true, Ordering::Relaxed);
        t.world.needs_proof.store(true, Ordering::Relaxed);
        t.release(numbered('a', 1)).await;
        let (release, plan) = awaiting(&t).await;
        let to = ("production-approvers", ProofAction::Approve);
        let claim = ApproveRelease { release, plan, by: name("octocat"), proof: None };
        let another = ApproveRelease { release: 2, ..claim.clone() };
        for (what, forged, why) in [
            ("a claim", claim.clone(), "approvers: proved"),
            ("an old proof", signed_at(&key, claim.clone(), to, now() - 700), "the limit is 600 s"),
            ("a copy", ApproveRelease { proof: signed(&key, another, to).proof, ..claim.clone() }, "`release` differs"),
            ("another's", signed(&SigningKey::generate().unwrap().0, claim.clone(), to), "no key of this worker"),
        ] {
            let answer = approve(&t, forged).await;
            let reason = answer.reason.unwrap();
            assert_eq!(answer.outcome, ProductionOutcome::Refused, "{what}: {reason}");
            assert!(reason.contains("approvers: proved") && reason.contains(why), "{what}: {reason}");
        }
        let status = t.status().await;
        assert_eq!(status.queued.unwrap().waits_for, format!("proved approval of plan {}", claim.plan));
        let approved = approve(&t, signed(&key, claim, to)).await;
        assert_eq!(approved.outcome, ProductionOutcome::Approved, "{approved:?}");
        t.until_serves(1).await;
        t.record_history("approved-proved", None).await;
    })
    .await;
}

#[tokio::test]
async fn claimed_approval_is_void_once_the_app_file_asks_for_proof() {
    production("approvers-edited", async |t: Production| {
        t.world.needs_approval.store(true, Ordering::Relaxed);
        t.release(numbered('a', 1)).await;
        let (release, plan) = awaiting(&t).await;
        t.world.next("plan_release", Does::HangUntilFreed);
        let by = name("octocat");
        let approved = approve(&t, ApproveRelease { release, plan, by, proof: None }).await;
        assert_eq!(approved.outcome, ProductionOutcome::Approved);
        // The plan after an approval reads the app file again; the next one does, too.
        t.until_called("plan_release", 2).await;
        t.freeze().await;
        t.world.needs_proof.store(true, Ordering::Relaxed);
        t.world.free();
        t.unfreeze().await;
        let is_void = |s: &ProductionStatus| s.notes.iter().any(|note| note.contains("asks for proved ones now"));
        let status = t.until("void", is_void).await;
        assert!(status.queued.is_some_and(|queued| queued.approval.is_none() && queued.needs_proof));
    })
    .await;
}

#[tokio::test]
async fn check_that_fails_leaves_a_claim_and_messages_in_their_order() {
    production("unchecked", async |t: Production| {
        let key = t.world.sign_proofs();
        t.until("recalled", |s| s.phase == Phase::AwaitingRelease).await;
        t.world.next("check_proof", Does::Fail(FailureType::NotObserved));
        t.worker.stop().await;
        let to = ("production-unchecked", ProofAction::Release);
        t.signal_release(signed(&key, push('a'), to)).await;
        t.signal_release(push('b')).await;
        t.worker.start().await;
        let status = t.until_serves(2).await;
        assert!(!status.serving.unwrap().release.proved);
        assert!(status.notes.iter().any(|note| note.contains("it could not be checked")), "{:?}", status.notes);
        assert_eq!(
            status.dropped.first().and_then(|dropped| dropped.release),
            Some(1),
            "the later one has replaced it"
        );
    })
    .await;
}

#[tokio::test]
async fn push_is_shown_as_proved_and_never_waits_for_it() {
    preview("proved-push", async |t: Preview| {
        let key = t.world.sign_proofs();
        t.start().await;
        let to = ("preview-proved-push-1", ProofAction::Deploy);
        let proved = authored(Push { sequence: Some(1), ..push('a') });
        let answer = t.deploy(signed(&key, proved.clone(), to)).await;
        assert_eq!(answer.outcome, DeployOutcome::Live);
        let status = t.status().await;
        assert!(status.serving.as_ref().unwrap().release.proved && status.notes.is_empty(), "{status:#?}");
        t.redeploy().await;
        let status = t.until("again", |s| s.rollouts.len() == 2 && s.phase == Phase::Live).await;
        assert!(status.serving.unwrap().release.proved, "it is the same release");

        let copied = Push { proof: signed(&key, proved, to).proof, ..authored(push('b')) };
        t.push(copied).await;
        let status = t.until("live", |s| s.rollouts.len() == 3 && s.phase == Phase::Live).await;
        assert!(!status.serving.unwrap().release.proved);
        assert!(status.notes[0].contains("push bbbbbbb: its proof does not hold"), "{:?}", status.notes);
        t.push(push('c')).await;
        t.until("live", |s| s.rollouts.len() == 4 && s.phase == Phase::Live).await;
        // A new run has five more: one recalls what earlier runs have seen, four are for changes since older versions.
        assert_eq!((markers(&t.client, t.input.workflow_id()).await - 5, t.world.count("check_proof")), (2, 2));
        t.record("proved", None).await;
    })
    .await;
}
