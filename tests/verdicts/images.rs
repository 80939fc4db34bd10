//! Images that cannot be pulled.

use berth_lab::Lab;
use serde_json::json;

use crate::{SOON, app, case::Case};

pub(crate) fn an_image_that_does_not_exist_is_unavailable(lab: &Lab) {
    let case = Case::start(lab, 207, app("image-missing", lab)).serving();
    let reported = case.fails_with(&lab.missing_image(), "ImageUnavailable", "digest that was never pushed", SOON);
    reported.names(&[
        "Deployment/image-missing-pr-207",
        "web",
        &format!("acme/web@sha256:{}", "0".repeat(64)),
        "not found",
    ]);
}

pub(crate) fn an_image_that_the_registry_denies_is_unavailable(lab: &Lab) {
    let repository = format!("{}/private/web", lab.registry());
    let case = Case::start(lab, 208, app("image-denied", lab)).serving();
    let case = case.then(|app| app.file("/images", json!([repository])));
    let image = format!("{repository}:1@sha256:{}", "0".repeat(64));
    let reported = case.fails_with(&image, "ImageUnavailable", "registry answers 401", SOON);
    reported.names(&["private/web", "401 Unauthorized", "pull secret"]);
}

pub(crate) fn an_image_with_a_wrong_name_is_unavailable(lab: &Lab) {
    let case = Case::start(lab, 209, app("image-name", lab)).serving();
    let other = json!({ "name": "other", "image": "registry.example.com/UPPER/web:1" });
    let case = case.then(|app| app.pod("/containers/1", other));
    let reported = case.fails("ImageUnavailable", "name of an image in capitals", SOON);
    reported.names(&["registry.example.com/UPPER/web:1", "must be lowercase"]);
}

pub(crate) fn an_image_that_may_not_be_pulled_is_unavailable(lab: &Lab) {
    let case = Case::start(lab, 210, app("image-never", lab)).serving();
    let other = json!({ "name": "other", "image": "registry.example.com/acme/web:1", "imagePullPolicy": "Never" });
    let case = case.then(|app| app.pod("/containers/1", other));
    let reported = case.fails("ImageUnavailable", "pull policy Never and no such image", SOON);
    reported.names(&["registry.example.com/acme/web:1", "pull policy of Never"]);
}
