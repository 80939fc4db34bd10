//! Images of manifests: every way to write one, and the images that a release may run.

use super::*;

mod absent;
mod named;
mod outside;

const REPOSITORY: &str = "registry.example.com/acme/web";

/// A push with a tag.
fn tagged(tag: &str) -> VariableInput {
    let mut input = examples::preview();
    input.images[0].tag = Some(tag.to_owned());
    input
}

fn pushed_from(repository: &str) -> VariableInput {
    let mut input = examples::preview();
    input.images[0].repository = repository.to_owned();
    input
}

/// A Deployment. Its container's `image` is at line 9.
fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n      containers:\n      \
         - name: web\n        image: {image}\n"
    )
}

fn render_alone(text: &str, input: &VariableInput) -> Result<Rendered, Vec<Finding>> {
    render_input(&examples::sole_file(text), input)
}

/// The image of the Deployment's only container, and the notes.
fn image(written: &str, input: &VariableInput) -> (String, Vec<String>) {
    let rendered =
        render_alone(&deployment(written), input).unwrap_or_else(|findings| panic!("{written}: {findings:?}"));
    let document = &rendered.objects().next().unwrap().document;
    let image = document["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    (image, rendered.notes.iter().map(ToString::to_string).collect())
}

fn errors(result: Result<Rendered, Vec<Finding>>) -> Vec<String> {
    result.unwrap_err().iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect()
}

fn at_digest(name: &str) -> String {
    format!("{name}@{}", examples::digest())
}

#[test]
fn variable_alone_is_the_whole_pushed_reference() {
    for written in [
        "$KUBE_DEPLOYMENT_IMAGE",
        "${KUBE_DEPLOYMENT_IMAGE}",
        "\"$KUBE_DEPLOYMENT_IMAGE\"",
        "'${KUBE_DEPLOYMENT_IMAGE}'",
        "!!str $KUBE_DEPLOYMENT_IMAGE",
        "&image $KUBE_DEPLOYMENT_IMAGE # of the push",
        "|-\n          $KUBE_DEPLOYMENT_IMAGE",
        ">-\n          ${KUBE_DEPLOYMENT_IMAGE}",
    ] {
        assert_eq!(image(written, &examples::preview()), (at_digest(REPOSITORY), Vec::new()), "{written}");
        assert_eq!(image(written, &tagged("v1")), (at_digest(&format!("{REPOSITORY}:v1")), Vec::new()), "{written}");
    }
    let flow = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nspec: {template: {spec: {containers: \
                [{image: $KUBE_DEPLOYMENT_IMAGE, name: web}]}}}\n";
    assert_eq!(images_of(&render_alone(flow, &examples::preview()).unwrap()), [at_digest(REPOSITORY)]);
}

#[test]
fn variable_with_more_text_is_the_repository() {
    for (written, expected) in [
        ("$KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST", at_digest(REPOSITORY)),
        ("\"${KUBE_DEPLOYMENT_IMAGE}@${KUBE_DEPLOYMENT_DIGEST}\"", at_digest(REPOSITORY)),
        (
            "$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG@$KUBE_DEPLOYMENT_DIGEST",
            at_digest(&format!("{REPOSITORY}:12345678")),
        ),
        // The digest decides; the tag beside it is ignored.
        ("$KUBE_DEPLOYMENT_IMAGE:latest@$KUBE_DEPLOYMENT_DIGEST", at_digest(&format!("{REPOSITORY}:latest"))),
    ] {
        assert_eq!(image(written, &examples::preview()), (expected, Vec::new()), "{written}");
    }
}

#[test]
fn pushed_tag_without_digest_gets_the_digest_with_a_note() {
    let note = |name: &str| {
        format!(
            "web/core/app.yaml:9: note: {FIELD}: names the pushed tag without its digest; berth adds `@{}`",
            name.rsplit('@').next().unwrap()
        )
    };
    for (written, input, tag) in [
        ("$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG", examples::preview(), "12345678"),
        ("$KUBE_DEPLOYMENT_IMAGE:$GITHUB_SHA", examples::preview(), "12345678"),
        ("registry.example.com/acme/web:12345678", examples::preview(), "12345678"),
        ("$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG", tagged("v1"), "v1"),
        ("'registry.example.com/acme/web:v1'", tagged("v1"), "v1"),
        ("$KUBE_DEPLOYMENT_IMAGE:latest", tagged("latest"), "latest"),
    ] {
        let expected = at_digest(&format!("{REPOSITORY}:{tag}"));
        assert_eq!(image(written, &input), (expected.clone(), vec![note(&expected)]), "{written}");
    }
    let (implied, notes) = image("registry.example.com/acme/web", &tagged("latest"));
    assert_eq!((implied, notes.len()), (at_digest(REPOSITORY), 1));
}

const FIELD: &str = "spec.template.spec.containers[0].image";

#[test]
fn other_image_of_the_pushed_repository_is_an_error_at_its_line() {
    let other_digest = format!("registry.example.com/acme/web@sha256:{}", "f".repeat(64));
    for written in [
        "$KUBE_DEPLOYMENT_IMAGE:latest",
        "${KUBE_DEPLOYMENT_IMAGE}:v2",
        "$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG@",
        "registry.example.com/acme/web",
        "registry.example.com/acme/web:latest",
        "registry.example.com:443/acme/web:latest",
        "Registry.Example.com/acme/web:latest",
        &other_digest,
    ] {
        let messages = messages(render_alone(&deployment(written), &tagged("v1")));
        let (expected, fix) = (format!("web/core/app.yaml:9: {FIELD}: `"), "write `$KUBE_DEPLOYMENT_IMAGE`");
        assert!(messages[0].starts_with(&expected) && messages[0].ends_with(fix), "{written}: {messages:?}");
        assert_eq!(messages.len(), 1, "{written}: {messages:?}");
    }
}

#[test]
fn image_with_an_unknown_variable_is_one_error() {
    for written in ["$KUBE_DEPLOYMENT_IMAGE:$GITHUB_REF_NAME", "$KUBE_DEPLOYMENT_IMAGE@$OTHER_DIGEST", "$OTHER_IMAGE"] {
        let messages = messages(render_alone(&deployment(written), &tagged("v1")));
        assert!(messages[0].contains("is not a declared variable"), "{written}: {messages:?}");
        assert_eq!(messages.len(), 1, "{written}: {messages:?}");
    }
}

#[test]
fn spelling_of_a_docker_hub_repository_does_not_matter() {
    for (pushed, written) in [
        ("acme/web", "docker.io/acme/web"),
        ("docker.io/acme/web", "acme/web"),
        ("index.docker.io/acme/web", "acme/web"),
        ("acme/web", "index.docker.io/acme/web"),
        ("web", "docker.io/library/web"),
    ] {
        let mut input = pushed_from(pushed);
        input.images[0].tag = Some("v1".to_owned());
        assert_eq!(image(&format!("{written}:v1"), &input).0, at_digest(&format!("{written}:v1")));
        let other = render_alone(&deployment(&format!("{written}:v2")), &input);
        assert!(messages(other)[0].contains("is not the pushed image"), "{pushed} {written}");
    }
}

#[test]
fn registry_with_a_port_is_not_taken_for_a_tag() {
    let input = pushed_from("localhost:5000/acme/web");
    assert_eq!(image("$KUBE_DEPLOYMENT_IMAGE", &input).0, at_digest("localhost:5000/acme/web"));
    assert_eq!(image("localhost:5000/acme/web:12345678", &input).0, at_digest("localhost:5000/acme/web:12345678"));
    let untagged = messages(render_alone(&deployment("localhost:5000/acme/web"), &input));
    assert!(untagged[0].contains("is not the pushed image `localhost:5000/acme/web@sha256:"), "{untagged:?}");
}

#[test]
fn line_end_after_a_pushed_image_is_refused() {
    let messages = messages(render_alone(&deployment("|\n          $KUBE_DEPLOYMENT_IMAGE"), &examples::preview()));
    assert!(messages[0].starts_with(&format!("web/core/app.yaml:9: {FIELD}: must not have spaces")), "{messages:?}");
}

/// The images of all containers and image volumes, in the order of the objects.
fn images_of(rendered: &Rendered) -> Vec<String> {
    fn collect(value: &Value, key: &str, into: &mut Vec<String>) {
        match value {
            Value::String(text) if matches!(key, "image" | "reference") => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, "", into)),
            Value::Object(map) => map.iter().for_each(|(key, value)| collect(value, key, into)),
            _ => {}
        }
    }
    let mut images = Vec::new();
    rendered.objects().for_each(|object| collect(&object.document, "", &mut images));
    images
}

