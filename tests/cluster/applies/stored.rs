//! Stored releases: large ones, and those that failed pushes leave behind.

use std::{collections::BTreeSet, io::Write as _, time::Instant};

use berth_activities::release::leftovers::Kept;
use berth_workflows::contract::environment::ClusterObject;

use super::*;

const FAILED_PUSHES: u64 = 100;

/// Returns a text that no compression makes much smaller.
fn noise(bytes: usize, mut state: u64) -> String {
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + ((state >> 40) % 26) as u8)
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[tokio::test]
async fn release_that_does_not_fit_a_secret_is_stored_and_read() {
    let applies = Applies::start().await;
    let large = |name: &str, seed: u64| config(name, &noise(900_000, seed));
    let release = applies.release("a", vec![large("one", 1), large("two", 2), large("three", 3)]);
    let stored = release.to_secrets(&applies.environment, &applies.settings.installation).await.unwrap();
    let apply = ReleaseApply {
        environment: &applies.environment,
        release: &release,
        store: Some(&stored),
        serving: None,
        deploy_id: 1,
        mode: Mode::Release,
        reported: None,
        kept: None,
    };
    apply_release(applies.context(), &apply).await.unwrap();
    let namespace = &applies.environment.namespace;
    let read = StoredRelease::load(&applies.client, namespace, &stored.name()).await.unwrap();
    assert_eq!(read, release);
    let parts = || applies.kubectl(&["get", "secrets", "-l", "berth.dev/content=release-part", "-o", "name"]);
    assert!(!parts().is_empty());
    // Its parts go with it, also by hand.
    applies.kubectl(&["delete", "secret", &stored.name()]);
    until("the parts are gone", || parts().is_empty());
    applies.end().await;
}

/// A push whose pods never run: no node fits. Its Secret is named by the push.
fn failing(push: u64, class: &str) -> Vec<Value> {
    let secret = format!("values-{push}");
    let mut web = deployment("web");
    web["spec"]["replicas"] = json!(1);
    let container = json!({"name": "web", "image": "none", "envFrom": [{"secretRef": {"name": secret}}]});
    web["spec"]["template"]["spec"] =
        json!({"containers": [container], "priorityClassName": class, "nodeSelector": {"no": "node"}});
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": class}, "value": push});
    vec![class, web]
}

impl Applies {
    /// Applies a push as its rollout does, with the Secret that its step before has made. Returns its stored name.
    async fn push(&mut self, push: u64, serving: Option<(&StoredRelease, &str)>) -> (StoredRelease, String) {
        let secret = format!("values-{push}");
        let labels = [("berth.dev/content", "secrets"), ("app.kubernetes.io/managed-by", "berth")];
        let mut values = Secret { immutable: Some(true), ..Secret::default() };
        values.metadata.name = Some(secret.clone());
        values.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.environment.namespace);
        secrets.create(&Default::default(), &values).await.unwrap();
        let class = self.class(push);
        self.environment.record_cluster_objects([ClusterObject {
            api_version: "scheduling.k8s.io/v1".into(),
            kind: "PriorityClass".into(),
            name: class.clone(),
        }]);
        let release = StoredRelease { secret, ..self.release(&push.to_string(), failing(push, &class)) };
        let stored = release.to_secrets(&self.environment, &self.settings.installation).await.unwrap();
        let kept = Kept { names: serving.iter().map(|(_, name)| (*name).to_owned()).collect(), proven: 0 };
        let apply = ReleaseApply {
            environment: &self.environment,
            release: &release,
            store: Some(&stored),
            serving: serving.map(|(serving, _)| serving),
            deploy_id: push,
            mode: Mode::Release,
            reported: None,
            kept: (push > 1).then_some(&kept),
        };
        apply_release(self.context(), &apply).await.unwrap();
        let name = stored.name();
        (release, name)
    }

    /// Returns the name of a push's `PriorityClass`.
    fn class(&self, push: u64) -> String {
        format!("web-{}-{push}", self.environment.namespace)
    }

    /// Returns the names of content-named Secrets, and of the environment's classes.
    fn leftovers(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let names = |arguments: &[&str]| self.kubectl(arguments).lines().map(str::to_owned).collect();
        let owner = format!("berth.dev/workflow={}", self.environment.workflow_id);
        (
            names(&["get", "secrets", "-l", "berth.dev/content", "-o", "name"]),
            names(&["get", "priorityclasses", "-l", &owner, "-o", "name"]),
        )
    }
}

#[tokio::test]
async fn failed_pushes_leave_no_growing_number_of_objects() {
    let mut applies = Applies::start().await;
    let (serving, name) = applies.push(1, None).await;
    let before = applies.leftovers();
    let begun = Instant::now();
    for push in 2..=FAILED_PUSHES + 1 {
        applies.push(push, Some((&serving, &name))).await;
    }
    let took = begun.elapsed();
    let after = applies.leftovers();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{FAILED_PUSHES} failed pushes in {:.1} s: Secrets {} before, {} after; PriorityClasses {} before, {} after",
        took.as_secs_f64(),
        before.0.len(),
        after.0.len(),
        before.1.len(),
        after.1.len(),
    )
    .unwrap();
    // What serves, the last push, and those whose pods were still there.
    assert!(after.0.len() <= 20 && after.1.len() <= 10, "{after:?}");
    let last = FAILED_PUSHES + 1;
    for kept in ["secret/values-1", &format!("secret/values-{last}"), &format!("secret/{name}")] {
        assert!(after.0.contains(kept), "{kept} of {after:?}");
    }
    for kept in [1, last] {
        assert!(after.1.contains(&format!("priorityclass.scheduling.k8s.io/{}", applies.class(kept))), "{after:?}");
    }
    applies.end().await;
}
