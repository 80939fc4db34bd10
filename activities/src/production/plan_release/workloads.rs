//! The workloads of two releases: their images, and whether they can roll without a gap.

use std::collections::BTreeMap;

use berth_workflows::contract::plan::ImageChange;
use serde_json::Value;

use super::name_of;

/// Returns the containers whose image differs, in the order of their names.
pub(super) fn image_changes(before: &[Value], after: &[Value]) -> Vec<ImageChange> {
    let (before, after) = (images(before), images(after));
    let mut containers: Vec<&String> = before.keys().chain(after.keys()).collect();
    containers.sort();
    containers.dedup();
    let changed = containers.into_iter().filter(|container| before.get(*container) != after.get(*container));
    changed
        .map(|container| ImageChange {
            container: container.clone(),
            from: before.get(container).cloned(),
            to: after.get(container).cloned(),
        })
        .collect()
}

/// Returns the image of each container, by the container's full name.
fn images(objects: &[Value]) -> BTreeMap<String, String> {
    let mut images = BTreeMap::new();
    for object in objects {
        let Some(pod) = pod_spec(object) else { continue };
        for container in ["initContainers", "containers"].iter().flat_map(|list| items(&pod[*list])) {
            let (name, image) = (container["name"].as_str(), container["image"].as_str());
            let full = format!("{}, container {}", name_of(object), name.unwrap_or_default());
            images.extend(image.map(|image| (full, image.to_owned())));
        }
    }
    images
}

/// Returns the changed workloads that cannot roll without a gap, each with the reason. A workload that is new serves
/// nobody yet.
pub(super) fn gaps(before: &[Value], after: &[Value]) -> Vec<String> {
    let is_changed = |object: &&Value| {
        let old = before.iter().find(|old| name_of(old) == name_of(object));
        old.is_some_and(|old| pod_spec(old) != pod_spec(object))
    };
    let gap = |object: &Value| Some(format!("{}: {}", name_of(object), gap(object)?));
    after.iter().filter(is_changed).filter_map(gap).collect()
}

fn gap(object: &Value) -> Option<&'static str> {
    let spec = &object["spec"];
    let replicas = spec["replicas"].as_i64().unwrap_or(1);
    let strategy = &spec["strategy"];
    match object["kind"].as_str()? {
        "Deployment" if strategy["type"] == "Recreate" => Some("its strategy is Recreate"),
        "Deployment" if replicas == 1 && is_zero(&strategy["rollingUpdate"]["maxSurge"]) => {
            Some("it has one replica, and maxSurge 0")
        }
        "StatefulSet" if replicas == 1 => Some("it is a StatefulSet with one replica"),
        "Deployment" | "StatefulSet" if !has_readiness_probe(object) => Some("no container has a readiness probe"),
        _ => None,
    }
}

fn has_readiness_probe(object: &Value) -> bool {
    let containers = pod_spec(object).map(|pod| items(&pod["containers"])).unwrap_or_default();
    containers.iter().any(|container| container.get("readinessProbe").is_some())
}

fn is_zero(amount: &Value) -> bool {
    amount.as_i64() == Some(0) || matches!(amount.as_str(), Some("0" | "0%"))
}

/// Returns the pod template's spec of a workload, of a Job or of a `CronJob`.
fn pod_spec(object: &Value) -> Option<&Value> {
    let spec = match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => &object["spec"],
        "CronJob" => &object["spec"]["jobTemplate"]["spec"],
        "Pod" => return object.get("spec"),
        _ => return None,
    };
    spec["template"].get("spec")
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload(kind: &str, spec: Value, image: &str) -> Value {
        let mut object = json!({"kind": kind, "metadata": {"name": "web"}, "spec": spec});
        let probe = json!({"httpGet": {"port": 8080}});
        object["spec"]["template"] =
            json!({"spec": {"containers": [{"name": "web", "image": image, "readinessProbe": probe}]}});
        object
    }

    #[test]
    fn images_that_change_come_and_go_are_listed() {
        let before = [workload("Deployment", json!({}), "a:1"), workload("Job", json!({}), "a:1")];
        let after = [workload("Deployment", json!({}), "a:2"), workload("DaemonSet", json!({}), "a:1")];
        let changes = image_changes(&before, &after);
        let shown: Vec<_> = changes
            .iter()
            .map(|change| (change.container.as_str(), change.from.as_deref(), change.to.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("DaemonSet/web, container web", None, Some("a:1")),
                ("Deployment/web, container web", Some("a:1"), Some("a:2")),
                ("Job/web, container web", Some("a:1"), None),
            ]
        );
    }

    #[test]
    fn workloads_that_cannot_roll_without_a_gap_are_named() {
        let surge = |surge: Value| json!({"replicas": 1, "strategy": {"rollingUpdate": {"maxSurge": surge}}});
        for (kind, spec, has_gap) in [
            ("Deployment", json!({"strategy": {"type": "Recreate"}}), true),
            ("Deployment", surge(json!(0)), true),
            ("Deployment", surge(json!("0%")), true),
            ("Deployment", surge(json!(1)), false),
            ("Deployment", json!({"replicas": 2}), false),
            ("StatefulSet", json!({}), true),
            ("StatefulSet", json!({"replicas": 3}), false),
        ] {
            let (before, after) = (workload(kind, spec.clone(), "a:1"), workload(kind, spec.clone(), "a:2"));
            assert_eq!(gaps(&[before], &[after]).len(), usize::from(has_gap), "{kind} {spec}");
        }
    }

    #[test]
    fn a_missing_readiness_probe_is_a_gap_only_for_a_changed_workload() {
        let bare = |image: &str| {
            let mut object = workload("Deployment", json!({"replicas": 2}), image);
            object["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("readinessProbe");
            object
        };
        assert_eq!(gaps(&[bare("a:1")], &[bare("a:2")]).len(), 1);
        assert!(gaps(&[bare("a:1")], &[bare("a:1")]).is_empty(), "it does not roll");
        assert!(gaps(&[], &[bare("a:1")]).is_empty(), "it is new");
    }
}