/// An object of each kind with pod templates, and of each list in one, with an image in it.
fn places(image: &str) -> Vec<String> {
    let spec = |spec: &str| format!("{{template: {{spec: {spec}}}}}");
    let object = |api: &str, kind: &str, spec: &str| {
        format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}\n")
    };
    let containers = format!("{{containers: [{{name: x, image: {image}}}]}}");
    let list = |kind: &str, item: &str| format!("{{apiVersion: apps/v1, kind: {kind}, items: [{item}]}}\n");
    vec![
        object("apps/v1", "Deployment", &spec(&containers)),
        object("apps/v1", "StatefulSet", &spec(&containers)),
        object("apps/v1", "DaemonSet", &spec(&containers)),
        object("batch/v1", "Job", &spec(&containers)),
        object("batch/v1", "CronJob", &format!("{{jobTemplate: {{spec: {}}}}}", spec(&containers))),
        object("batch/v1", "Job", &spec(&format!("{{initContainers: [{{name: x, image: {image}}}]}}"))),
        object(
            "batch/v1",
            "Job",
            &spec(&format!("{{containers: [{{name: x, image: 'redis:7'}}, {{name: y, image: {image}}}]}}")),
        ),
        list("List", &object("apps/v1", "Deployment", &spec(&containers))),
        list("DeploymentList", &format!("{{metadata: {{name: x}}, spec: {}}}", spec(&containers))),
    ]
}

