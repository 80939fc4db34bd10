//! Names that an app leaves to pushes.

use super::*;
use crate::render::Variables;

/// The findings about an example with these lines at its end, without file and line.
fn refusals(lines: &str) -> Vec<String> {
    let text = format!("{EXAMPLE}{lines}\n");
    let found = findings(&[("web.yaml", &text)]).into_iter();
    found.map(|finding| finding.split_once(": ").unwrap().1.to_owned()).collect()
}

#[test]
fn named_images_and_push_variables_are_read() {
    let app = parse(&format!(
        "{EXAMPLE}named_images: {{ WORKER: registry.example.com/acme/worker }}\n\
         push_variables: {{ FEATURE_FLAGS: {{ example: 'a,b' }}, GITHUB_RUN_ID: {{ example: '' }}, KUBE_TRACK: {{ example: x }} }}\n"
    ));
    assert_eq!(app.named_images["WORKER"], "registry.example.com/acme/worker");
    assert_eq!(app.push_variables["FEATURE_FLAGS"].example, "a,b");
    let images: Vec<_> =
        app.example_images().into_iter().map(|image| (image.variable_prefix, image.repository)).collect();
    assert_eq!(images, [("WORKER".to_owned(), "registry.example.com/acme/worker".to_owned())]);
}

#[test]
fn named_image_with_a_wrong_name_or_repository_is_refused() {
    for (name, repository, expected) in [
        ("worker", "acme/worker", "`worker` is not a name of at most 50 capital letters"),
        ("2WORKER", "acme/worker", "is not a name of at most"),
        ("WORKER-2", "acme/worker", "is not a name of at most"),
        ("KUBE_WORKER", "acme/worker", "begins with `KUBE_`, which is reserved"),
        ("KUBE_DEPLOYMENT", "acme/worker", "begins with `KUBE_`"),
        ("DOPPLER_X", "acme/worker", "begins with `DOPPLER_`"),
        ("GITHUB_X", "acme/worker", "begins with `GITHUB_`"),
        ("DOCKER_X", "acme/worker", "begins with `DOCKER_`"),
        ("WORKER", "acme/worker:v1", "`acme/worker:v1` is not an image repository without tag and digest"),
        ("WORKER", "acme/worker@sha256:0", "is not an image repository"),
        ("WORKER", "''", "is not an image repository"),
    ] {
        let found = refusals(&format!("named_images: {{ {name}: {repository} }}"));
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
        assert!(found[0].starts_with(&format!("named_images.{name}: ")), "{found:?}");
    }
}

#[test]
fn push_variable_with_a_wrong_name_or_example_is_refused() {
    for (name, example, expected) in [
        ("flags", "a", "`flags` is not a name of at most 50 capital letters"),
        ("KUBE_NS", "a", "`KUBE_NS` is reserved: berth sets it"),
        ("KUBE_DEPLOYMENT_IMAGE", "a", "is reserved: berth sets it"),
        ("KUBE_TEMPORAL_SERVER_IMAGE", "a", "is reserved: berth sets it"),
        ("GITHUB_SHA", "a", "is reserved: berth sets it"),
        ("GITHUB_ACTOR", "a", "is reserved: berth sets it"),
        ("GITHUB_TOKEN", "a", "is a secret, and a push's variables are public"),
        ("DOPPLER_TOKEN", "a", "begins with `DOPPLER_`"),
        ("DOCKER_PASSWORD", "a", "begins with `DOCKER_`"),
        ("KUBE_NODE_POOL", "a", "`KUBE_NODE_POOL` is one of `variables` too"),
        ("FLAGS", "'a b'", "is no value that a push could bring"),
        ("FLAGS", "'--all'", "is no value that a push could bring"),
    ] {
        let found = refusals(&format!("push_variables: {{ {name}: {{ example: {example} }} }}"));
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
    }
    for lines in
        ["push_variables: { FLAGS: {} }", "push_variables: { FLAGS: a }", "push_variables: { FLAGS: { exmaple: a } }"]
    {
        assert_eq!(refusals(lines).len(), 1, "{lines}");
    }
}

#[test]
fn names_that_would_give_one_variable_twice_are_refused() {
    let variable = EXAMPLE.replacen("KUBE_NODE_POOL:", "WORKER_TAG:", 1);
    let text = format!("{EXAMPLE}push_variables: {{ WORKER_IMAGE: {{ example: a }} }}\n");
    for text in [variable, text] {
        let found = findings(&[("web.yaml", &format!("{text}named_images: {{ WORKER: acme/worker }}\n"))]);
        assert!(found.len() == 1 && found[0].contains("named_images.WORKER: gives the variable `WORKER_"), "{found:?}");
    }
    let of_preview = EXAMPLE.replacen("  cron_jobs: run", "  cron_jobs: run\n  variables: { FLAGS: a }", 1);
    let found = findings(&[("web.yaml", &format!("{of_preview}push_variables: {{ FLAGS: {{ example: a }} }}\n"))]);
    assert!(found.len() == 1 && found[0].contains("is one of `variables` too"), "{found:?}");
}

#[test]
fn names_beyond_their_bound_are_refused() {
    let names = |count: usize, value: &str| {
        (0..count).map(|number| format!("N{number}: {value}")).collect::<Vec<_>>().join(", ")
    };
    let found = refusals(&format!("named_images: {{ {} }}", names(9, "acme/worker")));
    assert_eq!(found, ["named_images: has 9 images, and a push brings at most 8"]);
    let found = refusals(&format!("push_variables: {{ {} }}", names(17, "{ example: a }")));
    assert_eq!(found, ["push_variables: has 17 variables, and a push brings at most 16"]);
}

#[test]
fn gate_needs_the_names_that_it_uses() {
    let text = EXAMPLE.replacen("path: /health", "path: '/health/$FLAGS/$HOME'", 1);
    let app = parse(&format!("{text}push_variables: {{ FLAGS: {{ example: a }} }}\n"));
    let environment = app.preview_environment(1).unwrap();
    let found = |values: &[(&str, &str)]| {
        let mut input = app.variable_input(&environment);
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        input.pushed_names = input.pushed_names.with_values(values);
        let found = app.check_gate_names(EnvironmentKind::Preview, &Variables::new(input));
        found.into_iter().map(|finding| (finding.field.unwrap_or_default(), finding.message)).collect::<Vec<_>>()
    };
    let missing = found(&[]);
    assert!(missing.len() == 1 && missing[0].0 == "preview.gates[0]", "{missing:?}");
    assert!(missing[0].1.contains("the push does not bring the variable `FLAGS`"), "{missing:?}");
    assert_eq!(found(&[("FLAGS", "on")]), []);
}
