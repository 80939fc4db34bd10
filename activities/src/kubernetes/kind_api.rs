//! The API of a kind that manifests may have: built from berth's own table, so that no discovery is needed.

use kube::{
    Api, Client,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};

use berth_manifests::render::Kind;

/// The API for objects of a kind: in the namespace, or in the whole cluster where the kind is cluster-scoped.
pub(crate) fn api_for_kind(client: &Client, kind: &Kind, namespace: &str) -> Api<DynamicObject> {
    let resource = api_resource(kind);
    if kind.namespaced {
        Api::namespaced_with(client.clone(), namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    }
}

/// The description of a kind that kube's dynamic API needs.
pub(crate) fn api_resource(kind: &Kind) -> ApiResource {
    let gvk = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
    ApiResource::from_gvk_with_plural(&gvk, &kind.plural)
}
