//! Proofs: signed ones hold, and every forged one is a claim.

use berth_workflows::contract::{
    proof::{CheckProofInput, Proof, ProofAction, ProofChecked},
    provable::Provable,
    push_variables::PushVariables,
    release::{Commit, Image, Name},
    signals::Push,
};
use serde_json::json;

use super::*;

/// The time of the proofs, in seconds.
const AT: u64 = 1_795_850_000;

fn release(digit: char) -> Push {
    let digest = format!("registry.example.com/acme/web@sha256:{}", digit.to_string().repeat(64));
    let commit = Commit::try_from("a".repeat(40)).unwrap();
    Push {
        sequence: Some(4242),
        author: Some(Name::try_from("octocat".to_owned()).unwrap()),
        ..Push::new(commit, Image::try_from(digest).unwrap())
    }
}

/// The proof of a release, by that key.
fn proof(key: &SigningKey, release: &Push) -> Proof {
    let content = release.proven_content("production-web", ProofAction::Release);
    key.sign(content.claims(release.author.clone().unwrap(), release.sequence, AT))
}

/// A key, and the worker's list with its public half.
fn keys() -> (SigningKey, ProofKeys) {
    let (key, _) = SigningKey::generate().unwrap();
    let public = ProofKeys::parse(&format!("# hooks\n\n{}\n", key.public_key())).unwrap();
    (key, public)
}

fn check(keys: &ProofKeys, proof: Proof, release: &Push, received_ms: u64) -> ProofChecked {
    let content = release.proven_content("production-web", ProofAction::Release);
    check_proof(keys, &CheckProofInput { proof, content, received_ms })
}

#[test]
fn signed_message_is_proved_twice_with_the_same_answer() {
    let (key, public) = keys();
    let proof = proof(&key, &release('b'));
    let first = check(&public, proof.clone(), &release('b'), AT * 1000);
    assert_eq!(first, ProofChecked { proved: true, reason: String::new() });
    assert_eq!(check(&public, proof, &release('b'), AT * 1000), first);
}

#[test]
fn copied_signature_with_another_image_is_a_claim() {
    let (key, public) = keys();
    let copied = check(&public, proof(&key, &release('b')), &release('c'), AT * 1000);
    assert_eq!(copied.reason, "the proof is for another message: `images` differs");
    let mut edited = proof(&key, &release('b'));
    edited.claims = proof(&key, &release('c')).claims;
    let edited = check(&public, edited, &release('c'), AT * 1000);
    assert_eq!((edited.proved, &*edited.reason), (false, "no key of this worker has signed the proof"));
}

#[test]
fn copied_signature_with_another_named_image_or_variable_is_a_claim() {
    let (key, public) = keys();
    let with = |digit: char, flags: &str| {
        let worker = format!("registry.example.com/acme/worker@sha256:{}", digit.to_string().repeat(64));
        Push {
            images: serde_json::from_value(json!({"WORKER": worker})).unwrap(),
            variables: serde_json::from_value(json!({"FLAGS": flags})).unwrap(),
            ..release('b')
        }
    };
    let signed = with('c', "a,b");
    assert!(check(&public, proof(&key, &signed), &signed, AT * 1000).proved);
    for (forged, field) in [
        (with('d', "a,b"), "images"),
        (release('b'), "images"),
        (with('c', "a"), "variables"),
        (Push { variables: PushVariables::default(), ..signed.clone() }, "variables"),
    ] {
        let copied = check(&public, proof(&key, &signed), &forged, AT * 1000);
        assert_eq!(copied.reason, format!("the proof is for another message: `{field}` differs"));
        let mut edited = proof(&key, &signed);
        edited.claims = proof(&key, &forged).claims;
        assert!(!check(&public, edited, &forged, AT * 1000).proved, "{field}");
    }
}

#[test]
fn proof_holds_for_ten_minutes_before_and_after() {
    let (key, public) = keys();
    for (received, proved) in [(AT + 600, true), (AT + 601, false), (AT - 600, true), (AT - 601, false), (0, false)] {
        let checked = check(&public, proof(&key, &release('b')), &release('b'), received * 1000);
        assert_eq!(checked.proved, proved, "{received}: {}", checked.reason);
    }
}

#[test]
fn signature_of_another_key_or_of_no_key_is_a_claim() {
    let (key, public) = keys();
    let (_, others) = keys();
    assert!(!check(&others, proof(&key, &release('b')), &release('b'), AT * 1000).proved);
    for signature in ["", "proved", "AAAA", &"A".repeat(88)] {
        let forged = Proof { signature: signature.to_owned(), ..proof(&key, &release('b')) };
        assert!(!check(&public, forged, &release('b'), AT * 1000).proved, "{signature:?}");
    }
    let none = check(&ProofKeys::default(), proof(&key, &release('b')), &release('b'), AT * 1000);
    assert_eq!(none.reason, "this worker has no public keys (its flag --proof-keys)");
}

#[test]
fn both_keys_count_while_one_is_replaced() {
    let ((old, _), (new, _)) = (keys(), keys());
    let public = ProofKeys::parse(&format!("{}\n{}", old.public_key(), new.public_key())).unwrap();
    for key in [old, new] {
        assert!(check(&public, proof(&key, &release('b')), &release('b'), AT * 1000).proved);
    }
}

#[test]
fn key_that_is_none_is_refused_without_its_text() {
    for (text, expected) in [
        ("", "there is no key"),
        ("# none", "there is no key"),
        ("\nhunter2", "line 2 is not an Ed25519 public key in base64"),
        ("aHVudGVyMg==", "line 1 is not an Ed25519 public key in base64"),
    ] {
        assert_eq!(ProofKeys::parse(text).unwrap_err().to_string(), expected);
    }
    for text in ["hunter2", "aHVudGVyMg=="] {
        let error = SigningKey::parse(text).err().unwrap().to_string();
        assert!(error.starts_with("it is not ") && !error.contains(text), "{error}");
    }
}
