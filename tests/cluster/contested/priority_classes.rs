//! Priority classes, which are cluster-scoped: a rollout makes them, and the next one or a close removes them.

use berth_test_support::until;
use serde_json::json;

use super::own_apps::{OwnApps, priority_classes};

#[test]
fn priority_class_of_a_failed_rollout_is_gone_after_the_close() {
    let own = OwnApps::start(308);
    own.add_priority_class();
    let berth = &own.berth;
    let push = berth.begin_push('1', &berth.lab.image("slow"), &[]);
    until("it is made", || priority_classes(berth, 308).len() == 1);
    let class = format!("PriorityClass/{}", priority_classes(berth, 308)[0]);
    let failed = berth.push('2', &berth.lab.missing_image(), &[]);
    assert_eq!(push.wait().json["outcome"], "superseded");
    if berth.lab.real_pods() {
        assert_eq!(failed.json["verdict"]["failure"], "ImageUnavailable", "{failed:?}");
    }
    let closed = berth.preview("close", &[]);
    let gone = closed.data["gone"].as_array().unwrap();
    assert!(gone.contains(&json!(class)) && gone.contains(&json!("Namespace/pr-308")), "{closed:?}");
    assert_eq!(gone.len(), 3, "the namespace, and a class of each rollout: {closed:?}");
    assert_eq!(priority_classes(berth, 308), [""; 0]);
}

#[test]
fn priority_class_goes_after_the_next_gates_or_with_the_close() {
    let own = OwnApps::start(309);
    own.add_priority_class();
    let berth = &own.berth;
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let first = priority_classes(berth, 309);
    assert_eq!(berth.push('2', &berth.lab.image("v2"), &[]).code, 0);
    let second = priority_classes(berth, 309);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    let closed = berth.preview("close", &[]);
    let expected = json!([format!("PriorityClass/{}", second[0]), "Namespace/pr-309"]);
    assert_eq!(closed.data["gone"], expected, "{closed:?}");
    assert_eq!(priority_classes(berth, 309), [""; 0]);
}

#[test]
fn foreign_priority_class_of_the_same_name_is_refused_and_untouched() {
    let own = OwnApps::start(311);
    own.add_priority_class();
    own.edit("web/core/priority.yaml", "$KUBE_APP-$KUBE_DEPLOY_ID-priority", "$KUBE_APP-priority");
    own.edit("web/core/web.yaml", "$KUBE_APP-$KUBE_DEPLOY_ID-priority", "$KUBE_APP-priority");
    let berth = &own.berth;
    berth.kubectl(&["create", "priorityclass", "web-pr-311-priority", "--value=7"]);
    let theirs =
        || berth.object("priorityclass", "web-pr-311-priority").unwrap()["metadata"]["resourceVersion"].clone();
    let before = theirs();
    let refused = berth.push('1', &berth.lab.image("v1"), &[]);
    assert_eq!(refused.json["verdict"]["failure"], "PolicyDenied", "{refused:?}");
    assert!(
        refused.json["verdict"]["message"].to_string().contains("PriorityClass/web-pr-311-priority"),
        "{refused:?}"
    );
    assert_eq!(berth.preview("close", &[]).code, 0);
    assert_eq!(theirs(), before, "untouched by push and close");
    berth.kubectl(&["delete", "priorityclass", "web-pr-311-priority"]);
}
