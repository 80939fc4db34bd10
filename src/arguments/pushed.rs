//! The images and variables of a push, as arguments. Pure.

use std::collections::BTreeMap;

use berth_workflows::contract::{
    named_images::NamedImages,
    push_variables::{PushVariables, VariableValue},
    release::{Commit, Image},
    signals::Push,
    variable_name::VariableName,
};
use clap::Args;

use crate::exit::UsageError;

/// The images and variables of a push.
#[derive(Debug, Args)]
pub(crate) struct PushedArgs {
    /// The image built from the commit, by digest: repository:tag@sha256:…; once more for each image that the app file names:
    /// NAME=repository@sha256:…
    #[arg(long = "image", value_name = "[NAME=]IMAGE", value_parser = image, required = true)]
    images: Vec<(Option<VariableName>, Image)>,
    /// A variable that the app file leaves to pushes. It is public
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(VariableName, VariableValue)>,
}

/// The images and variables of a push, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pushed {
    pub(crate) image: Image,
    pub(crate) images: NamedImages,
    pub(crate) variables: PushVariables,
}

impl PushedArgs {
    /// The images and variables.
    ///
    /// # Errors
    /// As [`Pushed::new`].
    pub(crate) fn read(&self) -> Result<Pushed, UsageError> {
        Pushed::new(self.images.iter().cloned(), self.variables.iter().cloned())
    }
}

impl Pushed {
    /// Sorts images and variables by their names. The main image has none.
    ///
    /// # Errors
    /// There is not one main image, a name is there twice, or there are too many.
    pub(crate) fn new(
        images: impl Iterator<Item = (Option<VariableName>, Image)>,
        variables: impl Iterator<Item = (VariableName, VariableValue)>,
    ) -> Result<Self, UsageError> {
        let (mut main, mut named) = (None, BTreeMap::new());
        for (name, image) in images {
            let (earlier, what) = match name {
                Some(name) => (named.insert(name.clone(), image), format!("--image {name}=…")),
                None => (main.replace(image), "--image without a name".to_owned()),
            };
            refuse_twice(earlier.is_some(), &what)?;
        }
        let mut values = BTreeMap::new();
        for (name, value) in variables {
            let what = format!("--set {name}=…");
            refuse_twice(values.insert(name, value).is_some(), &what)?;
        }
        let image = main.ok_or_else(|| {
            UsageError("a push needs the main image: --image repository@sha256:…, without a name".to_owned())
        })?;
        let images = NamedImages::new(named).map_err(UsageError)?;
        Ok(Self { image, images, variables: PushVariables::new(values).map_err(UsageError)? })
    }

    /// A push of that commit.
    pub(crate) fn into_push(self, commit: Commit) -> Push {
        let Self { image, images, variables } = self;
        Push { images, variables, ..Push::new(commit, image) }
    }
}

fn refuse_twice(is_twice: bool, what: &str) -> Result<(), UsageError> {
    if is_twice { Err(UsageError(format!("{what} is there twice"))) } else { Ok(()) }
}

/// Reads an image, with its name if it has one. No reference has a `=`.
fn image(text: &str) -> Result<(Option<VariableName>, Image), String> {
    let (name, reference) = split_name(text)?;
    Ok((name, Image::try_from(reference.to_owned())?))
}

/// Splits the name off an image.
///
/// # Errors
/// What comes before the `=` is no name.
pub(crate) fn split_name(text: &str) -> Result<(Option<VariableName>, &str), String> {
    match text.split_once('=') {
        Some((name, reference)) => Ok((Some(VariableName::try_from(name.to_owned())?), reference)),
        None => Ok((None, text)),
    }
}

/// Reads a variable with its value.
///
/// # Errors
/// There is no value, or name or value are none.
pub(crate) fn variable(text: &str) -> Result<(VariableName, VariableValue), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    Ok((VariableName::try_from(name.to_owned())?, VariableValue::try_from(value.to_owned())?))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        pushed: PushedArgs,
    }

    fn at_digest(name: &str) -> String {
        format!("{name}@sha256:{}", "a".repeat(64))
    }

    fn read(arguments: &[&str]) -> Result<Pushed, String> {
        let arguments = std::iter::once("berth").chain(arguments.iter().copied());
        let matches = Command::command().try_get_matches_from(arguments).map_err(|why| why.to_string())?;
        let command = Command::from_arg_matches(&matches).map_err(|why| why.to_string())?;
        command.pushed.read().map_err(|why| why.to_string())
    }

    #[test]
    fn images_and_variables_are_read_by_name_in_any_order() {
        let (web, worker) = (at_digest("acme/web:v1"), at_digest("acme/worker"));
        let named = format!("WORKER={worker}");
        for arguments in [["--image", &web, "--image", &named], ["--image", &named, "--image", &web]] {
            let arguments = [&arguments[..], &["--set", "FLAGS=a=1,b", "--set", "EMPTY="]].concat();
            let pushed = read(&arguments).unwrap();
            assert_eq!(pushed.image.to_string(), web);
            let images: Vec<_> = pushed.images.iter().map(|(name, image)| (name, image.to_string())).collect();
            assert_eq!(images, [("WORKER", worker.clone())]);
            let variables: Vec<_> = pushed.variables.iter().collect();
            assert_eq!(variables, [("EMPTY", ""), ("FLAGS", "a=1,b")]);
        }
    }

    #[test]
    fn wrong_images_and_variables_are_refused() {
        let web = at_digest("acme/web");
        let (named, wrong) = (format!("WORKER={web}"), format!("worker={web}"));
        for (arguments, expected) in [
            (vec![], "--image <[NAME=]IMAGE>"),
            (vec!["--image", "acme/web:v1"], "has no digest"),
            (vec!["--image", &named], "a push needs the main image"),
            (vec!["--image", &web, "--image", &web], "--image without a name is there twice"),
            (vec!["--image", &web, "--image", &named, "--image", &named], "--image WORKER=… is there twice"),
            (vec!["--image", &web, "--image", &wrong], "capital letters"),
            (vec!["--image", &web, "--image", "WORKER=acme/web:v1"], "has no digest"),
            (vec!["--image", &web, "--set", "FLAGS"], "expected NAME=VALUE"),
            (vec!["--image", &web, "--set", "FLAGS=a b"], "letters, digits"),
            (vec!["--image", &web, "--set", "flags=a"], "capital letters"),
            (vec!["--image", &web, "--set", "FLAGS=a", "--set", "FLAGS=a"], "--set FLAGS=… is there twice"),
        ] {
            let refused = read(&arguments).unwrap_err();
            assert!(refused.contains(expected), "{arguments:?}: {refused}");
        }
    }
}
