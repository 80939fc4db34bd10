//! Several images of a push, and its variables.

use std::collections::BTreeSet;

use super::*;
use crate::render::{PushedImage, PushedNames};

const WORKER: &str = "registry.example.com/acme/worker";

fn worker_digest() -> String {
    format!("sha256:{}", "b".repeat(64))
}

/// A push of an app with the image `WORKER` and the variable `FLAGS`, both brought.
fn pushed() -> VariableInput {
    let mut input = examples::preview();
    input.images.push(PushedImage::named("WORKER", WORKER, Some("v7".to_owned()), worker_digest()));
    VariableInput { pushed_names: names().with_values([("FLAGS".to_owned(), "a,b".to_owned())]), ..input }
}

fn names() -> PushedNames {
    PushedNames::new(BTreeSet::from(["WORKER".to_owned()]), ["FLAGS".to_owned()])
}

/// The same app, and a push that brings neither.
fn bare() -> VariableInput {
    VariableInput { pushed_names: names(), ..examples::preview() }
}

/// A `ConfigMap` with this value, beside the Job that has the main image.
fn value_of(text: &str, input: &VariableInput) -> Result<String, Vec<String>> {
    let files =
        examples::file(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  x: \"{text}\"\n"));
    let rendered =
        render_input(&files, input).map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let map = rendered.objects().find(|object| object.kind() == "ConfigMap").unwrap();
    Ok(map.document["data"]["x"].as_str().unwrap().to_owned())
}

#[test]
fn named_image_gives_its_three_variables() {
    for (written, expected) in [
        ("$WORKER_IMAGE", format!("{WORKER}:v7@{}", worker_digest())),
        ("$WORKER_IMAGE:$WORKER_TAG", format!("{WORKER}:v7@{}", worker_digest())),
        ("$WORKER_IMAGE@${WORKER_DIGEST}", format!("{WORKER}@{}", worker_digest())),
        ("registry.example.com/acme/worker:v7", format!("{WORKER}:v7@{}", worker_digest())),
    ] {
        assert_eq!(image(written, &pushed()).0, expected, "{written}");
    }
    assert_eq!(value_of("$WORKER_IMAGE $WORKER_TAG", &pushed()), Ok(format!("{WORKER} v7")));
}

#[test]
fn each_pushed_repository_is_held_to_its_own_digest() {
    let main = examples::digest();
    for written in [
        format!("{WORKER}:v6"),
        WORKER.to_owned(),
        format!("{WORKER}@{main}"),
        format!("{REPOSITORY}@{}", worker_digest()),
        "$WORKER_IMAGE@$KUBE_DEPLOYMENT_DIGEST".to_owned(),
        "$KUBE_DEPLOYMENT_IMAGE@$WORKER_DIGEST".to_owned(),
    ] {
        let found = errors(render_alone(&deployment(&written), &pushed()));
        assert!(found.len() == 1 && found[0].contains("is not the pushed image"), "{written}: {found:?}");
    }
}

#[test]
fn one_digest_will_do_if_two_images_share_a_repository() {
    let mut input = pushed();
    input.images[1].repository = REPOSITORY.to_owned();
    for digest in [examples::digest(), worker_digest()] {
        let written = format!("{REPOSITORY}@{digest}");
        assert_eq!(image(&written, &input).0, written);
    }
    let other = format!("{REPOSITORY}@sha256:{}", "c".repeat(64));
    let found = errors(render_alone(&deployment(&other), &input));
    assert!(found[0].contains("write `$KUBE_DEPLOYMENT_IMAGE` or `$WORKER_IMAGE`"), "{found:?}");
}

#[test]
fn release_needs_one_of_its_images_in_a_container() {
    let found = errors(render_alone(&deployment("nginx:1"), &pushed()));
    assert!(found[0].contains("write `image: $KUBE_DEPLOYMENT_IMAGE` or `image: $WORKER_IMAGE`"), "{found:?}");
}

#[test]
fn name_that_the_push_does_not_bring_is_an_error_wherever_it_is_used() {
    for text in ["$FLAGS", "${FLAGS}", "$WORKER_IMAGE", "$WORKER_TAG", "$WORKER_DIGEST"] {
        let found = value_of(text, &bare()).unwrap_err();
        assert!(found.len() == 1 && found[0].contains("app.yaml:5"), "{text}: {found:?}");
        let name = if text.contains("FLAGS") { "`--set FLAGS=…`" } else { "`--image WORKER=…`" };
        assert!(found[0].contains(name), "{text}: {found:?}");
    }
    let found = errors(render_alone(&deployment("$WORKER_IMAGE"), &bare()));
    assert!(found[0].contains("needs the image `WORKER`, and the push does not bring it"), "{found:?}");
    let command = deployment("$KUBE_DEPLOYMENT_IMAGE") + "        command: [sh, -c, 'echo $FLAGS']\n";
    assert!(errors(render_alone(&command, &bare()))[0].contains("does not bring the variable `FLAGS`"));
}

#[test]
fn name_that_no_manifest_uses_may_be_missing() {
    assert_eq!(value_of("plain, $OTHER", &bare()), Ok("plain, $OTHER".to_owned()));
    assert_eq!(value_of("$FLAGS", &pushed()), Ok("a,b".to_owned()));
}

#[test]
fn variable_of_the_push_takes_the_type_of_its_field() {
    let replicas = |value: &str| {
        let input =
            VariableInput { pushed_names: names().with_values([("FLAGS".to_owned(), value.to_owned())]), ..pushed() };
        let text = deployment("$WORKER_IMAGE").replace("  template:", "  replicas: $FLAGS\n  template:");
        render_alone(&text, &input).unwrap().objects().next().unwrap().document["spec"]["replicas"].clone()
    };
    assert_eq!((replicas("3"), replicas("x")), (3.into(), "x".into()));
}

#[test]
fn variable_of_the_push_is_no_part_of_an_image() {
    for written in ["$FLAGS", "evil.example.com/$FLAGS", "nginx:$FLAGS", "$WORKER_IMAGE:$FLAGS"] {
        let found = errors(render_alone(&deployment(written), &pushed()));
        assert!(found[0].contains("no part of an image may come from one"), "{written}: {found:?}");
    }
    let volume = "      volumes:\n      - name: v\n        image: {reference: '$FLAGS'}\n";
    let found = errors(render_alone(&(deployment("$WORKER_IMAGE") + volume), &pushed()));
    assert!(found[0].contains("no part of an image may come from one"), "{found:?}");
}

#[test]
fn value_of_an_undeclared_name_is_left_out() {
    let names =
        names().with_values([("KUBE_NS".to_owned(), "kube-system".to_owned()), ("HOME".to_owned(), "x".to_owned())]);
    let input = VariableInput { pushed_names: names, ..pushed() };
    assert_eq!(value_of("$KUBE_NS $HOME", &input), Ok("pr-123 $HOME".to_owned()));
}
