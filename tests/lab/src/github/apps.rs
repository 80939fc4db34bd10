//! The GitHub App: its key, its installation, and the tokens that it gets.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use axum::{body::Bytes, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{self, Answer, Refusal, created, ok},
    caller::{self, Caller, Visit},
    clock,
    keys::Key,
    pages, state,
};

/// An installation's token ends after an hour.
pub(super) const TOKEN_SECONDS: u64 = 3600;

#[derive(Debug)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) client_id: String,
    pub(super) slug: String,
    pub(super) key: Key,
    pub(super) installation: u64,
    pub(super) is_suspended: bool,
    pub(super) permissions: BTreeMap<String, String>,
    pub(super) events: Vec<String>,
    pub(super) repositories: BTreeSet<u64>,
    pub(super) created_at: String,
}

/// An access token, by whom it was given to.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Installation { permissions: BTreeMap<String, String>, repositories: BTreeSet<u64>, ends: u64 },
    Person(String),
}

impl App {
    /// An App with all that berth needs.
    pub(super) fn sample() -> Result<Self> {
        let permissions = [
            ("metadata", "read"),
            ("pull_requests", "write"),
            ("issues", "write"),
            ("checks", "write"),
            ("deployments", "write"),
        ];
        let events = ["check_run", "check_suite", "issue_comment", "pull_request"];
        Ok(Self {
            id: 1001,
            client_id: "Iv23liSAMPLE0000000".to_owned(),
            slug: "berth".to_owned(),
            key: Key::generate("app")?,
            installation: 2001,
            is_suspended: false,
            permissions: permissions.map(|(name, level)| (name.to_owned(), level.to_owned())).into(),
            events: events.map(str::to_owned).into(),
            repositories: BTreeSet::new(),
            created_at: clock::text(1_790_000_000),
        })
    }

    /// The login under which it writes.
    pub(super) fn bot(&self) -> String {
        format!("{}[bot]", self.slug)
    }

    pub(super) fn json(&self, state: &state::State) -> Value {
        json!({
            "id": self.id, "client_id": self.client_id, "slug": self.slug, "node_id": format!("A_{}", self.id),
            "owner": state.account(state::ORGANIZATION).json(&state.base), "name": self.slug, "description": null,
            "external_url": format!("{}/{}", state.base, self.slug),
            "html_url": format!("{}/apps/{}", state.base, self.slug),
            "created_at": self.created_at, "updated_at": self.created_at,
            "permissions": self.permissions, "events": self.events,
        })
    }

    fn installation_json(&self, state: &state::State) -> Value {
        let account = state.account(state::ORGANIZATION);
        let url = format!("{}/app/installations/{}", state.base, self.installation);
        let suspended = self.is_suspended.then(|| account.json(&state.base));
        json!({
            "id": self.installation, "app_id": self.id, "client_id": self.client_id, "app_slug": self.slug,
            "account": account.json(&state.base), "target_id": account.id, "target_type": account.type_name(),
            "repository_selection": "selected", "single_file_name": null,
            "single_file_paths": [], "has_multiple_single_files": false,
            "access_tokens_url": format!("{url}/access_tokens"),
            "repositories_url": format!("{}/installation/repositories", state.base),
            "html_url": format!("{}/organizations/{}/settings/installations/{}", state.base, account.login, self.installation),
            "permissions": self.permissions, "events": self.events,
            "created_at": self.created_at, "updated_at": self.created_at,
            "suspended_at": self.is_suspended.then_some(&self.created_at), "suspended_by": suspended,
        })
    }
}

/// `GET /app`
pub(super) async fn get(State(github): State<Github>, caller: Caller) -> Answer {
    let state = github.state();
    caller.needs_app()?;
    let mut app = state.app.json(&state);
    app["installations_count"] = json!(1);
    ok(&app)
}

/// `GET /app/installations`
pub(super) async fn installations(State(github): State<Github>, caller: Caller) -> Answer {
    let state = github.state();
    caller.needs_app()?;
    ok(&json!([state.app.installation_json(&state)]))
}

/// `GET /app/installations/{installation_id}`
pub(super) async fn installation(
    State(github): State<Github>,
    caller: Caller,
    axum::extract::Path(id): axum::extract::Path<u64>,
) -> Answer {
    let state = github.state();
    caller.needs_app()?;
    if id != state.app.installation {
        return Err(Refusal::not_found());
    }
    ok(&state.app.installation_json(&state))
}

