//! The variables that berth declares to manifests, and their values in one rollout.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{pushed_image::PushedImage, pushed_names::PushedNames};

/// The kind of an app's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentKind {
    /// The environment of a pull request.
    Preview,
    /// The environment that the public uses.
    Production,
}

impl EnvironmentKind {
    /// `preview` or `production`: the name of the manifests' folder, and the value of `KUBE_ENV`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Production => "production",
        }
    }
}

/// The inputs of one rollout's variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableInput {
    /// The app's name.
    pub app: String,
    /// The environment's namespace.
    pub namespace: String,
    /// Preview or production.
    pub environment_kind: EnvironmentKind,
    /// The pull request's number, in a preview.
    pub pr: Option<u64>,
    /// A number that rises with each rollout and is the same on every retry of one. It is below 1,000,000,000, because teams
    /// use it as the value of a `PriorityClass`.
    pub deploy_id: u64,
    /// The images of the push.
    pub images: Vec<PushedImage>,
    /// The host name of the web app.
    pub host: String,
    /// The host name of temporal-ui, if the app has one.
    pub temporal_ui_host: Option<String>,
    /// The commit that is rolled out.
    pub commit: String,
    /// The author of the push, as the caller reports it. Nothing verifies it.
    pub author: String,
    /// `owner/name` on GitHub.
    pub repository: String,
    /// The Secret with Doppler's values; its name has a hash of its content.
    pub doppler_managed_secret: Option<String>,
    /// The Secret with Doppler's token.
    pub doppler_token_secret: Option<String>,
    /// The address of the app's Temporal server.
    pub temporal_server_address: String,
    /// The names that the app file leaves to pushes, with the values of this push.
    pub pushed_names: PushedNames,
    /// The `variables:` of the app file. Reserved names in it are ignored.
    pub extra: BTreeMap<String, String>,
}

/// The names that a manifest may use, with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
    numbers: BTreeMap<&'static str, u64>,
    images: Vec<PushedImage>,
    pushed_names: PushedNames,
}

/// Prefixes of names that only berth, an app file or a push declares. An undeclared name with one is a mistake, not a shell
/// variable.
pub(crate) const RESERVED_PREFIXES: [&str; 4] = ["KUBE_", "DOPPLER_", "GITHUB_", "DOCKER_"];

/// The most bytes of an unknown name in a message.
const MAX_SHOWN_NAME: usize = 64;

/// Names that only some apps have, and the reason why an app lacks one.
const CONDITIONAL: [(&str, &str); 4] = [
    ("KUBE_INGRESS_WORKER_HOSTNAME", "the app file has no `temporal_ui_host` for this environment"),
    ("DOPPLER_MANAGED_SECRET_NAME", "the app file has no `secrets` for this environment"),
    ("DOPPLER_TOKEN_SECRET_NAME", "the app file has no `secrets` for this environment"),
    ("KUBE_NODE_POOL", "add it to the app file's `variables`"),
];

/// Variables with a default that an app's `variables:` may replace. The built-in manifests use them; any manifests may.
const DEFAULTS: [(&str, &str); 5] = [
    // Server and admin-tools are released together; this is the UI of that release.
    ("KUBE_TEMPORAL_SERVER_IMAGE", "temporalio/server:1.32.0"),
    ("KUBE_TEMPORAL_ADMIN_TOOLS_IMAGE", "temporalio/admin-tools:1.32.0"),
    ("KUBE_TEMPORAL_UI_IMAGE", "temporalio/ui:2.54.1"),
    // `true` if browsers reach temporal-ui without TLS: then its cookies must not require TLS.
    ("KUBE_TEMPORAL_UI_OVER_HTTP", "false"),
    ("KUBE_HEALTH_PATH", "/api/health"),
];

/// The names that berth sets. An app's `variables:` cannot have them.
pub(crate) const RESERVED_NAMES: [&str; 17] = [
    "KUBE_NS",
    "KUBE_ENV",
    "PR_NUMBER",
    "KUBE_APP",
    "KUBE_APP_NAME",
    "KUBE_DEPLOY_ID",
    "KUBE_DEPLOYMENT_IMAGE",
    "KUBE_DEPLOYMENT_TAG",
    "KUBE_DEPLOYMENT_DIGEST",
    "KUBE_INGRESS_HOSTNAME",
    "KUBE_INGRESS_WORKER_HOSTNAME",
    "DOPPLER_MANAGED_SECRET_NAME",
    "DOPPLER_TOKEN_SECRET_NAME",
    "GITHUB_SHA",
    "GITHUB_REPOSITORY",
    "GITHUB_ACTOR",
    "TEMPORAL_SERVER_ADDRESS",
];

