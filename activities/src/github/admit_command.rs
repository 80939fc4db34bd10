//! The activity `admit_command`: a comment as GitHub has it, its author's permission, and the command in it.

use berth_workflows::contract::{
    command::{AdmitCommandInput, AdmittedCommand, CommandLine, parse},
    release::Name,
};
use serde::Deserialize;
use serde_json::json;

use super::{answer::bounded, client::GithubClient, repository::Repository};
use crate::failure::Failure;

/// GitHub's longest login, with room for those of companies.
const MAX_LOGIN: usize = 80;

#[derive(Debug, Deserialize)]
struct Comment {
    #[serde(default)]
    body: Option<String>,
    user: Option<Author>,
    issue_url: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Deserialize)]
struct Author {
    login: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Deserialize)]
struct Permission {
    permission: String,
}

/// Admits the command of a comment, and reacts to it with 👀. Only the comment's id is believed.
///
/// # Errors
/// `GithubDenied`, permanent, if a person must act. `GithubUnavailable`, retried after GitHub's own pause.
pub async fn admit_command(
    github: &GithubClient,
    repository: u64,
    admit: &AdmitCommandInput,
) -> Result<AdmittedCommand, Failure> {
    let repository = github.repository(repository);
    let answer = repository.get(&format!("/issues/comments/{}", admit.comment)).await?;
    if answer.is_absent() {
        return Ok(refused(None, "the comment is gone"));
    }
    let comment: Comment = answer.read("reading the comment")?;
    let line = match candidate(&comment, admit) {
        Candidate::Nothing => return Ok(AdmittedCommand::Nothing),
        Candidate::Edited(by) => return Ok(refused(Some(by), "the comment was edited: write a new one")),
        Candidate::Of { by, line } => (by, line),
    };
    let (by, line) = line;
    if !may_write(repository, by.as_str()).await? {
        return Ok(refused(Some(by), "only people who may write to the repository may give commands"));
    }
    react(repository, admit.comment).await;
    Ok(match line {
        Ok(line) => AdmittedCommand::Admitted { by, command: line.command },
        Err(why) => refused(Some(by), &why),
    })
}

/// The meaning of a comment, before its author's permission is known.
#[derive(Debug, PartialEq, Eq)]
enum Candidate {
    Nothing,
    Edited(Name),
    Of { by: Name, line: Result<CommandLine, String> },
}

/// Looks for a command of a person, for this app, in this pull request.
fn candidate(comment: &Comment, admit: &AdmitCommandInput) -> Candidate {
    let is_here = comment.issue_url.rsplit('/').next() == Some(admit.pull_request.to_string().as_str());
    let person = comment.user.as_ref().filter(|user| user.kind == "User" && is_login(&user.login));
    let by = person.and_then(|user| Name::try_from(user.login.clone()).ok());
    let (true, Some(by)) = (is_here, by) else { return Candidate::Nothing };
    let line = match parse(comment.body.as_deref().unwrap_or_default()) {
        Ok(None) => return Candidate::Nothing,
        Ok(Some(line)) => Ok(line),
        Err(why) => Err(why),
    };
    let is_for_another = |line: &CommandLine| line.app.as_ref().is_some_and(|app| *app != admit.app);
    match line {
        Ok(line) if is_for_another(&line) => Candidate::Nothing,
        // Somebody else who may write can edit a comment: its author has not said this.
        _ if comment.created_at != comment.updated_at => Candidate::Edited(by),
        line => Candidate::Of { by, line },
    }
}

/// Whether the text can be a part of a path.
fn is_login(login: &str) -> bool {
    !login.is_empty()
        && login.len() <= MAX_LOGIN
        && login.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Whether a person may write to the repository. `maintain` counts as write at GitHub.
async fn may_write(repository: Repository<'_>, login: &str) -> Result<bool, Failure> {
    let answer = repository.get(&format!("/collaborators/{login}/permission")).await?;
    if answer.is_absent() {
        return Ok(false);
    }
    let Permission { permission } = answer.read("reading the author's permission")?;
    Ok(matches!(permission.as_str(), "write" | "admin"))
}

/// Shows that the command was seen. A second reaction of the same kind changes nothing. Without it the command still counts.
async fn react(repository: Repository<'_>, comment: u64) {
    let path = format!("/issues/comments/{comment}/reactions");
    let answer = repository.post(&path, &json!({"content": "eyes"})).await;
    if let Err(failure) = answer.and_then(|answer| answer.checked("reacting to the comment")) {
        tracing::warn!(comment, failure = %bounded(&failure.to_string()), "Could not react to a comment");
    }
}

fn refused(by: Option<Name>, reason: &str) -> AdmittedCommand {
    AdmittedCommand::Refused { by, reason: reason.to_owned() }
}
