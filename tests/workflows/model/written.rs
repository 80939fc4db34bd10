//! The model's messages as a preview takes them, and its releases the other way round.

use berth_test_model::messages::{self, Facts, Outcome, Version};
use berth_test_support::preview;
use berth_workflows::contract::{
    pull_request::{PullRequestFacts, PullRequestState},
    release::{Commit, Image, Release},
    signals::{Close, DeployOutcome, Push},
};

fn digit(commit: u8) -> char {
    char::from(b'a' + commit)
}

pub(super) fn commit(commit: u8) -> Commit {
    preview::commit(digit(commit))
}

pub(super) fn push(push: messages::Push) -> Push {
    let Version { commit, image } = push.version;
    let digest = digit(commit).to_string().repeat(63) + &image.to_string();
    Push {
        sequence: push.sequence,
        fork: push.fork,
        draft: push.draft,
        image: Image::try_from(format!("acme/web@sha256:{digest}")).unwrap(),
        ..preview::push(digit(commit))
    }
}

pub(super) fn close(sequence: Option<u64>) -> Close {
    Close { sequence, proof: None }
}

pub(super) fn facts(facts: Facts) -> PullRequestFacts {
    PullRequestFacts {
        state: if facts.closed { PullRequestState::Closed } else { PullRequestState::Open },
        draft: facts.draft,
        fork: facts.fork,
        asked: facts.asked,
        ..preview::facts(digit(facts.head), facts.second.into())
    }
}

pub(super) fn version(release: &Release) -> Version {
    let last = |text: &str| text.bytes().next_back().unwrap();
    Version { commit: last(release.commit.as_str()) - b'a', image: last(&release.image.to_string()) - b'0' }
}

pub(super) fn outcome(outcome: DeployOutcome) -> Outcome {
    let name = serde_json::json!(outcome);
    name.as_str().and_then(Outcome::named).unwrap_or_else(|| panic!("a preview never answers {name}"))
}
