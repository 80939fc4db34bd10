use super::*;
use crate::contract::{
    environment::{ClusterObject, Environment, EnvironmentKind},
    exact,
    named_images::NamedImages,
    phase::{Failed, PastRollout},
    push_variables::PushVariables,
    release::*,
    signals::{DeployOutcome, Push},
    verdict::{FailureType, Verdict},
};
use crate::environment::book::Serving;

/// JSON needs two bytes for each quote.
fn longest_release() -> Release {
    let name = || Some(Name::try_from("\"".repeat(255)).unwrap());
    let digest = "a".repeat(64);
    Release {
        commit: Commit::try_from("a".repeat(64)).unwrap(),
        image: Image::try_from(format!("{}:{}@sha256:{digest}", "r".repeat(300), "t".repeat(128))).unwrap(),
        images: NamedImages::default(),
        variables: PushVariables::default(),
        author: name(),
        branch: name(),
        number: None,
        proved: false,
    }
}

/// As many and as long as their bounds allow.
fn longest_images() -> NamedImages {
    let image = format!("{}@sha256:{}", "r".repeat(170), "a".repeat(64));
    let images = (0..8).map(|number| (format!("N{number}"), serde_json::json!(image)));
    serde_json::from_value(serde_json::Value::from_iter(images)).unwrap()
}

/// As many and as long as their bounds allow.
fn longest_variables() -> PushVariables {
    let variables = (0..16).map(|number| (format!("N{number:0>10}"), serde_json::json!("v".repeat(50))));
    serde_json::from_value(serde_json::Value::from_iter(variables)).unwrap()
}

/// A record with the longest texts.
fn longest_record() -> Record {
    let mut record = Record::default();
    record.book.served_before = Some("x".repeat(63));
    record.book.proven = Some("p".repeat(63));
    for number in 0..100 {
        record.notes.add("\"".repeat(10_000));
        record.book.remember(PastRollout {
            number,
            commit: "a".repeat(64),
            outcome: DeployOutcome::AwaitingApproval,
            author: longest_release().author,
            ms: u64::MAX,
            failure: Some(FailureType::DatabaseUnavailable.to_string()),
            release: None,
            rollback: false,
        });
    }
    let mut verdict = Verdict::new(FailureType::CrashLoop, "\"".repeat(10_000)).advise("a".repeat(1000));
    verdict.log_tail = vec!["l".repeat(500); 100];
    let Release { commit, image, author, branch, .. } = longest_release();
    let push = Push { sequence: Some(u64::MAX), author, branch, fork: true, ..Push::new(commit, image) };
    record.mailbox.push(&push, Arrival::signal(1), Current::default());
    let remaining = Remaining { object: "o".repeat(300), reason: "\"".repeat(500), command: "c".repeat(500) };
    record.teardown = Some(LeakReport {
        gone: vec!["g".repeat(300); 100],
        remaining: vec![remaining.clone(); 100],
        skipped: vec![remaining; 100],
    });
    record.book.failed = Some(Failed { release: longest_release(), rollout: Some("r".repeat(80)), verdict });
    record.book.serving = Some(Serving {
        secrets: None,
        release: longest_release(),
        rollout: "r".repeat(80),
        since_ms: u64::MAX,
        stored_release: Some("s".repeat(63)),
    });
    let mut environment =
        Environment::unrecorded("a".repeat(30), EnvironmentKind::Preview { pr: u64::MAX }, "w".repeat(60));
    environment.record_cluster_objects((0..100).map(|n| ClusterObject {
        api_version: "scheduling.k8s.io/v1".into(),
        kind: "PriorityClass".into(),
        name: format!("{n:0>253}"),
    }));
    record.book.environment = Some(environment);
    record
}

#[test]
fn carried_state_is_short_with_the_longest_texts() {
    let record = longest_record();
    let carried = record.to_carry();
    let bytes = serde_json::to_vec(&carried).unwrap().len();
    assert!(bytes <= carry::TARGET_BYTES, "{bytes} bytes");
    assert_eq!((carried.mailbox, carried.book.serving), (record.mailbox, record.book.serving), "needed state stays");
    assert_eq!(carried.teardown.unwrap().remaining.len(), LeakReport::MAX_CARRIED);
}

#[test]
fn images_and_variables_are_carried_whole_and_bounded() {
    let mut record = longest_record();
    let release = Release { images: longest_images(), variables: longest_variables(), ..longest_release() };
    if let (Some(serving), Some(failed)) = (&mut record.book.serving, &mut record.book.failed) {
        (serving.release, failed.release) = (release.clone(), release.clone());
    }
    record.mailbox.waiting_mut().for_each(|waiting| *waiting = release.clone());
    let carried = record.to_carry();
    assert_eq!((&carried.mailbox, &carried.book.serving), (&record.mailbox, &record.book.serving));
    // Three releases with lists at their bounds, above the size that is aimed at.
    let bytes = serde_json::to_vec(&carried).unwrap().len();
    assert!(bytes <= carry::TARGET_BYTES + 3 * 3500, "{bytes} bytes");
}

#[test]
fn phase_is_failed_while_an_older_release_serves() {
    let mut record = Record::default();
    record.book.serving = Some(Serving {
        release: longest_release(),
        rollout: "r".into(),
        since_ms: 0,
        stored_release: None,
        secrets: None,
    });
    record.book.failed =
        Some(Failed { release: longest_release(), rollout: None, verdict: Verdict::new(FailureType::NotReady, "no") });
    assert_eq!(record.phase(), Phase::Failed);
    // A push of the serving release must be rolled out: objects of the failed one may be there instead of its own.
    assert_eq!(record.book.current().serving, None);
}
#[test]
fn carried_state_reads_whole_in_the_same_version() {
    let mut record = longest_record();
    record.scripts.last_number = 3;
    let carried = serde_json::to_value(record.to_carry()).unwrap();
    assert_eq!(exact::decode::<Record>(carried), Ok(record.to_carry()));
}

#[test]
fn carried_state_with_a_part_more_is_refused() {
    for pointer in
        ["", "/environment", "/serving", "/serving/release", "/failed/verdict", "/mailbox", "/scripts", "/rollouts/0"]
    {
        let mut carried = serde_json::to_value(longest_record()).unwrap();
        carried.pointer_mut(pointer).unwrap()["newer"] = serde_json::json!({"by": "octocat"});
        let refusal = exact::decode::<Record>(carried).unwrap_err();
        assert!(refusal.contains("newer is not known to this version of berth"), "{pointer}: {refusal}");
    }
    for (pointer, variant) in [("/rollouts/0/outcome", "promoted"), ("/failed/verdict/failure", "MigrationFailed")] {
        let mut carried = serde_json::to_value(longest_record()).unwrap();
        *carried.pointer_mut(pointer).unwrap() = serde_json::json!(variant);
        exact::decode::<Record>(carried).unwrap_err();
    }
}

#[test]
fn carried_state_keeps_its_fields() {
    let fields = |json: &serde_json::Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let json = serde_json::to_value(Record::default()).unwrap();
    assert_eq!(
        fields(&json),
        "closed environment failed last_deploy_id last_number mailbox notes proven rolling_out rollouts scripts \
         secrets served_before serving teardown tearing_down was_cancelled"
    );
    assert_eq!(fields(&json["mailbox"]), "awaiting_approval close_requested last_ticket next seen_sequence");
}
