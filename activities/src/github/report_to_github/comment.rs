//! The comment in a pull request.

use berth_workflows::contract::report::Reported;
use serde::Deserialize;
use serde_json::json;

use super::{ByAccount, ByApp, Identified};
use crate::{
    failure::Failure,
    github::{answer::denied, repository::Repository},
};

/// GitHub's largest page.
const PAGE: usize = 100;
/// The most pages that are looked through: 5,000 comments. GitHub itself takes 2,500 in a pull request.
const MAX_PAGES: usize = 50;

#[derive(Debug, Deserialize)]
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    performed_via_github_app: Option<ByApp>,
    #[serde(default)]
    user: Option<ByAccount>,
}

/// Writes the comment: the one of that id, else berth's own that begins with the marker, else a new one.
pub(super) async fn write(
    repository: Repository<'_>,
    pull_request: u64,
    marker: &str,
    id: Option<u64>,
    body: &str,
) -> Result<Reported, Failure> {
    let id = match id {
        Some(id) => Some(id),
        None => find(repository, pull_request, marker).await?,
    };
    let (Some(id), text) = (id, json!({"body": body})) else {
        let path = format!("/issues/{pull_request}/comments");
        let made: Identified = repository.post(&path, &json!({"body": body})).await?.read("commenting")?;
        return Ok(made.into());
    };
    let answer = repository.patch(&format!("/issues/comments/{id}"), &text).await?;
    if answer.is_absent() {
        // An App that may not see the pull request gets the same answer: then this read fails too.
        let path = format!("/issues/{pull_request}/comments");
        repository.find(&path, &[("per_page", "1")]).await?.checked("looking for the deleted comment")?;
        return Ok(Reported { id: None, gone: true });
    }
    let edited: Identified = answer.read("editing the comment")?;
    Ok(edited.into())
}

/// Finds the oldest comment of berth's own that begins with the marker. A person may have copied the marker.
async fn find(repository: Repository<'_>, pull_request: u64, marker: &str) -> Result<Option<u64>, Failure> {
    let what = "looking for the comment";
    let myself = repository.myself().await?;
    for page in 1..=MAX_PAGES {
        let (page, size) = (page.to_string(), PAGE.to_string());
        let parameters = [("per_page", size.as_str()), ("page", page.as_str())];
        let answer = repository.find(&format!("/issues/{pull_request}/comments"), &parameters).await?;
        let comments: Vec<Comment> = answer.read(what)?;
        let is_last = comments.len() < PAGE;
        let is_own = |comment: &&Comment| {
            comment.body.as_deref().is_some_and(|body| body.starts_with(marker))
                && myself.has_made(comment.performed_via_github_app.as_ref(), comment.user.as_ref())
        };
        if let Some(own) = comments.iter().find(is_own) {
            return Ok(Some(own.id));
        }
        if is_last {
            return Ok(None);
        }
    }
    let message = format!("{what}: pull request {pull_request} has more than {} comments", PAGE * MAX_PAGES);
    Err(denied(message, "set github.comment to false in the app file".to_owned()))
}
