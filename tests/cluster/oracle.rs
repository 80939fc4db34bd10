//! Oracles that need an API server: what kubectl applies, beside what berth applies. `tests/oracle` compares the reading of
//! texts, without a cluster.

mod pairs;
mod taken;

use std::collections::{BTreeMap, BTreeSet};

use berth_manifests::app::KnownNames;
use berth_manifests::render::{
    EnvironmentKind, PolicyInput, PushedImage, PushedNames, Section, SourceFile, SourceFiles, VariableInput, Variables,
    render,
};
use serde_json::Value;

/// The page that tells people of the differences.
const README: &str = include_str!("../../manifests/README.md");

/// The host that manifests may use.
const HOST: &str = "web.example.com";

/// The pushed image.
const IMAGE: &str =
    "registry.example.com/acme/web@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A Job with the pushed image, without which no release is rendered.
const PUSHED: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: pushed}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE}]}}}
";

/// The objects that berth makes of a text for an environment of production, or its errors.
fn documents(text: &str, namespace: &str) -> Result<Vec<Value>, Vec<String>> {
    let file = |path: &str, content: &str| SourceFile {
        section: Section::Core,
        path: path.to_owned(),
        content: content.to_owned(),
    };
    let files = SourceFiles::new(vec![file("core/a.yaml", text), file("core/b.yaml", PUSHED)]);
    let (repository, digest) = IMAGE.split_once('@').unwrap();
    let input = VariableInput {
        app: "web".into(),
        namespace: namespace.to_owned(),
        environment_kind: EnvironmentKind::Production,
        pr: None,
        deploy_id: 20_000_000,
        images: vec![PushedImage::new(repository, None, digest)],
        host: HOST.into(),
        temporal_ui_host: None,
        commit: "4f2a9c1".into(),
        author: "octocat".into(),
        repository: "acme/web".into(),
        doppler_managed_secret: None,
        doppler_token_secret: None,
        temporal_server_address: "temporal.example.com:7233".into(),
        pushed_names: PushedNames::default(),
        extra: BTreeMap::new(),
    };
    let policy = PolicyInput {
        environment_kind: EnvironmentKind::Production,
        namespace: namespace.to_owned(),
        unique_name: "web".into(),
        hosts: vec![HOST.into()],
        cluster_kinds: Vec::new(),
        kinds: Vec::new(),
        reserved_secrets: BTreeSet::new(),
        suspend_cron_jobs: false,
        known: KnownNames::default(),
        closed: berth_manifests::network::closed(&[]),
        pull_secret: None,
    };
    match render(&files, &Variables::new(input), &policy) {
        Ok(rendered) => {
            let objects = rendered.objects().filter(|object| object.name() != "pushed");
            Ok(objects.map(|object| object.document.clone()).collect())
        }
        Err(findings) => Err(findings.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect()),
    }
}
