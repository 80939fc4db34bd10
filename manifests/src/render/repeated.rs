//! Items that are in a list twice: the last one counts, as with kubectl's own apply.
//!
//! Server-side apply refuses such a list, since it tells the items by these fields.

mod dependent;

use serde_json::Value;

use super::{
    finding::{Finding, Severity},
    object::{Object, pointer_of},
    policy::pods,
};

/// A list, with the fields that tell its items and the value of a field that is left out.
struct List {
    name: &'static str,
    keys: &'static [(&'static str, &'static str)],
    /// What kubectl makes of two different items with the same keys.
    differing: Differing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Differing {
    LastCounts,
    /// It is refused when the object is created. An apply over an object that exists mixes the two.
    Refused,
}

const fn last_counts(name: &'static str, keys: &'static [(&'static str, &'static str)]) -> List {
    List { name, keys, differing: Differing::LastCounts }
}

const fn refused(name: &'static str, keys: &'static [(&'static str, &'static str)]) -> List {
    List { name, keys, differing: Differing::Refused }
}

/// The lists of a container. The keys are those of the API types (`x-kubernetes-list-map-keys`).
const OF_CONTAINER: [List; 4] = [
    last_counts(ENV, &[("name", "")]),
    last_counts("ports", &[("containerPort", ""), ("protocol", "TCP")]),
    refused("volumeMounts", &[("mountPath", "")]),
    refused("volumeDevices", &[("devicePath", "")]),
];

/// The lists of a pod.
const OF_POD: [List; 6] = [
    last_counts("hostAliases", &[("ip", "")]),
    last_counts("imagePullSecrets", &[("name", "")]),
    refused("volumes", &[("name", "")]),
    refused("containers", &[("name", "")]),
    refused("initContainers", &[("name", "")]),
    refused("topologySpreadConstraints", &[("topologyKey", ""), ("whenUnsatisfiable", "")]),
];

/// The lists of a Service.
const OF_SERVICE: [List; 1] = [refused("ports", &[("port", ""), ("protocol", "TCP")])];

/// The lists of a `ServiceAccount`.
const OF_SERVICE_ACCOUNT: [List; 1] = [last_counts("secrets", &[("name", "")])];

const ENV: &str = "env";

/// Keeps the last of the items that are there twice.
pub(super) fn keep_last(objects: &mut [Object], findings: &mut Vec<Finding>) {
    for object in objects {
        let mut repeated = find(object);
        findings.extend(repeated.iter().filter_map(|repeated| repeated.finding(object)));
        for repeated in repeated.iter().filter(|repeated| repeated.list.name == ENV) {
            let parent = object.document.pointer_mut(&pointer_of(&repeated.path));
            let items = parent.and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default();
            let lost = dependent::expand_dropped(items, repeated.index, repeated.next);
            findings.extend(lost.into_iter().map(|index| {
                let message = format!(
                    "`$({0})` means the first of two variables `{0}`, whose value comes from elsewhere: give one of them \
                     another name",
                    repeated.item
                );
                object.error(&format!("{}[{index}].value", repeated.path), message)
            }));
        }
        // From the end, so that the other indexes stay right.
        repeated.sort_by_key(|repeated| std::cmp::Reverse(repeated.index));
        for Repeated { path, index, .. } in repeated {
            if let Some(items) = object.document.pointer_mut(&pointer_of(&path)).and_then(Value::as_array_mut) {
                items.remove(index);
            }
        }
    }
}

/// An item that is in its list again.
struct Repeated {
    list: &'static List,
    /// The path of the list.
    path: String,
    index: usize,
    /// The item in words.
    item: String,
    /// The index of the next such item, and of the last.
    next: usize,
    last: usize,
}

impl Repeated {
    /// The finding about an item that differs from the one that is kept.
    fn finding(&self, object: &Object) -> Option<Finding> {
        let (dropped, kept) = (format!("{}[{}]", self.path, self.index), format!("{}[{}]", self.path, self.last));
        if object.document.pointer(&pointer_of(&dropped)) == object.document.pointer(&pointer_of(&kept)) {
            return None;
        }
        Some(match self.list.differing {
            Differing::LastCounts => {
                let message = format!("`{}` is there again at {kept}: the last counts, as with kubectl", self.item);
                object.finding(Severity::Warning, &dropped, message)
            }
            Differing::Refused => {
                let message = format!("`{}` is there already at {dropped}, and differs: keep one of them", self.item);
                object.error(&kept, message)
            }
        })
    }
}

fn find(object: &Object) -> Vec<Repeated> {
    let mut found = Vec::new();
    for (spec, path) in pods::specs(object) {
        OF_POD.iter().for_each(|list| find_in(spec, &path, list, &mut found));
        for (container, path) in pods::containers(spec, &path) {
            OF_CONTAINER.iter().for_each(|list| find_in(container, &path, list, &mut found));
        }
    }
    match object.kind() {
        "Service" => {
            let spec = object.document.get("spec").unwrap_or(&Value::Null);
            OF_SERVICE.iter().for_each(|list| find_in(spec, "spec", list, &mut found));
        }
        "ServiceAccount" => {
            OF_SERVICE_ACCOUNT.iter().for_each(|list| find_in(&object.document, "", list, &mut found));
        }
        _ => {}
    }
    found
}

fn find_in(parent: &Value, path: &str, list: &'static List, found: &mut Vec<Repeated>) {
    let items: Vec<_> = pods::items(parent.get(list.name)).map(|(_, item)| identity(item, list.keys)).collect();
    let path = if path.is_empty() { list.name.to_owned() } else { format!("{path}.{}", list.name) };
    for (index, item) in items.iter().enumerate() {
        let mut later = (index + 1..items.len()).filter(|other| items.get(*other) == Some(item));
        if let (Some(item), Some(next)) = (item, later.next()) {
            let last = later.next_back().unwrap_or(next);
            found.push(Repeated { list, path: path.clone(), index, item: item.clone(), next, last });
        }
    }
}

/// The fields that tell an item, in words; `None` if the first one is missing.
fn identity(item: &Value, keys: &[(&str, &str)]) -> Option<String> {
    let texts = keys.iter().map(|(key, default)| match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(value) if !value.is_null() => value.to_string(),
        _ => (*default).to_owned(),
    });
    let texts: Vec<_> = texts.collect();
    texts.first().is_some_and(|text| !text.is_empty()).then(|| texts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn last_of_repeated_items_is_kept_with_a_warning() {
        let container = json!({
            "name": "web",
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "A", "value": "3"}, {"name": "B", "value": "2"}],
            "ports": [{"containerPort": 80, "name": "a"}, {"containerPort": 80, "protocol": "UDP"},
                {"containerPort": 80, "protocol": "TCP", "name": "b"}],
        });
        let document = json!({"kind": "Job", "spec": {"template": {"spec": {"containers": [container]}}}});
        let mut objects = [Object::new("a.yaml", 1, document)];
        let mut findings = Vec::new();
        keep_last(&mut objects, &mut findings);
        let kept = objects[0].document.pointer("/spec/template/spec/containers/0").unwrap();
        assert_eq!(kept["env"], json!([{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]));
        assert_eq!(kept["ports"].as_array().unwrap().len(), 2);
        assert_eq!(kept["ports"][1]["name"], "b");
        let said: Vec<_> = findings.iter().map(|finding| finding.message.split(" is there").next().unwrap()).collect();
        assert_eq!(said, ["`A`", "`80/TCP`"], "the same value twice says nothing");
    }

