//! A folder such as teams have: two images, a migration with a fixed name, an autoscaler, a store with a claim, a `CronJob`, a
//! Role, hooks, and an Ingress that names its port. Pushed five times on real pods: good, bad image, bad migration, good, good.

use berth_test_support::{Answer, commit, until};

use super::own_apps::OwnApps;

const NAMESPACE: &str = "pr-223";

/// A volume for the store's claim, in FOLDER. The lab has no provisioner.
const VOLUME: &str = "apiVersion: v1
kind: PersistentVolume
metadata: {name: berth-whole-folder}
spec:
  storageClassName: whole-folder
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: FOLDER, type: Directory}
";

/// Containers of the sample app as Pod Security \"restricted\" wants them.
const CONTEXT: &str = "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}, resources: {requests: {cpu: \
                       10m, memory: 16Mi}, limits: {memory: 64Mi}}";

/// The files of the folder. CONTEXT stands for [`CONTEXT`].
const FILES: [(&str, &str); 9] = [
    (
        "core/rights.yaml",
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader}]
",
    ),
    (
        "core/migrate.yaml",
        "apiVersion: batch/v1
kind: Job
metadata: {name: $KUBE_APP-migrate}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: $KUBE_DEPLOYMENT_IMAGE, command: [/app, 'run:$MIGRATION'], CONTEXT}]
",
    ),
    (
        "core/worker.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata: {name: $KUBE_APP-worker}
spec:
  selector: {matchLabels: {app: $KUBE_APP-worker}}
  template:
    metadata: {labels: {app: $KUBE_APP-worker}}
    spec:
      serviceAccountName: reader
      terminationGracePeriodSeconds: 1
      containers: [{name: worker, image: $WORKER_IMAGE, env: [{name: COMMIT, value: $GITHUB_SHA}], CONTEXT}]
",
    ),
    (
        "core/store.yaml",
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: $KUBE_APP-store}
spec:
  serviceName: store
  selector: {matchLabels: {app: $KUBE_APP-store}}
  template:
    metadata: {labels: {app: $KUBE_APP-store}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: store, image: $KUBE_DEPLOYMENT_IMAGE, volumeMounts: [{name: data, mountPath: /data}], CONTEXT}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {storageClassName: whole-folder, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
",
    ),
    (
        "core/nightly.yaml",
        "apiVersion: batch/v1
kind: CronJob
metadata: {name: $KUBE_APP-nightly}
spec:
  schedule: '* * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: nightly, image: $WORKER_IMAGE, command: [/app, 'run:say-greeting'], CONTEXT}]
",
    ),
    (
        "shared/autoscaler.yaml",
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: $KUBE_APP}
spec:
  minReplicas: 2
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: $KUBE_APP}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
",
    ),
    (
        "shared/ingress.yaml",
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: $KUBE_APP}
spec:
  rules:
    - host: $KUBE_INGRESS_HOSTNAME
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: $KUBE_APP, port: {name: http}}}}]}
",
    ),
    (
        "preview/web.yaml",
        "apiVersion: v1
kind: Service
metadata: {name: $KUBE_APP}
spec: {selector: {app: $KUBE_APP}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: $KUBE_APP}
spec:
  replicas: 1
  selector: {matchLabels: {app: $KUBE_APP}}
  template:
    metadata: {labels: {app: $KUBE_APP}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: web, image: $KUBE_DEPLOYMENT_IMAGE, env: [{name: COMMIT, value: $GITHUB_SHA}], ports: [{name: web, containerPort: 8080}],
           readinessProbe: {httpGet: {path: /api/health, port: web}, periodSeconds: 1}, CONTEXT}
",
    ),
    ("scripts/pre-deploy.sh", "#!/bin/sh\n"),
];

impl OwnApps {
    fn push_folder(&self, digit: char, (web, worker): (&str, &str), migration: &str) -> Answer {
        let more =
            ["--image".to_owned(), format!("WORKER={worker}"), "--set".to_owned(), format!("MIGRATION={migration}")];
        let answer = self.berth.push(digit, web, &more.each_ref().map(String::as_str));
        eprintln!(
            "push {digit} ({migration}): {} {} after {:.1?}; serves {}",
            answer.json["outcome"],
            answer.json["verdict"]["message"],
            answer.took,
            self.serving()
        );
        answer
    }

