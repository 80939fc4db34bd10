//! The Secrets and `PriorityClass`es that pods of a namespace need: those that run, and those that a controller may make.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::PodSpec;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{failure::Failure, kubernetes::pod_secrets::secret_references};

/// A kind of object with a pod spec.
struct Source {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    /// The place of the pod spec.
    path: &'static str,
}

const fn source(group: &'static str, kind: &'static str, plural: &'static str, path: &'static str) -> Source {
    Source { group, kind, plural, path }
}

const TEMPLATE: &str = "/spec/template/spec";
const SOURCES: [Source; 7] = [
    source("", "Pod", "pods", "/spec"),
    source("apps", "ReplicaSet", "replicasets", TEMPLATE),
    source("apps", "Deployment", "deployments", TEMPLATE),
    source("apps", "StatefulSet", "statefulsets", TEMPLATE),
    source("apps", "DaemonSet", "daemonsets", TEMPLATE),
    source("batch", "Job", "jobs", TEMPLATE),
    source("batch", "CronJob", "cronjobs", "/spec/jobTemplate/spec/template/spec"),
];

/// Names that pods refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) priority_classes: BTreeSet<String>,
}

impl References {
    /// Finds the references of a namespace: of its pods, of `ReplicaSet`s with replicas, and of the templates of its
    /// workloads. Pods and Jobs that have ended need nothing any more, and a pod that is being deleted needs no class: it has
    /// been admitted.
    ///
    /// # Errors
    /// The API server's.
    pub(crate) async fn find(client: &Client, namespace: &str) -> Result<Self, Failure> {
        let lists = try_join_all(SOURCES.iter().map(|source| list(client, namespace, source))).await?;
        let mut references = Self::default();
        for (source, objects) in SOURCES.iter().zip(lists) {
            for object in objects.iter().filter(|object| makes_pods(source, &object.data)) {
                // The server's objects have the form of their kind.
                let spec = object.data.pointer(source.path).and_then(|spec| PodSpec::deserialize(spec).ok());
                let is_ending = source.kind == "Pod" && object.metadata.deletion_timestamp.is_some();
                references.add(&spec.unwrap_or_default(), is_ending);
            }
        }
        Ok(references)
    }

    fn add(&mut self, spec: &PodSpec, is_ending: bool) {
        self.secrets.extend(secret_references(spec).map(|reference| reference.name));
        self.priority_classes.extend(spec.priority_class_name.clone().filter(|_| !is_ending));
    }
}

async fn list(client: &Client, namespace: &str, source: &Source) -> Result<Vec<DynamicObject>, Failure> {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(source.group, "v1", source.kind), source.plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let listed = api.list(&ListParams::default()).await;
    listed.map(|listed| listed.items).map_err(|e| Failure::kubernetes(format!("listing {}", source.plural), e))
}

/// Returns whether an object is a pod that runs, or may make one.
fn makes_pods(source: &Source, object: &Value) -> bool {
    match source.kind {
        "Pod" => !matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed")),
        "ReplicaSet" => object["spec"]["replicas"] != 0,
        "Job" => {
            let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            let mut ends = conditions.filter(|one| one["status"] == "True");
            !ends.any(|one| matches!(one["type"].as_str(), Some("Complete" | "Failed")))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_api_server::FakeApiServer;

    #[tokio::test]
    async fn references_are_those_of_pods_that_run_or_may_run() {
        let cluster = FakeApiServer::default();
        let spec = |name: &str| json!({"containers": [{"name": "a", "envFrom": [{"secretRef": {"name": name}}]}], "priorityClassName": name});
        let put = |group: &str, plural: &str, name: &str, fields: Value| {
            let mut object = json!({"metadata": {"name": name}});
            object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            cluster.put(&format!("/{group}/namespaces/pr-1/{plural}"), &object);
        };
        let template = |name: &str| json!({"template": {"spec": spec(name)}});
        let scaled =
            |name: &str, replicas: u64| json!({"spec": {"replicas": replicas, "template": {"spec": spec(name)}}});
        let ended = |name: &str, type_: &str| {
            let conditions = json!([{"type": type_, "status": "True"}]);
            json!({"spec": template(name), "status": {"conditions": conditions}})
        };
        put("api/v1", "pods", "runs", json!({"spec": spec("pod"), "status": {"phase": "Running"}}));
        let being_deleted = json!({"name": "ending", "deletionTimestamp": "2026-01-01T00:00:00Z"});
        put("api/v1", "pods", "ending", json!({"metadata": being_deleted, "spec": spec("ending")}));
        put("api/v1", "pods", "ended", json!({"spec": spec("-"), "status": {"phase": "Failed"}}));
        put("apis/apps/v1", "replicasets", "new", scaled("set", 1));
        put("apis/apps/v1", "replicasets", "old", scaled("-", 0));
        put("apis/apps/v1", "deployments", "asleep", scaled("deployment", 0));
        put("apis/apps/v1", "statefulsets", "web", json!({"spec": template("stateful")}));
        put("apis/apps/v1", "daemonsets", "web", json!({"spec": template("daemon")}));
        put("apis/batch/v1", "jobs", "runs", ended("job", "Suspended"));
        put("apis/batch/v1", "jobs", "failed", ended("-", "Failed"));
        put("apis/batch/v1", "cronjobs", "web", json!({"spec": {"jobTemplate": {"spec": template("cron")}}}));
        let found = References::find(&cluster.client(), "pr-1").await.unwrap();
        let expected: BTreeSet<String> =
            ["pod", "set", "deployment", "stateful", "daemon", "job", "cron"].map(str::to_owned).into();
        let secrets = expected.iter().cloned().chain(["ending".to_owned()]).collect();
        assert_eq!(found, References { secrets, priority_classes: expected });
    }
}
