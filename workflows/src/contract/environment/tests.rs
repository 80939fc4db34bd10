use super::*;

#[test]
fn pull_request_has_the_workflow_id_of_its_app_and_number() {
    let input: PullRequest = serde_json::from_str(r#"{"app":"web","pr":123}"#).unwrap();
    assert_eq!(input.workflow_id(), "preview-web-123");
    assert_eq!(input.check(), Ok(()));
}

#[test]
fn check_refuses_an_app_or_number_that_cannot_become_a_name() {
    for (app, pr) in [("", 1), ("Web", 1), ("-web", 1), ("web.x", 1), (&*"a".repeat(31), 1), ("web", 0)] {
        assert!(PullRequest::new(app, pr).check().is_err(), "{app} {pr} should be refused");
    }
}

#[test]
fn check_identity_accepts_only_the_id_of_app_and_kind() {
    let preview = EnvironmentKind::Preview { pr: 1 };
    let check = |app: &str, kind, id: &str| Environment::unrecorded(app, kind, id).check_identity();
    assert_eq!(check("web", preview, "preview-web-1"), Ok(()));
    assert_eq!(check("web", EnvironmentKind::Production, "production-web"), Ok(()));
    for (app, kind, id) in [
        ("web", preview, "preview-web-2"),
        ("web", preview, "preview-web-01"),
        ("web", preview, "production-web"),
        ("web", EnvironmentKind::Production, "preview-web-1"),
        ("web", EnvironmentKind::Preview { pr: 0 }, "preview-web-0"),
        ("web", EnvironmentKind::Preview { pr: MAX_PR + 1 }, "preview-web-10000000000"),
        ("web,x", EnvironmentKind::Production, "production-web,x"),
        ("", EnvironmentKind::Production, "production-"),
    ] {
        assert!(check(app, kind, id).is_err(), "{app} {kind:?} {id} should be refused");
    }
}

#[test]
fn workflow_id_tells_the_kind_of_its_own_app_alone() {
    for kind in [EnvironmentKind::Preview { pr: 7 }, EnvironmentKind::Production] {
        assert_eq!(EnvironmentKind::from_workflow_id("web", &kind.workflow_id("web")), Some(kind));
        assert_eq!(EnvironmentKind::from_workflow_id("shop", &kind.workflow_id("web")), None);
    }
    for id in ["", "preview-web-", "preview-web-07", "preview-web-+7", "preview-web-7-report", "preview-web-shop-7"] {
        assert_eq!(EnvironmentKind::from_workflow_id("web", id), None, "{id}");
    }
}

#[test]
fn record_cluster_objects_keeps_the_newest_without_duplicates() {
    let object = |n: usize| ClusterObject {
        api_version: "scheduling.k8s.io/v1".into(),
        kind: "PriorityClass".into(),
        name: format!("web-pr-1-{n}"),
    };
    let mut environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
    environment.record_cluster_objects((0..100).map(object));
    environment.record_cluster_objects([object(99)]);
    assert_eq!(environment.cluster_objects.len(), Environment::MAX_CLUSTER_OBJECTS);
    assert_eq!(environment.cluster_objects.last(), Some(&object(99)));
}

#[test]
fn record_cluster_objects_ignores_one_that_cannot_exist() {
    let object = |kind: &str, name: String| ClusterObject { api_version: "v1".into(), kind: kind.into(), name };
    let mut environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 1 }, "preview-web-1");
    environment.record_cluster_objects([object("Namespace", "n".repeat(254)), object(&"k".repeat(254), "n".into())]);
    assert_eq!(environment.cluster_objects, []);
    environment.record_cluster_objects([object("Namespace", "n".repeat(253))]);
    assert_eq!(environment.cluster_objects.len(), 1);
}

#[test]
fn kind_is_encoded_as_the_pull_request_or_null() {
    let production = Environment::unrecorded("web", EnvironmentKind::Production, "production-web");
    let preview = Environment { kind: EnvironmentKind::Preview { pr: 7 }, ..production.clone() };
    for (environment, pr) in [(preview, serde_json::json!(7)), (production.clone(), serde_json::Value::Null)] {
        let json = serde_json::to_value(&environment).unwrap();
        assert_eq!(json["pr"], pr);
        assert_eq!(environment.kind.name(), if pr.is_null() { "production" } else { "preview" });
        assert_eq!(serde_json::from_value::<Environment>(json).unwrap(), environment);
    }
    let mut json = serde_json::to_value(&production).unwrap();
    json.as_object_mut().unwrap().remove("pr");
    assert_eq!(serde_json::from_value::<Environment>(json).unwrap(), production, "absent is null");
}

#[test]
fn decoding_fails_on_an_unknown_field_and_names_it() {
    let error = serde_json::from_str::<PullRequest>(r#"{"app":"web","pr":1,"nr":2}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `nr`"), "{error}");
}
