//! The content of a document to apply, as it depends on the object in the cluster.
//!
//! Server-side apply leaves a field alone that the document lacks, and that no earlier apply has set. Client-side
//! `kubectl apply` removes some of these, and teams rely on that.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{pull_secrets, target::Target};

/// The strategies of workloads. Each has the settings of one type of strategy, which the API server sets by default and
/// refuses beside any other type.
const STRATEGIES: [&str; 2] = ["/spec/strategy", "/spec/updateStrategy"];
/// The resources of which berth has default requests in previews.
const DEFAULTED: [&str; 2] = ["cpu", "memory"];
/// The pod specs of workloads.
const POD_SPECS: [&str; 2] = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];

/// Returns the document with the content that it is applied with.
pub(super) fn desired(target: &Target) -> Value {
    let mut desired = target.object.document.clone();
    encode_string_data(&mut desired);
    pull_secrets::keep(&mut desired, target);
    if target.in_preview {
        keep_pod_resources(&mut desired);
    }
    if let (Some(live), Some(replicas)) = (&target.live, &target.replicas) {
        replicas.keep(&mut desired, live);
    }
    desired
}

/// Keeps berth's default requests out of pods that have requests or limits as a whole: those of all containers together may
/// not exceed them. A request of zero leaves a container to its pod, and is no reason for a default.
fn keep_pod_resources(document: &mut Value) {
    for path in POD_SPECS {
        let Some(pod) = document.pointer_mut(path).filter(|pod| pod["resources"].is_object()) else { continue };
        for resource in DEFAULTED {
            let limit = pod["resources"]["limits"].get(resource).cloned();
            let request = pod["resources"]["requests"].get(resource).cloned().or(limit);
            let Some(request) = request else { continue };
            // Otherwise the API server would take the sum of the containers' requests.
            pod["resources"]["requests"][resource] = request;
            for list in ["initContainers", "containers"] {
                for container in pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    let has = |field: &str| !container["resources"][field][resource].is_null();
                    if container.is_object() && !has("requests") && !has("limits") {
                        container["resources"]["requests"][resource] = json!("0");
                    }
                }
            }
        }
    }
}

/// Moves `stringData` into `data`, as the API server does. The server records only the fields under `stringData` as
/// applied, so that a key that is dropped from there would stay in `data`.
fn encode_string_data(document: &mut Value) {
    let Some(fields) = document.as_object_mut().filter(|fields| fields.get("kind") == Some(&json!("Secret"))) else {
        return;
    };
    let is_text = |value: &Value| value.as_object().is_some_and(|texts| texts.values().all(Value::is_string));
    // The API server refuses anything else, with the field's name.
    if !fields.get("stringData").is_some_and(is_text) || !fields.get("data").is_none_or(|data| data.is_object()) {
        return;
    }
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return };
    let encoded = |text: &Value| Value::from(STANDARD.encode(text.as_str().unwrap_or_default()));
    let data = fields.entry("data").or_insert_with(|| json!({}));
    for (key, text) in &texts {
        data[key] = encoded(text);
    }
}

/// Returns the fields of the live object that the document forbids, and that no apply has set: settings that the API server
/// has chosen for another type of strategy, or for a volume without a source. They have the form of `managedFields`.
pub(super) fn forbidden_defaults(document: &Value, live: &Value) -> Option<Map<String, Value>> {
    let mut paths = Vec::new();
    for strategy in STRATEGIES {
        forbidden_strategy(strategy, document, live, &mut paths);
    }
    for pod_spec in POD_SPECS {
        forbidden_sources(pod_spec, document, live, &mut paths);
    }
    let mut fields = Value::Object(Map::new());
    for path in &paths {
        let mut at = &mut fields;
        for step in path {
            at = &mut at[step.as_str()];
        }
        *at = json!({});
    }
    fields.as_object().filter(|fields| !fields.is_empty()).cloned()
}

/// Adds the settings of a rolling update, where the document has another type of strategy.
fn forbidden_strategy(path: &str, document: &Value, live: &Value, paths: &mut Vec<Vec<String>>) {
    let Some(wanted) = document.pointer(path).filter(|wanted| wanted.get("rollingUpdate").is_none()) else { return };
    let is_other = wanted["type"].as_str().is_some_and(|wanted| wanted != "RollingUpdate");
    let settings = live.pointer(path).and_then(|live| live["rollingUpdate"].as_object());
    for setting in settings.into_iter().flat_map(Map::keys).filter(|_| is_other) {
        let steps = path.split('/').skip(1).chain(["rollingUpdate", setting.as_str()]);
        paths.push(steps.map(|step| format!("f:{step}")).collect());
    }
}

/// Adds the sources of volumes that have another source in the document.
fn forbidden_sources(path: &str, document: &Value, live: &Value, paths: &mut Vec<Vec<String>>) {
    let volumes = |object: &Value| -> Vec<Map<String, Value>> {
        let volumes = object.pointer(path).and_then(|spec| spec["volumes"].as_array()).cloned().unwrap_or_default();
        volumes.into_iter().filter_map(|volume| volume.as_object().cloned()).collect()
    };
    let live = volumes(live);
    for wanted in volumes(document).iter().filter(|wanted| wanted.len() > 1) {
        let Some(found) = live.iter().find(|found| found.get("name") == wanted.get("name")) else { continue };
        // Only an empty volume is a default.
        if wanted.contains_key("emptyDir") || found.get("emptyDir") != Some(&json!({})) {
            continue;
        }
        let key = format!("k:{}", json!({"name": wanted.get("name")}));
        let steps = path.split('/').skip(1).chain(["volumes"]).map(|step| format!("f:{step}"));
        paths.push(steps.chain([key, "f:emptyDir".to_owned()]).collect());
    }
}

