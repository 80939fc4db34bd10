//! The app file's settings of GitHub: which repository is believed, and what is written to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name of a label on GitHub, in characters.
pub(super) const MAX_LABEL: usize = 50;

/// The app's repository on GitHub, as berth knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubSettings {
    /// The repository's id: `gh api repos/OWNER/NAME --jq .id`. Names can be given to another repository; ids cannot.
    #[schemars(range(min = 1))]
    pub repository_id: u64,
    /// Whether berth keeps a comment in each pull request. Default: it does.
    #[serde(default = "yes")]
    pub comment: bool,
    /// Whether people may give commands in comments. Default: those who may write to the repository may.
    #[serde(default = "yes")]
    pub commands: bool,
    /// Whether the pushes of a draft are rolled out. Default: they wait until it is ready for review.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drafts: bool,
    /// The label without which a pull request's pushes wait. Default: none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_LABEL))]
    pub label: Option<String>,
    /// The label with which a pull request's pushes wait. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_LABEL))]
    pub skip_label: Option<String>,
}

impl GithubSettings {
    /// Whether the label decides about a pull request's environment.
    pub fn is_label_of_berth(&self, label: &str) -> bool {
        // GitHub's labels differ by more than case.
        let is = |own: &Option<String>| own.as_ref().is_some_and(|own| own.to_lowercase() == label.to_lowercase());
        is(&self.label) || is(&self.skip_label)
    }
}

fn yes() -> bool {
    true
}
