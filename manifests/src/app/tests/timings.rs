//! Time limits of rollouts.

use super::*;

fn with(fields: &str) -> Vec<String> {
    match folder::parse("web.yaml", &format!("{SMALLEST}{fields}\n")) {
        Ok((app, lines)) => {
            validate::check(&app, "web.yaml", &lines).iter().map(|f| format!("{}: {}", f.line, f.message)).collect()
        }
        Err(found) => found.iter().map(|f| format!("{}: {}", f.line, f.message)).collect(),
    }
}

#[test]
fn time_limits_have_defaults_one_by_one() {
    let app = parse(&format!("{SMALLEST}timings: {{rollout: 20m}}\n"));
    let Timings { rollout, capacity, database, stability, longest } = app.timings;
    assert_eq!(
        [rollout, capacity, database, stability, longest].map(|span| span.as_duration().as_secs()),
        [1200, 900, 180, 0, 3600]
    );
    assert_eq!(app.wait_for_missing, Span::seconds(10));
    let text = serde_json::to_string(&parse(SMALLEST)).unwrap();
    assert!(!text.contains("timings") && !text.contains("wait_for_missing"), "defaults change no content hash: {text}");
}

#[test]
fn time_limits_have_bounds_and_an_order() {
    for (fields, expected) in [
        ("timings: {rollout: 0s}", "must be from 1s to 24h"),
        ("timings: {capacity: 25h}", "must be from 0s to 24h"),
        ("timings: {stability: 2h}", "must be from 0s to 1h"),
        ("wait_for_missing: 2h", "must be from 0s to 1h"),
        ("timings: {rollout: 2h}", "is 1h, but must not be shorter than `rollout`, which is 2h"),
        ("timings: {rollout: 600}", "is not a duration"),
        ("timings: {rolout: 10m}", "unknown field `rolout`"),
    ] {
        let found = with(fields);
        assert!(found.len() == 1 && found[0].starts_with("5: ") && found[0].contains(expected), "{fields}: {found:?}");
    }
    assert!(with("timings: {rollout: 2h, longest: 2h, capacity: 0s}\nwait_for_missing: 0s").is_empty());
}
