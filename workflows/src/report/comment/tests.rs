use super::*;
use crate::report::examples::{Example, crash_loop};

fn shown(example: &Example) -> String {
    body(&example.view()).unwrap()
}

#[test]
fn comment_of_a_preview_that_awaits_a_push() {
    let mut example = Example::new();
    example.head('a');
    insta::assert_snapshot!(shown(&example));
}

#[test]
fn comment_of_a_preview_that_rolls_out() {
    let mut example = Example::new();
    example.live('a');
    example.begin(Some('b'));
    insta::assert_snapshot!(shown(&example));
}

#[test]
fn comment_of_a_live_preview() {
    let mut example = Example::new();
    example.head('a');
    example.live('a');
    example.head('b');
    insta::assert_snapshot!(shown(&example));
}

#[test]
fn comment_of_a_preview_that_failed() {
    let mut example = Example::new();
    example.live('a');
    example.failed('b', crash_loop());
    insta::assert_snapshot!(shown(&example));
}

#[test]
fn comment_of_a_preview_that_awaits_approval() {
    let mut example = Example::new();
    example.fork('a');
    insta::assert_snapshot!(shown(&example));
}

#[test]
fn comment_of_a_closed_preview() {
    let mut example = Example::new();
    for digit in ['a', 'b', 'c', 'd', 'e', 'f'] {
        example.live(digit);
    }
    example.close();
    insta::assert_snapshot!(shown(&example));
}

#[test]
fn call_to_act_is_for_approvals_and_blocked_teardowns() {
    let mut example = Example::new();
    example.live('a');
    assert_eq!(call_to_act(&example.view()), None);
    example.fork('b');
    let (about, marker, body) = call_to_act(&example.view()).unwrap();
    assert_eq!(about, format!("approval-{}", "b".repeat(40)));
    assert!(body.starts_with(&marker) && body.contains("/berth web approve bbbbbbb"), "{body}");
}

#[test]
fn text_from_outside_mentions_nobody() {
    let mut example = Example::new();
    example.failed('b', crash_loop());
    let body = shown(&example);
    let follows = |at: usize| body[at + 1..].chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let mentions = body.match_indices('@').filter(|(at, _)| follows(*at)).count();
    assert_eq!(mentions, 0, "{body}");
    // The fence of the log is longer than any in it.
    assert!(body.contains("````text\n6 ``` "), "{body}");
}

#[test]
fn comment_is_short_with_the_longest_texts() {
    let mut example = Example::new();
    for _ in 0..20 {
        let mut verdict = crash_loop();
        verdict.message = "`".repeat(100_000);
        verdict.advice = "é".repeat(100_000);
        verdict.mixed = vec!["Deployment/".to_owned() + &"m".repeat(63); 500];
        example.failed('b', verdict.bounded());
    }
    let chars = shown(&example).chars().count();
    assert!(chars < MAX_BODY_CHARS / 2, "{chars}");
}
