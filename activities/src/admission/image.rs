//! The images and variables in an activity's input.

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::Environment,
    release::{Image, Release},
    verdict::{FailureType, Verdict},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::ListParams};
use serde_json::Value;

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::labels,
    release::{pushed, stored_release::StoredRelease},
};

/// Checks each image by the app file as it is now, or that a stored release of the environment has it. Variables are those of
/// the app file.
///
/// # Errors
/// As for [`super::Admission::check_release`].
pub(super) async fn check(
    context: Context<'_>,
    environment: &Environment,
    app: &App,
    release: &Release,
) -> Result<(), Failure> {
    if let Some((message, advice)) = release.variables.iter().find_map(|(name, _)| pushed::refuse_variable(app, name)) {
        return Err(Verdict::new(FailureType::PolicyDenied, message).advise(advice).into());
    }
    let main = Some(&release.image).filter(|image| !app.images.contains(&image.repository));
    let main = main.map(|image| {
        let allowed = app.images.join(", ");
        let message = format!("{} is not an image of app {}, which allows {allowed}", image.repository, app.app);
        (image, (message, "add the repository to `images` in the app file"))
    });
    let named = release.images.iter();
    let named = named.filter_map(|(name, image)| Some((image, pushed::refuse_image(app, name, image)?)));
    for (image, (message, advice)) in main.into_iter().chain(named) {
        if !is_stored(context, environment, image).await? {
            let message = format!("{message}; no stored release of {} has it", environment.workflow_id);
            return Err(Verdict::new(FailureType::PolicyDenied, message).advise(advice).into());
        }
    }
    Ok(())
}

/// Returns whether a stored release of the environment has the image. A damaged release counts as none.
async fn is_stored(context: Context<'_>, environment: &Environment, image: &Image) -> Result<bool, Failure> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &environment.namespace);
    let own = labels::owner_selector(environment, &context.settings.installation);
    let stored = ListParams::default().labels(&format!("{own},{}={}", labels::CONTENT, labels::RELEASE));
    let listed = secrets.list(&stored).await.map_err(|e| Failure::kubernetes("listing stored releases", e))?;
    for head in listed.items {
        match StoredRelease::read(context.client, &environment.namespace, head).await {
            Ok(release) if release.objects.iter().any(|document| has_image(document, image)) => return Ok(true),
            Ok(_) | Err(Failure::Permanent(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(false)
}

/// Returns whether a container in the value runs this image, by digest. The tag does not count.
fn has_image(value: &Value, image: &Image) -> bool {
    let is_image = |text: &str| {
        let found = Image::try_from(text.to_owned());
        found.is_ok_and(|found| found.repository == image.repository && found.digest == image.digest)
    };
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value {
            Value::String(text) => key == "image" && is_image(text),
            other => has_image(other, image),
        }),
        Value::Array(items) => items.iter().any(|item| has_image(item, image)),
        _ => false,
    }
}
