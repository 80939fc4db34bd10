//! A release of which no container has the pushed image.

use super::*;

const ABSENT: &str = "no container of the manifests has the pushed image: write `image: $KUBE_DEPLOYMENT_IMAGE` in each container \
                      that runs it";

#[test]
fn release_without_the_pushed_image_is_refused_at_its_first_container() {
    for image in ["redis:7", "acme/web:v1", "registry.example.com/acme/web-worker@$KUBE_DEPLOYMENT_DIGEST"] {
        let messages = messages(render_alone(&deployment(image), &examples::preview()));
        assert_eq!(messages, [format!("web/core/app.yaml:9: {FIELD}: {ABSENT}")], "{image}");
    }
}

#[test]
fn release_without_containers_is_refused() {
    let service_account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\n";
    for text in [service_account, "", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"] {
        assert_eq!(messages(render_alone(text, &examples::preview())), [ABSENT], "{text}");
    }
}

#[test]
fn image_outside_of_a_container_does_not_count() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {image: $KUBE_DEPLOYMENT_IMAGE}\n---\n";
    let volume = "      volumes: [{name: page, image: {reference: $KUBE_DEPLOYMENT_IMAGE}}]\n";
    let text = format!("{config}{}{volume}", deployment("redis:7"));
    let messages = messages(render_alone(&text, &examples::preview()));
    assert_eq!(messages, [format!("web/core/app.yaml:14: {FIELD}: {ABSENT}")]);
}

#[test]
fn absent_image_is_not_reported_beside_another_error() {
    for text in [
        format!("a: [\n---\n{}", deployment("redis:7")),
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{image: $KUBE_DEPLOYMENT_IMAGE}]}\n"
            .to_owned(),
        deployment("$KUBE_DEPLOYMENT_IMAGE:latest"),
    ] {
        let messages = messages(render_alone(&text, &examples::preview()));
        assert!(messages.len() == 1 && !messages[0].contains(ABSENT), "{messages:?}");
    }
}

#[test]
fn definition_that_is_replaced_is_not_judged() {
    let text = |first: &str, last: &str| format!("{}---\n{}", deployment(first), deployment(last));
    let (other, pushed) = ("$KUBE_DEPLOYMENT_IMAGE:latest", "$KUBE_DEPLOYMENT_IMAGE");
    let rendered = render_alone(&text(other, pushed), &examples::preview()).unwrap();
    assert_eq!(images_of(&rendered), [at_digest(REPOSITORY)]);
    let messages = messages(render_alone(&text(pushed, other), &examples::preview()));
    assert!(messages.iter().any(|message| message.starts_with("web/core/app.yaml:19: ")), "{messages:?}");
}
