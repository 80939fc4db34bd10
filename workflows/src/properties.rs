//! Properties of input from outside: no panic, no value that the rules forbid, and only short and harmless errors.
//!
//! `PROPTEST_CASES=200000 cargo test -p berth-workflows properties` runs more cases.

use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;
use temporalio_common::{
    data_converters::{PayloadConverter, SerializationContext, SerializationContextData, TemporalDeserializable},
    protos::temporal::api::common::v1::Payload,
};

use strategies::{any_arrival, any_image, any_json, any_text, nearly_a_push};

use crate::{
    activity_options,
    contract::{
        checks::{AwaitInput, UNOBSERVED_SECONDS},
        environment::{Environment, EnvironmentKind, PullRequest, is_dns_label},
        lenient::{Input, Lenient, MAX_INPUT_BYTES},
        release::{Commit, Image, Name, is_harmless},
        rollout::RolloutProgress,
        rollout_input::RolloutInput,
        signals::{Approve, Close, Push, Redeploy},
        status::Status,
        timings::StartTimings,
    },
    environment::queue::{Current, Delivery, QueuedRelease},
    preview_environment::{mailbox::Mailbox, record::Record},
};

mod strategies;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn payload(encoding: &[u8], data: &[u8]) -> Payload {
    let metadata = [("encoding".to_owned(), encoding.to_vec())].into();
    Payload { metadata, data: data.to_vec(), ..Default::default() }
}

fn decode<T: Input + 'static>(payloads: Vec<Payload>) -> Result<T, String> {
    let (data, converter) = (SerializationContextData::None, PayloadConverter::default());
    let context = SerializationContext::new(&data, &converter);
    Lenient::from_payloads(&context, payloads).unwrap().0
}

/// Asserts that an input is accepted and survives a round trip, or is refused with an error that can be shown anywhere.
fn check<T: Input + Serialize + PartialEq + std::fmt::Debug + 'static>(payloads: &[Payload]) -> Option<T> {
    match decode::<T>(payloads.to_vec()) {
        Ok(input) => {
            let json = serde_json::to_vec(&input).unwrap();
            assert_eq!(decode::<T>(vec![payload(b"json/plain", &json)]).as_ref(), Ok(&input));
            Some(input)
        }
        Err(why) => {
            assert!(why.len() <= 400 && why.chars().all(is_harmless), "{why}");
            assert!(why.ends_with(T::EXAMPLE), "{why}");
            None
        }
    }
}

