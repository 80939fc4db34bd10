//! What berth reads.

use std::collections::{BTreeMap, BTreeSet};

use berth_manifests::app::KnownNames;
use berth_manifests::render::{
    EnvironmentKind, PolicyInput, PushedImage, PushedNames, Section, SourceFile, SourceFiles, VariableInput, Variables,
    render,
};
use serde_json::Value;

/// What berth makes of a file.
#[derive(Debug)]
pub(crate) enum Read {
    /// Its objects by name, without the namespace that berth adds.
    Taken(BTreeMap<String, Value>),
    Refused,
}

/// A Job with the pushed image. A release without that image is refused.
pub(crate) const PUSHED: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: pushed}
spec: {template: {spec: {containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE}]}}}
";

pub(crate) fn read(text: &str) -> Read {
    let file =
        |section, path: &str, content: &str| SourceFile { section, path: path.to_owned(), content: content.to_owned() };
    let files = SourceFiles::new(vec![
        file(Section::Core, "core/a.yaml", text),
        file(Section::Shared, "shared/b.yaml", PUSHED),
    ]);
    match render(&files, &Variables::new(variables()), &policy()) {
        Ok(rendered) => {
            let mut objects = BTreeMap::new();
            for object in rendered.objects().filter(|object| object.name() != "pushed") {
                let mut document: Value = serde_json::from_str(&object.document.to_string()).unwrap();
                document["metadata"].as_object_mut().unwrap().remove("namespace");
                objects.insert(object.name().to_owned(), document);
            }
            Read::Taken(objects)
        }
        Err(_) => Read::Refused,
    }
}

fn variables() -> VariableInput {
    VariableInput {
        app: "web".into(),
        namespace: "pr-1".into(),
        environment_kind: EnvironmentKind::Preview,
        pr: Some(1),
        deploy_id: 20_000_000,
        images: vec![PushedImage::new("registry.example.com/acme/web", None, format!("sha256:{}", "0".repeat(64)))],
        host: "pr-1.example.com".into(),
        temporal_ui_host: None,
        commit: "4f2a9c1".into(),
        author: "octocat".into(),
        repository: "acme/web".into(),
        doppler_managed_secret: None,
        doppler_token_secret: None,
        temporal_server_address: "web-temporal.pr-1.svc.cluster.local:7233".into(),
        pushed_names: PushedNames::default(),
        extra: BTreeMap::new(),
    }
}

fn policy() -> PolicyInput {
    PolicyInput {
        environment_kind: EnvironmentKind::Preview,
        namespace: "pr-1".into(),
        unique_name: "web-pr-1".into(),
        hosts: vec!["pr-1.example.com".into()],
        cluster_kinds: Vec::new(),
        kinds: Vec::new(),
        reserved_secrets: BTreeSet::new(),
        pull_secret: None,
        suspend_cron_jobs: true,
        known: KnownNames::default(),
        closed: berth_manifests::network::closed(&[]),
    }
}
