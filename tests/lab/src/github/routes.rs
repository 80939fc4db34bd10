//! The routes, written as in GitHub's description, and those that tell about the server itself.

use axum::{
    Router,
    extract::State,
    middleware::from_fn_with_state,
    routing::{get, patch, post},
};
use serde_json::json;

use super::{
    Github, accounts,
    answers::{Answer, ok},
    apps,
    caller::Caller,
    checks, comments, deployments, graphql, observe, oidc, pulls, repositories, statuses,
};

pub(super) fn router(github: Github) -> Router {
    let api = Router::new()
        .merge(apps())
        .merge(repository())
        .merge(about())
        .fallback(observe::not_found)
        .method_not_allowed_fallback(observe::not_found)
        .layer(from_fn_with_state(github.clone(), observe::observe))
        .with_state(github.clone());
    Router::new().fallback_service(api).layer(from_fn_with_state(github, observe::rename))
}

fn apps() -> Router<Github> {
    Router::new()
        .route("/app", get(apps::get))
        .route("/app/installations", get(apps::installations))
        .route("/app/installations/{installation_id}", get(apps::installation))
        .route("/app/installations/{installation_id}/access_tokens", post(apps::new_token))
        .route("/repos/{owner}/{repo}/installation", get(apps::installation_of))
        .route("/orgs/{org}/installation", get(apps::installation_of_account))
        .route("/users/{username}/installation", get(apps::installation_of_account))
        .route("/installation/repositories", get(apps::repositories))
}

fn repository() -> Router<Github> {
    Router::new()
        .route("/repos/{owner}/{repo}", get(repositories::get))
        .route("/repos/{owner}/{repo}/collaborators/{username}/permission", get(accounts::permission))
        .route("/repos/{owner}/{repo}/pulls", get(pulls::list))
        .route("/repos/{owner}/{repo}/pulls/{pull_number}", get(pulls::get))
        .route("/repos/{owner}/{repo}/issues/{issue_number}/comments", get(comments::list).post(comments::create))
        .route("/repos/{owner}/{repo}/issues/comments", get(comments::list_all))
        .route(
            "/repos/{owner}/{repo}/issues/comments/{comment_id}",
            get(comments::get).patch(comments::update).delete(comments::delete),
        )
        .route(
            "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
            get(comments::reactions).post(comments::react),
        )
        .route("/repos/{owner}/{repo}/check-runs", post(checks::create))
        .route("/repos/{owner}/{repo}/check-runs/{check_run_id}", patch(checks::update).get(checks::get))
        .route("/repos/{owner}/{repo}/commits/{ref}/check-runs", get(checks::list))
        .route("/repos/{owner}/{repo}/deployments", get(deployments::list).post(deployments::create))
        .route("/repos/{owner}/{repo}/deployments/{deployment_id}", get(deployments::get))
        .route("/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", get(statuses::list).post(statuses::create))
}

fn about() -> Router<Github> {
    Router::new()
        .route("/meta", get(meta))
        .route("/rate_limit", get(rate_limit))
        .route("/user", get(accounts::user))
        .route("/users/{username}", get(accounts::of_login))
        .route("/graphql", post(graphql::answer))
        .route("/.well-known/openid-configuration", get(oidc::configuration))
        .route("/.well-known/jwks", get(oidc::jwks))
        .route("/actions/jobs/{job}/token", get(oidc::token_of_job))
}

/// `GET /meta`
async fn meta() -> Answer {
    ok(&json!({"verifiable_password_authentication": false, "hooks": ["127.0.0.1/32"], "actions": ["127.0.0.1/32"]}))
}

/// `GET /rate_limit`
async fn rate_limit(State(github): State<Github>, caller: Caller) -> Answer {
    let state = github.state();
    let now = state.clock.milliseconds();
    let of = |resource| state.usage.allowance(caller.account(), resource, now).json();
    let (core, graphql) = (of("core"), of("graphql"));
    // Nothing else can be used here. GitHub allows 30 searches.
    let search = json!({"limit": 30, "used": 0, "remaining": 30, "reset": core["reset"], "resource": "search"});
    ok(&json!({"resources": {"core": core, "graphql": graphql, "search": search}, "rate": core}))
}
