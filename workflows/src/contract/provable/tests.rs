//! Proofs as data: the signed text, and the comparison with a message.

use serde_json::json;

use super::*;
use crate::contract::{
    named_images::NamedImages,
    proof::ProofClaims,
    push_variables::PushVariables,
    release::{Commit, Image, Name},
};

fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

fn image(digit: char) -> Image {
    Image::try_from(format!("registry.example.com/acme/web@sha256:{}", digit.to_string().repeat(64))).unwrap()
}

fn push() -> Push {
    let commit = Commit::try_from("a".repeat(40)).unwrap();
    Push { sequence: Some(4242), author: Some(name("octocat")), ..Push::new(commit, image('b')) }
}

fn images(digit: char) -> NamedImages {
    serde_json::from_value(json!({"WORKER": image(digit)})).unwrap()
}

fn variables(flags: &str) -> PushVariables {
    serde_json::from_value(json!({"FLAGS": flags})).unwrap()
}

fn claims() -> ProofClaims {
    push().proven_content("production-web", ProofAction::Release).claims(name("octocat"), Some(4242), 1_795_850_000)
}

#[test]
fn signed_text_has_a_fixed_spelling() {
    let commit = "a".repeat(40);
    let digest = "b".repeat(64);
    let expected = format!(
        "berth proof 1\n{{\"version\":1,\"environment\":\"production-web\",\"action\":\"release\",\"commit\":\"{commit}\",\
         \"images\":{{\"\":\"registry.example.com/acme/web@sha256:{digest}\"}},\"actor\":\"octocat\",\"run_id\":4242,\
         \"at\":1795850000}}"
    );
    assert_eq!(claims().signing_text(), expected);
    // A reader of the claims verifies the same text.
    let again: ProofClaims = serde_json::from_str(&serde_json::to_string(&claims()).unwrap()).unwrap();
    assert_eq!(again.signing_text(), expected);
}

#[test]
fn proof_of_a_push_covers_all_its_images_and_variables() {
    let whole = Push { images: images('c'), variables: variables("a,b"), ..push() };
    let content = |push: &Push| push.proven_content("production-web", ProofAction::Release);
    let claims = content(&whole).claims(name("octocat"), Some(4242), 1_795_850_000);
    assert!(claims.signing_text().contains(r#""WORKER":"registry.example.com/acme/web@sha256:cccc"#));
    assert!(claims.signing_text().contains(r#""variables":{"FLAGS":"a,b"}"#));
    assert_eq!(content(&whole).first_difference(&claims), None);
    for (forged, field) in [
        (Push { images: images('d'), ..whole.clone() }, "images"),
        (Push { images: NamedImages::default(), ..whole.clone() }, "images"),
        (Push { image: image('d'), ..whole.clone() }, "images"),
        (Push { variables: variables("a"), ..whole.clone() }, "variables"),
        (Push { variables: PushVariables::default(), ..whole }, "variables"),
    ] {
        assert_eq!(content(&forged).first_difference(&claims), Some(field));
    }
}

#[test]
fn claims_of_the_message_itself_have_no_difference() {
    let by = name("octocat");
    let approve = ApproveRelease { release: 7, plan: "0123456789abcdef".to_owned(), by: by.clone(), proof: None };
    let reject = RejectRelease { release: 7, by: by.clone(), reason: None, proof: None };
    let rollback =
        Rollback { to: Some(6), by: by.clone(), reason: None, secrets: None, keep_going: false, proof: None };
    let freeze = Freeze { reason: name("incident 42"), by: by.clone(), proof: None };
    let unfreeze = Unfreeze { by: by.clone(), proof: None };
    let close = Close { sequence: Some(4242), proof: None };
    let messages: [(&dyn Provable, ProofAction); 8] = [
        (&push(), ProofAction::Deploy),
        (&push(), ProofAction::Release),
        (&close, ProofAction::Close),
        (&approve, ProofAction::Approve),
        (&reject, ProofAction::Reject),
        (&rollback, ProofAction::Rollback),
        (&freeze, ProofAction::Freeze),
        (&unfreeze, ProofAction::Unfreeze),
    ];
    for (message, action) in messages {
        let content = message.proven_content("production-web", action);
        let claims = content.clone().claims(by.clone(), Some(4242), 1);
        assert_eq!(content.first_difference(&claims), None, "{}", action.name());
    }
}

#[test]
fn first_difference_names_the_field_that_was_exchanged() {
    let content = push().proven_content("production-web", ProofAction::Release);
    let changed = |change: fn(&mut ProofClaims)| {
        let mut claims = claims();
        change(&mut claims);
        content.first_difference(&claims)
    };
    assert_eq!(changed(|claims| claims.version = 2), Some("version"));
    assert_eq!(changed(|claims| claims.environment = "production-shop".to_owned()), Some("environment"));
    assert_eq!(changed(|claims| claims.action = ProofAction::Deploy), Some("action"));
    assert_eq!(changed(|claims| claims.commit = None), Some("commit"));
    assert_eq!(changed(|claims| claims.images = [(String::new(), image('c'))].into()), Some("images"));
    assert_eq!(changed(|claims| drop(claims.images.insert("WORKER".to_owned(), image('c')))), Some("images"));
    assert_eq!(changed(|claims| claims.variables = variables("a")), Some("variables"));
    assert_eq!(changed(|claims| claims.release = Some(1)), Some("release"));
    assert_eq!(changed(|claims| claims.plan = Some("1".to_owned())), Some("plan"));
    assert_eq!(changed(|claims| claims.actor = name("mallory")), Some("actor"));
    assert_eq!(changed(|claims| claims.run_id = Some(1)), Some("run_id"));
}

#[test]
fn action_of_a_newer_berth_never_fits() {
    let content = ProvenContent::new("production-web", ProofAction::Unknown);
    let newer =
        json!({"version": 1, "environment": "production-web", "action": "promote", "actor": "octocat", "at": 1});
    let claims: ProofClaims = serde_json::from_value(newer).unwrap();
    assert_eq!((claims.action, content.first_difference(&claims)), (ProofAction::Unknown, Some("action")));
}

#[test]
fn message_with_a_proof_is_read_as_the_same_message() {
    let proof = Proof { claims: claims(), signature: "c2lnbmVk".to_owned() };
    let json = serde_json::to_value(Push { proof: Some(Box::new(proof.clone())), ..push() }).unwrap();
    let read: Push = serde_json::from_value(json).unwrap();
    assert_eq!((read.proof(), &Push { proof: None, ..read.clone() }), (Some(&proof), &push()));
    // Older messages have none.
    assert_eq!(serde_json::to_value(push()).unwrap().get("proof"), None);
}
