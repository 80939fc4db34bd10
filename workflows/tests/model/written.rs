//! Messages as their senders write them, and the other way round.

use berth_workflows::{
    contract::{
        lenient::Input,
        load_app::GithubRules,
        pull_request::PullRequestFacts,
        release::Release,
        signals::{Approve, Close, DeployOutcome, Push},
    },
    preview_environment::life::Message,
};
use serde_json::{Value, json};

use berth_test_model::messages::{self, Facts, Outcome, Rules, Version};

/// The time of the first facts, in seconds.
pub(crate) const START_SECONDS: u64 = 1_800_000_000;

fn read<T: Input>(json: &Value) -> Result<T, String> {
    T::from_json(json.to_string().as_bytes())
}

fn hash(commit: u8) -> String {
    char::from(b'a' + commit).to_string().repeat(40)
}

fn image(Version { commit, image }: Version) -> String {
    format!("acme/web@sha256:{}{}", "0".repeat(62), char::from(b'a' + commit).to_string() + &image.to_string())
}

/// The version of a release.
pub(crate) fn version(release: &Release) -> Version {
    let last = |text: &str| text.bytes().next_back().unwrap_or_default();
    Version { commit: last(release.commit.as_str()) - b'a', image: last(&release.image.to_string()) - b'0' }
}

/// The message that berth takes in.
pub(crate) fn message(message: messages::Message) -> Message {
    use messages::Message as Sent;
    match message {
        Sent::Push(push) => Message::from_signal("push", read::<Push>(&push_json(push)), Message::Push),
        Sent::Close(sequence) => {
            Message::from_signal("close", read::<Close>(&json!({ "sequence": sequence })), Message::Close)
        }
        Sent::Cancel => Message::Cancel,
        Sent::Facts(told) => Message::from_signal("pull_request", facts(told), Message::Facts),
        Sent::Approve(commit) => {
            Message::from_signal("approve", read::<Approve>(&json!({ "commit": hash(commit) })), Message::Approve)
        }
        Sent::Redeploy => Message::Redeploy,
        Sent::Unreadable => Message::from_signal("push", read::<Push>(&json!({ "commit": "" })), Message::Push),
    }
}

/// A push as JSON. Some senders write numbers in quotes.
fn push_json(push: messages::Push) -> Value {
    let is_quoted = push.version.commit == 0;
    let sequence = push.sequence.map(|sequence| if is_quoted { json!(sequence.to_string()) } else { json!(sequence) });
    json!({
        "commit": hash(push.version.commit),
        "image": image(push.version),
        "sequence": sequence,
        "fork": push.fork,
        "draft": push.draft,
    })
}

/// Facts as GitHub tells them.
pub(crate) fn facts(facts: Facts) -> Result<PullRequestFacts, String> {
    let labels = [("preview", facts.has_label), ("no-preview", facts.has_skip_label)];
    let labels: Vec<&str> = labels.into_iter().filter_map(|(label, has)| has.then_some(label)).collect();
    read(&json!({
        "head": hash(facts.head),
        "state": if facts.closed { "closed" } else { "open" },
        "draft": facts.draft,
        "fork": facts.fork,
        "labels": labels,
        "updated_at": format!("2027-01-15T08:00:{:02}Z", facts.second),
        "asked": facts.asked,
    }))
}

/// The rules as the app file has them.
pub(crate) fn rules(rules: Rules) -> GithubRules {
    GithubRules {
        repository_id: 1,
        reports: false,
        comment: false,
        commands: false,
        drafts: rules.drafts,
        label: rules.label.then(|| "preview".to_owned()),
        skip_label: rules.skip_label.then(|| "no-preview".to_owned()),
        production_environment: None,
        temporal_ui: None,
    }
}

/// The answer in the model's words.
pub(crate) fn outcome(outcome: DeployOutcome) -> Outcome {
    let name = json!(outcome);
    name.as_str().and_then(Outcome::named).unwrap_or_else(|| panic!("a preview never answers {name}"))
}
