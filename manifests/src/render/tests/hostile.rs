//! Hostile and damaged manifests: every rendered object keeps the promises of the policy, and rendering ends soon. The
//! promises are checked by independent code.

mod spelling;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use spelling::Speller;

/// The promise that a rendered object of the example preview breaks, if any. Shares no code with the policy.
fn broken_promise(object: &Value) -> Option<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind");
    let in_its_namespace = match kind {
        "PriorityClass" => text("/metadata/name").starts_with("web-pr-123") && object["globalDefault"] != json!(true),
        _ => text("/metadata/namespace") == "pr-123",
    };
    let never = ["Namespace", "ClusterRole", "Role", "RoleBinding", "Pod", "DopplerSecret", "Endpoints"];
    if !in_its_namespace || never.contains(&kind) || kind.is_empty() || kind.ends_with("List") {
        return Some(format!("{kind} in {:?}", object["metadata"]["namespace"]));
    }
    let service = kind == "Service" && !matches!(text("/spec/type"), "" | "ClusterIP");
    service.then(|| "a Service that is not internal".to_owned()).or_else(|| forbidden_field(object, ""))
}

/// A forbidden field anywhere in a value.
fn forbidden_field(value: &Value, key: &str) -> Option<String> {
    let is_set = |value: &Value| {
        !matches!(value, Value::Null | Value::Bool(false)) && *value != json!([]) && *value != json!("")
    };
    let forbidden = match key {
        "privileged" | "hostNetwork" | "hostPID" | "hostIPC" | "hostPath" | "hostPort" | "externalIPs"
        | "externalName" | "nodePort" | "ownerReferences" | "finalizers" | "nodeName" | "volumeName" => is_set(value),
        "host" => {
            is_set(value)
                && !value
                    .as_str()
                    .is_some_and(|host| host.ends_with("123.example.com") || host.ends_with("123-temporal.example.com"))
        }
        _ => key.contains("snippet"),
    };
    if forbidden {
        return Some(format!("{key}: {value}"));
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| forbidden_field(item, "")),
        // The data of a ConfigMap may hold anything.
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "data" && *key != "x")
            .find_map(|(key, value)| forbidden_field(value, key)),
        _ => None,
    }
}

/// Objects that a preview may not have, one per rule.
fn forbidden() -> Vec<Value> {
    let named = |api: &str, kind: &str, more: Value| {
        let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let pod = |spec: Value| named("apps/v1", "Deployment", json!({"spec": {"template": {"spec": spec}}}));
    let container = |container: Value| pod(json!({"containers": [container]}));
    let service = |spec: Value| named("v1", "Service", json!({"spec": spec}));
    let ingress = |more: Value| named("networking.k8s.io/v1", "Ingress", more);
    let snippet = json!({"name": "x", "annotations": {"nginx.ingress.kubernetes.io/server-snippet": "x"}});
    vec![
        container(json!({"securityContext": {"privileged": true}})),
        container(json!({"ports": [{"hostPort": 7233}]})),
        pod(json!({"hostNetwork": true})),
        pod(json!({"hostPID": true})),
        pod(json!({"nodeName": "control-plane"})),
        pod(json!({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]})),
        named(
            "batch/v1",
            "CronJob",
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"hostIPC": true}}}}}}),
        ),
        named(
            "apps/v1",
            "StatefulSet",
            json!({"spec": {"volumeClaimTemplates": [{"spec": {"dataSourceRef": {"namespace": "other"}}}]}}),
        ),
        service(json!({"type": "LoadBalancer"})),
        service(json!({"type": "ExternalName", "externalName": "app.example.com"})),
        service(json!({"type": "NodePort", "ports": [{"port": 7233, "nodePort": 30000}]})),
        service(json!({"externalIPs": ["1.2.3.4"]})),
        ingress(json!({"spec": {"rules": [{"host": "app.example.com"}]}})),
        ingress(json!({"metadata": snippet})),
        named("v1", "Secret", json!({"metadata": {"name": "x", "namespace": "web-production"}})),
        named("v1", "ConfigMap", json!({"metadata": {"name": "x", "finalizers": ["a/b"]}})),
        named("v1", "Namespace", json!({"metadata": {"name": "web-production"}})),
        named("v1", "Pod", json!({"spec": {"containers": []}})),
        named("rbac.authorization.k8s.io/v1", "ClusterRole", json!({"rules": []})),
        named("scheduling.k8s.io/v1", "PriorityClass", json!({"metadata": {"name": "system-x"}, "value": 1})),
        named(
            "scheduling.k8s.io/v1",
            "PriorityClass",
            json!({"metadata": {"name": "web-pr-123"}, "globalDefault": true}),
        ),
    ]
}

