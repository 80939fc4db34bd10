//! The dialect of manifests, on a folder with all oddities of such folders: applied for real, and compared with the result
//! of the job that berth replaces (`envsubst | kubectl apply`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use berth_lab::Lab;
use berth_manifests::app::KnownNames;
use berth_manifests::render::{
    EnvironmentKind, PolicyInput, PushedImage, PushedNames, SourceFiles, VariableInput, Variables, render,
};
use serde_json::{Value, json};

use crate::doppler::bench::Bench;

/// The variable that has the recordings made anew, with this machine's envsubst (Debian: gettext-base).
const RECORD: &str = "BERTH_RECORD_ENVSUBST";

/// Differences between berth and the old job: the object, the field, the job's value, and berth's reason.
const DIFFERENCES: [(&str, &str, &str, &str); 10] = [
    ("ConfigMap/web-pr-123-config", "/data/nginx.conf", "blanked", "`$host` and `$request_uri` are nginx's own"),
    (
        "ConfigMap/web-pr-123-config",
        "/metadata/namespace",
        "default",
        "an object that names no namespace is the environment's",
    ),
    (
        "Deployment/web-pr-123-deployment",
        "/spec/template/spec/containers/0/args/0",
        "blanked",
        "a script keeps its own variables",
    ),
    (
        "Deployment/web-pr-123-deployment",
        "/spec/template/spec/containers/0/env/1/value",
        "blanked",
        "`$HOME` is the container's, not the job's",
    ),
    ("DopplerSecret/doppler-secret-pr-123", "", "applied", "berth syncs the secrets itself"),
    ("Namespace/pr-123", "", "applied", "berth makes the namespace itself"),
    ("NetworkPolicy/allow-https", "/spec/egress/0/to", "null", "private networks are closed to previews"),
    ("PriorityClass/web-pr-123-20000000-priority", "/preemptionPolicy", "null", "a preview evicts no pods of others"),
    ("ServiceAccount/web", "/metadata/namespace", "default", "the same as of the ConfigMap"),
    ("ServiceAccount/web-pr-123-json", "/metadata/namespace", "default", "the same"),
];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/src/render/fixtures/oddities")
}

/// The folder's files for a preview, in order, each with its recording.
fn files() -> Vec<(PathBuf, PathBuf)> {
    let mut files = Vec::new();
    for section in ["core", "shared", "preview"] {
        let mut paths: Vec<_> =
            fs::read_dir(fixture().join(section)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| {
            path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
        });
        paths.sort();
        files.extend(paths.into_iter().map(|path| {
            let name = format!("{section}-{}", path.file_name().unwrap().to_str().unwrap());
            (path, Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/dialect").join(name))
        }));
    }
    files
}

/// The variables that the old job exported and berth declares.
fn input() -> VariableInput {
    VariableInput {
        app: "web".into(),
        namespace: "pr-123".into(),
        environment_kind: EnvironmentKind::Preview,
        pr: Some(123),
        deploy_id: 20_000_000,
        images: vec![PushedImage::new(
            "registry.example.com/acme/web",
            None,
            format!("sha256:{}", "0123456789abcdef".repeat(4)),
        )],
        host: "pr-123.example.com".into(),
        temporal_ui_host: Some("pr-123-temporal.example.com".into()),
        // A commit of digits alone would be a number after envsubst, and kubectl would refuse it in labels.
        commit: "4f2a9c1".into(),
        author: "octocat".into(),
        repository: "acme/flask-react".into(),
        doppler_managed_secret: Some("web-secrets".into()),
        doppler_token_secret: Some("web-token".into()),
        temporal_server_address: "web-temporal.pr-123.svc.cluster.local:7233".into(),
        pushed_names: PushedNames::default(),
        extra: BTreeMap::from([("KUBE_NODE_POOL".into(), "staging-pool".into())]),
    }
}

fn environment() -> BTreeMap<&'static str, String> {
    let variables = Variables::new(input());
    let names = [
        "KUBE_NS",
        "KUBE_ENV",
        "PR_NUMBER",
        "KUBE_APP",
        "KUBE_DEPLOY_ID",
        "KUBE_DEPLOYMENT_IMAGE",
        "KUBE_DEPLOYMENT_TAG",
        "KUBE_DEPLOYMENT_DIGEST",
        "KUBE_INGRESS_HOSTNAME",
        "KUBE_INGRESS_WORKER_HOSTNAME",
        "KUBE_NODE_POOL",
        "DOPPLER_MANAGED_SECRET_NAME",
        "DOPPLER_TOKEN_SECRET_NAME",
        "GITHUB_SHA",
        "GITHUB_REPOSITORY",
        "GITHUB_ACTOR",
        "TEMPORAL_SERVER_ADDRESS",
    ];
    names.into_iter().map(|name| (name, variables.get(name).unwrap().to_owned())).collect()
}

