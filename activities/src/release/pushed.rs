//! The named images and variables of a release, compared with the app file. Pure.

use berth_manifests::app::App;
use berth_workflows::contract::release::Image;

/// A message, and the advice with it.
pub(crate) type Refusal = (String, &'static str);

/// Returns why an image may not come under a name.
pub(crate) fn refuse_image(app: &App, name: &str, image: &Image) -> Option<Refusal> {
    let (repository, App { app: app_name, named_images, .. }) = (&image.repository, app);
    match named_images.get(name) {
        Some(allowed) if allowed == repository => None,
        Some(allowed) => Some((
            format!("{repository} is not the image {name} of app {app_name}: that is {allowed}"),
            "push the repository that `named_images` of the app file has under that name",
        )),
        None => Some((
            format!("{name} is not a named image of app {app_name}{}", listed(named_images.keys())),
            "add the name to `named_images` in the app file",
        )),
    }
}

/// Returns why a variable may not come with a push. Its value is not repeated.
pub(crate) fn refuse_variable(app: &App, name: &str) -> Option<Refusal> {
    let App { app: app_name, push_variables, .. } = app;
    (!push_variables.contains_key(name)).then(|| {
        (
            format!("{name} is not a push variable of app {app_name}{}", listed(push_variables.keys())),
            "add the name to `push_variables` in the app file",
        )
    })
}

/// Names the ones that there are. An app has few.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(String::as_str).collect();
    if names.is_empty() { ", which has none".to_owned() } else { format!("; it has {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::{
        named_images::{MAX_NAMED_IMAGES, NamedImages},
        push_variables::{MAX_PUSH_VARIABLES, PushVariables},
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::examples;

    fn image(repository: &str) -> Image {
        Image::try_from(format!("{repository}@sha256:{}", "a".repeat(64))).unwrap()
    }

    #[test]
    fn image_needs_its_name_and_its_repository() {
        let app = examples::app(json!({"named_images": {"WORKER": "registry.example.com/worker"}}));
        let refusal = |name, repository| refuse_image(&app, name, &image(repository)).map(|(message, _)| message);
        assert_eq!(refusal("WORKER", "registry.example.com/worker"), None);
        let other = refusal("WORKER", "registry.example.com/web").unwrap();
        assert_eq!(
            other,
            "registry.example.com/web is not the image WORKER of app web: that is registry.example.com/worker"
        );
        let unknown = refusal("WORKERS", "registry.example.com/worker").unwrap();
        assert_eq!(unknown, "WORKERS is not a named image of app web; it has WORKER");
        let none = refuse_image(&examples::app(json!({})), "WORKER", &image("a")).unwrap();
        assert_eq!(none.0, "WORKER is not a named image of app web, which has none");
    }

    #[test]
    fn variable_needs_its_name() {
        let app = examples::app(json!({"push_variables": {"FLAGS": {"example": "a"}}}));
        assert_eq!(refuse_variable(&app, "FLAGS"), None);
        assert_eq!(refuse_variable(&app, "FLAG").unwrap().0, "FLAG is not a push variable of app web; it has FLAGS");
    }

    /// The manifests' crate and the contract depend on nothing common, so that both have the bounds.
    #[test]
    fn app_file_and_push_have_the_same_bounds() {
        let names = |count: usize, value: &Value| {
            Value::from_iter((0..count).map(|number| (format!("N{number}"), value.clone())))
        };
        let (repository, example) = (json!("acme/web"), json!({"example": "a"}));
        let digest = json!(image("acme/web").to_string());
        for (count, is_taken) in [(MAX_NAMED_IMAGES, true), (MAX_NAMED_IMAGES + 1, false)] {
            let app = json!({"named_images": names(count, &repository)});
            assert_eq!(examples::is_valid(app), is_taken);
            assert_eq!(serde_json::from_value::<NamedImages>(names(count, &digest)).is_ok(), is_taken);
        }
        for (count, is_taken) in [(MAX_PUSH_VARIABLES, true), (MAX_PUSH_VARIABLES + 1, false)] {
            let app = json!({"push_variables": names(count, &example)});
            assert_eq!(examples::is_valid(app), is_taken);
            assert_eq!(serde_json::from_value::<PushVariables>(names(count, &json!("a"))).is_ok(), is_taken);
        }
        let names = ["A", "A_1", "a", "1A", "_A", "Ä", "A-B", "", &"A".repeat(50), &"A".repeat(51)];
        let values = ["", "a,b", "_x", "-x", "/x", "a b", "a=b", "a\nb", "é", &"x".repeat(128), &"x".repeat(129)];
        let with = |name: &str, value: &str| {
            let app = json!({"push_variables": {name: {"example": value}}});
            let push = serde_json::from_value::<PushVariables>(json!({name: value}));
            assert_eq!(examples::is_valid(app), push.is_ok(), "{name:?} {value:?}");
        };
        names.iter().for_each(|name| with(name, "a"));
        values.iter().for_each(|value| with("A", value));
    }
}
