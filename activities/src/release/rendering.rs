//! The objects of a release: the manifests on the worker's disk, rendered for one environment and image.

use std::iter::once;

use berth_manifests::{
    app::{App, EnvironmentNames},
    render::{EnvironmentKind, Finding, Object, PolicyInput, PushedImage, Rendered, VariableInput, Variables, render},
};
use berth_workflows::contract::{
    environment::{self, ClusterObject, Environment},
    preparation::SyncedSecrets,
    release::{Image, Release},
    rollout_input::RolloutInput,
    verdict::{FailureType, Verdict},
};

use crate::{failure::Failure, settings::Networks};

/// Returns the cluster-scoped objects of a rollout before any is created. Their names begin with `KUBE_APP` and contain
/// no secret.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied`, as for [`super::apply_manifests()`].
pub(crate) fn cluster_objects_of(app: &App, deploy: &RolloutInput) -> Result<Vec<ClusterObject>, Failure> {
    if app.cluster_kinds.is_empty() {
        return Ok(Vec::new());
    }
    let unknown = SyncedSecrets {
        secret: format!("{}-secrets", app.app),
        version: String::new(),
        set_by_berth: Vec::new(),
        stale: Vec::new(),
        temporal_server_address: "unknown:7233".to_owned(),
        temporal_server_address_from_doppler: false,
    };
    // No network is in the name of an object.
    let (rendered, _) = render_release(app, &Networks::default(), ToRender::of_rollout(deploy, &unknown))?;
    Ok(rendered.objects().filter_map(cluster_object).collect())
}

/// Returns the record of a cluster-scoped object, or `None` for a namespaced one.
pub(crate) fn cluster_object(object: &Object) -> Option<ClusterObject> {
    (!object.namespaced()).then(|| ClusterObject {
        api_version: object.api_version().to_owned(),
        kind: object.kind().to_owned(),
        name: object.name().to_owned(),
    })
}

/// A release to render.
#[derive(Clone, Copy)]
pub(crate) struct ToRender<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) release: &'a Release,
    /// `KUBE_DEPLOY_ID`.
    pub(crate) deploy_id: u64,
    pub(crate) secrets: &'a SyncedSecrets,
}

impl<'a> ToRender<'a> {
    /// The release of a rollout.
    pub(crate) fn of_rollout(deploy: &'a RolloutInput, secrets: &'a SyncedSecrets) -> Self {
        Self { environment: &deploy.environment, release: &deploy.release, deploy_id: deploy.deploy_id, secrets }
    }
}

/// Renders an app's manifests as they are now.
///
/// # Errors
/// `ManifestInvalid` or `PolicyDenied` with all findings.
pub(crate) fn render_release(
    app: &App,
    networks: &Networks,
    what: ToRender<'_>,
) -> Result<(Rendered, Variables), Failure> {
    let environment = what.environment;
    let files = app.source_files().map_err(|found| refused(&app.app, &found))?;
    let variables = Variables::new(variable_input(app, what));
    let policy = app.policy(&names_of(environment), [what.secrets.secret.clone()]);
    let policy = PolicyInput { closed: networks.all_closed(), ..policy };
    let rendered = render(&files, &variables, &policy).map_err(|found| refused(&app.app, &found))?;
    let missing = app.check_gate_names(kind_of(environment), &variables);
    if !missing.is_empty() {
        return Err(refused(&app.app, &missing));
    }
    Ok((rendered, variables))
}

fn variable_input(app: &App, what: ToRender<'_>) -> VariableInput {
    let ToRender { environment, release, deploy_id, secrets } = what;
    let doppler = app.doppler(kind_of(environment));
    let declared = app.variable_input(&names_of(environment));
    let values = release.variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    VariableInput {
        deploy_id,
        images: pushed_images(release),
        commit: release.commit.to_string(),
        author: release.author.as_ref().map(|author| author.as_str().to_owned()).unwrap_or_default(),
        doppler_managed_secret: Some(secrets.secret.clone()),
        doppler_token_secret: doppler.map(|config| config.token.secret.clone()),
        temporal_server_address: secrets.temporal_server_address.clone(),
        pushed_names: declared.pushed_names.with_values(values),
        ..declared
    }
}

/// Returns the main image, then the named ones.
fn pushed_images(release: &Release) -> Vec<PushedImage> {
    let Image { repository, tag, digest } = &release.image;
    let named = release.images.iter().map(|(name, image)| {
        let Image { repository, tag, digest } = image;
        PushedImage::named(name, repository, tag.clone(), digest)
    });
    once(PushedImage::new(repository, tag.clone(), digest)).chain(named).collect()
}

/// Returns the names of an environment as the manifests crate takes them.
pub(crate) fn names_of(environment: &Environment) -> EnvironmentNames {
    EnvironmentNames {
        kind: kind_of(environment),
        pr: environment.kind.pr(),
        namespace: environment.namespace.clone(),
        host: environment.host.clone(),
        temporal_ui_host: environment.temporal_ui_host.clone(),
    }
}

/// Returns the kind whose settings of the app file apply.
pub(crate) fn kind_of(environment: &Environment) -> EnvironmentKind {
    match environment.kind {
        environment::EnvironmentKind::Preview { .. } => EnvironmentKind::Preview,
        environment::EnvironmentKind::Production => EnvironmentKind::Production,
    }
}

/// A failure with all errors of an app file or its manifests.
pub(crate) fn refused(app: &str, findings: &[Finding]) -> Failure {
    let errors: Vec<String> = findings.iter().filter(|f| f.is_error()).map(ToString::to_string).collect();
    let failure = if findings.iter().any(Finding::is_policy_error) {
        FailureType::PolicyDenied
    } else {
        FailureType::ManifestInvalid
    };
    Verdict::new(failure, format!("app {app}: {}", errors.join("\n")))
        .advise("`berth check` reports the same without a cluster")
        .into()
}