/// `GET /repos/{owner}/{repo}/installation`
pub(super) async fn installation_of(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.caller.needs_app()?;
    if !state.app.repositories.contains(&visit.repository) {
        return Err(Refusal::not_found());
    }
    ok(&state.app.installation_json(&state))
}

/// `GET /orgs/{org}/installation` and `GET /users/{username}/installation`
pub(super) async fn installation_of_account(
    State(github): State<Github>,
    caller: Caller,
    axum::extract::Path(login): axum::extract::Path<String>,
) -> Answer {
    let state = github.state();
    caller.needs_app()?;
    if !login.eq_ignore_ascii_case(state::ORGANIZATION) {
        return Err(Refusal::not_found());
    }
    ok(&state.app.installation_json(&state))
}

/// The repositories and permissions that a token is to be narrowed to.
#[derive(Debug, Deserialize)]
pub(super) struct Narrowing {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<u64>>,
    permissions: Option<BTreeMap<String, String>>,
}

/// `POST /app/installations/{installation_id}/access_tokens`
pub(super) async fn new_token(
    State(github): State<Github>,
    caller: Caller,
    axum::extract::Path(id): axum::extract::Path<u64>,
    bytes: Bytes,
) -> Answer {
    let mut state = github.state();
    caller.needs_app()?;
    if id != state.app.installation {
        return Err(Refusal::not_found());
    }
    if state.app.is_suspended {
        return Err(Refusal::new(axum::http::StatusCode::FORBIDDEN, "This installation has been suspended"));
    }
    let narrowing: Narrowing = answers::body(&bytes)?;
    let permissions = narrowed_permissions(&state.app, narrowing.permissions.as_ref())?;
    let repositories = narrowed_repositories(&state, &narrowing)?;
    let secret = format!("ghs_{:036}", state.new_id());
    let ends = state.clock.seconds() + TOKEN_SECONDS;
    let mut answer = json!({
        "token": secret, "expires_at": clock::text(ends), "permissions": permissions,
        "repository_selection": "selected",
    });
    if narrowing.repositories.is_some() || narrowing.repository_ids.is_some() {
        let shown = repositories.iter().filter_map(|id| state.repositories.get(id));
        answer["repositories"] = shown.map(|repository| repository.json(&state)).collect();
    }
    state.tokens.insert(secret, Token::Installation { permissions, repositories, ends });
    created(&answer)
}

fn narrowed_permissions(
    app: &App,
    asked: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(asked) = asked else { return Ok(app.permissions.clone()) };
    let is_granted = |(name, level): (&String, &String)| caller::grants(&app.permissions, name, level);
    match asked.iter().all(is_granted) {
        true => Ok(asked.clone()),
        false => Err(Refusal::unprocessable("The permissions requested are not granted to this installation.")),
    }
}

fn narrowed_repositories(state: &state::State, asked: &Narrowing) -> Result<BTreeSet<u64>, Refusal> {
    let granted = &state.app.repositories;
    let by_name = asked.repositories.iter().flatten().map(|name| {
        let is_named = |id: &&u64| state.repositories.get(id).is_some_and(|found| found.name == *name);
        granted.iter().find(is_named).copied()
    });
    let by_id = asked.repository_ids.iter().flatten().map(|id| granted.get(id).copied());
    let wanted = by_name.chain(by_id).collect::<Option<BTreeSet<_>>>().ok_or_else(|| {
        Refusal::unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    })?;
    let is_narrowed = asked.repositories.is_some() || asked.repository_ids.is_some();
    Ok(if is_narrowed { wanted } else { granted.clone() })
}

/// `GET /installation/repositories`
pub(super) async fn repositories(State(github): State<Github>, caller: Caller, uri: axum::http::Uri) -> Answer {
    let state = github.state();
    let Caller::Installation { repositories, .. } = &caller else { return Err(Refusal::not_accessible("")) };
    let found = repositories.iter().filter_map(|id| state.repositories.get(id));
    let found: Vec<_> = found.map(|repository| repository.json(&state)).collect();
    let total = found.len();
    pages::answer(
        &state.base,
        0,
        &uri,
        found,
        |page| json!({"total_count": total, "repository_selection": "selected", "repositories": page}),
    )
}
