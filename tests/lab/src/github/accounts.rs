//! Accounts: people, organisations and Apps' bots. Their permission on a repository.

use axum::{extract::State, response::Response};
use serde_json::{Value, json};

use super::{
    Github,
    answers::{Answer, Refusal, joined, ok},
    caller::{Caller, Visit},
    state,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Organization,
    Bot,
}

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) kind: Kind,
}

impl Account {
    pub(super) fn node_id(&self) -> String {
        let prefix = match self.kind {
            Kind::User => "U",
            Kind::Organization => "O",
            Kind::Bot => "BOT",
        };
        format!("{prefix}_{}", self.id)
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::User => "User",
            Kind::Organization => "Organization",
            Kind::Bot => "Bot",
        }
    }

    pub(super) fn json(&self, base: &str) -> Value {
        // A bot's login has brackets, which a URL may not have.
        let url = format!("{base}/users/{}", self.login.replace('[', "%5B").replace(']', "%5D"));
        let mut account = json!({
            "login": self.login,
            "id": self.id,
            "node_id": self.node_id(),
            "avatar_url": format!("{base}/avatars/u/{}", self.id),
            "gravatar_id": "",
            "url": url,
            "html_url": format!("{base}/{}", self.login.replace("[bot]", "")),
            "type": self.type_name(),
            "user_view_type": "public",
            "site_admin": false,
        });
        for (field, path) in [
            ("followers_url", "followers"),
            ("following_url", "following{/other_user}"),
            ("gists_url", "gists{/gist_id}"),
            ("starred_url", "starred{/owner}{/repo}"),
            ("subscriptions_url", "subscriptions"),
            ("organizations_url", "orgs"),
            ("repos_url", "repos"),
            ("events_url", "events{/privacy}"),
            ("received_events_url", "received_events"),
        ] {
            account[field] = json!(format!("{url}/{path}"));
        }
        account
    }

    /// The account with its profile, as it is answered alone.
    fn profile(&self, state: &state::State) -> Value {
        let profile = json!({
            "name": self.login, "company": null, "blog": "", "location": null, "email": null, "hireable": null,
            "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
            "created_at": state.app.created_at, "updated_at": state.app.created_at,
        });
        joined([self.json(&state.base), profile])
    }
}

/// `GET /repos/{owner}/{repo}/collaborators/{username}/permission`
pub(super) async fn permission(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.needs(&state, &["metadata=read"])?;
    let login = visit.text("username")?;
    let account = state
        .accounts
        .get(&login.to_lowercase())
        .filter(|account| account.kind == Kind::User)
        .ok_or_else(|| Refusal::new(axum::http::StatusCode::NOT_FOUND, &format!("{login} is not a user")))?;
    let role = visit.repository(&state)?.role_of(&account.login);
    let mut user = account.json(&state.base);
    user["role_name"] = json!(role);
    let at_least = |roles: &[&str]| json!(roles.contains(&role));
    user["permissions"] = json!({
        "admin": at_least(&["admin"]),
        "maintain": at_least(&["admin", "maintain"]),
        "push": at_least(&["admin", "maintain", "write"]),
        "triage": at_least(&["admin", "maintain", "write", "triage"]),
        "pull": at_least(&["admin", "maintain", "write", "triage", "read"]),
    });
    ok(&json!({"permission": legacy(role), "role_name": role, "user": user}))
}

/// The field `permission` knows four values: `maintain` is `write`, and `triage` is `read`.
fn legacy(role: &str) -> &str {
    match role {
        "maintain" => "write",
        "triage" => "read",
        other => other,
    }
}

/// `GET /user`: the person whose token it is.
pub(super) async fn user(State(github): State<Github>, caller: Caller) -> Result<Response, Refusal> {
    let state = github.state();
    match &caller {
        Caller::Person(login) => ok(&state.account(login).profile(&state)),
        _ => Err(Refusal::not_accessible("")),
    }
}

/// `GET /users/{username}`
pub(super) async fn of_login(
    State(github): State<Github>,
    axum::extract::Path(login): axum::extract::Path<String>,
) -> Answer {
    let state = github.state();
    let account = state.accounts.get(&login.to_lowercase()).ok_or_else(Refusal::not_found)?;
    ok(&account.profile(&state))
}