#[test]
fn rule_holds_for_every_list_of_containers_of_every_workload() {
    for (alone, other) in places("$KUBE_DEPLOYMENT_IMAGE").iter().zip(places("'$KUBE_DEPLOYMENT_IMAGE:latest'")) {
        let rendered = render_alone(alone, &examples::preview()).unwrap_or_else(|found| panic!("{alone}: {found:?}"));
        assert!(images_of(&rendered).contains(&at_digest(REPOSITORY)), "{alone}");
        let errors = errors(render_alone(&other, &examples::preview()));
        assert!(errors.len() == 1 && errors[0].contains("is not the pushed image"), "{other}: {errors:?}");
    }
    for tagged in places("'$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG'") {
        let rendered = render_alone(&tagged, &examples::preview()).unwrap();
        assert!(images_of(&rendered).contains(&at_digest(&format!("{REPOSITORY}:12345678"))), "{tagged}");
    }
}

#[test]
fn merged_and_aliased_containers_are_containers() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      initContainers:\n      \
                - &base {name: init, image: $KUBE_DEPLOYMENT_IMAGE}\n      containers:\n      - *base\n      - {<<: *base, name: other}\n";
    let rendered = render_alone(text, &examples::preview()).unwrap();
    assert_eq!(images_of(&rendered), [at_digest(REPOSITORY), at_digest(REPOSITORY), at_digest(REPOSITORY)]);
}

#[test]
fn image_volume_follows_the_rule_of_containers() {
    let text = |reference: &str| {
        let volume = format!("      volumes: [{{name: page, image: {{reference: {reference}}}}}]\n");
        format!("{}{volume}", deployment("$KUBE_DEPLOYMENT_IMAGE"))
    };
    let images = |reference: &str| images_of(&render_alone(&text(reference), &examples::preview()).unwrap());
    assert_eq!(images("$KUBE_DEPLOYMENT_IMAGE"), [at_digest(REPOSITORY), at_digest(REPOSITORY)]);
    let tag = "'$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG'";
    assert!(images(tag).contains(&at_digest(&format!("{REPOSITORY}:12345678"))));
    let messages = messages(render_alone(&text("'$KUBE_DEPLOYMENT_IMAGE:latest'"), &examples::preview()));
    let field = "web/core/app.yaml:10: spec.template.spec.volumes[0].image.reference: ";
    assert!(messages.len() == 1 && messages[0].starts_with(field), "{messages:?}");
}

#[test]
fn image_of_another_repository_stays_as_it_is() {
    let others = [
        "redis:7",
        "registry.example.com/acme/worker:latest",
        "$KUBE_TEMPORAL_UI_IMAGE",
        "acme/web:v1",
        "$KUBE_DEPLOYMENT_IMAGE-worker:$KUBE_DEPLOYMENT_TAG",
        "$KUBE_DEPLOYMENT_IMAGE/worker:latest",
    ];
    let more: String = others
        .iter()
        .enumerate()
        .map(|(index, image)| format!("      - {{name: x{index}, image: '{image}'}}\n"))
        .collect();
    let rendered =
        render_alone(&format!("{}{more}", deployment("$KUBE_DEPLOYMENT_IMAGE")), &examples::preview()).unwrap();
    let expected = [
        &at_digest(REPOSITORY),
        "redis:7",
        "registry.example.com/acme/worker:latest",
        "temporalio/ui:2.54.1",
        "acme/web:v1",
        "registry.example.com/acme/web-worker:12345678",
        "registry.example.com/acme/web/worker:latest",
    ];
    assert_eq!(images_of(&rendered), expected);
    assert_eq!(rendered.notes, []);
}

#[test]
fn digest_of_either_image_will_do_where_two_share_a_repository() {
    let mut input = examples::preview();
    let worker = PushedImage {
        variable_prefix: "WORKER".to_owned(),
        digest: format!("sha256:{}", "a".repeat(64)),
        tag: Some("worker".to_owned()),
        ..input.images[0].clone()
    };
    let worker_reference = format!("{REPOSITORY}:worker@{}", worker.digest);
    input.images.push(worker);
    assert_eq!(image("$WORKER_IMAGE", &input).0, worker_reference);
    assert_eq!(image("$WORKER_IMAGE:$WORKER_TAG@$WORKER_DIGEST", &input).0, worker_reference);
    assert_eq!(image("$KUBE_DEPLOYMENT_IMAGE:worker", &input).0, worker_reference);
    let messages = messages(render_alone(&deployment("$WORKER_IMAGE:latest"), &input));
    assert!(messages[0].ends_with("write `$KUBE_DEPLOYMENT_IMAGE` or `$WORKER_IMAGE`"), "{messages:?}");
}
