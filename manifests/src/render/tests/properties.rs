//! Properties that hold for every input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The shape of a value: everything except its strings.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => json!("text"),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(map) => map.values().map(shape).collect(),
        other => other.clone(),
    }
}

/// A document that has the author in each style of scalar and in a key.
const AUTHORS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: x, annotations: {flow: $GITHUB_ACTOR}}
data:
  plain: $GITHUB_ACTOR
  single: '$GITHUB_ACTOR'
  double: \"a ${GITHUB_ACTOR}\"
  literal: |
    $GITHUB_ACTOR
  folded: >-
    $GITHUB_ACTOR
  $GITHUB_ACTOR: key
";

proptest! {
    #[test]
    fn value_never_changes_the_structure(author in "\\PC{0,40}|[-:#{}\\[\\]&*!|>'\"%@`\\n\\r\\t <0-9a-z$]{0,40}") {
        prop_assume!(!["plain", "single", "double", "literal", "folded"].contains(&author.as_str()));
        let render = |author: &str| {
            let input = VariableInput { author: author.to_owned(), ..examples::preview() };
            let (documents, findings) =
                template::documents("a.yaml", AUTHORS, Some(&Variables::new(input)));
            assert_eq!(findings, []);
            assert_eq!(documents.len(), 1);
            documents[0].value.clone()
        };
        let value = render(&author);
        prop_assert_eq!(shape(&value).to_string().len(), shape(&render("octocat")).to_string().len());
        prop_assert_eq!(&value["data"]["plain"], &json!(author));
        prop_assert_eq!(&value["data"]["double"], &json!(format!("a {author}")));
        prop_assert_eq!(&value["data"][author.as_str()], &json!("key"));
    }

    #[test]
    fn parser_does_not_panic_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = preview(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn parser_does_not_panic_on_text_like_yaml(text in "([-:#{}\\[\\]&*!|>'\"%?, ]|<<|\n|\r\n|  |a|kind: |\\$KUBE_NS|\\$|0x|1e9|---\n|\t|ü){0,60}") {
        let _ = preview(&text);
    }

    #[test]
    fn policy_does_not_panic_on_any_object(spec in any_value(), metadata in any_value(), kind in 0..KINDS.len()) {
        let kind = &KINDS[kind];
        let object = json!({"apiVersion": kind.api_version(), "kind": kind.kind.as_ref(), "metadata": metadata, "spec": spec});
        let _ = preview(&object.to_string());
    }

    #[test]
    fn rendering_is_deterministic(text in "(a: |b: |- |\\[|\\]|\\{|\\}|x|&a |\\*a|\n|  |\\$PR_NUMBER|<<: ){0,40}") {
        let input = examples::preview();
        let files = examples::file(&text);
        prop_assert_eq!(render_input(&files, &input), render_input(&files, &input));
    }

    #[test]
    fn undeclared_names_are_unchanged(text in "([a-z {}:$]|\\$[A-Z]{1,3}|\\$\\{[A-Z]{1,3}\\})*") {
        prop_assert_eq!(substitute(&text, &Variables::new(examples::preview())), text);
    }
}

/// Arbitrary JSON from the keys and values that the policy looks for.
fn any_value() -> impl Strategy<Value = Value> {
    let string = prop::sample::select(vec![
        "spec",
        "template",
        "containers",
        "securityContext",
        "privileged",
        "volumes",
        "hostPath",
        "rules",
        "host",
        "http",
        "paths",
        "backend",
        "service",
        "port",
        "number",
        "name",
        "namespace",
        "type",
        "ports",
        "annotations",
        "labels",
        "egress",
        "to",
        "tls",
        "hosts",
        "web.example.com",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        string.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(string.clone().prop_map(ToOwned::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