/// The output of the real envsubst for a file, or nothing where it is not installed.
fn envsubst(text: &str) -> Option<String> {
    let mut child = Command::new("envsubst")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
}

#[test]
fn recordings_equal_the_output_of_envsubst() {
    for (file, recording) in files() {
        let text = fs::read_to_string(&file).unwrap();
        match envsubst(&text) {
            Some(now) if std::env::var_os(RECORD).is_some() => fs::write(&recording, now).unwrap(),
            Some(now) => assert_eq!(
                now,
                fs::read_to_string(&recording).unwrap_or_default(),
                "{}: record it anew with {RECORD}=1",
                recording.display()
            ),
            None => eprintln!("not compared: no envsubst here (Debian: apt-get install gettext-base)"),
        }
    }
}

type Objects = BTreeMap<String, Value>;

fn named(object: Value) -> (String, Value) {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    (format!("{}/{}", text("/kind"), text("/metadata/name")), object)
}

/// The objects that kubectl reads in the recordings. It needs a cluster with the kinds, and this one has no `DopplerSecret`.
fn of_the_old_job(lab: &Lab) -> Objects {
    let mut objects = Objects::new();
    for (_, recording) in files() {
        if recording.ends_with("core-doppler-secret.yaml") {
            objects.insert("DopplerSecret/doppler-secret-pr-123".into(), json!({"kind": "DopplerSecret"}));
            continue;
        }
        let output = Command::new(lab.tool("kubectl"))
            .arg("--kubeconfig")
            .arg(lab.kubeconfig())
            .args(["create", "--dry-run=client", "--validate=false", "--output", "json", "--filename"])
            .arg(&recording)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {}", recording.display(), String::from_utf8_lossy(&output.stderr));
        // The output is a sequence of objects, or a List.
        for object in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
            let object = object.unwrap();
            match object["kind"] == "List" {
                true => objects.extend(object["items"].as_array().unwrap().iter().cloned().map(named)),
                false => objects.extend([named(object)]),
            }
        }
    }
    objects
}

fn of_berth() -> Objects {
    let files = SourceFiles::read(&fixture(), "oddities").unwrap();
    let policy = PolicyInput {
        environment_kind: EnvironmentKind::Preview,
        namespace: "pr-123".into(),
        unique_name: "web-pr-123".into(),
        hosts: vec!["pr-123.example.com".into(), "pr-123-temporal.example.com".into()],
        cluster_kinds: vec!["PriorityClass".into()],
        kinds: Vec::new(),
        reserved_secrets: BTreeSet::new(),
        pull_secret: None,
        suspend_cron_jobs: true,
        known: KnownNames::default(),
        closed: berth_manifests::network::closed(&[]),
    };
    let rendered = render(&files, &Variables::new(input()), &policy).unwrap();
    rendered.objects().map(|object| named(object.document.clone())).collect()
}

/// Appends each field that differs: its path, and both values.
pub(crate) fn differences(path: &str, old: &Value, new: &Value, into: &mut Vec<(String, Value, Value)>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}/{}", key.replace('/', "~1")), a, b, into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(index, (a, b))| differences(&format!("{path}/{index}"), a, b, into));
        }
        _ if old == new => {}
        _ => into.push((path.to_owned(), old.clone(), new.clone())),
    }
}

