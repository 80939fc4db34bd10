//! The activity `load_app`: an app file, read from the worker's folder at the moment it is needed.

use berth_manifests::{
    app::{App, AppFolder, Approval, Approvers, DatabaseMode, ProductionSettings, Span},
    render::Finding,
};
use berth_workflows::contract::{
    environment::{Database, Environment, EnvironmentKind},
    load_app::{GithubRules, LoadAppInput, LoadedApp, ProductionRules},
    release::Image,
    timings::AppTimings,
    verdict::{FailureType, Verdict},
};

use super::app_files::current_apps;
use crate::{
    database::{self, Names},
    failure::Failure,
    release::{
        pushed,
        rendering::{cluster_objects_of, refused},
    },
    settings::Settings,
};

/// Describes an environment, and checks that the images and variables of a release may come into it.
///
/// # Errors
/// `UnknownApp` if there is no such app, or it has no environments of that kind. `ManifestInvalid` if its file is
/// wrong, or has no variable of that name. `ImageNotAllowed` if an image's repository is not on its list, or not the one of
/// its name.
pub fn load_app(settings: &Settings, load: &LoadAppInput) -> Result<LoadedApp, Failure> {
    let app = find_app(settings, &load.app)?;
    if let Some(image) = &load.image {
        check_image(&app, image)?;
    }
    check_pushed_names(&app, load)?;
    let environment = describe(settings, &app, load.kind)?;
    let files = app.source_files().map_err(|found| refused(&app.app, &found))?;
    Ok(LoadedApp {
        environment: Environment { workflow_id: load.workflow_id.clone(), ..environment },
        content_hash: app.content_hash(&files),
        timings: Some(timings_of(&app)),
        github: github_rules_of(settings, &app),
        production: app.production.as_ref().filter(|_| load.kind == EnvironmentKind::Production).map(rules_of),
        cluster_objects: match &load.deploy {
            Some(deploy) => cluster_objects_of(&app, deploy)?,
            None => Vec::new(),
        },
    })
}

/// Returns the app file's time limits.
fn timings_of(app: &App) -> AppTimings {
    let seconds = |span: Span| span.as_duration().as_secs();
    let timings = &app.timings;
    AppTimings {
        rollout_seconds: seconds(timings.rollout),
        capacity_seconds: seconds(timings.capacity),
        database_seconds: seconds(timings.database),
        stability_seconds: seconds(timings.stability),
        longest_seconds: seconds(timings.longest),
        missing_seconds: seconds(app.wait_for_missing),
    }
}

/// Returns the rules of production that its workflow decides by.
fn rules_of(production: &ProductionSettings) -> ProductionRules {
    ProductionRules {
        needs_approval: production.approval == Approval::Required,
        needs_proof: production.approvers == Approvers::Proved,
        keep_releases: usize::try_from(production.keep_releases).unwrap_or(usize::MAX),
    }
}

/// Returns the rules of GitHub that the workflows decide by, if the app file names a repository there. Facts come from
/// `berth hooks`, and rules about them hold without an App. Reports and commands need one.
fn github_rules_of(settings: &Settings, app: &App) -> Option<GithubRules> {
    let github = app.github.as_ref()?;
    Some(GithubRules {
        repository_id: github.repository_id,
        reports: settings.has_github_app,
        comment: github.comment && settings.has_github_app,
        commands: github.commands && settings.has_github_app,
        drafts: github.drafts,
        label: github.label.clone(),
        skip_label: github.skip_label.clone(),
        production_environment: app.production.as_ref().map(|production| production.environment.clone()),
        temporal_ui: settings.temporal_ui.clone(),
    })
}

/// Describes an environment by the names that the app file gives it now.
///
/// # Errors
/// As for [`load_app()`].
pub(crate) fn describe(settings: &Settings, app: &App, kind: EnvironmentKind) -> Result<Environment, Failure> {
    let names = match kind {
        EnvironmentKind::Preview { pr } => app.preview_environment(pr),
        EnvironmentKind::Production => app.production_environment(),
    };
    let names = names.ok_or_else(|| {
        let message = format!("app {} has no {} section in its file", app.app, kind.name());
        Failure::permanent(FailureType::UnknownApp, message)
    })?;
    Ok(Environment {
        app: app.app.clone(),
        kind,
        workflow_id: kind.workflow_id(&app.app),
        namespace: names.namespace,
        host: names.host,
        temporal_ui_host: names.temporal_ui_host,
        namespace_uid: None,
        cluster_objects: Vec::new(),
        database: database_of(settings, app, kind)?,
        scheme: settings.scheme.clone(),
    })
}