fn broken_promises(result: &Result<Rendered, Vec<Finding>>) -> Vec<String> {
    let objects = result.iter().flat_map(Rendered::objects);
    objects.filter_map(|object| broken_promise(&object.document)).collect()
}

#[test]
fn forbidden_object_is_refused() {
    for object in forbidden() {
        let rendered = preview(&object.to_string());
        let becomes_internal = object["spec"]["type"] == "NodePort";
        assert!(rendered.is_err() != becomes_internal, "{object}");
        assert_eq!(broken_promises(&rendered), [""; 0]);
    }
}

/// Realistic manifests, to be damaged.
fn corpus() -> Vec<String> {
    oddities().all().iter().map(|file| file.content.clone()).collect()
}

/// Damage to a file.
#[derive(Debug, Clone)]
enum Damage {
    Truncate(prop::sample::Index),
    Duplicate(prop::sample::Index, prop::sample::Index),
    Cut(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, &'static str),
    Splice(prop::sample::Index, prop::sample::Index),
    Windows,
    Tabs,
}

const INSERTED: [&str; 24] = [
    "\u{feff}", "\t", "\r", "\n", "\0", "\u{85}", "\u{2028}", "---\n", "...\n", "<<: ", "&a ", "*a ", "!!int ", "!x ",
    "? ", "- ", "{", "}", "[", "]", "\"", "'", "|-\n", "$KUBE_NS",
];

fn damage() -> impl Strategy<Value = Damage> {
    use prop::sample::Index;
    prop_oneof![
        any::<Index>().prop_map(Damage::Truncate),
        any::<(Index, Index)>().prop_map(|(from, to)| Damage::Duplicate(from, to)),
        any::<(Index, Index)>().prop_map(|(from, to)| Damage::Cut(from, to)),
        (any::<Index>(), prop::sample::select(INSERTED.to_vec())).prop_map(|(at, what)| Damage::Insert(at, what)),
        any::<(Index, Index)>().prop_map(|(file, at)| Damage::Splice(file, at)),
        Just(Damage::Windows),
        Just(Damage::Tabs),
    ]
}

/// A text after all damages. Cuts are at character boundaries, because a file is read as UTF-8.
fn damaged(text: &str, corpus: &[String], damages: &[Damage]) -> String {
    let mut text = text.to_owned();
    let boundary = |text: &str, at: &prop::sample::Index| {
        let at = at.index(text.len() + 1);
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
    };
    for damage in damages {
        match damage {
            Damage::Truncate(at) => text.truncate(boundary(&text, at)),
            Damage::Duplicate(from, to) | Damage::Cut(from, to) => {
                let (from, to) = (boundary(&text, from), boundary(&text, to));
                let range = from.min(to)..from.max(to);
                let part = text[range.clone()].to_owned();
                if matches!(damage, Damage::Cut(..)) {
                    text.replace_range(range, "");
                } else {
                    text.insert_str(range.end, &part);
                }
            }
            Damage::Insert(at, what) => text.insert_str(boundary(&text, at), what),
            Damage::Splice(file, at) => {
                let other = file.get(corpus);
                let at_other = boundary(other, at);
                text.insert_str(boundary(&text, at), &other[at_other..]);
            }
            Damage::Windows => text = text.replace('\n', "\r\n"),
            Damage::Tabs => text = text.replace("  ", "\t"),
        }
    }
    text
}

/// The shape of a value, without its strings and the names and order of its keys.
fn shape(value: &Value) -> String {
    match value {
        Value::String(_) => "text".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut shapes: Vec<_> = map.values().map(shape).collect();
            shapes.sort();
            format!("{{{}}}", shapes.join(","))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn forbidden_field_is_never_rendered_in_any_spelling(
        which in any::<prop::sample::Index>(),
        choices in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let objects = forbidden();
        let spelled = Speller::new(&choices).spell(which.get(objects.as_slice()));
        let input = VariableInput { author: spelled.author, ..examples::preview() };
        let rendered = render_input(&examples::file(&spelled.text), &input);
        prop_assert_eq!(broken_promises(&rendered), Vec::<String>::new(), "{}", spelled.text);
    }

    #[test]
    fn every_spelling_renders_to_the_same_object(choices in prop::collection::vec(any::<u8>(), 0..80)) {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x", "namespace": "pr-123", "labels": {"a": "true", "b": "0644"}},
            "spec": {"replicas": 7233, "paused": true, "template": {"spec": {"containers": [{"name": "x", "env": []}]}}},
        });
        let spelled = Speller::new(&choices).spell(&object);
        let input = VariableInput { author: spelled.author, ..examples::preview() };
        let rendered = render_input(&examples::file(&spelled.text), &input);
        let Ok(rendered) = rendered else { panic!("{rendered:?}\n{}", spelled.text) };
        let mut document = rendered.objects().next().unwrap().document.clone();
        document.as_object_mut().unwrap().remove("x");
        prop_assert_eq!(document, object, "{}", spelled.text);
    }

