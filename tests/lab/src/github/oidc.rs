//! The issuer of jobs' tokens, as GitHub Actions has it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
};
use serde_json::{Value, json};

use super::{
    Github, GithubServer, PERSON, REPOSITORY,
    answers::{Answer, Refusal, ok},
    clock,
    keys::Key,
    state,
};

/// GitHub's own life of a token, and the time that it counts as begun before it is made.
const LIFE_SECONDS: u64 = 300;
const BEGUN_BEFORE_SECONDS: u64 = 600;

/// The keys of the issuer: the newest signs, all that are published verify.
#[derive(Debug)]
pub(super) struct Issuer {
    keys: Vec<Key>,
    made: usize,
    jobs: Vec<Job>,
}

impl Issuer {
    pub(super) fn new(key: Key) -> Self {
        Self { keys: vec![key], made: 1, jobs: Vec::new() }
    }

    pub(super) fn newest(&self) -> Result<&Key> {
        self.keys.last().context("the issuer has no key")
    }
}

/// A job of GitHub Actions, as its token describes it.
#[derive(Debug, Clone)]
pub struct Job {
    pub repository: u64,
    pub event_name: String,
    /// For example `refs/pull/123/merge` or `refs/heads/main`.
    pub reference: String,
    pub sha: String,
    pub head_ref: String,
    pub base_ref: String,
    pub environment: Option<String>,
    pub actor: String,
    pub run_id: u64,
    pub run_attempt: u32,
}

impl Job {
    /// A job of a pull request of the sample repository. `sha` is that of the merge commit.
    pub fn of_pull_request(number: u64, sha: &str) -> Self {
        Self {
            event_name: "pull_request".to_owned(),
            reference: format!("refs/pull/{number}/merge"),
            head_ref: format!("feature-{number}"),
            base_ref: "main".to_owned(),
            ..Self::of_push("main", sha)
        }
    }

    /// A job of a push to a branch of the sample repository.
    pub fn of_push(branch: &str, sha: &str) -> Self {
        Self {
            repository: REPOSITORY,
            event_name: "push".to_owned(),
            reference: format!("refs/heads/{branch}"),
            sha: sha.to_owned(),
            head_ref: String::new(),
            base_ref: String::new(),
            environment: None,
            actor: PERSON.to_owned(),
            run_id: 30_433_642,
            run_attempt: 1,
        }
    }

    /// The same job with the key `environment` in its workflow file.
    #[must_use]
    pub fn in_environment(self, environment: &str) -> Self {
        Self { environment: Some(environment.to_owned()), ..self }
    }

    fn claims(&self, state: &state::State, audience: &str) -> Value {
        let repository = state.repositories.get(&self.repository);
        let full_name = repository.map(super::repositories::Repository::full_name).unwrap_or_default();
        let owner = state.account(repository.map_or("", |repository| &repository.owner));
        let now = clock::machine().as_secs();
        let workflow = format!("{full_name}/.github/workflows/deploy.yaml@{}", self.reference);
        let subject = match (&self.environment, self.event_name.as_str()) {
            (Some(environment), _) => format!("environment:{environment}"),
            (None, "pull_request") => "pull_request".to_owned(),
            (None, _) => format!("ref:{}", self.reference),
        };
        let mut claims = json!({
            "iss": state.base, "aud": audience, "sub": format!("repo:{full_name}:{subject}"),
            "jti": format!("00000000-0000-4000-9000-{now:012}"),
            "iat": now, "nbf": now - BEGUN_BEFORE_SECONDS, "exp": now + LIFE_SECONDS,
            "repository": full_name, "repository_id": self.repository.to_string(), "repository_visibility": "private",
            "repository_owner": owner.login, "repository_owner_id": owner.id.to_string(),
            "event_name": self.event_name, "ref": self.reference, "ref_type": "branch", "ref_protected": "false",
            "sha": self.sha, "head_ref": self.head_ref, "base_ref": self.base_ref,
            "actor": self.actor, "actor_id": state.account(&self.actor).id.to_string(),
            "run_id": self.run_id.to_string(), "run_number": "10", "run_attempt": self.run_attempt.to_string(),
            "runner_environment": "github-hosted", "workflow": "deploy",
            "workflow_ref": workflow, "workflow_sha": self.sha, "job_workflow_ref": workflow, "job_workflow_sha": self.sha,
        });
        if let Some(environment) = &self.environment {
            claims["environment"] = json!(environment);
        }
        claims
    }
}

/// The variables that a job with `id-token: write` finds in its environment.
#[derive(Debug, Clone)]
pub struct JobToken {
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`. It has a query, to which `&audience=` is added.
    pub request_url: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`
    pub request_token: String,
}

impl GithubServer {
    /// The claims that GitHub would put into a job's token, to change and then [`sign`](Self::sign).
    pub fn claims(&self, job: &Job, audience: &str) -> Value {
        job.claims(&self.github.state(), audience)
    }

    /// Signs claims with the issuer's newest key.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.github.state().issuer.newest()?.sign(claims)
    }

    /// The token of a job.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn token(&self, job: &Job, audience: &str) -> Result<String> {
        self.sign(&self.claims(job, audience))
    }

    /// Makes a new key sign from now on. Former keys are published on if `keep` says so.
    ///
    /// # Errors
    /// No key could be made.
    pub fn rotate_keys(&self, keep: bool) -> Result<()> {
        let issuer = &mut self.github.state().issuer;
        issuer.made += 1;
        let key = Key::generate(&issuer.made.to_string())?;
        if !keep {
            issuer.keys.clear();
        }
        issuer.keys.push(key);
        Ok(())
    }

    /// Begins a job, which may then ask for its tokens.
    pub fn begin_job(&self, job: Job) -> JobToken {
        let mut state = self.github.state();
        state.issuer.jobs.push(job);
        let number = state.issuer.jobs.len();
        let request_url = format!("{}/actions/jobs/{number}/token?api-version=2.0", state.base);
        JobToken { request_url, request_token: request_token(number) }
    }
}

fn request_token(job: usize) -> String {
    format!("job-{job}-may-ask-for-its-token")
}

/// `GET /.well-known/openid-configuration`
pub(super) async fn configuration(State(github): State<Github>) -> Answer {
    let issuer = &github.state().base;
    ok(&json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/.well-known/jwks"),
        "subject_types_supported": ["public", "pairwise"], "response_types_supported": ["id_token"],
        "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid"],
    }))
}

/// `GET /.well-known/jwks`
pub(super) async fn jwks(State(github): State<Github>) -> Answer {
    let state = github.state();
    ok(&json!({"keys": state.issuer.keys.iter().map(Key::jwk).collect::<Vec<_>>()}))
}

/// The token of a running job, as the runner's own address gives it.
pub(super) async fn token_of_job(
    State(github): State<Github>,
    Path(number): Path<usize>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let state = github.state();
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = authorization.split_once(' ').map_or("", |(_, token)| token);
    let job = number.checked_sub(1).and_then(|index| state.issuer.jobs.get(index)).ok_or_else(Refusal::not_found)?;
    if token != request_token(number) {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "The token to ask for tokens is not this job's"));
    }
    let own = format!("{}/{}", state.base, job.claims(&state, "")["repository_owner"].as_str().unwrap_or_default());
    let claims = job.claims(&state, query.get("audience").unwrap_or(&own));
    let failed = |error: anyhow::Error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
    let value = state.issuer.newest().and_then(|key| key.sign(&claims)).map_err(failed)?;
    ok(&json!({"count": value.len(), "value": value}))
}
