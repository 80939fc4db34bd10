//! The activity `send_facts`: facts that a preview does not have, because a webhook was lost.

use std::time::Duration;

use anyhow::Context as _;
use berth_workflows::contract::{
    environment::EnvironmentKind,
    janitor::{SendFactsInput, SentFacts},
    pull_request::PullRequestFacts,
    pull_request_list::ListedPullRequest,
};
use futures::future::join_all;
use serde_json::Value;
use temporalio_client::{
    Client, UntypedQuery, UntypedSignal, UntypedWorkflow, WorkflowHandle, WorkflowQueryOptions, WorkflowSignalOptions,
};
use temporalio_common::data_converters::{PayloadConverter, RawValue};

/// How long a preview may take for its answer. A worker answers within milliseconds, unless the workflow is stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends facts to previews: those that close to each, others to those that have other ones. It starts no preview.
///
/// Safe to repeat: a preview that has the facts by then is not told again, and a second close changes nothing. One that does
/// not answer is named in the result.
pub async fn send_facts(client: &Client, send: &SendFactsInput) -> SentFacts {
    let asked = send.pull_requests.iter().cloned();
    let told = join_all(asked.map(|pull| tell_in_time(client.clone(), send.app.clone(), pull))).await;
    let mut sent = SentFacts::default();
    for (number, told) in told {
        match told {
            Ok(true) => sent.sent.push(number),
            Ok(false) => sent.known.push(number),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::debug!(pr = number, error, "Could not send facts to preview-{}-{number}", send.app);
                sent.failed.push(number);
            }
        }
    }
    sent
}

/// Sends the facts about one pull request, within a bound. Returns its number, and whether they were news.
async fn tell_in_time(client: Client, app: String, pull: ListedPullRequest) -> (u64, anyhow::Result<bool>) {
    let told = tokio::time::timeout(PATIENCE, tell(&client, &app, &pull)).await;
    (pull.number, told.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PATIENCE:?}"))))
}

/// Sends the facts about one pull request. Returns whether they were news.
async fn tell(client: &Client, app: &str, pull: &ListedPullRequest) -> anyhow::Result<bool> {
    let id = EnvironmentKind::Preview { pr: pull.number }.workflow_id(app);
    let handle = client.get_workflow_handle::<UntypedWorkflow>(id);
    if !pull.facts.is_closed() && !is_news(known(&handle).await?.as_ref(), &pull.facts) {
        return Ok(false);
    }
    let facts = RawValue::from_value(&serde_json::to_value(&pull.facts)?, &PayloadConverter::default());
    let signal = UntypedSignal::new("pull_request");
    handle.signal(signal, facts, WorkflowSignalOptions::default()).await.context("signalling")?;
    Ok(true)
}

/// The facts that a preview has, by its status. One of another version may have none that can be read.
async fn known(handle: &WorkflowHandle<Client, UntypedWorkflow>) -> anyhow::Result<Option<PullRequestFacts>> {
    let query = UntypedQuery::new("status");
    let none = RawValue::new(Vec::new());
    let answer = handle.query(query, none, WorkflowQueryOptions::default()).await.context("asking for its status")?;
    let json = answer.payloads.first().map(|payload| payload.data.as_slice()).unwrap_or_default();
    let status: Value = serde_json::from_slice(json).context("reading its status")?;
    Ok(serde_json::from_value(status["pull_request"].clone()).ok())
}

/// Whether facts that GitHub was asked for say something else than those that a preview has.
fn is_news(known: Option<&PullRequestFacts>, asked: &PullRequestFacts) -> bool {
    let of = |facts: &PullRequestFacts| {
        (facts.head.clone(), facts.state, facts.draft, facts.fork, facts.labels.clone(), facts.locked)
    };
    known.is_none_or(|known| asked.updated_at >= known.updated_at && of(known) != of(asked))
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::{lenient::Input, pull_request::Timestamp};

    use super::*;

    #[test]
    fn facts_are_news_if_they_differ_and_are_not_older() {
        let facts = PullRequestFacts::from_json(PullRequestFacts::EXAMPLE.as_bytes()).unwrap();
        let at = |time: &str| Timestamp::try_from(time.to_owned()).unwrap();
        let later = PullRequestFacts { updated_at: at("2026-11-28T08:00:00Z"), asked: true, ..facts.clone() };
        let draft = |facts: &PullRequestFacts| PullRequestFacts { draft: true, ..facts.clone() };
        assert!(is_news(None, &facts));
        assert!(!is_news(Some(&facts), &later), "a comment changes the time alone");
        assert!(is_news(Some(&facts), &draft(&later)) && is_news(Some(&facts), &draft(&facts)));
        assert!(!is_news(Some(&later), &draft(&facts)), "a webhook was faster");
    }
}