fn check_all(payloads: &[Payload]) {
    if let Some(push) = check::<Push>(payloads) {
        check_push(&push);
    }
    if let Some(approve) = check::<Approve>(payloads) {
        assert!(is_commit(approve.commit.as_str()));
    }
    check::<Close>(payloads);
    check::<Redeploy>(payloads);
    check::<RolloutProgress>(payloads);
    check::<RolloutInput>(payloads);
    if let Some(pull_request) = check::<PullRequest>(payloads) {
        check_pull_request(&pull_request);
    }
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a text is safe in a command line, a label or a manifest.
fn is_tame(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./:@_-".contains(&b)) && !text.starts_with('-')
}

fn check_push(push: &Push) {
    assert!(is_commit(push.commit.as_str()) && is_commit(push.commit.short()));
    assert!(is_tame(&push.image.to_string()) && push.image.digest.len() == 71);
    for name in push.author.iter().chain(&push.branch) {
        assert!(name.as_str().len() <= 255 && name.as_str().chars().all(is_harmless));
    }
}

fn check_pull_request(pull_request: &PullRequest) {
    match pull_request.check() {
        Ok(()) => {
            let id = pull_request.workflow_id();
            assert!(is_dns_label(&id), "{id} is a label's value and part of names");
            let (token, timings) = (Default::default(), &pull_request.timings);
            let wait = wait(pull_request);
            for wait in [&wait, &wait.again(1)] {
                activity_options::await_rollout(&token, "", wait.longest(0));
            }
            let unobserved = wait.again(1).unobserved_seconds;
            let in_force = timings.in_force(None);
            activity_options::check_gates(&token, "", in_force.stability_seconds + unobserved);
            activity_options::delete_environment(&token, "", in_force.teardown_seconds);
            assert!(in_force.rollout_seconds.checked_mul(1000).is_some() && timings.teardown_retry_seconds > 0);
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

/// The wait for a release of the pull request, beginning at 0.
fn wait(pull_request: &PullRequest) -> AwaitInput {
    let (kind, timings) = (EnvironmentKind::Preview { pr: pull_request.pr }, pull_request.timings.in_force(None));
    AwaitInput {
        environment: Environment::unrecorded(&pull_request.app, kind, pull_request.workflow_id()),
        workloads: Vec::new(),
        deadline_ms: timings.rollout_seconds * 1000,
        started_ms: 0,
        unobserved_seconds: UNOBSERVED_SECONDS,
        timings,
        secret: String::new(),
        deploy_id: 1,
        late: false,
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_as_an_input_or_give_a_harmless_error(
        encoding in prop_oneof![4 => Just(b"json/plain".to_vec()), 1 => Just(b"binary/null".to_vec()), 1 => any::<Vec<u8>>()],
        data in prop_oneof![any::<Vec<u8>>(), ".{0,200}".prop_map(String::into_bytes)],
        count in 0..3_usize,
    ) {
        check_all(&vec![payload(&encoding, &data); count]);
    }

    #[test]
    fn any_json_decodes_as_an_input_or_gives_a_harmless_error(json in prop_oneof![any_json(), nearly_a_push()]) {
        check_all(&[payload(b"json/plain", json.to_string().as_bytes())]);
    }

    #[test]
    fn input_is_refused_above_the_bound(excess in 1..100_usize) {
        let data = format!("{:>1$}", "{}", MAX_INPUT_BYTES + excess);
        prop_assert!(check::<Redeploy>(&[payload(b"json/plain", data.as_bytes())]).is_none());
    }

    #[test]
    fn json_gives_a_harmless_error_if_cut_anywhere(at in 0..100_usize) {
        let json = json!({"commit": "1234567", "image": format!("acme/web:v1@{DIGEST}")}).to_string();
        prop_assert!(check::<Push>(&[payload(b"json/plain", &json.as_bytes()[..at.min(json.len() - 1)])]).is_none());
    }

    #[test]
    fn commit_is_accepted_exactly_if_the_rule_holds(text in any_text()) {
        let read = Commit::try_from(text.clone());
        prop_assert_eq!(read.is_ok(), is_commit(&text));
        prop_assert!(read.map_or_else(|why| why.len() < 400, |commit| commit.as_str() == text.to_ascii_lowercase()));
    }

    #[test]
    fn image_is_tame_and_round_trips_if_accepted(text in prop_oneof![any_image(), any_text()]) {
        match Image::try_from(text.clone()) {
            Ok(image) => {
                prop_assert!(is_tame(&text) && text.ends_with(&image.digest) && image.digest.len() == 71);
                prop_assert!(image.tag.as_ref().is_none_or(|tag| !tag.is_empty() && !tag.contains(['/', ':', '@'])));
                prop_assert!(!image.repository.is_empty() && !image.repository.contains('@'));
                prop_assert_eq!(image.to_string(), text);
            }
            Err(why) => prop_assert!(why.len() < 400 && why.chars().all(is_harmless), "{}", why),
        }
    }

    #[test]
    fn valid_image_is_accepted(image in "([a-z0-9]{1,8}(\\.[a-z]{2,3}(:[0-9]{2,5})?)/)?[a-z0-9]{1,8}(/[a-z0-9][a-z0-9_.-]{0,8}){0,3}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?") {
        let text = format!("{image}@{DIGEST}");
        let read = Image::try_from(text);
        prop_assert!(read.is_ok(), "{:?}", read);
    }

    #[test]
    fn name_is_accepted_exactly_if_the_rule_holds(text in any_text()) {
        let good = text.len() <= 255 && text.chars().all(is_harmless);
        match Name::try_from(text) {
            Ok(_) => prop_assert!(good),
            Err(why) => prop_assert!(!good && why.len() < 900 && why.chars().all(is_harmless), "{}", why),
        }
    }

    #[test]
    fn pull_request_gives_valid_names_and_timings_if_accepted(
        app in prop_oneof!["[a-z0-9-]{0,32}", any_text()],
        pr in any::<u64>(),
        (rollout, capacity, database, stability, teardown, retry) in any::<(u64, u64, u64, u64, u64, u64)>(),
        small in any::<bool>(),
        history_events in any::<u32>(),
    ) {
        let limited = |seconds: u64| if small { seconds % 700_000 } else { seconds };
        let timings = StartTimings {
            rollout_seconds: Some(limited(rollout)),
            capacity_seconds: Some(limited(capacity)),
            database_seconds: Some(limited(database)),
            stability_seconds: Some(limited(stability)),
            teardown_seconds: limited(teardown),
            teardown_retry_seconds: limited(retry),
            stuck_seconds: Some(limited(stability)),
            history_events,
        };
        check_pull_request(&PullRequest { timings, ..PullRequest::new(app, pr % 20_000_000_000) });
    }

    #[test]
    fn any_json_that_decodes_as_a_record_can_be_shown(json in any_json()) {
        if let Ok(record) = serde_json::from_value::<Record>(json) {
            prop_assert!(!Status::new("web", 1, &record).to_markdown().is_empty());
        }
    }

    #[test]
    fn mailbox_answers_every_push_in_any_order_of_messages(
        steps in prop::collection::vec((0..6_u8, 0..3_u8, prop::option::of(0..9_u64), any_arrival()), 0..40),
    ) {
        let (mut mailbox, mut rolling_out) = (Mailbox::default(), None::<QueuedRelease>);
        let mut waiting = Vec::new();
        for (kind, which, sequence, arrival) in steps {
            let commit = Commit::try_from(which.to_string().repeat(7)).unwrap();
            let image = Image::try_from(format!("acme/web@{DIGEST}")).unwrap();
            let push = Push { sequence, fork: kind == 1, draft: kind == 2, ..Push::new(commit, image) };
            let current = Current { serving: None, rolling_out: rolling_out.as_ref() };
            match kind {
                0..=2 => if let Delivery::Waiting(ticket) = mailbox.push(&push, arrival, current) {
                    waiting.push(ticket);
                },
                3 => drop(mailbox.close(&Close { sequence, proof: None }, arrival)),
                4 => drop(mailbox.approve(&Approve { commit: push.commit, image: None, by: None }, current)),
                _ => {
                    // As in the main loop: the rollout in flight ends, and the next push is taken.
                    if let Some(ended) = rolling_out.take() {
                        let outcome = crate::contract::signals::DeployOutcome::Live;
                        mailbox.queue.answer(ended.ticket, crate::contract::signals::DeployAnswer::new(outcome, ended.release.commit));
                    }
                    mailbox.take_close();
                    rolling_out = mailbox.take_push();
                }
            }
            let carried: Mailbox = serde_json::from_value(serde_json::to_value(&mailbox).unwrap()).unwrap();
            prop_assert_eq!((carried.has_work(), carried.queue.next()), (mailbox.has_work(), mailbox.queue.next()));
        }
        // As beside the main loop: the app file is read for the pushes that wait for it.
        mailbox.facts.set_rules(None);
        mailbox.settle(Current { serving: None, rolling_out: rolling_out.as_ref() });
        for ticket in waiting {
            let is_next = mailbox.queue.next().is_some() || rolling_out.as_ref().is_some_and(|r| r.ticket == ticket);
            prop_assert!(is_next || mailbox.queue.answer_to(ticket).is_some(), "ticket {} has no answer", ticket);
        }
    }
}
