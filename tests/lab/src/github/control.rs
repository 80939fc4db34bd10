//! Settings and observations of tests.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    GithubServer,
    accounts::Kind,
    apps::{TOKEN_SECONDS, Token},
    checks::CheckRun,
    clock,
    comments::Comment,
    deployments::Deployment,
    faults::Fault,
    limits::{Limits, busiest},
    observe::Recorded,
    pulls::Pull,
    repositories::Repository,
    state::State,
    webhooks::Delivery,
};

impl GithubServer {
    /// The App's id and its private key as PEM, as GitHub hands them out.
    pub fn app(&self) -> (u64, String) {
        let state = self.github.state();
        (state.app.id, state.app.key.pem.clone())
    }

    /// A token that the App signs itself, as a client makes it. It ends after nine minutes.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn app_token(&self) -> Result<String> {
        let state = self.github.state();
        let now = clock::machine().as_secs();
        state.app.key.sign(&json!({"iss": state.app.id.to_string(), "iat": now - 60, "exp": now + 540}))
    }

    /// A token of the installation with all that it was granted, as a client gets it.
    pub fn installation_token(&self) -> String {
        let mut state = self.github.state();
        let secret = format!("ghs_{:036}", state.new_id());
        let ends = state.clock.seconds() + TOKEN_SECONDS;
        let (permissions, repositories) = (state.app.permissions.clone(), state.app.repositories.clone());
        state.tokens.insert(secret.clone(), Token::Installation { permissions, repositories, ends });
        secret
    }

    /// The id of the App's one installation.
    pub fn installation(&self) -> u64 {
        self.github.state().app.installation
    }

    /// The login under which the App writes.
    pub fn bot(&self) -> String {
        self.github.state().app.bot()
    }

    /// Grants or takes a permission of the installation. Tokens that were given out lose it too.
    pub fn set_app_permission(&self, name: &str, level: Option<&str>) {
        let mut state = self.github.state();
        let State { app, tokens, .. } = &mut *state;
        let of_tokens = tokens.values_mut().filter_map(|token| match token {
            Token::Installation { permissions, .. } => Some(permissions),
            Token::Person(_) => None,
        });
        for permissions in of_tokens.chain([&mut app.permissions]) {
            match level {
                Some(level) => permissions.insert(name.to_owned(), level.to_owned()),
                None => permissions.remove(name),
            };
        }
    }

    /// Sets the events that the App is told of.
    pub fn set_app_events(&self, events: &[&str]) {
        self.github.state().app.events = events.iter().map(|event| (*event).to_owned()).collect();
    }

    /// Suspends the installation: its tokens end, and it gets no new ones.
    pub fn suspend_app(&self, is_suspended: bool) {
        let mut state = self.github.state();
        state.app.is_suspended = is_suspended;
        state.tokens.retain(|_, token| matches!(token, Token::Person(_)));
    }

    /// Ends all tokens of the installation before their time.
    pub fn revoke_tokens(&self) {
        self.github.state().tokens.retain(|_, token| matches!(token, Token::Person(_)));
    }

    /// A token of a person, such as `gh` uses.
    pub fn person_token(&self, login: &str) -> String {
        let mut state = self.github.state();
        state.add_account(login, Kind::User);
        let token = format!("ghp_{:036}", state.new_id());
        state.tokens.insert(token.clone(), Token::Person(login.to_owned()));
        token
    }

    /// Adds a repository of an organisation or a person. `installed` adds it to the App's installation.
    pub fn add_repository(&self, id: u64, owner: &str, name: &str, installed: bool) {
        let mut state = self.github.state();
        state.add_account(owner, Kind::Organization);
        state.add_repository(id, owner, name, false);
        if installed {
            state.app.repositories.insert(id);
        }
    }

    /// Removes a repository from the installation.
    pub fn uninstall(&self, repository: u64) {
        self.github.state().app.repositories.remove(&repository);
    }

    /// Renames a repository. Its former name leads to it.
    pub fn rename(&self, repository: u64, name: &str) {
        let mut state = self.github.state();
        let Some(found) = state.repositories.get_mut(&repository) else { return };
        name.clone_into(&mut found.name);
        let full_name = found.full_name().to_lowercase();
        state.names.insert(full_name, repository);
    }

    /// Deletes a repository.
    pub fn delete_repository(&self, repository: u64) {
        self.github.state().repositories.remove(&repository);
    }

    /// Gives a person a role: `admin`, `maintain`, `write`, `triage`, `read` or `none`.
    pub fn set_role(&self, repository: u64, login: &str, role: &str) {
        let mut state = self.github.state();
        state.add_account(login, Kind::User);
        if let Some(found) = state.repositories.get_mut(&repository) {
            found.roles.insert(login.to_lowercase(), role.to_owned());
        }
    }

    /// Lets a ref lack commits of the default branch, so that a Deployment without `auto_merge: false` merges, or conflicts.
    pub fn set_behind(&self, repository: u64, reference: &str, conflicts: bool) {
        if let Some(found) = self.github.state().repositories.get_mut(&repository) {
            found.behind.insert(reference.to_owned(), conflicts);
        }
    }

    pub fn pull(&self, repository: u64, number: u64) -> Option<Pull> {
        self.of(repository, |found| found.pulls.get(&number).cloned())?
    }

    /// The comments of a pull request, the oldest first.
    pub fn comments(&self, repository: u64, number: u64) -> Vec<Comment> {
        let own = |found: &Repository| found.comments.values().filter(|one| one.pull == number).cloned().collect();
        self.of(repository, own).unwrap_or_default()
    }

    /// The check runs of a commit, the oldest first.
    pub fn checks(&self, repository: u64, head: &str) -> Vec<CheckRun> {
        let own = |found: &Repository| found.checks.values().filter(|run| run.head == head).cloned().collect();
        self.of(repository, own).unwrap_or_default()
    }

    /// The Deployments, the oldest first.
    pub fn deployments(&self, repository: u64) -> Vec<Deployment> {
        self.of(repository, |found| found.deployments.values().cloned().collect()).unwrap_or_default()
    }

    fn of<T>(&self, repository: u64, read: impl FnOnce(&Repository) -> T) -> Option<T> {
        self.github.state().repositories.get(&repository).map(read)
    }

    /// Makes the next requests fail. Of several faults the newest counts.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.github.state();
        let now = state.clock.milliseconds();
        state.faults.add(fault, now);
    }

    pub fn clear_faults(&self) {
        self.github.state().faults.clear();
    }

    /// Sets the limits. GitHub's own are in force at first.
    pub fn set_limits(&self, limits: Limits) {
        self.github.state().usage.limits = limits;
    }

    /// Moves the stand-in's clock on: tokens of installations end, and windows of limits pass.
    pub fn advance(&self, time: Duration) {
        self.github.state().clock.advance(time);
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Recorded> {
        self.github.state().requests.clone()
    }

    /// The number of requests of a route, written as in GitHub's description, such as `/repos/{owner}/{repo}/check-runs`.
    pub fn count(&self, method: &str, route: &str) -> usize {
        let state = self.github.state();
        state.requests.iter().filter(|request| request.method == method && request.route == route).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.github.state().requests.clear();
    }

    /// The greatest number of writes within any window of a length.
    pub fn busiest(&self, window: Duration) -> usize {
        busiest(&self.github.state().requests, window)
    }

    /// Sends webhooks to a URL of plain HTTP from now on.
    pub fn send_webhooks(&self, url: &str, secret: &str) {
        self.github.state().webhooks.send_to(url, secret);
    }

    /// Loses webhooks of a kind from now on: an event, or an event with its action such as `pull_request.closed`.
    pub fn drop_webhooks(&self, kind: &str) {
        self.github.state().webhooks.dropped.insert(kind.to_owned());
    }

    /// Loses no webhook from now on.
    pub fn drop_no_webhooks(&self) {
        self.github.state().webhooks.dropped.clear();
    }

    /// All webhooks so far, including dropped ones.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.github.state().webhooks.deliveries.clone()
    }

    /// Sends a webhook again, under the same id.
    pub fn redeliver(&self, id: &str) {
        let state = self.github.state();
        if let Some(index) = state.webhooks.deliveries.iter().position(|delivery| delivery.id == id) {
            state.webhooks.queue(index);
        }
    }

    /// Sends a webhook with any payload.
    pub fn send_webhook(&self, event: &str, payload: Value) {
        self.github.state().webhooks.send(event, payload);
    }

    /// Sends the webhook with which GitHub tries a receiver.
    pub fn ping(&self) {
        let hook = {
            let state = self.github.state();
            state.webhooks.hook_json(&state.app)
        };
        self.send_webhook("ping", json!({"zen": "Design for failure.", "hook_id": 1, "hook": hook}));
    }

    /// Waits until no webhook is under way.
    pub async fn delivered(&self) {
        let mut under_way = self.github.state().webhooks.under_way.subscribe();
        // The sender lives as long as the stand-in.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }
}