    /// The commit that the web pods serve.
    fn serving(&self) -> String {
        let page = self.berth.page();
        ('1'..='5')
            .find(|digit| page.contains(commit(*digit).as_str()))
            .map_or_else(String::new, |digit| digit.to_string())
    }

    fn names(&self, kinds: &str) -> Vec<String> {
        let names = self.berth.kubectl(&["get", kinds, "-n", NAMESPACE, "-o", "name"]);
        names.lines().map(str::to_owned).collect()
    }

    fn field(&self, object: &str, path: &str) -> String {
        self.berth.kubectl(&["get", object, "-n", NAMESPACE, "-o", &format!("jsonpath={path}")])
    }

    fn write_folder(&self) {
        std::fs::remove_dir_all(self.apps().join("web")).unwrap();
        for (file, text) in FILES {
            let folder = self.apps().join("web").join(file).parent().unwrap().to_owned();
            std::fs::create_dir_all(folder).unwrap();
            self.write(&format!("web/{file}"), &text.replace("CONTEXT", CONTEXT));
        }
        let (registry, before) = (self.berth.lab.registry(), "manifests: ./web\n");
        let more = format!(
            "named_images: {{ WORKER: \"{registry}/acme/web\" }}\npush_variables: {{ MIGRATION: {{ example: say-greeting }} }}\n"
        );
        self.edit("web.yaml", before, &format!("{before}{more}"));
    }
}

#[test]
fn folder_of_a_team_goes_through_five_pushes_and_leaves_nothing() {
    let own = OwnApps::start(223);
    if !own.berth.lab.real_pods() {
        eprintln!("left out: this machine has no real pods");
        return;
    }
    own.write_folder();
    let data = tempfile::tempdir().unwrap();
    own.write("volume.txt", &VOLUME.replace("FOLDER", data.path().to_str().unwrap()));
    own.berth.kubectl(&["apply", "-f", own.apps().join("volume.txt").to_str().unwrap()]);
    own.remove("volume.txt");
    let (v1, v2, missing) = (own.berth.lab.image("v1"), own.berth.lab.image("v2"), own.berth.lab.missing_image());
    let web = format!("deployment/web-pr-{}", 223);

    let first = own.push_folder('1', (&v1, &v2), "say-greeting");
    assert_eq!(first.json["outcome"], "live", "{first:?}");
    until("scaled to the autoscaler's minimum", || own.field(&web, "{.spec.replicas}") == "2");
    assert_eq!(own.names("role"), Vec::<String>::new(), "code of a pull request gets no rights");
    assert_eq!(own.field("cronjob/web-pr-223-nightly", "{.spec.suspend}"), "true");

    let bad_image = own.push_folder('2', (&v1, &missing), "say-greeting");
    assert_eq!(bad_image.json["verdict"]["failure"], "ImageUnavailable", "{bad_image:?}");
    let bad_migration = own.push_folder('3', (&v2, &v2), "fail");
    assert_eq!(bad_migration.json["verdict"]["failure"], "JobFailed", "{bad_migration:?}");
    assert_eq!(bad_migration.json["verdict"]["exit_code"], 3, "{bad_migration:?}");

    for digit in ['4', '5'] {
        let good = own.push_folder(digit, (&v2, &v1), "say-greeting");
        assert_eq!(good.json["outcome"], "live", "{good:?}");
        assert_eq!(own.serving(), digit.to_string());
        assert_eq!(own.field(&web, "{.spec.replicas}"), "2", "a push does not take the autoscaler's number back");
    }
    let worker = own.field("deployment/web-pr-223-worker", "{.spec.template.spec.containers[0].image}");
    assert_eq!(worker, v1);
    assert_eq!(own.names("jobs"), ["job.batch/web-pr-223-migrate"]);
    eprintln!(
        "left in the end: {:?}",
        own.names("deployments,statefulsets,jobs,cronjobs,secrets,persistentvolumeclaims")
    );

    let closed = own.berth.preview("close", &[]);
    assert_eq!(closed.code, 0, "{closed:?}");
    assert!(own.berth.object("namespace", NAMESPACE).is_none());
    own.berth.kubectl(&["delete", "persistentvolume", "berth-whole-folder"]);
}
