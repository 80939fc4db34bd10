use std::time::Duration;

use berth_workflows::contract::{
    environment::{Database, EnvironmentKind},
    verdict::FailureType,
};
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::{isolation::isolation_objects, *};
use crate::{
    context::TestContext,
    examples::{app, environment, settings},
    fake_api_server::FakeApiServer,
    kubernetes::labels,
    settings::Settings,
};

const NAMESPACES: &str = "/api/v1/namespaces";
const BINDING: &str = "PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/pr-1/rolebindings/berth";
const POLICY: &str = "PATCH /apis/networking.k8s.io/v1/namespaces/pr-1/networkpolicies/berth";

async fn ensure(cluster: &FakeApiServer, app: &App) -> Result<NamespaceReady, Failure> {
    ensure_namespace(TestContext::new(cluster.client()).context(), app, &environment()).await
}

/// The environment's namespace, as an earlier attempt or rollout created it.
fn with_namespace(created: Timestamp) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    let labels = labels::owner_labels(&environment(), "berth");
    let metadata = json!({"name": "pr-1", "labels": labels, "creationTimestamp": created.to_string()});
    cluster.put(NAMESPACES, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    cluster
}

/// Returns the allowed traffic of the only policy: `ingress` or `egress`.
fn allowed(app: &App, environment: &Environment, settings: &Settings, direction: &str) -> Value {
    let objects = isolation_objects(settings, app, environment);
    let policies: Vec<_> =
        objects.iter().filter(|object| object.types.as_ref().unwrap().kind == "NetworkPolicy").collect();
    assert_eq!((policies.len(), policies[0].name_any().as_str()), (1, "berth"));
    assert_eq!(policies[0].data["spec"]["podSelector"], json!({}));
    assert_eq!(policies[0].data["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    policies[0].data["spec"][direction].clone()
}

#[tokio::test]
async fn a_first_rollout_creates_namespace_then_role_binding_then_the_rest() {
    let cluster = FakeApiServer::default();
    assert!(ensure(&cluster, &app(json!({}))).await.unwrap().created);
    let expected = [
        "GET /api/v1/namespaces/pr-1",
        "POST /api/v1/namespaces",
        BINDING,
        POLICY,
        "PATCH /api/v1/namespaces/pr-1/resourcequotas/berth",
        "PATCH /api/v1/namespaces/pr-1/limitranges/berth",
    ];
    assert_eq!(cluster.requests(), expected);
}

#[tokio::test]
async fn namespace_records_the_environments_names_old_or_new() {
    let old = with_namespace("2026-01-01T00:00:00Z".parse().unwrap());
    for cluster in [FakeApiServer::default(), old] {
        ensure(&cluster, &app(json!({}))).await.unwrap();
        let namespace = cluster.get("/api/v1/namespaces/pr-1").unwrap();
        let expected = json!({"berth.dev/database": "", "berth.dev/host": "pr-1.example.com",
            "berth.dev/temporal-ui-host": "pr-1-temporal.example.com"});
        assert_eq!(namespace["metadata"]["annotations"], expected);
    }
}

#[tokio::test]
async fn egress_that_the_app_file_drops_is_closed_in_an_existing_environment() {
    let cluster = FakeApiServer::default();
    let policies = "/apis/networking.k8s.io/v1/namespaces/pr-1/networkpolicies/";
    let egress = || -> String {
        let all: Vec<_> = cluster.below(policies).iter().filter_map(|path| cluster.get(path)).collect();
        all.iter().map(|policy| policy["spec"]["egress"].to_string()).collect()
    };
    ensure(&cluster, &app(json!({}))).await.unwrap();
    assert!(egress().contains("0.0.0.0/0"), "{}", egress());
    ensure(&cluster, &app(json!({"isolation": {"egress": "listed"}}))).await.unwrap();
    assert!(!egress().contains("0.0.0.0/0"), "{}", egress());
}

#[test]
fn ingress_allows_own_pods_and_the_controller_but_not_temporals_ports() {
    let ingress = allowed(&app(json!({})), &environment(), &settings(), "ingress");
    let controller = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}});
    let ports =
        json!([{"protocol": "TCP", "port": 1, "endPort": 7232}, {"protocol": "TCP", "port": 7244, "endPort": 65535}]);
    let expected = json!([{"from": [{"podSelector": {}}]}, {"from": [controller], "ports": ports}]);
    assert_eq!(ingress, expected);
}

#[test]
fn egress_allows_own_pods_dns_and_the_app_files_destinations() {
    let (within, dns) = (
        json!({"to": [{"podSelector": {}}]}),
        json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}),
    );
    let outside = json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}]);
    let listed = json!({"isolation": {"egress": "listed"}});
    let mut settings = settings();
    let server = json!({"host": "db", "port": 5433, "admin_secret": "admin", "connections": 5});
    settings.database_servers.insert("previews".into(), serde_json::from_value(server).unwrap());
    let plain = environment();
    let database = Database::Isolated { server: "previews".into(), name: "web".into() };
    let isolated = Environment { database: Some(database), ..plain.clone() };
    let egress = |more: &Value, environment| allowed(&app(more.clone()), environment, &settings, "egress");
    for environment in [&plain, &isolated] {
        assert_eq!(egress(&json!({}), environment), json!([within, dns, {"to": outside}]));
    }
    assert_eq!(egress(&listed, &plain), json!([within, dns]));
    let server = json!({"to": outside, "ports": [{"port": 5433, "protocol": "TCP"}]});
    assert_eq!(egress(&listed, &isolated), json!([within, dns, server]));
}

