//! Isolation of production on the lab's API server: its answer about running pods, and a release, a rollback and a restore.

use std::fs;

use berth_activities::{
    Context, Settings, environment,
    heartbeat::Progress,
    production::{plan_release, restore},
    release::apply_stored,
};
use berth_lab::Lab;
use berth_manifests::app::{self, App};
use berth_test_support::{commit, until};
use berth_workflows::contract::{
    apply::{Applied, ApplyStoredInput},
    environment::{Environment, EnvironmentKind},
    load_app::LoadAppInput,
    plan::{PlanReleaseInput, PlannedRelease},
    preparation::SyncedSecrets,
    release::{Image, Name, Release},
    rollout_input::{RolloutInput, Source},
    timings::StartTimings,
};
use kube::Client;
use tempfile::TempDir;

use crate::in_process::{client, settings};

const NAMESPACE: &str = "isolated-production";
const PULL_SECRET: &str = "isolated-registry";

/// An app without pods. A suspended `CronJob` has the image.
const MANIFEST: &str = "apiVersion: batch/v1
kind: CronJob
metadata: {name: web}
spec:
  schedule: '0 0 1 1 *'
  suspend: true
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE}]}}}
";

/// The spec of a pod that violates every level but `privileged`, and that no node takes.
const VIOLATING: &str = r#"{"spec": {"hostNetwork": true, "nodeSelector": {"is-there": "no"}}}"#;

/// Production in a namespace that a person has made.
struct Production {
    lab: Lab,
    client: Client,
    settings: Settings,
    progress: Progress,
    apps: TempDir,
}

impl Production {
    async fn start() -> Self {
        let (lab, apps) = (Lab::shared().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(apps.path().join("web/core")).unwrap();
        fs::write(apps.path().join("web/core/web.yaml"), MANIFEST).unwrap();
        let (client, settings) = (client(&lab).await, settings(&lab));
        let settings = Settings { apps: apps.path().to_owned(), ..settings };
        let production = Self { lab, client, settings, progress: Progress::new(), apps };
        let kubectl = |arguments: &[&str]| production.lab.kubectl(arguments).unwrap();
        kubectl(&["create", "namespace", NAMESPACE]);
        let owner = ["app.kubernetes.io/managed-by=berth", "berth.dev/installation=berth"];
        let workflow = "berth.dev/workflow=production-isolated";
        kubectl(&[&["label", "namespace", NAMESPACE, workflow], &owner[..]].concat());
        let credentials = ["--docker-server=r.example.com", "--docker-username=u", "--docker-password=hunter2"];
        kubectl(
            &[&["create", "secret", "docker-registry", PULL_SECRET, "-n", "berth-system"], &credentials[..]].concat(),
        );
        production
    }

    /// Writes the app file, with these lines in `production`.
    fn app(&self, settings: &str) -> App {
        let file = format!(
            "app: isolated\nrepository: acme/web\nimages: [registry.example.com/web]\nmanifests: ./web\n\
             image_pull_secret: {PULL_SECRET}\nproduction:\n  namespace: {NAMESPACE}\n  host: isolated.localhost\n{settings}"
        );
        fs::write(self.apps.path().join("isolated.yaml"), file).unwrap();
        app::load_apps(self.apps.path()).unwrap().remove(0)
    }

    fn context(&self) -> Context<'_> {
        Context { client: &self.client, settings: &self.settings, progress: &self.progress }
    }

    fn environment(&self) -> Environment {
        let load = LoadAppInput::names("isolated", EnvironmentKind::Production, "production-isolated");
        environment::load_app(&self.settings, &load).unwrap().environment
    }

    async fn plan(&self, app: &App, number: u64, serving: Option<&PlannedRelease>) -> PlannedRelease {
        let input = PlanReleaseInput {
            environment: self.environment(),
            release: release(number),
            deploy_id: number,
            secrets: SyncedSecrets {
                secret: "isolated-secrets".into(),
                version: String::new(),
                set_by_berth: Vec::new(),
                stale: Vec::new(),
                temporal_server_address: String::new(),
                temporal_server_address_from_doppler: false,
            },
            serving: serving.map(|serving| serving.stored_release.clone()),
            keep: None,
            keep_proven: 0,
        };
        plan_release(self.context(), app, &input).await.unwrap()
    }

