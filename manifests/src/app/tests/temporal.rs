//! The address of an environment's own Temporal server, by its manifests.

use super::*;

/// The address in preview 7 of an app whose folder has this manifest.
fn own_address(manifest: &str) -> String {
    let file = SMALLEST.replace("preview:", "manifests: ./api\npreview:");
    let folder = folder_with(&[("api.yaml", &file)]);
    fs::create_dir_all(folder.path().join("api/core")).unwrap();
    fs::write(folder.path().join("api/core/all.yaml"), manifest).unwrap();
    let app = load_apps(folder.path()).unwrap().remove(0);
    app.own_temporal_address(&app.preview_environment(7).unwrap())
}

#[test]
fn address_is_that_of_the_service_with_temporals_port() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: $KUBE_APP-grpc}\n\
                   spec: {selector: {app: engine}, ports: [{port: 7233, targetPort: 7001}]}\n";
    assert_eq!(own_address(service), "api-pr-7-grpc.api-pr-7.svc.cluster.local:7233");
    // What only a push knows is open here.
    let unknown = format!("{service}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: $KUBE_UNKNOWN}}\n");
    assert_eq!(own_address(&unknown), "api-pr-7-grpc.api-pr-7.svc.cluster.local:7233");
}

#[test]
fn address_without_such_a_service_is_that_of_the_built_in_one() {
    let other = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
    for manifest in [other, "kind: [", ""] {
        assert_eq!(own_address(manifest), "api-temporal.api-pr-7.svc.cluster.local:7233", "{manifest}");
    }
}