/// Whether berth has a default for a name.
pub(crate) fn is_own_default(name: &str) -> bool {
    DEFAULTS.iter().any(|(own, _)| *own == name)
}

impl Variables {
    /// The variables of one rollout.
    pub fn new(input: VariableInput) -> Self {
        let unique_name = unique_name(&input.app, input.pr);
        let of_images = input.images.iter().flat_map(|image| image.variables(&input.commit)).collect::<Vec<_>>();
        let numbers =
            std::iter::once(("KUBE_DEPLOY_ID", input.deploy_id)).chain(input.pr.map(|pr| ("PR_NUMBER", pr))).collect();
        let reserved = [
            ("KUBE_NS", Some(input.namespace)),
            ("KUBE_ENV", Some(input.environment_kind.as_str().to_owned())),
            ("PR_NUMBER", Some(input.pr.map(|pr| pr.to_string()).unwrap_or_default())),
            ("KUBE_APP", Some(unique_name)),
            ("KUBE_APP_NAME", Some(input.app)),
            ("KUBE_DEPLOY_ID", Some(input.deploy_id.to_string())),
            ("KUBE_INGRESS_HOSTNAME", Some(input.host)),
            ("KUBE_INGRESS_WORKER_HOSTNAME", input.temporal_ui_host),
            ("DOPPLER_MANAGED_SECRET_NAME", input.doppler_managed_secret),
            ("DOPPLER_TOKEN_SECRET_NAME", input.doppler_token_secret),
            ("GITHUB_SHA", Some(input.commit)),
            ("GITHUB_REPOSITORY", Some(input.repository)),
            ("GITHUB_ACTOR", Some(input.author)),
            ("TEMPORAL_SERVER_ADDRESS", Some(input.temporal_server_address)),
        ];
        let mut values: BTreeMap<String, String> =
            DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        values.extend(input.extra);
        values.extend(input.pushed_names.values().map(|(name, value)| (name.to_owned(), value.to_owned())));
        values.retain(|name, _| !RESERVED_NAMES.contains(&name.as_str()));
        values.extend(reserved.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        values.extend(of_images);
        Self { values, numbers, images: input.images, pushed_names: input.pushed_names }
    }

    /// The value of a name, if berth or the app file declares it. The variable of a pushed image is its repository here.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of a name as a number, if it is one of the numbers.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// The images of the push.
    pub(super) fn images(&self) -> &[PushedImage] {
        &self.images
    }

    /// The pushed image whose repository or whole reference a name stands for.
    pub(super) fn image(&self, name: &str) -> Option<&PushedImage> {
        self.images.iter().find(|image| image.image_variable() == name)
    }

    /// The tag of a pushed image, or the commit if it has none.
    pub(super) fn tag_of(&self, image: &PushedImage) -> Option<&str> {
        self.get(&image.tag_variable())
    }

    /// The value of a name as a part of a container's `image`. A push names its images under `image` and `images` alone: there
    /// they are checked, and in a variable they would not be.
    pub(super) fn get_in_image(&self, name: &str) -> Option<&str> {
        let plain = || self.get(name).filter(|_| !self.pushed_names.has_variable(name));
        self.image(name).map(|image| image.repository.as_str()).or_else(plain)
    }

    /// The message about a name that is the push's to bring, and that has no value here.
    pub(super) fn explain_missing(&self, name: &str) -> Option<String> {
        if self.get(name).is_some() && self.pushed_names.has_variable(name) {
            return Some(format!(
                "`${name}` is a variable of the push, and no part of an image may come from one: list the image in the app \
                 file's `named_images`"
            ));
        }
        self.pushed_names.explain_missing(name, &self.images)
    }

    /// The same variables, but these names of images stand for whole references outside of a container's `image` as well.
    pub(super) fn with_whole_references(&self, names: &BTreeSet<String>) -> Self {
        let mut variables = self.clone();
        let whole = self.images.iter().map(|image| (image.image_variable(), image.reference()));
        variables.values.extend(whole.filter(|(name, _)| names.contains(name)));
        variables
    }

    /// Whether a value has only characters without a meaning to a shell.
    pub(super) fn is_shell_safe(&self, name: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'[' | b']');
        self.get(name).is_none_or(|value| value.bytes().all(plain))
    }

    /// The value of a name that the app file or the push declares, and not berth itself.
    pub(super) fn get_of_app(&self, name: &str) -> Option<&str> {
        let is_own = RESERVED_NAMES.contains(&name) || self.images.iter().any(|image| image.has_variable(name));
        self.get(name).filter(|_| !is_own)
    }

