//! Items that are in a list twice: the last one counts, as with kubectl's own apply.
//!
//! Server-side apply refuses such a list, since it tells the items by these fields.

use serde_json::Value;

use super::{
    finding::{Finding, Severity},
    object::{Object, pointer_of},
    policy::pods,
};

/// The lists of a container, with the fields that tell their items, and the value of a field that is left out.
const OF_CONTAINER: [(&str, &[(&str, &str)]); 2] =
    [("env", &[("name", "")]), ("ports", &[("containerPort", ""), ("protocol", "TCP")])];

/// The lists of a pod.
const OF_POD: [(&str, &[(&str, &str)]); 2] = [("hostAliases", &[("ip", "")]), ("imagePullSecrets", &[("name", "")])];

/// Keeps the last of the items that are there twice.
pub(super) fn keep_last(objects: &mut [Object], findings: &mut Vec<Finding>) {
    for object in objects {
        for Repeated { list, index, item, last } in find(object) {
            let (path, counts) = (format!("{list}[{index}]"), format!("{list}[{last}]"));
            if object.document.pointer(&pointer_of(&path)) != object.document.pointer(&pointer_of(&counts)) {
                let message = format!("`{item}` is there again at {counts}: the last counts, as with kubectl");
                findings.push(object.finding(Severity::Warning, &path, message));
            }
        }
        // From the end, so that the other indexes stay right.
        let mut repeated = find(object);
        repeated.sort_by_key(|repeated| std::cmp::Reverse(repeated.index));
        for Repeated { list, index, .. } in repeated {
            if let Some(items) = object.document.pointer_mut(&pointer_of(&list)).and_then(Value::as_array_mut) {
                items.remove(index);
            }
        }
    }
}

/// An item that is in its list again.
struct Repeated {
    /// The path of the list.
    list: String,
    index: usize,
    /// The item in words.
    item: String,
    /// The index of the last such item.
    last: usize,
}

fn find(object: &Object) -> Vec<Repeated> {
    let mut found = Vec::new();
    for (spec, path) in pods::specs(object) {
        OF_POD.iter().for_each(|(list, keys)| find_in(spec, &path, list, keys, &mut found));
        for (container, path) in pods::containers(spec, &path) {
            OF_CONTAINER.iter().for_each(|(list, keys)| find_in(container, &path, list, keys, &mut found));
        }
    }
    found
}

fn find_in(parent: &Value, path: &str, list: &str, keys: &[(&str, &str)], found: &mut Vec<Repeated>) {
    let items: Vec<_> = pods::items(parent.get(list)).map(|(_, item)| identity(item, keys)).collect();
    for (index, item) in items.iter().enumerate() {
        let last = items.iter().rposition(|other| other == item).filter(|last| *last > index);
        if let (Some(item), Some(last)) = (item, last) {
            found.push(Repeated { list: format!("{path}.{list}"), index, item: item.clone(), last });
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

    #[test]
    fn item_without_its_key_is_left_alone() {
        let document =
            json!({"spec": {"template": {"spec": {"containers": [{"env": [{"value": "1"}, {"value": "2"}]}]}}}});
        let mut objects = [Object::new("a.yaml", 1, document.clone())];
        keep_last(&mut objects, &mut Vec::new());
        assert_eq!(objects[0].document, document);
    }
}
