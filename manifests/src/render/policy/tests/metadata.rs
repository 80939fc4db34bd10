//! Rules for kinds, names, namespaces, and fields that must be strings.

use serde_json::{Value, json};

use super::*;

#[test]
fn unlisted_kinds_are_refused() {
    for (api_version, kind) in [
        ("v1", "Pod"),
        ("v1", "Endpoints"),
        ("v1", "PersistentVolume"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("extensions/v1beta1", "Ingress"),
        ("networking.k8s.io/v1", "Deployment"),
    ] {
        assert_eq!(refused(object(api_version, kind, json!({}))), ["kind"], "{kind}");
    }
    assert_eq!(refused(json!({"metadata": {"name": "x"}})), [""]);
    let (_, findings) = checked(object("extensions/v1beta1", "Ingress", json!({})), &preview_policy());
    assert!(findings[0].message.contains("networking.k8s.io/v1"), "{findings:?}");
}

#[test]
fn refused_kind_says_what_to_write_instead() {
    for (api_version, kind, expected) in [
        ("v1", "Pod", "no app can have a Pod: it cannot be followed by a rollout; write a Deployment or a Job"),
        ("apps/v1", "ReplicaSet", "write a Deployment"),
        ("v1", "Endpoints", "a Service needs a `selector`"),
        ("discovery.k8s.io/v1", "EndpointSlice", "a Service needs a `selector`"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "write a Role for production"),
        ("v1", "PersistentVolume", "is cluster-scoped; an administrator makes it"),
        ("cert-manager.io/v1", "ClusterIssuer", "is cluster-scoped; an administrator makes it"),
        ("storage.k8s.io/v1", "StorageClass", "is cluster-scoped; an administrator makes it"),
        (
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            "If it is namespaced, the app file can allow it: `kinds: [{api_version: monitoring.coreos.com/v1, kind: ServiceMonitor}]`",
        ),
        ("serving.knative.dev/v1", "Service", "`kinds: [{api_version: serving.knative.dev/v1, kind: Service}]`"),
        ("policy/v1beta1", "PodDisruptionBudget", "must have the `apiVersion` `policy/v1`"),
        ("v1", "Namespace", "the only Namespace"),
    ] {
        let (_, findings) = checked(object(api_version, kind, json!({})), &preview_policy());
        let [finding] = findings.as_slice() else { panic!("{kind}: {findings:?}") };
        assert!(finding.message.contains(expected), "{finding}");
        let suggests_kinds = finding.message.contains("`kinds: ");
        assert_eq!(suggests_kinds, expected.contains("`kinds: "), "{finding}");
    }
}

#[test]
fn namespaced_object_must_be_in_the_environments_namespace() {
    let config_map = |metadata: Value| named("v1", "ConfigMap", metadata);
    for metadata in
        [json!({"name": "x"}), json!({"name": "x", "namespace": "pr-123"}), json!({"name": "x", "namespace": null})]
    {
        let (objects, findings) = checked(config_map(metadata), &preview_policy());
        assert_eq!((objects[0].namespace(), findings), (Some("pr-123"), vec![]));
    }
    for namespace in [json!("pr-124"), json!("kube-system"), json!(["pr-123"]), json!(1)] {
        let metadata = json!({"name": "x", "namespace": namespace});
        assert_eq!(refused(config_map(metadata)), ["metadata.namespace"]);
    }
}

#[test]
fn cluster_scoped_object_must_be_allowed_and_have_the_unique_name() {
    let class =
        |name: &str| named("scheduling.k8s.io/v1", "PriorityClass", json!({"name": name, "namespace": "pr-123"}));
    let (objects, findings) = checked(class("web-pr-123-7-priority"), &preview_policy());
    assert_eq!((objects[0].namespace(), findings.len()), (None, 1));
    assert_eq!((findings[0].severity, findings[0].field.as_deref()), (Severity::Note, Some("preemptionPolicy")));
    assert_eq!(refused(class("web-pr-1234-priority")), ["metadata.name"]);
    let mut global = class("web-pr-123");
    global["globalDefault"] = json!(true);
    assert_eq!(refused(global), ["globalDefault"]);
    let none = PolicyInput { cluster_kinds: vec![], ..preview_policy() };
    assert_eq!(refused_by(class("web-pr-123"), &none), ["kind"]);
}

#[test]
fn namespace_and_doppler_secret_are_left_out_with_a_note() {
    for document in [
        named("v1", "Namespace", json!({"name": "pr-123"})),
        named(
            "secrets.doppler.com/v1alpha1",
            "DopplerSecret",
            json!({"name": "x", "namespace": "doppler-operator-system"}),
        ),
    ] {
        let (objects, findings) = checked(document, &preview_policy());
        assert_eq!((objects.len(), findings.len()), (0, 1));
        assert_eq!(findings[0].severity, Severity::Note);
    }
    assert_eq!(refused(named("v1", "Namespace", json!({"name": "kube-system"}))), ["kind"]);
}

#[test]
fn label_of_the_namespace_that_nobody_sets_is_a_warning() {
    let metadata = |namespace: &str| {
        let labels = json!({"istio-injection": "enabled", "pod-security.kubernetes.io/enforce": "restricted",
            "kubernetes.io/metadata.name": namespace, "app.kubernetes.io/managed-by": "ci", "berth.dev/app": "web"});
        let annotations =
            json!({"linkerd.io/inject": "enabled", "kubectl.kubernetes.io/last-applied-configuration": "{}"});
        json!({"name": namespace, "labels": labels, "annotations": annotations})
    };
    for (input, note, who) in [
        (preview_policy(), "berth makes the namespace", "a preview gets no labels"),
        (production_policy(), "a person makes the namespace of production", "a person makes the namespace"),
    ] {
        let (objects, findings) = checked(named("v1", "Namespace", metadata(&input.namespace)), &input);
        let of = |severity| findings.iter().filter(move |finding| finding.severity == severity).collect::<Vec<_>>();
        let (notes, warnings) = (of(Severity::Note), of(Severity::Warning));
        assert_eq!((objects.len(), notes.len()), (0, 1));
        assert!(notes[0].message.ends_with(note), "{}", notes[0]);
        let mut fields: Vec<_> = warnings.iter().filter_map(|finding| finding.field.as_deref()).collect();
        fields.sort_unstable();
        let level = "metadata.labels[pod-security.kubernetes.io/enforce]";
        assert_eq!(fields, ["metadata.annotations[linkerd.io/inject]", "metadata.labels.istio-injection", level]);
        for finding in warnings {
            let expected = if finding.field.as_deref() == Some(level) { "isolation" } else { who };
            assert!(finding.message.contains(expected), "{finding}");
        }
        let plain = named("v1", "Namespace", json!({"name": input.namespace}));
        assert_eq!(checked(plain, &input).1.len(), 1);
    }
}

#[test]
fn names_of_berths_objects_are_reserved() {
    for kind in ["Secret", "ConfigMap", "ResourceQuota"] {
        assert_eq!(refused(named("v1", kind, json!({"name": "berth-database"}))), ["metadata.name"]);
    }
    let reserved = named("v1", "Secret", json!({"name": "web-secrets-0a1b2c3d"}));
    assert_eq!(refused(reserved), ["metadata.name"]);
    for name in ["", "Web", "a b", "../x", "a..b", "-a"] {
        let fields = refused(named("v1", "Secret", json!({"name": name})));
        assert_eq!(fields.len(), 1, "{name}");
    }
    assert_eq!(refused(named("v1", "Secret", json!({"generateName": "x-"}))), ["metadata"]);
    let object = |api_version, kind| named(api_version, kind, json!({"name": "berth"}));
    assert!(refused(object("networking.k8s.io/v1", "NetworkPolicy")).contains(&"metadata.name".to_owned()));
    assert_eq!(refused(object("v1", "ConfigMap")), Vec::<&str>::new());
}

#[test]
fn name_of_a_role_is_a_path_segment() {
    let is_refused = |api_version: &str, kind: &str, name: &str| {
        !refused_by(named(api_version, kind, json!({"name": name})), &production_policy()).is_empty()
    };
    let long = "a".repeat(254);
    for kind in ["Role", "RoleBinding"] {
        for name in ["Pod_Reader", "testing-RB", "system:controller:x", "a@example.com", "web.reader", "-x"] {
            assert!(!is_refused("rbac.authorization.k8s.io/v1", kind, name), "{kind} {name}");
        }
        for name in
            ["", ".", "..", "a/b", "a%2Fb", "a b", "a,b", "a=b", "a?b", "a#b", "a\\b", "ä", "a\n", "berth-x", &long]
        {
            assert!(is_refused("rbac.authorization.k8s.io/v1", kind, name), "{kind} {name:?}");
        }
    }
    let own = FurtherKind { api_version: "example.com/v1".to_owned(), kind: "Role".to_owned() };
    let input = PolicyInput { kinds: vec![own], ..production_policy() };
    assert_eq!(refused_by(named("example.com/v1", "Role", json!({"name": "Pod_Reader"})), &input), ["metadata.name"]);
    for name in ["Pod_Reader", "system:x", "-x", "x-", "a..b"] {
        assert!(is_refused("v1", "ConfigMap", name), "{name}");
    }
}

#[test]
fn metadata_with_finalizers_or_owners_is_refused() {
    let finalizer = json!({"name": "x", "finalizers": ["example.com/x"]});
    assert_eq!(refused(named("v1", "Secret", finalizer)), ["metadata.finalizers"]);
    let owner = json!({"name": "x", "ownerReferences": [{}]});
    assert_eq!(refused(named("v1", "Secret", owner)), ["metadata.ownerReferences"]);
    let label = json!({"name": "x", "labels": {"a": 1, "b": "1"}, "annotations": {"example.com/c": true}});
    assert_eq!(refused(named("v1", "Secret", label)), ["metadata.labels.a", "metadata.annotations[example.com/c]"]);
}

#[test]
fn template_with_finalizers_or_owners_is_refused_at_any_depth() {
    let holds = json!({"finalizers": ["example.com/x"], "ownerReferences": [{}]});
    let template = json!({"metadata": holds, "spec": {"containers": []}});
    let claim = |metadata: &Value| json!([{"metadata": metadata, "spec": {}}]);
    let scratch = json!({"containers": [], "volumes": [
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"metadata": holds, "spec": {}}}}]});
    let nightly = json!({"jobTemplate": {"metadata": holds, "spec": {"template": template}}});
    for (document, paths) in [
        (object("apps/v1", "Deployment", json!({"template": template})), vec!["spec.template"]),
        (object("apps/v1", "DaemonSet", json!({"template": template})), vec!["spec.template"]),
        (object("batch/v1", "Job", json!({"template": template})), vec!["spec.template"]),
        (object("batch/v1", "CronJob", nightly), vec!["spec.jobTemplate", "spec.jobTemplate.spec.template"]),
        (
            object("apps/v1", "StatefulSet", json!({"template": template, "volumeClaimTemplates": claim(&holds)})),
            vec!["spec.template", "spec.volumeClaimTemplates[0]"],
        ),
        (pod(scratch), vec!["spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate"]),
    ] {
        let of = |path: &str| ["finalizers", "ownerReferences"].map(|field| format!("{path}.metadata.{field}"));
        let expected: Vec<_> = paths.into_iter().flat_map(of).collect();
        assert_eq!(refused(document.clone()), expected, "{document}");
        assert!(refused_by(document.clone(), &production_policy()).is_empty(), "a warning in production: {document}");
    }
    let empty = object("apps/v1", "StatefulSet", json!({"volumeClaimTemplates": claim(&json!({"finalizers": []}))}));
    assert!(refused(empty).is_empty());
}

