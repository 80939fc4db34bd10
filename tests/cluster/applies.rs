//! Applies of releases to the lab's API server: its own refusals, conflicts and controllers. No pod runs.

use std::sync::atomic::{AtomicU64, Ordering};

use berth_activities::{
    Context, Settings, environment,
    failure::Failure,
    heartbeat::Progress,
    release::{
        apply_release::{AppliedRelease, Mode, ReleaseApply, apply_release},
        stored_release::StoredRelease,
    },
};
use berth_lab::Lab;
use berth_manifests::{
    app,
    render::{Object, Stamp},
};
use berth_test_support::until;
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    load_app::LoadAppInput,
    teardown::DeleteInput,
    timings::Timings,
    verdict::{FailureType, Verdict},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, runtime::wait::await_condition};
use serde_json::{Value, json};

use crate::in_process::{client, settings};

mod dry_run_cost;
mod shapes;
mod stored;

/// The pull request of the next environment, so that no two tests write to one. Tests with other means use lower numbers.
static NEXT_PULL_REQUEST: AtomicU64 = AtomicU64::new(10_000);

/// An environment of its own, and an apply to it.
pub(crate) struct Applies {
    pub(crate) lab: Lab,
    pub(crate) client: Client,
    settings: Settings,
    progress: Progress,
    pub(crate) environment: Environment,
}

impl Applies {
    pub(crate) async fn start() -> Self {
        let pr = NEXT_PULL_REQUEST.fetch_add(1, Ordering::Relaxed);
        let lab = Lab::shared().unwrap();
        let (client, settings) = (client(&lab).await, settings(&lab));
        let load = LoadAppInput::names("web", EnvironmentKind::Preview { pr }, &format!("preview-web-{pr}"));
        let environment = environment::load_app(&settings, &load).unwrap().environment;
        let applies = Self { lab, client, settings, progress: Progress::new(), environment };
        let app = app::load_apps(&applies.settings.apps).unwrap().remove(0);
        environment::ensure_namespace(applies.context(), &app, &applies.environment).await.unwrap();
        applies
    }

    fn context(&self) -> Context<'_> {
        Context { client: &self.client, settings: &self.settings, progress: &self.progress }
    }

    /// A release with berth's labels, as it is stored.
    pub(crate) fn release(&self, commit: &str, objects: Vec<Value>) -> StoredRelease {
        let stamp = Stamp {
            app: "web".into(),
            workflow: self.environment.workflow_id.clone(),
            installation: self.settings.installation.clone(),
            commit: commit.into(),
            applyset: None,
        };
        let stamped = objects.into_iter().map(|document| {
            let mut object = Object::new("", 0, document);
            stamp.apply(&mut object);
            object.document
        });
        StoredRelease {
            commit: commit.into(),
            version: None,
            secret: String::new(),
            objects: stamped.collect(),
            pod_security: None,
            pull_secret: None,
            gates: Vec::new(),
        }
    }

    pub(crate) async fn apply(
        &self,
        deploy_id: u64,
        release: &StoredRelease,
        serving: Option<&StoredRelease>,
    ) -> Result<AppliedRelease, Failure> {
        let environment = &self.environment;
        let mode = Mode::Release;
        let apply =
            ReleaseApply { environment, release, store: None, serving, deploy_id, mode, reported: None, kept: None };
        apply_release(self.context(), &apply).await
    }

    async fn refused(&self, deploy_id: u64, release: &StoredRelease, serving: &StoredRelease) -> Verdict {
        match self.apply(deploy_id, release, Some(serving)).await {
            Err(Failure::Permanent(verdict)) => *verdict,
            other => panic!("should be refused: {other:?}"),
        }
    }

    /// Waits until a rollout has passed the check of the set's deploy id.
    async fn until_claimed(&self, deploy_id: u64) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.environment.namespace);
        let is_claimed = |parent: Option<&Secret>| {
            let labels = parent.map(ResourceExt::labels);
            labels.and_then(|labels| labels.get("berth.dev/deploy-id")).is_some_and(|id| *id == deploy_id.to_string())
        };
        await_condition(secrets, "berth-applyset", is_claimed).await.unwrap();
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let namespace = ["-n", &self.environment.namespace];
        self.lab.kubectl(&[arguments, &namespace].concat()).unwrap()
    }

    fn field(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "-o", &format!("jsonpath={path}")])
    }

    pub(crate) async fn end(self) {
        let delete =
            DeleteInput { environment: self.environment.clone(), timings: Timings::default(), known: Vec::new() };
        let report = environment::delete_environment(self.context(), &delete).await.unwrap();
        assert!(report.remaining.is_empty(), "{report:?}");
    }
}

fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"VALUE": value}})
}

fn deployment(label: &str) -> Value {
    let labels = json!({"app": label});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "none"}]}}}})
}

#[tokio::test]
async fn release_that_the_api_server_refuses_changes_nothing() {
    let applies = Applies::start().await;
    let serving = applies.release("a", vec![config("web", "1"), deployment("web")]);
    applies.apply(1, &serving, None).await.unwrap();
    let versions = || {
        let columns = "jsonpath={.items[*].metadata.resourceVersion}";
        applies.kubectl(&["get", "configmap/web", "deployment/web", "-o", columns])
    };
    until("its controller has seen it", || applies.field("deployment/web", "{.status.observedGeneration}") == "1");
    let before = versions();
    let next = applies.release("b", vec![config("web", "2"), config("new", "2"), deployment("other")]);
    let verdict = applies.refused(2, &next, &serving).await;
    assert_eq!(verdict.failure, FailureType::FieldImmutable, "{verdict:?}");
    assert!(verdict.message.ends_with("nothing of the release was applied"), "{}", verdict.message);
    assert_eq!(versions(), before);
    assert_eq!(applies.kubectl(&["get", "configmap/new", "--ignore-not-found", "-o", "name"]), "");
    applies.end().await;
}

