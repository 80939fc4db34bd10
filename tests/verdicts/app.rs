//! An app that would go live, for a test to break in one way.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value, json};

/// An app file and its manifests. They are written as JSON, which is YAML.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) name: &'static str,
    file: Value,
    manifests: BTreeMap<String, Value>,
}

impl App {
    /// Makes an app with a Deployment `$KUBE_APP`, its container `web` and a Service.
    pub(crate) fn new(name: &'static str, registry: &str) -> Self {
        let file = json!({
            "app": name,
            "repository": format!("acme/{name}"),
            "images": [format!("{registry}/acme/web")],
            "manifests": format!("./{name}"),
            "preview": {
                "namespace": "{app}-pr-{pr}",
                "host": "{app}-pr-{pr}.localhost",
                "quota": { "cpu": "2", "memory": "2Gi", "pods": 10 },
            },
        });
        let selector = json!({ "app": "$KUBE_APP" });
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": "$KUBE_APP" },
            "spec": { "selector": selector, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] },
        });
        let web = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "$KUBE_APP" },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": selector },
                "template": {
                    "metadata": { "labels": selector },
                    "spec": { "terminationGracePeriodSeconds": 1, "containers": [web_container()] },
                },
            },
        });
        Self { name, file, manifests: BTreeMap::new() }.manifest("core/web", web).manifest("shared/service", service)
    }

    /// Adds or replaces a manifest.
    pub(crate) fn manifest(mut self, name: &str, object: Value) -> Self {
        self.manifests.insert(name.to_owned(), object);
        self
    }

    /// Sets a field of the app file, by its JSON pointer.
    pub(crate) fn file(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.file, pointer, value);
        self
    }

    /// Sets a field of the Deployment, by its JSON pointer.
    pub(crate) fn deployment(mut self, pointer: &str, value: Value) -> Self {
        set(self.manifests.get_mut("core/web").unwrap(), pointer, value);
        self
    }

    /// Sets a field of the Deployment's pods.
    pub(crate) fn pod(self, pointer: &str, value: Value) -> Self {
        self.deployment(&format!("/spec/template/spec{pointer}"), value)
    }

    /// Sets a field of the Deployment's container.
    pub(crate) fn container(self, pointer: &str, value: Value) -> Self {
        self.pod(&format!("/containers/0{pointer}"), value)
    }

    /// Writes app file and manifests for a worker, in place of earlier ones.
    pub(crate) fn write(&self, folder: &Path) {
        let manifests = folder.join(self.name);
        if manifests.exists() {
            fs::remove_dir_all(&manifests).unwrap();
        }
        for (name, object) in &self.manifests {
            let path = manifests.join(name).with_extension("yaml");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{object:#}\n")).unwrap();
        }
        fs::write(folder.join(self.name).with_extension("yaml"), format!("{:#}\n", self.file)).unwrap();
    }
}

/// A container that runs the release.
pub(crate) fn web_container() -> Value {
    json!({
        "name": "web",
        "image": "$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG@$KUBE_DEPLOYMENT_DIGEST",
        "ports": [{ "name": "http", "containerPort": 8080 }],
        "env": [{ "name": "COMMIT", "value": "$GITHUB_SHA" }],
        "readinessProbe": { "httpGet": { "path": "/api/health", "port": "http" }, "periodSeconds": 1 },
        "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "64Mi" } },
    })
}

/// An init container that exits with 1.
pub(crate) fn crashing_container(name: &str) -> Value {
    let mut container = web_container();
    set(&mut container, "/name", json!(name));
    set(&mut container, "/env", json!([{ "name": "CRASH", "value": "1" }]));
    container.as_object_mut().unwrap().retain(|field, _| !matches!(field.as_str(), "ports" | "readinessProbe"));
    container
}

/// Sets the field at a JSON pointer, and creates missing parents.
fn set(value: &mut Value, pointer: &str, new: Value) {
    let mut place = value;
    for step in pointer.split('/').skip(1) {
        place = match place {
            Value::Array(items) => {
                let index = step.parse::<usize>().unwrap();
                items.resize(items.len().max(index + 1), Value::Null);
                &mut items[index]
            }
            Value::Object(fields) => fields.entry(step).or_insert(Value::Null),
            other => {
                *other = Value::Object(Map::new());
                other.as_object_mut().unwrap().entry(step).or_insert(Value::Null)
            }
        };
    }
    *place = new;
}
