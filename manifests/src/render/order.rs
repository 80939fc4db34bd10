//! The order of an apply: dependencies first, and independent objects at once.

use super::{
    kinds::{FURTHER_STAGE, STAGES},
    object::Object,
};

/// The stages of an apply; none is empty. Within a stage, objects keep the order of their files.
pub(super) fn stages(objects: Vec<Object>) -> Vec<Vec<Object>> {
    let mut stages = vec![Vec::new(); STAGES];
    for object in objects {
        let stage = object.known_kind().map_or(FURTHER_STAGE, |kind| kind.stage);
        if let Some(stage) = stages.get_mut(stage) {
            stage.push(object);
        }
    }
    stages.retain(|stage| !stage.is_empty());
    stages
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dependencies_come_before_pods_and_traffic_after_them() {
        let object =
            |api_version: &str, kind: &str| Object::new("a.yaml", 1, json!({"apiVersion": api_version, "kind": kind}));
        let stages = stages(vec![
            object("networking.k8s.io/v1", "Ingress"),
            object("apps/v1", "Deployment"),
            object("v1", "Service"),
            object("v1", "ConfigMap"),
            object("v1", "ResourceQuota"),
            object("rbac.authorization.k8s.io/v1", "RoleBinding"),
            object("rbac.authorization.k8s.io/v1", "Role"),
        ]);
        let kinds: Vec<Vec<_>> = stages.iter().map(|stage| stage.iter().map(Object::kind).collect()).collect();
        assert_eq!(
            kinds,
            [
                vec!["ResourceQuota", "Role"],
                vec!["Service", "ConfigMap", "RoleBinding"],
                vec!["Deployment"],
                vec!["Ingress"]
            ]
        );
    }

    #[test]
    fn empty_stages_are_left_out() {
        assert!(stages(Vec::new()).is_empty());
    }
}
