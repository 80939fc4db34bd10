//! Values in texts, in each form and at each cut.

use std::time::{Duration, Instant};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use futures::FutureExt;
use proptest::prelude::*;

use super::*;

fn redacted(values: &[&str], text: &str) -> String {
    Redactor::new(values.iter().map(|value| value.as_bytes())).redact(text)
}

fn hexadecimal(value: &str) -> String {
    value.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn html(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Breaks a text into lines of so many characters.
fn in_lines(text: &str, width: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(width).map(String::from_iter).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_occurrence_of_every_value_is_removed() {
    assert_eq!(redacted(&["hunter2", "swordfish"], "a hunter2, swordfish and hunter2."), "a ***, *** and ***.");
    assert_eq!(redacted(&["hunter2"], "nothing here"), "nothing here");
    assert_eq!(redacted(&[], "nothing here"), "nothing here");
}

#[test]
fn overlapping_values_leave_nothing() {
    assert_eq!(redacted(&["pass", "password1"], "password1 pass"), "*** ***");
    assert_eq!(redacted(&["abcdef", "defghi"], "abcdefghi"), "***");
}

#[test]
fn values_of_three_bytes_or_less_stay() {
    assert_eq!(redacted(&["1", "on", "abc"], "1 on abc"), "1 on abc");
}

#[test]
fn encoded_forms_are_removed() {
    let value = "p@ss \"wörd\"/+&?";
    for encoded in [
        STANDARD.encode(value),
        URL_SAFE.encode(value),
        STANDARD_NO_PAD.encode(value),
        serde_json::to_string(value).unwrap(),
        serde_json::to_string(&serde_json::to_string(value).unwrap()).unwrap(),
        r#"p@ss \u0022w\u00f6rd\"\/+&?"#.to_owned(),
        "p%40ss%20%22w%C3%B6rd%22%2F%2B%26%3F".to_owned(),
        "p%40ss+%22w%c3%b6rd%22%2f%2b%26%3f".to_owned(),
        "p%2540ss%2520%2522w%25C3%25B6rd%2522%252F%252B%2526%253F".to_owned(),
        "p@ss%20%22w%C3%B6rd%22/+&?".to_owned(),
        "p@ss &quot;w&#246;rd&quot;/+&amp;?".to_owned(),
        "p@ss &#34;w&#xf6;rd&#x22;&#x2F;+&amp;?".to_owned(),
        hexadecimal(value),
        hexadecimal(value).to_uppercase(),
    ] {
        let text = redacted(&[value], &format!("before {encoded} after"));
        assert!(text.contains("***") && !text.contains("ss") && !text.contains("rd"), "{encoded} -> {text}");
    }
}

#[test]
fn short_values_are_found_encoded_as_a_whole() {
    for encoded in [STANDARD.encode("pa&s"), hexadecimal("pa&s"), html("pa&s"), "pa%26s".to_owned()] {
        let text = redacted(&["pa&s"], &format!("it is {encoded}."));
        assert!(text.starts_with("it is ***"), "{text}");
    }
}

#[test]
fn a_password_inside_a_basic_authorization_is_removed() {
    for user in ["a", "ab", "abc"] {
        let header = STANDARD.encode(format!("{user}:correct-horse-battery"));
        let text = redacted(&["correct-horse-battery"], &format!("Authorization: Basic {header}"));
        assert!(text.contains("***") && text.len() < 36, "{text}");
    }
}

#[test]
fn base64_in_lines_is_removed() {
    let value = "correct-horse-battery-staple-".repeat(6);
    for (before, width) in [("", 76), ("user:", 76), ("us:", 64), ("u:", 60)] {
        let encoded = in_lines(&STANDARD.encode(format!("{before}{value}:rest")), width);
        let text = redacted(&[&value], &format!("data:\n{encoded}\n"));
        assert!(text.len() < 36, "{text}");
    }
}

#[test]
fn password_of_a_url_is_removed_as_written_and_decoded() {
    let url = "postgres://web:p%40ss%2Fword@db:5432/web";
    for text in ["p@ss/word", "p%40ss%2Fword", "p%40ss%2fword", "cannot connect to postgres://web:p@ss/word@db"] {
        assert!(!redacted(&[url], text).contains("word"), "{text}");
    }
    let said = "password authentication failed for user web at db:5432, database web";
    assert_eq!(redacted(&[url], said), said, "only the password is a secret");
}

#[test]
fn a_key_cut_at_the_start_of_a_log_tail_is_removed() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n";
    assert_eq!(redacted(&[key], "kqhkiG9w0BAQ\n-----END KEY-----\nok"), "***\nok");
    assert_eq!(redacted(&[key], "QIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\nok"), "***\nok");
}

#[test]
fn a_value_that_looks_like_the_mark_is_removed() {
    assert_eq!(redacted(&["****", "abcd"], "*abcd"), "***");
}

#[test]
fn text_that_was_cut_keeps_no_half_of_a_value() {
    assert_eq!(redacted(&["correct-horse"], "it said correct-ho…, and ended"), "it said ***…, and ended");
    assert_eq!(redacted(&["correct-horse"], "it said correct-ho"), "it said ***");
    assert_eq!(redacted(&["correct-horse"], "rect-horse, it said"), "***, it said");
    assert_eq!(redacted(&["correct-horse"], "it said correct"), "it said ***");
    assert_eq!(redacted(&["https://api.example.com"], "cannot reach https"), "cannot reach https");
}

/// As an app of a large company has them.
fn many_secrets() -> Vec<Vec<u8>> {
    (0..500_u32).map(|n| format!("secret-{n}-{}", hexadecimal(&format!("{:032}", n * 7919))).into_bytes()).collect()
}

fn long_log() -> String {
    (0..4000).map(|n| format!("{{\"line\":{n},\"msg\":\"GET /a%20b?c=%7B%7D \\\"ok\\\" secret-{n}\"}}\n")).collect()
}

#[tokio::test]
async fn redaction_of_many_secrets_does_not_delay_a_heartbeat() {
    let redactor = Redactor::build(many_secrets()).await.unwrap();
    let log = long_log();
    let begun = Instant::now();
    // The task that polls it is the one that sends heartbeats, on the only thread of this test.
    let (mut beats, mut longest, mut last) = (0, Duration::ZERO, Instant::now());
    let mut redacting = std::pin::pin!(redactor.redact_all(vec![log.clone()]));
    assert!(redacting.as_mut().now_or_never().is_none(), "it is done elsewhere");
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let text = loop {
        tokio::select! {
            biased;
            text = &mut redacting => break text.concat(),
            _ = beat.tick() => {
                (beats, longest, last) = (beats + 1, longest.max(last.elapsed()), Instant::now());
            }
        }
    };
    let took = begun.elapsed();
    eprintln!("{} KB beside 500 secrets: {took:.0?}, {beats} beats, {longest:.0?} apart at most", log.len() / 1024);
    assert!(longest < Duration::from_millis(800), "the interval of heartbeats: {longest:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(text.contains("\"line\":3999") && text.ends_with("}\n"), "{}", text.len());
}

#[test]
fn texts_made_to_take_long_are_omitted_in_bounded_time() {
    let alike: Vec<String> = (0..500).map(|n| format!("{}{n:03}", "a".repeat(4000))).collect();
    let begun = Instant::now();
    let text = Redactor::new(alike.iter().map(String::as_bytes)).redact(&"a".repeat(300_000));
    assert_eq!(text, TOO_MUCH);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn longest_secret_is_searched_for_in_bounded_memory() {
    let large: String = (0..40_000).map(|n| format!("{n:08}-{:08}\n", n * 31)).collect();
    let redactor = Redactor::new([large.as_bytes()]);
    assert_eq!(redactor.redact("it has 00000007-00000217 in it"), "it has *** in it");
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{4,12}", "[a-c*]{4,6}", "\\PC{4,8}", "[a-zA-Z0-9/+&<%\\\\-]{8,40}"]
}

fn encoded(value: &str, how: usize) -> String {
    match how {
        0 => value.to_owned(),
        1 => STANDARD.encode(value),
        2 => URL_SAFE.encode(value),
        3 => value.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        4 => {
            let json = serde_json::to_string(value).unwrap();
            json[1..json.len() - 1].to_owned()
        }
        5 => html(value),
        6 => hexadecimal(value),
        _ => value.replace(' ', "+"),
    }
}

/// The number of forms that [`encoded`] makes.
const FORMS: usize = 8;

proptest! {
    /// A backslash before an escaped value makes another value of it.
    #[test]
    fn no_value_of_four_bytes_or_more_survives(
        values in prop::collection::vec(secret(), 1..4),
        pieces in prop::collection::vec((0usize..4, 0usize..FORMS, "[ -~&&[^\\\\]]{0,6}"), 0..8),
    ) {
        let text: String =
            pieces.iter().map(|(which, how, other)| encoded(&values[which % values.len()], *how) + other).collect();
        let redactor = Redactor::new(values.iter().map(String::as_bytes));
        let text = redactor.redact(&text);
        for value in &values {
            for how in 0..FORMS - 1 {
                let encoded = encoded(value, how);
                prop_assert!(!text.contains(&encoded), "{value:?} as {encoded:?} in {text:?}");
            }
        }
    }

    /// What is left at the cut is shorter than the shortest piece that gives something away.
    #[test]
    fn no_piece_of_a_value_survives_a_cut(
        value in "[a-zA-Z0-9&\"<]{12,40}",
        how in 0..FORMS - 1,
        at in any::<prop::sample::Index>(),
        ellipsis in any::<bool>(),
    ) {
        let form = encoded(&value, how);
        let at = at.index(form.len() + 1);
        let (begin, end) = form.split_at(at);
        let mark = if ellipsis { "…" } else { "" };
        let redactor = Redactor::new([value.as_bytes()]);
        // Three bytes of the value, and the codes of a fourth one that is cut, may be left.
        let longest = [3, 5, 5, 11, 9, 23, 7][how];
        let text = redactor.redact(&format!("it said: {begin}{mark}"));
        let left = text.trim_start_matches("it said: ").trim_end_matches('…').trim_start_matches("***");
        prop_assert!(left.len() <= longest, "{value:?} cut as {begin:?}: {left:?}");
        let text = redactor.redact(&format!("{mark}{end} it said"));
        let left = text.trim_end_matches(" it said").trim_start_matches('…').trim_end_matches('=').trim_end_matches("***");
        prop_assert!(left.len() <= longest, "{value:?} cut as {end:?}: {left:?}");
    }

    #[test]
    fn redact_accepts_any_bytes_without_a_panic(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..4),
        text in "\\PC{0,80}",
    ) {
        Redactor::new(values.iter().map(Vec::as_slice)).redact(&text);
    }
}
