//! Comments of issues and pull requests, and reactions to them.

use std::collections::BTreeMap;

use axum::{body::Bytes, extract::State, http::Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{self, Answer, Refusal, created, no_content, ok},
    caller::Visit,
    pages,
    repositories::Repository,
    state,
};

/// GitHub's limit for a body, in characters.
const LONGEST: usize = 65_536;
pub(super) const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];
const READ: [&str; 2] = ["issues=read", "pull_requests=read"];
const WRITE: [&str; 2] = ["issues=write", "pull_requests=write"];

/// A comment as the stand-in keeps it.
#[derive(Debug, Clone)]
pub struct Comment {
    pub id: u64,
    /// The number of its pull request.
    pub pull: u64,
    pub author: String,
    pub body: String,
    pub created_at: String,
    pub updated_at: String,
    /// The ids of reactions by author and content.
    pub(super) reactions: BTreeMap<(String, String), u64>,
}

impl Comment {
    /// The reactions, each as its author and its content such as `eyes`.
    pub fn reactions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reactions.keys().map(|(author, content)| (author.as_str(), content.as_str()))
    }

    pub(super) fn json(&self, state: &state::State, repository: &Repository) -> Value {
        let url = repository.url(&state.base);
        let own = format!("{url}/issues/comments/{}", self.id);
        let page = format!("{}/{}/pull/{}#issuecomment-{}", state.base, repository.full_name(), self.pull, self.id);
        let is_app = self.author == state.app.bot();
        let is_stranger = is_app || repository.role_of(&self.author) == "none";
        let association = if is_stranger { "NONE" } else { "COLLABORATOR" };
        let mut reactions = json!({"url": format!("{own}/reactions"), "total_count": self.reactions.len()});
        for content in REACTIONS {
            reactions[content] = json!(self.reactions().filter(|(_, one)| *one == content).count());
        }
        json!({
            "id": self.id, "node_id": format!("IC_{}", self.id), "url": own, "html_url": page,
            "issue_url": format!("{url}/issues/{}", self.pull), "body": self.body,
            "user": state.account(&self.author).json(&state.base),
            "created_at": self.created_at, "updated_at": self.updated_at,
            "author_association": association,
            "performed_via_github_app": is_app.then(|| state.app.json(state)), "reactions": reactions,
        })
    }
}

#[derive(Debug, Deserialize)]
struct Body {
    body: Option<String>,
}

/// Reads the text of a comment.
fn text(bytes: &Bytes) -> Result<String, Refusal> {
    let invalid = |code, message| Refusal::invalid("IssueComment", "body", code, message);
    let body = answers::body::<Body>(bytes)?.body.ok_or_else(|| invalid("missing_field", None))?;
    if body.trim().is_empty() {
        return Err(invalid("unprocessable", Some("Body can't be blank")));
    }
    if body.chars().count() > LONGEST {
        let message = format!("Body is too long (maximum is {LONGEST} characters)");
        return Err(invalid("unprocessable", Some(&message)));
    }
    Ok(body)
}

