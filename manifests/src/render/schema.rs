//! The schemas of the kinds that manifests may have: the type of a field, and what does not fit it.
//!
//! They are those of `k8s-openapi` for one version of Kubernetes. The cluster may have another, so nothing here refuses a push:
//! the API server decides.

mod check;

use std::{collections::HashMap, sync::LazyLock};

use k8s_openapi::{Resource, api};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

pub(super) use check::check;

/// The version of Kubernetes that the schemas are of: the feature of `k8s-openapi`.
pub(super) const VERSION: &str = "1.34";

/// The deepest chain of references from one schema to another. `k8s-openapi` has chains of one.
const MAX_REFERENCES: usize = 8;

/// The schemas of all kinds: those of the kinds by `apiVersion` and `kind`, and those they refer to by name.
struct Schemas {
    kinds: HashMap<String, Value>,
    definitions: Map<String, Value>,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let mut collector = Collector { generator: SchemaGenerator::default(), kinds: HashMap::new() };
    collector.add::<api::core::v1::LimitRange>();
    collector.add::<api::core::v1::ResourceQuota>();
    collector.add::<api::networking::v1::NetworkPolicy>();
    collector.add::<api::rbac::v1::Role>();
    collector.add::<api::scheduling::v1::PriorityClass>();
    collector.add::<api::core::v1::ConfigMap>();
    collector.add::<api::core::v1::PersistentVolumeClaim>();
    collector.add::<api::core::v1::Secret>();
    collector.add::<api::core::v1::Service>();
    collector.add::<api::core::v1::ServiceAccount>();
    collector.add::<api::policy::v1::PodDisruptionBudget>();
    collector.add::<api::rbac::v1::RoleBinding>();
    collector.add::<api::apps::v1::DaemonSet>();
    collector.add::<api::apps::v1::Deployment>();
    collector.add::<api::apps::v1::StatefulSet>();
    collector.add::<api::batch::v1::CronJob>();
    collector.add::<api::batch::v1::Job>();
    collector.add::<api::autoscaling::v2::HorizontalPodAutoscaler>();
    collector.add::<api::autoscaling::v1::HorizontalPodAutoscaler>();
    collector.add::<api::networking::v1::Ingress>();
    Schemas { kinds: collector.kinds, definitions: collector.generator.take_definitions(true) }
});

struct Collector {
    generator: SchemaGenerator,
    kinds: HashMap<String, Value>,
}

impl Collector {
    fn add<K: Resource + JsonSchema>(&mut self) {
        let schema = self.generator.subschema_for::<K>().to_value();
        self.kinds.insert(key(K::API_VERSION, K::KIND), schema);
    }
}

fn key(api_version: &str, kind: &str) -> String {
    format!("{api_version} {kind}")
}

/// A field's place in the schemas.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// An object whose kind is not known yet.
    Object,
    /// The items of a `List`.
    Items,
    /// A field with a schema.
    Known(&'static Value),
    /// A field of which nothing is known.
    Unknown,
}

/// The type of a field that holds no other fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarType {
    Text,
    Integer,
    Number,
    Boolean,
    /// An integer or a text: a port, or a number of pods that may be a percentage.
    IntegerOrText,
    /// A number, or a text with a unit.
    Quantity,
    /// It may hold anything.
    Any,
}

impl Field {
    /// The same place, once `apiVersion` and `kind` of the object are known.
    pub(super) fn of_kind(self, api_version: &str, kind: &str) -> Self {
        match self {
            Self::Object if kind == "List" => Self::Object,
            Self::Object => SCHEMAS.kinds.get(&key(api_version, kind)).map_or(Self::Unknown, Self::resolved),
            known => known,
        }
    }

    /// The field with a key.
    pub(super) fn child(self, key: &str) -> Self {
        match self {
            Self::Object if key == "items" => Self::Items,
            Self::Known(schema) => {
                let named = schema.get("properties").and_then(|properties| properties.get(key));
                named.or_else(|| schema.get("additionalProperties")).map_or(Self::Unknown, Self::resolved)
            }
            _ => Self::Unknown,
        }
    }

    /// An item of the list.
    pub(super) fn item(self) -> Self {
        match self {
            Self::Items => Self::Object,
            Self::Known(schema) => schema.get("items").map_or(Self::Unknown, Self::resolved),
            _ => Self::Unknown,
        }
    }

    /// The type of a scalar here.
    pub(super) fn scalar_type(self) -> ScalarType {
        let Self::Known(schema) = self else { return ScalarType::Any };
        if schema.get("x-kubernetes-int-or-string").is_some_and(|set| set == true) {
            let is_quantity =
                schema.get("description").and_then(Value::as_str).is_some_and(|d| d.starts_with("Quantity"));
            return if is_quantity { ScalarType::Quantity } else { ScalarType::IntegerOrText };
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => ScalarType::Text,
            Some("integer") => ScalarType::Integer,
            Some("number") => ScalarType::Number,
            Some("boolean") => ScalarType::Boolean,
            _ => ScalarType::Any,
        }
    }

    /// The schema behind references.
    fn resolved(schema: &'static Value) -> Self {
        let mut schema = schema;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Self::Known(schema) };
            let name = reference.rsplit('/').next().unwrap_or(reference);
            match SCHEMAS.definitions.get(name) {
                Some(next) => schema = next,
                None => return Self::Unknown,
            }
        }
        Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::KINDS;

    fn at(api_version: &str, kind: &str, path: &[&str]) -> ScalarType {
        let root = Field::Object.of_kind(api_version, kind);
        path.iter().fold(root, |field, key| if *key == "[]" { field.item() } else { field.child(key) }).scalar_type()
    }

    #[test]
    fn every_kind_has_a_schema() {
        for kind in &KINDS {
            assert!(matches!(Field::Object.of_kind(&kind.api_version(), &kind.kind), Field::Known(_)), "{kind:?}");
        }
    }

    #[test]
    fn field_has_the_type_of_its_schema() {
        let container = ["spec", "template", "spec", "containers", "[]"];
        let deployment = |rest: &[&str]| at("apps/v1", "Deployment", &[&container, rest].concat());
        assert_eq!(at("apps/v1", "Deployment", &["spec", "replicas"]), ScalarType::Integer);
        assert_eq!(deployment(&["image"]), ScalarType::Text);
        assert_eq!(deployment(&["stdin"]), ScalarType::Boolean);
        assert_eq!(deployment(&["ports", "[]", "containerPort"]), ScalarType::Integer);
        assert_eq!(deployment(&["livenessProbe", "httpGet", "port"]), ScalarType::IntegerOrText);
        assert_eq!(deployment(&["resources", "limits", "cpu"]), ScalarType::Quantity);
        assert_eq!(deployment(&["env", "[]", "value"]), ScalarType::Text);
        assert_eq!(at("v1", "Service", &["spec", "ports", "[]", "targetPort"]), ScalarType::IntegerOrText);
        assert_eq!(at("v1", "ConfigMap", &["data", "any"]), ScalarType::Text);
        assert_eq!(at("v1", "ConfigMap", &["metadata", "labels", "any"]), ScalarType::Text);
        assert_eq!(at("example.com/v1", "Own", &["spec", "any"]), ScalarType::Any);
    }

    #[test]
    fn item_of_a_list_has_a_kind_of_its_own() {
        let item = Field::Object.of_kind("v1", "List").child("items").item();
        assert_eq!(
            item.of_kind("apps/v1", "Deployment").child("spec").child("replicas").scalar_type(),
            ScalarType::Integer
        );
    }
}