#[test]
fn berth_differs_from_envsubst_and_kubectl_only_where_explained() {
    let (old, new) = (of_the_old_job(&Lab::shared().unwrap()), of_berth());
    let mut found = Vec::new();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => {
                let mut fields = Vec::new();
                differences("", old, new, &mut fields);
                found.extend(fields.into_iter().map(|(field, old, new)| (name.clone(), field, old, new)));
            }
            (old, new) => {
                let said = |object: Option<&Value>| Value::from(if object.is_some() { "applied" } else { "left out" });
                found.push((name.clone(), String::new(), said(old), said(new)));
            }
        }
    }
    for (object, field, old, new) in &found {
        eprintln!("{object} {field}\n  envsubst and kubectl: {old}\n  berth:                {new}");
    }
    let places: Vec<_> = found.iter().map(|(object, field, ..)| (object.as_str(), field.as_str())).collect();
    let expected: Vec<_> = DIFFERENCES.iter().map(|(object, field, ..)| (*object, *field)).collect();
    assert_eq!(places, expected);
    for ((.., old, new), (object, field, was, why)) in found.iter().zip(DIFFERENCES) {
        // "blanked": the job removed the names that it does not know, so its text is shorter.
        let shorter = old.as_str().zip(new.as_str()).is_some_and(|(old, new)| old.len() < new.len());
        let is_so = if was == "blanked" { shorter } else { old.to_string().trim_matches('"') == was };
        assert!(is_so, "{object} {field} ({why}): {old}");
    }
}

/// The same folder through berth on the cluster.
#[test]
fn folder_goes_live_as_it_is_and_leaves_nothing() {
    let bench = Bench::start("berth-d650", &[]);
    let more = "  temporal_ui_host: temporal.d650-{pr}.localhost\ncluster_kinds: [PriorityClass]\nvariables: {KUBE_NODE_POOL: d650}\n";
    let read = |path: &str| fs::read_to_string(fixture().join(path)).unwrap();
    // The sample image has no shell, so that line goes.
    let deployment = read("preview/deployment.yaml").replace("          command: [sh, -c]\n", "");
    let mut manifests: Vec<(&str, String)> = [
        "core/doppler-secret.yaml",
        "core/limit-range.yml",
        "core/namespace.yaml",
        "core/network-policy.yaml",
        "scripts/kustomization.yaml",
        "scripts/pre-deploy.sh",
        "shared/config.yaml",
        "shared/ingress.yaml",
        "shared/notes.txt",
        "shared/service-account.json",
        "shared/service.yaml",
    ]
    .map(|path| (path, read(path)))
    .into();
    manifests.push(("preview/deployment.yaml", deployment));
    let manifests: Vec<(&str, &str)> = manifests.iter().map(|(path, text)| (*path, text.as_str())).collect();
    bench.doppler.put("d650", "preview", &[("API_KEY", "a value")]);
    bench.doppler.bind("dp.st.preview.d650", "d650", "preview");
    bench.token("d650", "serviceToken", "dp.st.preview.d650");
    bench.app("d650", "preview", more, &manifests);
    bench.kubectl(&["label", "nodes", "--all", "--overwrite", "pool=d650"]);

    let pushed = bench.push("d650", 650, '1', &bench.lab.image("v1"));
    assert_eq!(pushed.json["outcome"], "live", "{pushed:?}");
    eprintln!("live after {:.1?}", pushed.took);
    let members = "deployment,service,ingress,configmap,serviceaccount,limitrange,networkpolicy";
    let names =
        bench.kubectl(&["get", members, "-n", "d650-pr-650", "-o", "name", "-l", "app.kubernetes.io/managed-by=berth"]);
    for name in [
        "deployment.apps/d650-pr-650-deployment",
        "service/d650-pr-650-service",
        "configmap/d650-pr-650-config",
        "serviceaccount/d650-pr-650-json",
        "limitrange/limits",
    ] {
        assert!(names.contains(name), "{name} is not in\n{names}");
    }
    let classes =
        || bench.kubectl(&["get", "priorityclass", "-l", "berth.dev/workflow=preview-d650-650", "-o", "name"]);
    let first = classes();
    assert_eq!(first.lines().count(), 1, "{first}");
    let after = bench.redeploy("d650", 650);
    assert_eq!(after["phase"], "Live", "{after}");
    let second = classes();
    assert!(
        second.lines().count() == 1 && second != first,
        "one per rollout, and the old one is gone: {first}{second}"
    );

    let closed = bench.close("d650", 650);
    assert_eq!(closed.code, 0, "{closed:?}");
    assert_eq!(classes(), "");
    bench.kubectl(&["label", "nodes", "--all", "pool-"]);
}
