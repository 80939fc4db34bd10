//! Inputs of a preview and a production environment, for tests.

use std::collections::BTreeMap;

use super::{
    EnvironmentKind, PolicyInput, PushedImage, PushedNames, Section, SourceFile, SourceFiles, VariableInput,
    unique_name,
};
use crate::{
    app::{KnownNames, Pattern},
    network::closed,
};

pub(crate) fn preview() -> VariableInput {
    VariableInput {
        app: "web".to_owned(),
        namespace: "pr-123".to_owned(),
        environment_kind: EnvironmentKind::Preview,
        pr: Some(123),
        deploy_id: 20_000_000,
        images: vec![PushedImage::new("registry.example.com/acme/web", None, digest())],
        host: "pr-123.example.com".to_owned(),
        temporal_ui_host: Some("pr-123-temporal.example.com".to_owned()),
        commit: "12345678".to_owned(),
        author: "octocat".to_owned(),
        repository: "acme/flask-react".to_owned(),
        doppler_managed_secret: Some("web-secrets-0a1b2c3d".to_owned()),
        doppler_token_secret: Some("doppler-web-preview-token".to_owned()),
        temporal_server_address: "web-temporal.pr-123.svc.cluster.local:7233".to_owned(),
        pushed_names: PushedNames::default(),
        extra: BTreeMap::from([("KUBE_NODE_POOL".to_owned(), "staging-pool".to_owned())]),
    }
}

pub(crate) fn production() -> VariableInput {
    VariableInput {
        namespace: "web-production".to_owned(),
        environment_kind: EnvironmentKind::Production,
        pr: None,
        host: "app.example.com".to_owned(),
        temporal_ui_host: Some("temporal.app.example.com".to_owned()),
        ..preview()
    }
}

pub(crate) fn policy(input: &VariableInput) -> PolicyInput {
    PolicyInput {
        environment_kind: input.environment_kind,
        namespace: input.namespace.clone(),
        unique_name: unique_name(&input.app, input.pr),
        hosts: [Some(input.host.clone()), input.temporal_ui_host.clone()].into_iter().flatten().collect(),
        cluster_kinds: vec!["PriorityClass".to_owned()],
        kinds: Vec::new(),
        reserved_secrets: input.doppler_managed_secret.iter().cloned().collect(),
        pull_secret: None,
        suspend_cron_jobs: input.environment_kind == EnvironmentKind::Preview,
        known: KnownNames {
            hosts: ["pr-{pr}.example.com", "app.example.com", "shop.example.com"].map(pattern).into(),
            namespaces: ["pr-{pr}", "web-production", "shop"].map(pattern).into(),
        },
        closed: closed(&[]),
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text, "web").unwrap_or_else(|problem| unreachable!("{problem}"))
}

/// The digest of the pushed image.
pub(crate) fn digest() -> String {
    format!("sha256:{}", "0123456789abcdef".repeat(4))
}

/// A Job with the pushed image. A release without that image is refused.
const PUSHED: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: pushed}
spec: {template: {spec: {containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST}]}}}
";

/// The file `web/core/app.yaml`, and behind it one with the Job `pushed`, which has the pushed image.
pub(crate) fn file(content: &str) -> SourceFiles {
    let pushed = source(Section::Shared, "web/shared/pushed.yaml", PUSHED);
    SourceFiles::new(vec![source(Section::Core, "web/core/app.yaml", content), pushed])
}

/// The file `web/core/app.yaml` alone.
pub(crate) fn sole_file(content: &str) -> SourceFiles {
    SourceFiles::new(vec![source(Section::Core, "web/core/app.yaml", content)])
}

fn source(section: Section, path: &str, content: &str) -> SourceFile {
    SourceFile { section, path: path.to_owned(), content: content.to_owned() }
}