    #[test]
    fn damaged_file_is_refused_or_keeps_every_promise(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let corpus = corpus();
        let original: &String = which.get(&corpus);
        let text = damaged(original, &corpus, &damages);
        let rendered = preview(&text);
        prop_assert_eq!(broken_promises(&rendered), Vec::<String>::new(), "{}", text);
    }

    #[test]
    fn value_never_changes_the_structure_of_a_damaged_file(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 0..6),
        author in "[-:#{}\\[\\]&*!|>'\"%@`\\n\\r\\t <0-9a-z$]{0,20}",
    ) {
        let corpus = corpus();
        let original: &String = which.get(&corpus);
        let text = damaged(original, &corpus, &damages).replace("$GITHUB_SHA", "$GITHUB_ACTOR");
        let shapes = |author: &str| {
            let variables = Variables::new(VariableInput { author: author.to_owned(), ..examples::preview() });
            let (documents, findings) = template::documents("a.yaml", &text, Some(&variables));
            let twice = findings.iter().any(|finding| finding.message == "is a duplicate key");
            (!twice).then(|| documents.iter().map(|document| shape(&document.value)).collect::<Vec<_>>())
        };
        // A value that duplicates another key is refused, and then the object is not rendered.
        if let (Some(one), Some(other)) = (shapes("octocat"), shapes(&author)) {
            prop_assert_eq!(one, other, "{}", text);
        }
    }
}

#[test]
fn expensive_text_is_rendered_or_refused_in_bounded_time() {
    const SIZE: usize = 4 * 1024 * 1024;
    let many = |part: &str| part.repeat(SIZE / part.len());
    let deep = |open: &str| (0..2000).map(|level| format!("{}{open}\n", " ".repeat(level))).collect::<String>();
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(100_000), "*a, ".repeat(100_000));
    for (what, text) in [
        ("flow sequences", many("[")),
        ("flow mappings", many("{a: ")),
        ("sequences on a line", many("- ")),
        ("explicit keys", many("? ")),
        ("nested mappings", deep("a:")),
        ("nested sequences", deep("-")),
        ("anchors", many("&a ")),
        ("tags", many("!!str ")),
        ("aliases", many("*a ")),
        ("documents", many("---\n")),
        ("document ends", many("...\n")),
        ("comments", many("# a\n")),
        ("keys", (0..300_000).map(|n| format!("k{n}: 1\n")).collect()),
        ("merge keys", format!("a: &a {{b: 1}}\nc:\n{}", "  <<: *a\n".repeat(200_000))),
        ("one plain scalar", many("a")),
        ("one quoted scalar", format!("\"{}\"", many("\\x41"))),
        ("an open quote", format!("'{}", many("''"))),
        ("a block scalar", format!("a: |\n{}", many("  a\n"))),
        ("dollars", format!("a: \"{}\"", many("${"))),
        ("variables", format!("a: \"{}\"", many("$KUBE_NS "))),
        ("unknown names", format!("a: \"{}\"", many("$KUBE_X "))),
        ("other names", format!("a: \"{}\"", many("$X "))),
        ("digits", many("9")),
        ("tabs", many("\t")),
        ("carriage returns", many("\r")),
        ("wide aliases", wide),
    ] {
        #[expect(clippy::disallowed_methods, reason = "a test's own stopwatch")]
        let began = Instant::now();
        let _ = preview(&text);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
        eprintln!("{what}: {took:.2?}");
    }
}