    /// The message about a name that is not declared.
    pub(super) fn explain_unknown(&self, name: &str) -> String {
        // Names are ASCII, so the cut is at a character boundary.
        let name = &name[..name.len().min(MAX_SHOWN_NAME)];
        let reason = match CONDITIONAL.iter().find(|(conditional, _)| *conditional == name) {
            Some((_, reason)) => (*reason).to_owned(),
            None if name.starts_with("GITHUB_") => {
                "list it in the app file's `push_variables`, and the job that pushes brings it".to_owned()
            }
            None => match self.nearest(name) {
                Some(nearest) => format!("the nearest known name is `${nearest}`"),
                None => "add it to the app file's `variables`, `push_variables` or `named_images`".to_owned(),
            },
        };
        format!("`${name}` is not a declared variable: {reason}")
    }

    /// The message about a name in a form that only a shell expands, such as `${NAME:-default}`.
    pub(super) fn explain_expanded(&self, name: &str, in_identifier: bool) -> Option<String> {
        let is_declared = self.get(name).is_some();
        if !in_identifier && !is_declared && !is_reserved(name) {
            return None;
        }
        let name = &name[..name.len().min(MAX_SHOWN_NAME)];
        let advice = if is_declared { format!(": write `${{{name}}}`") } else { String::new() };
        Some(format!(
            "`${{{name}…}}` stays as it is: berth replaces `$NAME` and `${{NAME}}` only, as envsubst does{advice}"
        ))
    }

    /// The declared name that is nearest to another, if it may be meant.
    fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.values.keys().map(String::as_str))
    }
}

/// Whether a name begins as berth's own names do.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a name is written as those of environment variables are: nginx, PHP and others have lower-case names of their own.
pub(crate) fn is_upper_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// The name that is nearest to another, if at most half of its letters differ.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (distance(name, known), known)).min()?;
    (near.0 <= name.len() / 2).then_some(near.1)
}

/// Whether a name's value comes unchecked from a caller. All other values are checked: a commit is hexadecimal digits, an
/// image's tag has a grammar, hosts and namespaces are DNS names.
pub(super) fn is_unchecked(name: &str) -> bool {
    name == "GITHUB_ACTOR"
}

/// The name of an environment, unique in the cluster: `web-pr-123`, or `web` in production.
pub fn unique_name(app: &str, pr: Option<u64>) -> String {
    match pr {
        Some(pr) => format!("{app}-pr-{pr}"),
        None => app.to_owned(),
    }
}

/// The Levenshtein distance of two names, in bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, r) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::examples;

    #[test]
    fn missing_image_tag_defaults_to_the_commit() {
        let mut input = examples::preview();
        input.images[0].tag = None;
        let without = Variables::new(input.clone());
        assert_eq!(without.get("KUBE_DEPLOYMENT_TAG"), Some(input.commit.as_str()));
        input.images[0].tag = Some("v1".to_owned());
        assert_eq!(Variables::new(input).get("KUBE_DEPLOYMENT_TAG"), Some("v1"));
    }

    #[test]
    fn unique_name_has_a_number_only_in_a_preview() {
        assert_eq!(Variables::new(examples::preview()).get("KUBE_APP"), Some("web-pr-123"));
        let production = Variables::new(examples::production());
        assert_eq!(production.get("KUBE_APP"), Some("web"));
        assert_eq!(production.get("PR_NUMBER"), Some(""));
        assert_eq!(production.number("PR_NUMBER"), None);
    }

    #[test]
    fn app_file_cannot_set_reserved_names() {
        let mut input = examples::preview();
        input.extra.insert("KUBE_NS".to_owned(), "kube-system".to_owned());
        input.doppler_token_secret = None;
        input.extra.insert("DOPPLER_TOKEN_SECRET_NAME".to_owned(), "other".to_owned());
        let variables = Variables::new(input);
        assert_eq!(variables.get("KUBE_NS"), Some("pr-123"));
        assert_eq!(variables.get("DOPPLER_TOKEN_SECRET_NAME"), None);
    }

    #[test]
    fn unknown_name_is_reported_with_the_nearest_known_one() {
        let variables = Variables::new(examples::preview());
        let message = variables.explain_unknown("KUBE_DEPLOYMENT_IMGE");
        assert!(message.contains("`$KUBE_DEPLOYMENT_IMAGE`"), "{message}");
        let message = variables.explain_unknown("OTHER_IMAGE");
        assert!(message.contains("named_images"), "{message}");
    }
}