/// `POST /repos/{owner}/{repo}/issues/{issue_number}/comments`
pub(super) async fn create(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    visit.needs(&state, &WRITE)?;
    let number = visit.number("issue_number")?;
    let pull = visit.repository(&state)?.pulls.get(&number).ok_or_else(Refusal::not_found)?;
    let author = visit.author(&state);
    let may_always = ["admin", "maintain", "write"].contains(&visit.repository(&state)?.role_of(&author));
    if pull.is_locked && !may_always {
        return Err(Refusal::new(
            axum::http::StatusCode::FORBIDDEN,
            "Unable to create comment because issue is locked.",
        ));
    }
    let id = state.add_comment(visit.repository, number, &author, &text(&bytes)?);
    let repository = visit.repository(&state)?;
    created(&repository.comments.get(&id).ok_or_else(Refusal::not_found)?.json(&state, repository))
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/comments`
pub(super) async fn list(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    let number = visit.number("issue_number")?;
    if !visit.repository(&github.state())?.pulls.contains_key(&number) {
        return Err(Refusal::not_found());
    }
    listed(&github, &visit, &uri, |comment| comment.pull == number)
}

/// `GET /repos/{owner}/{repo}/issues/comments`
pub(super) async fn list_all(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    listed(&github, &visit, &uri, |_| true)
}

fn listed(github: &Github, visit: &Visit, uri: &Uri, wanted: impl Fn(&Comment) -> bool) -> Answer {
    let state = github.state();
    visit.needs(&state, &READ)?;
    let repository = visit.repository(&state)?;
    let since = visit.query("since").unwrap_or_default();
    let found = repository.comments.values().filter(|comment| wanted(comment) && comment.updated_at.as_str() >= since);
    let found = found.map(|comment| comment.json(&state, repository)).collect();
    pages::answer(&state.base, repository.id, uri, found, |page| page)
}

/// `GET /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) async fn get(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.needs(&state, &READ)?;
    let repository = visit.repository(&state)?;
    let comment = repository.comments.get(&visit.number("comment_id")?).ok_or_else(Refusal::not_found)?;
    ok(&comment.json(&state, repository))
}

/// `PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) async fn update(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    let id = own_or_permitted(&state, &visit)?;
    state.edit_comment(visit.repository, id, &text(&bytes)?);
    let repository = visit.repository(&state)?;
    ok(&repository.comments.get(&id).ok_or_else(Refusal::not_found)?.json(&state, repository))
}

/// `DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) async fn delete(State(github): State<Github>, visit: Visit) -> Answer {
    let mut state = github.state();
    let id = own_or_permitted(&state, &visit)?;
    state.delete_comment(visit.repository, id);
    no_content()
}

/// The id of the path's comment, if the caller may change it.
fn own_or_permitted(state: &state::State, visit: &Visit) -> Result<u64, Refusal> {
    visit.needs(state, &WRITE)?;
    let id = visit.number("comment_id")?;
    visit.repository(state)?.comments.get(&id).map(|_| id).ok_or_else(Refusal::not_found)
}

#[derive(Debug, Deserialize)]
struct NewReaction {
    content: Option<String>,
}

/// `POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions`: 201, or 200 if it was there.
pub(super) async fn react(State(github): State<Github>, visit: Visit, bytes: Bytes) -> Answer {
    let mut state = github.state();
    let id = own_or_permitted(&state, &visit)?;
    let content = answers::body::<NewReaction>(&bytes)?.content.unwrap_or_default();
    if !REACTIONS.contains(&content.as_str()) {
        return Err(Refusal::invalid("Reaction", "content", "invalid", None));
    }
    let key = (visit.author(&state), content);
    let new = state.new_id();
    let comment = visit.repository_mut(&mut state)?.comments.get_mut(&id).ok_or_else(Refusal::not_found)?;
    let is_new = !comment.reactions.contains_key(&key);
    let reaction = *comment.reactions.entry(key.clone()).or_insert(new);
    let body = reaction_json(&state, reaction, &key, &state.clock.text());
    if is_new { created(&body) } else { ok(&body) }
}

/// `GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions`
pub(super) async fn reactions(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    let state = github.state();
    visit.needs(&state, &READ)?;
    let repository = visit.repository(&state)?;
    let comment = repository.comments.get(&visit.number("comment_id")?).ok_or_else(Refusal::not_found)?;
    let wanted = |content: &str| visit.query("content").is_none_or(|asked| asked == content);
    let found = comment.reactions.iter().filter(|((_, content), _)| wanted(content));
    let found = found.map(|(key, id)| reaction_json(&state, *id, key, &comment.created_at)).collect();
    pages::answer(&state.base, repository.id, &uri, found, |page| page)
}

fn reaction_json(state: &state::State, id: u64, (author, content): &(String, String), created_at: &str) -> Value {
    let user = state.account(author).json(&state.base);
    json!({"id": id, "node_id": format!("REA_{id}"), "user": user, "content": content, "created_at": created_at})
}
