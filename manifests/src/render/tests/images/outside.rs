//! The variable of a pushed image outside of a container's `image`.

use super::*;

const CONFIG: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: config, annotations: {image: $KUBE_DEPLOYMENT_IMAGE}}
data:
  image: $KUBE_DEPLOYMENT_IMAGE
  containers.yaml: |
    containers:
    - image: $KUBE_DEPLOYMENT_IMAGE:latest
  tagged: $KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG
  $KUBE_DEPLOYMENT_IMAGE: key
";

fn config(container: &str) -> Value {
    let env = "        env: [{name: IMAGE, value: $KUBE_DEPLOYMENT_IMAGE}]\n        args: [$KUBE_DEPLOYMENT_IMAGE]\n";
    let text = format!("{CONFIG}---\n{}{env}", deployment(container));
    let rendered = render_alone(&text, &tagged("v1")).unwrap();
    let by_kind = |kind: &str| rendered.objects().find(|object| object.kind() == kind).unwrap().document.clone();
    let web = &by_kind("Deployment")["spec"]["template"]["spec"]["containers"][0];
    let config = by_kind("ConfigMap");
    json!({"env": web["env"][0]["value"], "args": web["args"][0], "data": config["data"],
        "annotation": config["metadata"]["annotations"]["image"]})
}

fn expected(value: &str) -> Value {
    let file = format!("containers:\n- image: {value}:latest\n");
    json!({"env": value, "args": value, "annotation": value, "data": {"image": value, "containers.yaml": file,
        "tagged": format!("{value}:v1"), value: "key"}})
}

#[test]
fn variable_is_the_repository_where_no_container_has_it_alone() {
    for container in [
        "$KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST",
        "$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG",
        "registry.example.com/acme/web:v1",
    ] {
        assert_eq!(config(container), expected(REPOSITORY), "{container}");
    }
}

#[test]
fn variable_is_the_whole_reference_where_a_container_has_it_alone() {
    for container in ["$KUBE_DEPLOYMENT_IMAGE", "\"${KUBE_DEPLOYMENT_IMAGE}\""] {
        assert_eq!(config(container), expected(&at_digest(&format!("{REPOSITORY}:v1"))), "{container}");
    }
}

#[test]
fn text_after_the_variable_keeps_the_repository_beside_a_sole_one() {
    let other = "      - {name: x, image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST}\n";
    let rendered =
        render_alone(&format!("{}{other}", deployment("$KUBE_DEPLOYMENT_IMAGE")), &examples::preview()).unwrap();
    assert_eq!(images_of(&rendered), [at_digest(REPOSITORY), at_digest(REPOSITORY)]);
}

#[test]
fn files_of_the_other_environment_do_not_count() {
    let source = |section, path: &str, content: String| SourceFile { section, path: path.to_owned(), content };
    let files = SourceFiles::new(vec![
        source(Section::Core, "web/core/config.yaml", CONFIG.to_owned()),
        source(Section::Preview, "web/preview/web.yaml", deployment("$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG")),
        source(Section::Production, "web/production/web.yaml", deployment("$KUBE_DEPLOYMENT_IMAGE")),
    ]);
    let image = |input: VariableInput| {
        let rendered = render_input(&files, &input).unwrap();
        let config = rendered.objects().find(|object| object.kind() == "ConfigMap").unwrap();
        config.document["data"]["image"].as_str().unwrap().to_owned()
    };
    assert_eq!(image(examples::preview()), REPOSITORY);
    assert_eq!(image(examples::production()), at_digest(REPOSITORY));
}