    async fn apply(&self, planned: &PlannedRelease, deploy_id: u64, rollback: bool) -> Applied {
        let deploy = RolloutInput {
            environment: self.environment(),
            release: release(deploy_id),
            number: deploy_id,
            deploy_id,
            keep: Vec::new(),
            timings: StartTimings::default(),
            app_timings: None,
            serving: None,
            source: Source::Manifests,
            keep_proven: 0,
        };
        let stored_release = planned.stored_release.clone();
        let input = ApplyStoredInput { deploy, stored_release, rollback, waited_for: None };
        apply_stored(self.context(), &input).await.unwrap()
    }

    /// Notes on a stored release that it was live, as the record's write does.
    fn note_proven(&self, planned: &PlannedRelease) {
        let note = "berth.dev/proven-at=2026-11-28T06:00:00Z";
        self.lab.kubectl(&["annotate", "secret", &planned.stored_release, note, "-n", NAMESPACE]).unwrap();
    }

    /// The namespace's level, and whether berth's policy is there.
    fn isolation(&self) -> (String, bool) {
        let level = r"jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}";
        let level = self.lab.kubectl(&["get", "namespace", NAMESPACE, "-o", level]).unwrap();
        let policy = ["get", "networkpolicy", "berth", "-n", NAMESPACE, "--ignore-not-found", "-o", "name"];
        (level, !self.lab.kubectl(&policy).unwrap().is_empty())
    }
}

impl Drop for Production {
    fn drop(&mut self) {
        // They may be gone: another panic would hide the first one.
        let _ = self.lab.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]);
        let _ = self.lab.kubectl(&["delete", "secret", PULL_SECRET, "-n", "berth-system"]);
    }
}

fn release(number: u64) -> Release {
    let digest = "1".repeat(64);
    Release {
        number: Some(number),
        ..Release::new(commit('1'), Image::try_from(format!("registry.example.com/web@sha256:{digest}")).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn isolation_comes_with_a_release_and_goes_with_a_rollback() {
    let production = Production::start().await;
    let open_app = production.app("");
    let environment = production.environment();
    environment::ensure_namespace(production.context(), &open_app, &environment).await.unwrap();
    let pod = ["run", "violating", "-n", NAMESPACE, "--image=registry.example.com/none", "--overrides", VIOLATING];
    until("the namespace takes a pod", || production.lab.kubectl(&pod).is_ok());
    let open = production.plan(&open_app, 1, None).await;
    assert!(open.plan.notes.iter().all(|note| !note.contains("Pod Security")), "{:?}", open.plan.notes);
    production.apply(&open, 1, false).await;
    assert_eq!(production.isolation(), (String::new(), false));
    let secret = ["get", "secret", PULL_SECRET, "-n", NAMESPACE, "-o", "jsonpath={.type}"];
    assert_eq!(production.lab.kubectl(&secret).unwrap(), "kubernetes.io/dockerconfigjson");

    let closed_app = production.app("  isolation: { pod_security: baseline, egress: listed }\n");
    let closed = production.plan(&closed_app, 2, Some(&open)).await;
    let notes = closed.plan.notes.join("\n");
    for part in ["traffic from other namespaces will be refused", "level none → baseline", "violating: host namespaces"]
    {
        assert!(notes.contains(part), "{part} is missing in {notes}");
    }
    assert_eq!(
        (closed.plan.created.as_slice(), closed.plan.not_checked.len()),
        (&["NetworkPolicy/berth".to_owned()][..], 0)
    );
    assert!(!serde_json::to_string(&closed).unwrap().contains("hunter2"));
    assert_eq!(production.isolation(), (String::new(), false), "planning changes nothing");

    let enforced = ("baseline".to_owned(), true);
    production.apply(&closed, 2, false).await;
    assert_eq!(production.isolation(), enforced);
    let again = production.apply(&closed, 2, false).await;
    assert_eq!((again.plan.created.len(), again.plan.changed.len()), (0, 0), "{:?}", again.plan);

    production.apply(&open, 3, true).await;
    assert_eq!(production.isolation(), (String::new(), false), "rolled back");
    for planned in [&open, &closed] {
        production.note_proven(planned);
    }
    let by = Name::try_from("ops".to_owned()).unwrap();
    for (number, isolation) in [(2, enforced), (1, (String::new(), false))] {
        restore(&production.client, "isolated", Some(number), &by).await.unwrap();
        assert_eq!(production.isolation(), isolation, "restored {number}");
    }
}
