//! Which names berth declares to manifests, and what each stands for in one rollout.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which of an app's environments a rollout is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentKind {
    /// A pull request's.
    Preview,
    /// The one that the public uses.
    Production,
}

impl EnvironmentKind {
    /// `preview` or `production`: the folder's name, and the value of `KUBE_ENV`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Production => "production",
        }
    }
}

/// What one rollout knows, before it has names.
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
    /// Rises from one rollout to the next, the same on every retry of one; below 1,000,000,000, since teams make it the
    /// value of a `PriorityClass`.
    pub deploy_id: u64,
    /// The image without tag and digest.
    pub image_repository: String,
    /// The image's tag, if it has one.
    pub image_tag: Option<String>,
    /// The image's digest, `sha256:…`.
    pub image_digest: String,
    /// The host name of the web app.
    pub host: String,
    /// The host name of temporal-ui, if the app has one.
    pub temporal_ui_host: Option<String>,
    /// The commit that is rolled out.
    pub commit: String,
    /// Who pushed: a claim of the caller's.
    pub author: String,
    /// `owner/name` on GitHub.
    pub repository: String,
    /// The content-named Secret with Doppler's values.
    pub doppler_managed_secret: Option<String>,
    /// The Secret with Doppler's token.
    pub doppler_token_secret: Option<String>,
    /// Where the app finds its Temporal server.
    pub temporal_server_address: String,
    /// The app file's own `variables:`. berth's own names win over them.
    pub extra: BTreeMap<String, String>,
}

/// The names a manifest may use, with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
    numbers: BTreeMap<&'static str, u64>,
}

/// A name with one of these prefixes is berth's to declare: another one is a slip of the pen, not a shell variable.
const RESERVED_PREFIXES: [&str; 2] = ["KUBE_", "DOPPLER_"];

/// How much of an unknown name is shown.
const MAX_SHOWN: usize = 64;

/// Names that only some apps have, and what makes an app have them.
const CONDITIONAL: [(&str, &str); 4] = [
    ("KUBE_INGRESS_WORKER_HOSTNAME", "the app file gives no `temporal_ui_host` for this environment"),
    ("DOPPLER_MANAGED_SECRET_NAME", "the app file gives no `secrets` for this environment"),
    ("DOPPLER_TOKEN_SECRET_NAME", "the app file gives no `secrets` for this environment"),
    ("KUBE_NODE_POOL", "add it to the app file's `variables`"),
];

/// What berth's own manifests leave to an app's `variables:`, and what they are if it says nothing. Any app's manifests may
/// use them.
const DEFAULTS: [(&str, &str); 5] = [
    // Server and admin-tools are released together; the UI is the one of that release.
    ("KUBE_TEMPORAL_SERVER_IMAGE", "temporalio/server:1.32.0"),
    ("KUBE_TEMPORAL_ADMIN_TOOLS_IMAGE", "temporalio/admin-tools:1.32.0"),
    ("KUBE_TEMPORAL_UI_IMAGE", "temporalio/ui:2.54.1"),
    // Whether browsers reach temporal-ui without TLS: then its cookies must not ask for it.
    ("KUBE_TEMPORAL_UI_OVER_HTTP", "false"),
    ("KUBE_HEALTH_PATH", "/api/health"),
];