#[tokio::test]
async fn release_that_exceeds_a_quota_half_way_is_put_back() {
    let applies = Applies::start().await;
    let serving = applies.release("a", vec![config("web", "1")]);
    applies.apply(1, &serving, None).await.unwrap();
    let count = || applies.kubectl(&["get", "configmaps", "-o", "name"]).lines().count();
    // The controller manager makes one of its own.
    until("the root certificate is there", || count() == 2);
    applies.kubectl(&["create", "quota", "few", "--hard=count/configmaps=3"]);
    let used = || applies.field("quota/few", r"{.status.used.count/configmaps}");
    until("the quota counts", || used() == "2");
    // Each new object fits alone, as a dry run sees it. Both do not.
    let next = applies.release("b", vec![config("web", "2"), config("first", "2"), config("second", "2")]);
    let verdict = applies.refused(2, &next, &serving).await;
    assert_eq!((verdict.failure, verdict.mixed.len()), (FailureType::QuotaExceeded, 0), "{verdict:?}");
    assert!(verdict.message.contains("is put back (2 objects)"), "{}", verdict.message);
    assert_eq!((count(), applies.field("configmap/web", "{.data.VALUE}").as_str()), (2, "1"));
    applies.end().await;
}

#[tokio::test]
async fn newer_of_two_rollouts_at_once_always_wins() {
    let applies = Applies::start().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let shared = |value: &str| names.map(|name| config(name, value));
    let mut overtaken = 0;
    for round in 1..=20 {
        // Every other round, the objects do not exist.
        if round % 2 == 0 {
            let all = names.map(|name| format!("configmap/{name}"));
            let all: Vec<_> = all.iter().map(String::as_str).collect();
            applies.kubectl(&[&["delete"], all.as_slice()].concat());
        }
        // The older one has more to do before it comes to the objects that both have. The newer one begins meanwhile.
        let more = (0..40).map(|n| config(&format!("more-{n}"), "older"));
        let older = applies.release("older", more.chain(shared("older")).collect());
        let newer = applies.release("newer", shared(&format!("newer-{round}")).into());
        let overtake = async {
            applies.until_claimed(round * 2).await;
            applies.apply(round * 2 + 1, &newer, None).await.unwrap();
        };
        let (older, ()) = tokio::join!(applies.apply(round * 2, &older, None), overtake);
        if let Err(failure) = older {
            let Failure::Permanent(verdict) = failure else { panic!("{failure:?}") };
            assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(round * 2 + 1)));
            overtaken += 1;
        }
        let values = names.map(|name| applies.field(&format!("configmap/{name}"), "{.data.VALUE}"));
        assert_eq!(values, names.map(|_| format!("newer-{round}")));
    }
    assert!(overtaken > 0, "no older one was still at work");
    applies.end().await;
}

#[tokio::test]
async fn release_applied_again_starts_no_generation_and_no_replica_set() {
    let applies = Applies::start().await;
    let serving = applies.release("a", vec![config("web", "1"), deployment("web")]);
    applies.apply(1, &serving, None).await.unwrap();
    let applied = applies.apply(2, &serving, Some(&serving)).await.unwrap();
    assert_eq!((applied.plan.unchanged, applied.plan.changed.len()), (2, 0), "{:?}", applied.plan);
    assert_eq!(applies.field("deployment/web", "{.metadata.generation}"), "1");
    assert_eq!(applies.field("deployment/web", r"{.metadata.labels.berth\.dev/deploy-id}"), "2");
    applies.end().await;
}

/// A Job that runs no pod. It ends at once, fails after a second without a node, or never starts.
fn job(image: &str, spec: Value) -> Value {
    let pod = json!({"restartPolicy": "Never", "nodeSelector": {"no": "node"},
        "containers": [{"name": "migrate", "image": image}]});
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": spec});
    job["spec"]["template"] = json!({"spec": pod});
    job
}

#[tokio::test]
async fn job_that_has_ended_is_replaced_and_a_running_one_is_refused() {
    let applies = Applies::start().await;
    let fails = || json!({"activeDeadlineSeconds": 1, "backoffLimit": 0});
    let release = |image: &str, spec: Value| applies.release(image, vec![config("web", image), job(image, spec)]);
    let uid = || applies.field("job/migrate", "{.metadata.uid}");
    let conditions = || applies.field("job/migrate", "{.status.conditions[*].type}");

    let serving = release("v1", fails());
    applies.apply(1, &serving, None).await.unwrap();
    until("it has failed", || conditions().contains("Failed"));
    let first = uid();
    // The same template, which failed: it runs again.
    applies.apply(2, &serving, Some(&serving)).await.unwrap();
    let second = uid();
    assert_ne!(second, first);
    until("it has failed again", || conditions().contains("Failed"));
    // Another attempt of the same rollout does not run it once more.
    applies.apply(2, &serving, Some(&serving)).await.unwrap();
    assert_eq!(uid(), second);

    let suspended = release("v2", json!({"suspend": true}));
    applies.apply(3, &suspended, Some(&serving)).await.unwrap();
    assert_ne!(uid(), second, "another template");
    let verdict = applies.refused(4, &release("v3", json!({"suspend": true})), &suspended).await;
    assert_eq!((verdict.failure, verdict.workload.as_deref()), (FailureType::FieldImmutable, Some("Job/migrate")));
    assert_eq!(applies.field("configmap/web", "{.data.VALUE}"), "v2");
    applies.end().await;
}
