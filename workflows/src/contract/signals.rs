//! Signals and updates that an environment takes from outside, and their answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment,
    lenient::Input,
    named_images::NamedImages,
    number,
    proof::Proof,
    push_variables::PushVariables,
    release::{Commit, Image, Name, Release},
    verdict::Verdict,
};

/// Signal `push` and update `deploy`: a commit of the pull request has an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    pub commit: Commit,
    pub image: Image,
    /// Further images, by their names under `named_images` of the app file.
    #[serde(default, skip_serializing_if = "NamedImages::is_empty")]
    pub images: NamedImages,
    /// Values of variables, by their names under `push_variables` of the app file. They are public.
    #[serde(default, skip_serializing_if = "PushVariables::is_empty")]
    pub variables: PushVariables,
    /// The CI run's id, on GitHub `github.run_id`. A push with a lower one than already seen is ignored: builds finish out of order.
    /// After a close it has to be higher than all that were seen before.
    #[serde(default, deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Name>,
    /// Whether the commit comes from a fork. It then waits for `approve`, and nothing is fetched for it before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fork: bool,
    /// Whether the pull request is a draft. The push then waits until it is ready for review, unless the app file says otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for Push {
    const EXAMPLE: &'static str = concat!(
        r#"{"commit":"4f2a9c1","image":"registry.example.com/acme/web@sha256:"#,
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        r#""}"#
    );
}

impl Push {
    /// A push of that commit with one image.
    pub fn new(commit: Commit, image: Image) -> Self {
        Self {
            commit,
            image,
            images: NamedImages::default(),
            variables: PushVariables::default(),
            sequence: None,
            author: None,
            branch: None,
            fork: false,
            draft: false,
            proof: None,
        }
    }

    /// The release that the push asks for. It is a claim until the proof of the push is checked.
    pub fn release(&self) -> Release {
        Release {
            images: self.images.clone(),
            variables: self.variables.clone(),
            author: self.author.clone(),
            branch: self.branch.clone(),
            ..Release::new(self.commit.clone(), self.image.clone())
        }
    }
}

/// Signal and update `close`: the pull request was closed or merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// The CI run's id, as in `push`. A close that is older than a push already seen is ignored.
    #[serde(default, deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Facts about the sender, as `berth hooks` has verified them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

impl Input for Close {
    const EXAMPLE: &'static str = r#"{"sequence":42}"#;
}

/// Signal `confirm_closed`: a job says that the pull request was closed, and cannot prove it. It ran after the merge, where
/// its token no longer names the pull request. GitHub is asked, and nothing closes on this word alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmClosed {}

impl Input for ConfirmClosed {
    const EXAMPLE: &'static str = "{}";
}

/// The answer of the update `close`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CloseAnswer {
    pub outcome: CloseOutcome,
    /// The number of the removal that the close leads to: `removed` of `status` has it then, if the workflow goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<u64>,
    /// The sequence already seen, if the close is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// The reason, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The outcome of a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseOutcome {
    /// The environment is removed. The workflow ends when nothing of it is left.
    Closing,
    /// The close is older than a push or close already seen, and has no effect.
    Skipped,
    /// An outcome that only a newer version of berth knows. None has it.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl CloseAnswer {
    /// The answer to a close that is obeyed.
    pub fn closing() -> Self {
        Self { outcome: CloseOutcome::Closing, removal: None, seen: None, reason: None }
    }

    /// The answer to a close that is older than a sequence already seen.
    pub fn skipped(seen: u64, reason: String) -> Self {
        Self { outcome: CloseOutcome::Skipped, removal: None, seen: Some(seen), reason: Some(reason) }
    }
}

/// Signal `approve`: this one commit of a fork may be rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    pub commit: Commit,
    /// The image that waits with the commit. It is needed if the commit was pushed with several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The person who approves. It is a claim, not a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

impl Input for Approve {
    const EXAMPLE: &'static str = r#"{"commit":"4f2a9c1","by":"octocat"}"#;
}

/// Signal `redeploy`: roll the newest release out again, with today's secrets and manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeploy {
    /// The person who asks for it. It is a claim, not a proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

impl Input for Redeploy {
    const EXAMPLE: &'static str = "{}";
}

/// Signal `restored` of production: its record says that a person has restored a release by hand.
///
/// A worker sends it. A restore reaches no workflow by itself: it is for when Temporal is away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredByHand {}

impl Input for RestoredByHand {
    const EXAMPLE: &'static str = "";
}

/// The outcome of a push, or the state that it waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeployOutcome {
    Live,
    Failed,
    /// A newer push replaced it.
    Superseded,
    /// The pull request was closed before it was live.
    Closed,
    /// A person rolled production back while it was rolled out.
    RolledBack,
    /// It waits for the end of a draft or for a label, or it is older than what was seen.
    Skipped,
    AwaitingApproval,
    Queued,
    /// An outcome that only a newer version of berth knows. None has it.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// The answer of the update `deploy`: the first state that is final or waits for an action from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeployAnswer {
    pub outcome: DeployOutcome,
    pub commit: Commit,
    /// The environment's page, if anything serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The page of the environment's own temporal-ui, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_ui: Option<String>,
    /// The workflow id of its `Rollout`, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The reason, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

impl DeployAnswer {
    /// An answer with only outcome and commit.
    pub fn new(outcome: DeployOutcome, commit: Commit) -> Self {
        Self { outcome, commit, url: None, temporal_ui: None, rollout: None, reason: None, verdict: None }
    }

    /// Adds the pages of an environment in which something serves.
    pub fn show_pages(&mut self, answering: Option<&Environment>) {
        self.url = answering.map(Environment::url);
        self.temporal_ui = answering.and_then(Environment::temporal_ui_url);
    }

    /// Adds the reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}