#[tokio::test]
async fn previews_get_default_requests_but_no_default_limits() {
    let range = "/api/v1/namespaces/pr-1/limitranges";
    for (created, default) in [(None, json!({"memory": "64Mi"})), (Some("2026-01-01T00:00:00Z"), Value::Null)] {
        let cluster = created.map_or_else(FakeApiServer::default, |at| with_namespace(at.parse().unwrap()));
        if created.is_some() {
            let limit = json!({"type": "Container", "max": {"memory": "48Mi", "cpu": "1"}});
            cluster.put(range, &json!({"metadata": {"name": "web"}, "spec": {"limits": [limit]}}));
        }
        ensure(&cluster, &app(json!({}))).await.unwrap();
        let limits = cluster.get(&format!("{range}/berth")).unwrap()["spec"]["limits"].clone();
        assert_eq!(limits[0]["defaultRequest"]["memory"], default["memory"]);
        assert_eq!((limits.as_array().unwrap().len(), &limits[0]["default"]), (1, &Value::Null));
    }
}

fn kinds(objects: &[DynamicObject]) -> Vec<&str> {
    objects.iter().map(|object| object.types.as_ref().unwrap().kind.as_str()).collect()
}

#[test]
fn production_is_isolated_only_if_the_app_file_asks() {
    let production = Environment { kind: EnvironmentKind::Production, ..environment() };
    for (isolation, expected) in [(json!(null), &[][..]), (json!({"egress": "listed"}), &["NetworkPolicy"])] {
        let settings_of = json!({"namespace": "web", "host": "example.com", "isolation": isolation});
        let app = app(json!({"production": settings_of, "isolation": {"egress": "internet"}}));
        let objects = isolation_objects(&settings(), &app, &production);
        assert_eq!(kinds(&objects), expected);
        assert!(objects.iter().all(|policy| !policy.data.to_string().contains("0.0.0.0/0")), "{objects:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_applied_before_the_role_binding() {
    let cluster = FakeApiServer::default();
    cluster.refuse_times(BINDING, 403, 2);
    assert!(ensure(&cluster, &app(json!({}))).await.unwrap().created);
    assert_eq!(cluster.requests()[2..6], [BINDING, BINDING, BINDING, POLICY]);
}

#[tokio::test(start_paused = true)]
async fn propagating_rbac_is_retried_in_place() {
    let cluster = FakeApiServer::default();
    cluster.refuse_times(POLICY, 403, 3);
    let began = tokio::time::Instant::now();
    assert!(ensure(&cluster, &app(json!({}))).await.unwrap().created);
    assert!((140..150).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn propagating_rbac_is_retried_after_an_earlier_attempt_too() {
    let cluster = with_namespace(Timestamp::now());
    cluster.refuse_times(POLICY, 403, 3);
    assert!(!ensure(&cluster, &app(json!({}))).await.unwrap().created);
}

#[tokio::test(start_paused = true)]
async fn missing_rbac_fails_after_five_seconds_or_at_once_if_old() {
    let old = with_namespace("2026-01-01T00:00:00Z".parse().unwrap());
    for (cluster, times, waited) in [(FakeApiServer::default(), 9, 5), (old, 1, 0)] {
        cluster.refuse(POLICY, 403);
        let began = tokio::time::Instant::now();
        let result = ensure(&cluster, &app(json!({}))).await;
        let denied = FailureType::KubernetesDenied;
        assert!(matches!(&result, Err(Failure::Transient { failure, .. }) if *failure == denied), "{result:?}");
        assert_eq!(cluster.requests().iter().filter(|request| *request == POLICY).count(), times);
        assert_eq!(began.elapsed().as_secs(), Duration::from_secs(waited).as_secs());
    }
}

/// An app with a pull secret, and the cluster with a Secret of that type in berth's namespace.
fn with_pull_secret(type_: &str) -> (FakeApiServer, App) {
    let cluster = FakeApiServer::default();
    let secret = json!({"metadata": {"name": "web-regcred"}, "type": type_, "data": {"x": "e30="}});
    cluster.put("/api/v1/namespaces/berth-system/secrets", &secret);
    (cluster, app(json!({"image_pull_secret": {"secret": "web-regcred", "as": "regcred"}})))
}

#[tokio::test]
async fn pull_secret_is_copied_under_its_name_and_used_by_default() {
    for type_ in ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"] {
        let (cluster, app) = with_pull_secret(type_);
        ensure(&cluster, &app).await.unwrap();
        let copy = cluster.get("/api/v1/namespaces/pr-1/secrets/regcred").unwrap();
        assert_eq!((&copy["type"], &copy["data"]), (&json!(type_), &json!({"x": "e30="})));
        let account = cluster.get("/api/v1/namespaces/pr-1/serviceaccounts/default").unwrap();
        assert_eq!(account["imagePullSecrets"], json!([{"name": "regcred"}]));
    }
}

#[tokio::test]
async fn only_a_secret_of_a_registry_is_copied() {
    for type_ in ["Opaque", "kubernetes.io/tls", "kubernetes.io/service-account-token"] {
        let (cluster, app) = with_pull_secret(type_);
        let result = ensure(&cluster, &app).await;
        let denied = FailureType::PolicyDenied;
        assert!(
            matches!(&result, Err(Failure::Permanent(v)) if v.failure == denied && v.message.contains(type_)),
            "{result:?}"
        );
        assert_eq!(cluster.below("/api/v1/namespaces/pr-1/secrets"), [""; 0]);
    }
}
