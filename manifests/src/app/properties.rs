//! Properties of app files with any content: no panic, no rule broken by a valid app, and a line in every error.
//!
//! `PROPTEST_CASES=200000 cargo test -p berth-manifests app::properties` tries more cases.

use proptest::prelude::*;

use super::{
    names::{is_dns_label, is_host, is_image_repository, is_object_name, is_quantity},
    tests::EXAMPLE,
    *,
};
use crate::render::Finding;

/// Reads an app file as the worker does.
fn read(text: &str) -> Result<App, Vec<Finding>> {
    let (app, lines) = folder::parse("web.yaml", text)?;
    let findings = validate::check(&app, "web.yaml", &lines);
    if findings.is_empty() { Ok(app) } else { Err(findings) }
}

/// Asserts that a file is valid and keeps every rule, or that each error has a line in it.
fn check(text: &str) -> Option<App> {
    match read(text) {
        Ok(app) => {
            check_app(&app);
            Some(app)
        }
        Err(findings) => {
            let lines = text.split('\n').count();
            assert!(!findings.is_empty());
            for Finding { file, line, message, .. } in &findings {
                // An error at the end of a file may be reported on the line after it.
                assert!(file == "web.yaml" && *line <= lines + 1 && !message.is_empty(), "{line}: {message}\n{text}");
            }
            None
        }
    }
}

fn check_app(app: &App) {
    let json = serde_json::to_value(app).unwrap();
    assert_eq!(&serde_json::from_value::<App>(json).unwrap(), app);
    assert!(is_dns_label(&app.app) && app.app.len() <= 30, "{}", app.app);
    assert!(!app.images.is_empty() && app.images.iter().all(|image| is_image_repository(image)));
    for pr in [1, 9, 10, 123, 9_999_999_999] {
        let Some(environment) = app.preview_environment(pr) else { continue };
        let EnvironmentNames { namespace, host, temporal_ui_host, .. } = &environment;
        assert!(is_dns_label(namespace) && !namespace.starts_with("kube-") && namespace != "default", "{namespace}");
        assert!(
            is_host(host) && temporal_ui_host.as_ref().is_none_or(|ui| is_host(ui) && ui != host),
            "{environment:?}"
        );
        assert_ne!(app.preview_environment(pr + 1).map(|other| other.namespace).as_ref(), Some(namespace));
        let production = app.production_environment();
        assert!(production.is_none_or(|production| production.namespace != *namespace && production.host != *host));
    }
    let secrets = app.secrets.iter().flat_map(|secrets| [&secrets.doppler.preview, &secrets.doppler.production]);
    assert!(secrets.flatten().all(|config| is_object_name(&config.token.secret)));
    if let Some(preview) = &app.preview {
        assert!(is_quantity(&preview.quota.cpu) && is_quantity(&preview.quota.memory) && preview.quota.pods > 0);
        let mut gates = preview.gates.iter().flat_map(|gate| &gate.http);
        assert!(gates.all(|http| http.path.starts_with('/') && http.port > 0));
    }
}

/// Almost valid values, and arbitrary ones.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9{}.-]{0,40}",
        "[a-z0-9-]{0,10}\\{pr\\}[a-z0-9.-]{0,20}",
        "\\{app\\}[a-z0-9-]{0,10}\\{pr\\}\\{pr\\}",
        "[0-9]{0,12}[a-zA-Z]{0,3}",
        "\\[[a-z0-9/:.@-]{0,20}\\]",
        "\\{ [a-z]{1,10}: [a-z0-9]{0,10} \\}",
        "\\PC{0,30}",
        Just("~".to_owned()),
        Just("*x".to_owned()),
        Just("&x y".to_owned()),
        Just("!!int 1".to_owned()),
        Just("|\n  text".to_owned()),
        Just("a".repeat(300)),
    ]
}

proptest! {
    #[test]
    fn any_text_is_valid_or_refused_with_a_line(text in prop_oneof![any::<String>(), "[a-z:{}\\[\\]&*!|>'\"#,\\n -]{0,120}"]) {
        check(&text);
    }

    #[test]
    fn example_with_a_replaced_value_keeps_every_rule(pick in any::<prop::sample::Index>(), value in any_value(), quoted in any::<bool>()) {
        // Each value of a `key: value` in the example, flow mappings included.
        let places: Vec<_> = EXAMPLE.match_indices(": ").map(|(at, _)| at + 2).collect();
        let at = places[pick.index(places.len())];
        let rest = &EXAMPLE[at..];
        let end = at + rest.find([',', '}', '\n', ']']).unwrap_or(rest.len());
        let value = if quoted { serde_json::to_string(&value).unwrap() } else { value };
        check(&format!("{}{value}{}", &EXAMPLE[..at], &EXAMPLE[end..]));
    }

    #[test]
    fn example_with_a_cut_or_doubled_part_keeps_every_rule(
        from in any::<prop::sample::Index>(), length in 0..60_usize, insert in prop_oneof![Just(String::new()), any_value()], double in any::<bool>(),
    ) {
        let start = from.index(EXAMPLE.len());
        let end = (start + length).min(EXAMPLE.len());
        let middle = if double { &EXAMPLE[start..end] } else { "" };
        check(&format!("{}{middle}{insert}{middle}{}", &EXAMPLE[..start], &EXAMPLE[end..]));
    }

    #[test]
    fn parsed_span_prints_as_an_equal_span(text in prop_oneof!["[0-9]{0,4}d?[0-9]{0,5}h?[0-9]{0,6}m?[0-9]{0,9}s?", any::<String>()]) {
        match text.parse::<Span>() {
            Ok(span) => {
                prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
                prop_assert!(span.as_duration().as_secs() <= 10 * 365 * 86_400);
            }
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }

    #[test]
    fn any_valid_pattern_conflicts_with_itself(left in any_value(), right in any_value()) {
        let (left, right) = (Pattern::new(&left, "web"), Pattern::new(&right, "web"));
        if let Ok(pattern) = &left {
            let rendered = pattern.render(7);
            prop_assert!(pattern.conflicts_with(pattern) && !rendered.contains(['{', '}']), "{}", rendered);
        }
        if let (Ok(left), Ok(right)) = (left, right) {
            prop_assert_eq!(left.conflicts_with(&right), right.conflicts_with(&left));
        }
    }
}