#[test]
fn fields_that_the_server_or_berth_sets_are_removed() {
    let document = json!({
        "apiVersion": "v1", "kind": "Service", "status": {"loadBalancer": {}},
        "metadata": {"name": "x", "uid": "u", "resourceVersion": "1", "creationTimestamp": null, "managedFields": [],
            "labels": {"app": "web", "berth.dev/workflow": "preview-web-1"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"}},
    });
    let (objects, _) = checked(document, &preview_policy());
    assert_eq!(
        objects[0].document,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "x", "namespace": "pr-123", "labels": {"app": "web"}, "annotations": {"a": "b"}},
        })
    );
}

#[test]
fn roles_are_left_out_of_a_preview_and_say_who_needs_them() {
    let rbac = "rbac.authorization.k8s.io/v1";
    let mut binding = named(rbac, "RoleBinding", json!({"name": "b"}));
    binding["roleRef"] = json!({"kind": "Role", "name": "r"});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": "jobs"}, {"kind": "User", "name": "u"}]);
    let documents = [
        named(rbac, "Role", json!({"name": "r"})),
        binding,
        pod(json!({"serviceAccountName": "jobs", "containers": []})),
    ];
    let objects = || documents.iter().map(|document| Object::new("a.yaml", 1, document.clone())).collect();
    let Checked { kept, findings, .. } = check(objects(), &preview_policy());
    assert_eq!(kept.iter().map(Object::kind).collect::<Vec<_>>(), ["Deployment"]);
    let messages: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let why = "is left out: code of a pull request gets no rights on the Kubernetes API. It would be of ServiceAccount `jobs`, \
               as which Deployment `x` runs";
    assert_eq!(
        messages,
        [format!("a.yaml:1: warning: Role `r` {why}"), format!("a.yaml:1: warning: RoleBinding `b` {why}")]
    );
    assert_eq!(check(objects(), &production_policy()).kept.len(), 3);
}

#[test]
fn name_that_is_no_string_is_refused_with_what_to_do() {
    for name in [json!(123), json!(true)] {
        let (_, findings) = checked(named("v1", "ConfigMap", json!({"name": name})), &preview_policy());
        let messages: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, ["must be a string: put it in quotes"]);
    }
}

#[test]
fn unquoted_string_is_refused_with_its_field() {
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
        "data": {"a": 1, "b": "1", "c": null}});
    assert_eq!(refused(config_map), ["data.a"]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": true}});
    assert_eq!(refused(secret), ["stringData.a"]);
    let container =
        container(json!({"args": ["a", 1], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": 1}]}));
    assert_eq!(
        refused(container),
        ["spec.template.spec.containers[0].args[1]", "spec.template.spec.containers[0].env[1].value"]
    );
}
