//! The images and variables of a push in a job. Pure.

use berth_workflows::contract::{
    push_variables::{MAX_VARIABLE_BYTES, VariableValue},
    release::Image,
    variable_name::VariableName,
};

use super::image::image;
use crate::{
    arguments::{Pushed, split_name, variable as read_variable},
    exit::UsageError,
};

/// The variables of GitHub that hooks may take from a job. None has a path of the runner, or a secret.
const OFFERED: [&str; 22] = [
    "GITHUB_ACTOR_ID",
    "GITHUB_API_URL",
    "GITHUB_BASE_REF",
    "GITHUB_EVENT_NAME",
    "GITHUB_GRAPHQL_URL",
    "GITHUB_HEAD_REF",
    "GITHUB_JOB",
    "GITHUB_REF",
    "GITHUB_REF_NAME",
    "GITHUB_REF_PROTECTED",
    "GITHUB_REF_TYPE",
    "GITHUB_REPOSITORY_ID",
    "GITHUB_REPOSITORY_OWNER",
    "GITHUB_REPOSITORY_OWNER_ID",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_NUMBER",
    "GITHUB_SERVER_URL",
    "GITHUB_TRIGGERING_ACTOR",
    "GITHUB_WORKFLOW",
    "GITHUB_WORKFLOW_REF",
    "GITHUB_WORKFLOW_SHA",
];

/// Arguments of a step, as they were given.
pub(super) struct Given<'a> {
    /// Each is one image, or several on lines of their own. An action passes an input of several lines on.
    pub(super) images: &'a [String],
    pub(super) tag: &'a str,
    pub(super) digest: &'a str,
    /// Each is one variable, or several on lines of their own.
    pub(super) variables: &'a [String],
}

/// Reads images and variables. `of_job` is a variable of the job, for a name without a value.
///
/// # Errors
/// There is no main image, or one of them is wrong.
pub(super) fn pushed(given: &Given<'_>, of_job: impl Fn(&str) -> Option<String>) -> Result<Pushed, UsageError> {
    let mut images = Vec::new();
    for text in lines(given.images) {
        images.push(match split_name(text).map_err(UsageError)? {
            (None, reference) => (None, image(reference, given.tag, given.digest)?),
            (name, reference) => (name, Image::try_from(reference.to_owned()).map_err(UsageError)?),
        });
    }
    if images.iter().all(|(name, _)| name.is_some()) {
        // Its refusal says how to name the image.
        image("", given.tag, given.digest)?;
    }
    let variables = lines(given.variables).map(|text| variable(text, &of_job)).collect::<Result<Vec<_>, _>>()?;
    Pushed::new(images.into_iter(), variables.into_iter())
}

fn variable(text: &str, of_job: &impl Fn(&str) -> Option<String>) -> Result<(VariableName, VariableValue), UsageError> {
    if text.contains('=') {
        return read_variable(text).map_err(|why| UsageError(format!("--set {}: {why}", name_of(text))));
    }
    let wrong = |why: String| UsageError(format!("--set {text}: {why}"));
    let name = VariableName::try_from(text.to_owned()).map_err(wrong)?;
    let value = of_job(text).unwrap_or_default();
    Ok((name, VariableValue::try_from(value).map_err(wrong)?))
}

/// The name before the value, which may be a secret by mistake.
fn name_of(text: &str) -> &str {
    text.split('=').next().unwrap_or_default()
}

/// The lines of all texts, without empty ones.
fn lines(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| !line.is_empty())
}

/// The variables of GitHub that hooks may take for the app file's `push_variables`. Only hooks knows which it has.
pub(super) fn offered(of_job: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    // No variable of a push is longer, and the body of a request is bounded.
    let short = |value: &String| value.len() <= MAX_VARIABLE_BYTES;
    OFFERED.iter().filter_map(|name| Some((*name, of_job(name).filter(short)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_digest(name: &str) -> String {
        format!("{name}@sha256:{}", "a".repeat(64))
    }

    fn read(images: &[&str], variables: &[&str]) -> Result<Pushed, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (images, variables, digest) = (owned(images), owned(variables), format!("sha256:{}", "b".repeat(64)));
        let given = Given { images: &images, tag: "v1", digest: &digest, variables: &variables };
        pushed(&given, |name| (name == "GITHUB_RUN_ID").then(|| "4242".to_owned())).map_err(|why| why.to_string())
    }

    #[test]
    fn inputs_of_several_lines_are_several_images_and_variables() {
        let several = format!("\n  WORKER={}\n\nAPI={}\n", at_digest("acme/worker"), at_digest("acme/api"));
        let pushed =
            read(&["acme/web", &several, ""], &["FLAGS=a,b\n  MODE=x\n", "GITHUB_RUN_ID", "GITHUB_HEAD_REF", ""]);
        let pushed = pushed.unwrap();
        assert_eq!(pushed.image.to_string(), format!("acme/web:v1@sha256:{}", "b".repeat(64)));
        assert_eq!(pushed.images.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["API", "WORKER"]);
        let variables: Vec<_> = pushed.variables.iter().collect();
        let expected = [("FLAGS", "a,b"), ("GITHUB_HEAD_REF", ""), ("GITHUB_RUN_ID", "4242"), ("MODE", "x")];
        assert_eq!(variables, expected);
    }

    #[test]
    fn wrong_inputs_are_refused_without_a_value() {
        for (images, variables, expected) in [
            (&[][..], &[][..], "a push needs the image: --image"),
            (&["WORKER=acme/worker@sha256:0"], &[], "malformed digest"),
            (&["acme/web", "acme/api"], &[], "--image without a name is there twice"),
            (&["acme/web"], &["PASSWORD=hunter 2"], "--set PASSWORD: the value of a push variable has at most"),
            (&["acme/web"], &["password"], "--set password: "),
            (&["acme/web"], &["A=1", "A=2"], "--set A=… is there twice"),
        ] {
            let refused = read(images, variables).unwrap_err();
            assert!(refused.contains(expected) && !refused.contains("hunter"), "{refused}");
        }
        let named = format!("WORKER={}", at_digest("acme/worker"));
        assert!(read(&[&named], &[]).unwrap_err().contains("a push needs the image: --image"));
    }

    #[test]
    fn offer_has_neither_secrets_nor_paths_nor_long_values() {
        let offered = offered(|name| match name {
            "GITHUB_HEAD_REF" => None,
            "GITHUB_WORKFLOW" => Some("x".repeat(300)),
            _ => Some("1".to_owned()),
        });
        let names: Vec<_> = offered.iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"GITHUB_RUN_ID") && names.len() == OFFERED.len() - 2, "{names:?}");
        for part in ["TOKEN", "SECRET", "PATH", "WORKSPACE", "ENV", "OUTPUT"] {
            assert!(!names.iter().any(|name| name.split('_').any(|word| word == part)), "{names:?}");
        }
    }
}
