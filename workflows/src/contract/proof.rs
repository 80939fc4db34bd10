//! Proof of a message: the facts that `berth hooks` has verified about its sender, signed by `berth hooks`.
//!
//! A message over Temporal carries no identity, so everything in it is a claim. A proof makes it checkable by whoever has the
//! public key. It never changes what a message asks for. Keys and signatures are not handled here: this is data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    push_variables::PushVariables,
    release::{Commit, Image, Name},
};

/// The only version of claims.
pub const PROOF_VERSION: u32 = 1;

/// The largest difference between the time of a proof and the arrival of its message. A message waits for a worker that
/// restarts, and the clocks of two machines are compared. An older proof may be a copy.
pub const MAX_PROOF_AGE_SECONDS: u64 = 600;

/// A prefix that no other signed text of berth has, so that a signature cannot be used elsewhere.
const CONTEXT: &str = "berth proof 1\n";

/// Claims about a message, with their signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    pub claims: ProofClaims,
    /// The Ed25519 signature of [`ProofClaims::signing_text`], in base64.
    pub signature: String,
}

/// Facts about a message and its sender. An unknown field is ignored, and the signature then does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofClaims {
    /// Always [`PROOF_VERSION`].
    pub version: u32,
    /// The id of the environment's workflow.
    pub environment: String,
    pub action: ProofAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Images by name. The main image has the empty name.
    #[serde(default)]
    pub images: BTreeMap<String, Image>,
    /// The variables of a push. An older version ignores them, and the signature then does not hold.
    #[serde(default, skip_serializing_if = "PushVariables::is_empty")]
    pub variables: PushVariables,
    /// The number of a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// The id of a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The account whose job has sent the message.
    pub actor: Name,
    /// The id of that job's workflow run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<u64>,
    /// Unix time in seconds.
    pub at: u64,
}

/// The message that a proof is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProofAction {
    Deploy,
    Close,
    Release,
    Approve,
    Reject,
    Rollback,
    Freeze,
    Unfreeze,
    /// An action of a newer berth.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl ProofAction {
    /// The stable name, as on the wire.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl ProofClaims {
    /// The text that is signed: a fixed prefix, then the claims as JSON without spaces, in the order of their declaration.
    pub fn signing_text(&self) -> String {
        // Strings, numbers and a map with text keys always serialise.
        format!("{CONTEXT}{}", serde_json::to_string(self).unwrap_or_default())
    }
}

/// The content of a message, which its proof must have confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenContent {
    /// The id of the environment's workflow.
    pub environment: String,
    pub action: ProofAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    #[serde(default)]
    pub images: BTreeMap<String, Image>,
    #[serde(default, skip_serializing_if = "PushVariables::is_empty")]
    pub variables: PushVariables,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The person that the message names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Name>,
    /// The sequence of the message. None: the message has none, and any run may have sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<u64>,
}

impl ProvenContent {
    /// Content of a message that names nothing yet.
    pub fn new(environment: impl Into<String>, action: ProofAction) -> Self {
        Self {
            environment: environment.into(),
            action,
            commit: None,
            images: BTreeMap::new(),
            variables: PushVariables::default(),
            release: None,
            plan: None,
            actor: None,
            run_id: None,
        }
    }

    /// The claims that a signer makes of this content. `at` is Unix time in seconds.
    pub fn claims(self, actor: Name, run_id: Option<u64>, at: u64) -> ProofClaims {
        let Self { environment, action, commit, images, variables, release, plan, .. } = self;
        let version = PROOF_VERSION;
        ProofClaims { version, environment, action, commit, images, variables, release, plan, actor, run_id, at }
    }

    /// Compares the content with claims, all but their time. Returns the name of the first field that differs.
    pub fn first_difference(&self, claims: &ProofClaims) -> Option<&'static str> {
        let fields = [
            ("version", claims.version == PROOF_VERSION),
            ("environment", claims.environment == self.environment),
            ("action", claims.action == self.action && self.action != ProofAction::Unknown),
            ("commit", claims.commit == self.commit),
            ("images", claims.images == self.images),
            ("variables", claims.variables == self.variables),
            ("release", claims.release == self.release),
            ("plan", claims.plan == self.plan),
            ("actor", self.actor.as_ref().is_none_or(|actor| claims.actor == *actor)),
            ("run_id", self.run_id.is_none() || claims.run_id == self.run_id),
        ];
        fields.into_iter().find(|(_, is_equal)| !is_equal).map(|(name, _)| name)
    }
}

/// The input of the activity `check_proof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckProofInput {
    pub proof: Proof,
    /// The content of the message that carried the proof.
    pub content: ProvenContent,
    /// The arrival of the message: Unix time in milliseconds.
    pub received_ms: u64,
}

/// The result of the activity `check_proof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofChecked {
    /// Whether the message is proved. If not, it is a claim like any other.
    pub proved: bool,
    /// Why it is not proved, in one line. Empty if it is.
    #[serde(default)]
    pub reason: String,
}