/// The names that berth gives itself: an app's `variables:` cannot have them.
pub(crate) const OWN: [&str; 17] = [
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

impl Variables {
    /// The variables of one rollout.
    pub fn new(input: VariableInput) -> Self {
        let unique_name = unique_name(&input.app, input.pr);
        let numbers =
            std::iter::once(("KUBE_DEPLOY_ID", input.deploy_id)).chain(input.pr.map(|pr| ("PR_NUMBER", pr))).collect();
        let own = [
            ("KUBE_NS", Some(input.namespace)),
            ("KUBE_ENV", Some(input.environment_kind.as_str().to_owned())),
            ("PR_NUMBER", Some(input.pr.map(|pr| pr.to_string()).unwrap_or_default())),
            ("KUBE_APP", Some(unique_name)),
            ("KUBE_APP_NAME", Some(input.app)),
            ("KUBE_DEPLOY_ID", Some(input.deploy_id.to_string())),
            ("KUBE_DEPLOYMENT_IMAGE", Some(input.image_repository)),
            // So that `$A:$B@$C` is a valid reference whether or not the image has a tag.
            ("KUBE_DEPLOYMENT_TAG", Some(input.image_tag.unwrap_or_else(|| input.commit.clone()))),
            ("KUBE_DEPLOYMENT_DIGEST", Some(input.image_digest)),
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
        values.retain(|name, _| !OWN.contains(&name.as_str()));
        values.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Self { values, numbers }
    }

    /// What a name stands for, if berth or the app file declares it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The number behind a name that is one.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// Whether a value has only letters that mean nothing to a shell.
    pub(super) fn is_plain(&self, name: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'[' | b']');
        self.get(name).is_none_or(|value| value.bytes().all(plain))
    }

    /// Why an unknown name is certainly a mistake: it has a prefix that is berth's.
    pub(super) fn unknown(&self, name: &str) -> Option<String> {
        if !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return None;
        }
        // A name longer than any is shown by its beginning; all of it is ASCII.
        let name = &name[..name.len().min(MAX_SHOWN)];
        let reason = match CONDITIONAL.iter().find(|(conditional, _)| *conditional == name) {
            Some((_, reason)) => (*reason).to_owned(),
            None => {
                let known = self.values.keys().map(String::as_str);
                known.min_by_key(|known| distance(name, known)).map_or_else(
                    || "no variables are declared".to_owned(),
                    |nearest| format!("the nearest name that is known is `${nearest}`"),
                )
            }
        };
        Some(format!("`${name}` is not a variable here: {reason}"))
    }
}

/// Whether a name's value is what somebody outside says of themselves. All others are checked: a commit is hexadecimal
/// digits, an image's tag has a grammar, hosts and namespaces are DNS names.
pub(super) fn is_claim(name: &str) -> bool {
    name == "GITHUB_ACTOR"
}

/// The name that is an environment's alone in the whole cluster: `web-pr-123`, or `web` in production.
pub fn unique_name(app: &str, pr: Option<u64>) -> String {
    match pr {
        Some(pr) => format!("{app}-pr-{pr}"),
        None => app.to_owned(),
    }
}

/// Levenshtein's distance: how many letters must change.
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
    fn an_image_written_in_three_parts_is_valid_with_and_without_a_tag() {
        let mut input = examples::preview();
        input.image_tag = None;
        let without = Variables::new(input.clone());
        assert_eq!(without.get("KUBE_DEPLOYMENT_TAG"), Some(input.commit.as_str()));
        input.image_tag = Some("v1".to_owned());
        assert_eq!(Variables::new(input).get("KUBE_DEPLOYMENT_TAG"), Some("v1"));
    }

    #[test]
    fn an_environment_has_a_name_of_its_own() {
        assert_eq!(Variables::new(examples::preview()).get("KUBE_APP"), Some("web-pr-123"));
        let production = Variables::new(examples::production());
        assert_eq!(production.get("KUBE_APP"), Some("web"));
        assert_eq!(production.get("PR_NUMBER"), Some(""));
        assert_eq!(production.number("PR_NUMBER"), None);
    }

    #[test]
    fn the_app_file_cannot_rename_what_is_berths() {
        let mut input = examples::preview();
        input.extra.insert("KUBE_NS".to_owned(), "kube-system".to_owned());
        input.doppler_token_secret = None;
        input.extra.insert("DOPPLER_TOKEN_SECRET_NAME".to_owned(), "other".to_owned());
        let variables = Variables::new(input);
        assert_eq!(variables.get("KUBE_NS"), Some("pr-123"));
        assert_eq!(variables.get("DOPPLER_TOKEN_SECRET_NAME"), None);
    }

    #[test]
    fn an_unknown_reserved_name_is_answered_with_the_nearest_known_one() {
        let variables = Variables::new(examples::preview());
        let message = variables.unknown("KUBE_DEPLOYMENT_IMGE").unwrap();
        assert!(message.contains("`$KUBE_DEPLOYMENT_IMAGE`"), "{message}");
        assert_eq!(variables.unknown("HOME"), None);
        assert_eq!(variables.unknown("KUBERNETES_SERVICE_HOST"), None);
    }
}