/// Returns the document as a merge patch that removes those fields. It replaces lists as a whole, and with them the
/// volumes.
pub(super) fn without_defaults(mut document: Value) -> Value {
    for strategy in STRATEGIES {
        let Some(wanted) = document.pointer_mut(strategy).and_then(Value::as_object_mut) else { continue };
        if wanted.get("type").is_some_and(|wanted| *wanted != "RollingUpdate") {
            wanted.entry("rollingUpdate").or_insert(Value::Null);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fields: Value) -> Value {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}});
        secret.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        secret
    }

    #[test]
    fn string_data_is_applied_as_data_and_wins() {
        let encoded = |mut document: Value| {
            encode_string_data(&mut document);
            document
        };
        let applied = |fields| encoded(secret(fields));
        let expected = secret(json!({"data": {"A": "MQ==", "B": "Mg==", "C": ""}}));
        assert_eq!(applied(json!({"data": {"A": "eA==", "B": "Mg=="}, "stringData": {"A": "1", "C": ""}})), expected);
        assert_eq!(applied(json!({"stringData": {"A": "1"}})), secret(json!({"data": {"A": "MQ=="}})));
        for invalid in [json!({"stringData": {"A": 1}}), json!({"data": "x", "stringData": {"A": "1"}})] {
            assert_eq!(applied(invalid.clone()), secret(invalid), "left for the API server to refuse");
        }
        let config = json!({"kind": "ConfigMap", "stringData": {"A": "1"}});
        assert_eq!(encoded(config.clone()), config);
    }

    #[test]
    fn pod_with_resources_of_its_own_gets_no_default_requests() {
        let pod = |resources: Value, container: Value| {
            let mut pod = json!({"containers": [{"name": "a"}, {"name": "b", "resources": container}]});
            if !resources.is_null() {
                pod["resources"] = resources;
            }
            json!({"spec": {"template": {"spec": pod}}})
        };
        let kept = |resources: Value, container: Value| {
            let mut document = pod(resources, container);
            keep_pod_resources(&mut document);
            document["spec"]["template"]["spec"].take()
        };
        let found = kept(json!({"limits": {"memory": "48Mi"}}), json!({"limits": {"memory": "8Mi"}}));
        assert_eq!(found["resources"], json!({"limits": {"memory": "48Mi"}, "requests": {"memory": "48Mi"}}));
        assert_eq!(found["containers"][0]["resources"], json!({"requests": {"memory": "0"}}));
        assert_eq!(found["containers"][1]["resources"], json!({"limits": {"memory": "8Mi"}}));
        let found = kept(json!({"requests": {"cpu": "1"}}), json!({"requests": {"memory": "8Mi"}}));
        assert_eq!(found["containers"][1]["resources"], json!({"requests": {"memory": "8Mi", "cpu": "0"}}));
        let plain = pod(Value::Null, json!({}));
        assert_eq!(kept(Value::Null, json!({})), plain["spec"]["template"]["spec"]);
    }

    fn forbidden(document: Value, live: Value) -> Value {
        forbidden_defaults(&document, &live).map_or(Value::Null, Value::Object)
    }

    #[test]
    fn settings_of_a_rolling_update_are_forbidden_beside_another_type() {
        let live = |field: &str| json!({"spec": {field: {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "partition": 0}}}});
        let leftover = json!({"f:rollingUpdate": {"f:maxSurge": {}, "f:partition": {}}});
        for (field, type_) in [("strategy", "Recreate"), ("updateStrategy", "OnDelete")] {
            let wanted = |strategy: Value| json!({"spec": {field: strategy}});
            let expected = json!({"f:spec": {format!("f:{field}"): leftover}});
            assert_eq!(forbidden(wanted(json!({"type": type_})), live(field)), expected);
            for kept in [json!({"type": "RollingUpdate"}), json!({}), json!({"type": type_, "rollingUpdate": {}})] {
                assert_eq!(forbidden(wanted(kept.clone()), live(field)), Value::Null, "{kept}");
            }
            assert_eq!(forbidden(json!({"spec": {}}), live(field)), Value::Null);
            assert_eq!(forbidden(wanted(json!({"type": type_})), wanted(json!({"type": type_}))), Value::Null);
        }
    }

    #[test]
    fn empty_volume_is_forbidden_beside_another_source() {
        let object = |path: &str, volumes: Value| {
            let spec = json!({"volumes": volumes});
            match path {
                "template" => json!({"spec": {"template": {"spec": spec}}}),
                _ => json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}),
            }
        };
        let config = json!([{"name": "a", "configMap": {"name": "x"}}]);
        let empty = json!([{"name": "b", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]);
        let leftover = json!({"f:volumes": {r#"k:{"name":"a"}"#: {"f:emptyDir": {}}}});
        let expected = json!({"f:spec": {"f:template": {"f:spec": leftover}}});
        assert_eq!(forbidden(object("template", config.clone()), object("template", empty.clone())), expected);
        assert_ne!(forbidden(object("jobTemplate", config.clone()), object("jobTemplate", empty.clone())), Value::Null);
        for (wanted, live) in [
            (json!([{"name": "a"}]), empty.clone()),
            (json!([{"name": "a", "emptyDir": {"medium": "Memory"}}]), empty),
            (config.clone(), json!([{"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}])),
            (config.clone(), config.clone()),
            (config, json!([])),
        ] {
            assert_eq!(forbidden(object("template", wanted), object("template", live)), Value::Null);
        }
    }
}