/// Returns the database that the app file gives to a preview.
fn database_of(settings: &Settings, app: &App, kind: EnvironmentKind) -> Result<Option<Database>, Failure> {
    let (EnvironmentKind::Preview { pr }, Some(database)) =
        (kind, app.preview.as_ref().and_then(|preview| preview.database.as_ref()))
    else {
        return Ok(None);
    };
    let server = database.server.clone();
    if database.mode == DatabaseMode::Shared {
        return Ok(Some(Database::Shared { server }));
    }
    database::find_server(settings, &server)?;
    let names = Names::of_preview(&app.app, pr);
    let name = names.map_err(|why| Failure::permanent(FailureType::ManifestInvalid, why))?.role;
    Ok(Some(Database::Isolated { server, name }))
}

/// Finds an app by name.
///
/// # Errors
/// As for [`load_app()`].
pub(crate) fn find_app(settings: &Settings, name: &str) -> Result<App, Failure> {
    let folder = current_apps(&settings.apps);
    let AppFolder { apps, findings, refused: not_used } = folder.as_ref();
    if let Some(app) = apps.iter().find(|app| app.app == name) {
        return Ok(app.clone());
    }
    if let Some(found) = not_used.get(name) {
        return Err(refused(name, found));
    }
    // An unreadable file has no app name yet, so its file name decides. Errors in other teams' files are not reported
    // here.
    let file = format!("{name}.yaml");
    let own: Vec<Finding> = findings.iter().filter(|f| f.is_error() && is_file_of(name, &f.file)).cloned().collect();
    if !own.is_empty() {
        return Err(refused(name, &own));
    }
    Err(Verdict::new(FailureType::UnknownApp, format!("no app has the name {name}"))
        .advise(format!("the platform team describes apps in the worker's folder, which has no {file}"))
        .into())
}

fn is_file_of(app: &str, file: &str) -> bool {
    file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) == Some(app)
}

fn check_image(app: &App, image: &Image) -> Result<(), Failure> {
    if app.images.contains(&image.repository) {
        return Ok(());
    }
    let allowed = app.images.join(", ");
    let message = format!("{} is not an image of app {}; it allows {allowed}", image.repository, app.app);
    Err(Verdict::new(FailureType::ImageNotAllowed, message)
        .advise("add the repository to `images` in the app file")
        .into())
}

/// Checks the named images and the variables of a release.
fn check_pushed_names(app: &App, load: &LoadAppInput) -> Result<(), Failure> {
    if let Some((message, advice)) = load.images.iter().find_map(|(name, image)| pushed::refuse_image(app, name, image))
    {
        return Err(Verdict::new(FailureType::ImageNotAllowed, message).advise(advice).into());
    }
    match load.variables.iter().find_map(|(name, _)| pushed::refuse_variable(app, name)) {
        Some((message, advice)) => Err(Verdict::new(FailureType::ManifestInvalid, message).advise(advice).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::examples;

    #[test]
    fn nothing_is_reported_without_an_app_of_github() {
        let github =
            json!({"github": {"repository_id": 7, "label": "preview", "skip_label": "no-preview", "drafts": true}});
        let app = examples::app(github);
        for has_github_app in [true, false] {
            let settings = Settings { has_github_app, ..examples::settings() };
            let rules = github_rules_of(&settings, &app).unwrap();
            assert_eq!(
                (rules.reports, rules.comment, rules.commands),
                (has_github_app, has_github_app, has_github_app)
            );
            // The facts of webhooks decide about pushes all the same.
            assert_eq!((rules.label.as_deref(), rules.skip_label.as_deref()), (Some("preview"), Some("no-preview")));
            assert!(rules.drafts);
        }
        assert_eq!(github_rules_of(&examples::settings(), &examples::app(json!({}))), None);
    }
}