    fn of_pod(spec: &Value) -> (Value, Vec<Finding>) {
        let document = json!({"kind": "Job", "spec": {"template": {"spec": spec}}});
        let mut objects = [Object::new("a.yaml", 1, document)];
        let mut findings = Vec::new();
        keep_last(&mut objects, &mut findings);
        let [object] = objects;
        (object.document["spec"]["template"]["spec"].clone(), findings)
    }

    #[test]
    fn dropped_variable_keeps_its_meaning_for_those_after_it() {
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let env = [
            variable("BASE", "/opt"),
            variable("A", "$(BASE)/a"),
            variable("BASE", "$(BASE)/b"),
            variable("C", "$(BASE)"),
        ];
        let (spec, _) = of_pod(&json!({"containers": [{"name": "web", "env": env}]}));
        let expected = [variable("A", "/opt/a"), variable("BASE", "/opt/b"), variable("C", "$(BASE)")];
        assert_eq!(spec["containers"][0]["env"], json!(expected));

        let from = json!({"name": "BASE", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}});
        let env = [from, variable("A", "$(BASE)/a"), variable("BASE", "/srv")];
        let (_, findings) = of_pod(&json!({"containers": [{"name": "web", "env": env}]}));
        assert!(
            findings.iter().any(|finding| finding.is_error() && finding.message.contains("give one of them")),
            "{findings:?}"
        );
    }

    #[test]
    fn equal_items_are_one_and_different_ones_an_error() {
        let volume = |claim: &str| json!({"name": "data", "persistentVolumeClaim": {"claimName": claim}});
        let (spec, findings) = of_pod(&json!({"volumes": [volume("a"), volume("a")]}));
        assert_eq!((spec["volumes"].as_array().unwrap().len(), findings.len()), (1, 0));
        let different = [
            json!({"volumes": [volume("a"), volume("b")]}),
            json!({"containers": [{"name": "web", "image": "a"}, {"name": "web", "image": "b"}]}),
            json!({"containers": [{"name": "web", "volumeMounts": [{"mountPath": "/a", "name": "a"}, {"mountPath": "/a", "name": "b"}]}]}),
        ];
        for spec in different {
            let (_, findings) = of_pod(&spec);
            assert!(findings.len() == 1 && findings[0].is_error(), "{spec}: {findings:?}");
        }
        let ports =
            json!([{"name": "a", "port": 80}, {"name": "b", "port": 80}, {"name": "c", "port": 80, "protocol": "UDP"}]);
        let mut objects = [Object::new("a.yaml", 1, json!({"kind": "Service", "spec": {"ports": ports}}))];
        let mut findings = Vec::new();
        keep_last(&mut objects, &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
    }

    #[test]
    fn item_without_its_key_is_left_alone() {
        let document =
            json!({"spec": {"template": {"spec": {"containers": [{"env": [{"value": "1"}, {"value": "2"}]}]}}}});
        let mut objects = [Object::new("a.yaml", 1, document.clone())];
        keep_last(&mut objects, &mut Vec::new());
        assert_eq!(objects[0].document, document);
    }
}
