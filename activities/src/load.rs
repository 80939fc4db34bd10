//! Reading an app from the worker's own folder, at the moment it is needed.

use berth_workflows::{
    activity_definitions::{LoadAppInput, LoadedApp},
    environment::Environment,
    release::Image,
    verdict::{FailureType, Verdict},
};

use crate::{
    Settings,
    app::{App, AppFolder, read_apps},
    failure::Failure,
    manifests::{Finding, SourceFiles},
};

/// What an environment is called, and whether the image may run in it.
///
/// # Errors
/// `UnknownApp` if there is no such app, or it has no environments of that kind; `ManifestInvalid` if its file is wrong;
/// `ImageNotAllowed` if the image's repository is not on its list.
pub fn load_app(settings: &Settings, load: &LoadAppInput) -> Result<LoadedApp, Failure> {
    let app = find_app(settings, &load.app)?;
    if let Some(image) = &load.image {
        check_image(&app, image)?;
    }
    let names = match load.pr {
        Some(pr) => app.preview_environment(pr),
        None => app.production_environment(),
    };
    let names = names.ok_or_else(|| {
        let kind = if load.pr.is_some() { "preview" } else { "production" };
        Failure::permanent(FailureType::UnknownApp, format!("app {} has no {kind} section in its file", app.app))
    })?;
    let files = match app.manifests_folder() {
        Some(folder) => {
            SourceFiles::read(&folder, &app.manifests_label()).map_err(|found| invalid(&app.app, &found))?
        }
        None => SourceFiles::new(Vec::new()),
    };
    Ok(LoadedApp {
        environment: Environment {
            app: app.app.clone(),
            pr: load.pr,
            workflow_id: load.workflow_id.clone(),
            namespace: names.namespace,
            host: names.host,
            temporal_ui_host: names.temporal_ui_host,
            namespace_uid: None,
            cluster_objects: Vec::new(),
            scheme: settings.scheme.clone(),
        },
        content_hash: app.content_hash(&files),
    })
}

/// The app of that name.
///
/// # Errors
/// As [`load_app`].
pub fn find_app(settings: &Settings, name: &str) -> Result<App, Failure> {
    let AppFolder { apps, findings } = read_apps(&settings.apps);
    if let Some(app) = apps.into_iter().find(|app| app.app == name) {
        return Ok(app);
    }
    // Its own file first: another team's slip is not this one's reason.
    let file = format!("{name}.yaml");
    let own: Vec<Finding> = findings.into_iter().filter(|f| f.is_error() && f.file.ends_with(&file)).collect();
    if !own.is_empty() {
        return Err(invalid(name, &own));
    }
    Err(Verdict::new(FailureType::UnknownApp, format!("no app is called {name}"))
        .advise(format!("the platform team describes apps in the worker's folder: it has no {file}"))
        .into())
}

fn check_image(app: &App, image: &Image) -> Result<(), Failure> {
    if app.images.contains(&image.repository) {
        return Ok(());
    }
    let allowed = app.images.join(", ");
    let message = format!("{} is not an image of app {}: it allows {allowed}", image.repository, app.app);
    Err(Verdict::new(FailureType::ImageNotAllowed, message)
        .advise("add the repository to `images` in the app file")
        .into())
}

fn invalid(app: &str, findings: &[Finding]) -> Failure {
    let errors: Vec<String> = findings.iter().filter(|f| f.is_error()).map(ToString::to_string).collect();
    Verdict::new(FailureType::ManifestInvalid, format!("app {app}: {}", errors.join("\n")))
        .advise("`berth check` finds the same without a cluster")
        .into()
}
