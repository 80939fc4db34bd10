//! The state of the stand-in, and the sample that each one begins with.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{
    PERSON, REPOSITORY,
    accounts::{Account, Kind},
    apps::{App, Token},
    clock::Clock,
    faults::Faults,
    keys::Key,
    limits::Usage,
    observe::Recorded,
    oidc::Issuer,
    repositories::Repository,
    webhooks::Webhooks,
};

/// The organisation of the sample repository.
pub(super) const ORGANIZATION: &str = "acme";

#[derive(Debug)]
pub(super) struct State {
    /// The URL of the server.
    pub(super) base: String,
    pub(super) clock: Clock,
    pub(super) app: App,
    pub(super) issuer: Issuer,
    pub(super) tokens: BTreeMap<String, Token>,
    /// Accounts by login in lower case.
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) repositories: BTreeMap<u64, Repository>,
    /// Ids of repositories by each full name in lower case that they ever had.
    pub(super) names: BTreeMap<String, u64>,
    pub(super) usage: Usage,
    pub(super) faults: Faults,
    pub(super) requests: Vec<Recorded>,
    pub(super) webhooks: Webhooks,
    last_id: u64,
}

impl State {
    pub(super) fn sample(base: String) -> Result<Self> {
        let mut state = Self {
            app: App::sample()?,
            issuer: Issuer::new(Key::generate("1")?),
            base,
            clock: Clock::default(),
            tokens: BTreeMap::new(),
            accounts: BTreeMap::new(),
            repositories: BTreeMap::new(),
            names: BTreeMap::new(),
            usage: Usage::default(),
            faults: Faults::default(),
            requests: Vec::new(),
            webhooks: Webhooks::default(),
            // Larger than what a test would write by hand, so that ids of two kinds are not mixed up unseen.
            last_id: 5_000_000_000,
        };
        state.add_account(ORGANIZATION, Kind::Organization);
        state.add_account(PERSON, Kind::User);
        state.add_account(&state.app.bot(), Kind::Bot);
        state.add_repository(REPOSITORY, ORGANIZATION, "web", false);
        state.app.repositories.insert(REPOSITORY);
        if let Some(repository) = state.repositories.get_mut(&REPOSITORY) {
            repository.roles.insert(PERSON.to_owned(), "write".to_owned());
        }
        Ok(state)
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The account of a login. A login that nobody has is GitHub's `ghost`.
    pub(super) fn account(&self, login: &str) -> Account {
        let ghost = || Account { id: 10137, login: "ghost".to_owned(), kind: Kind::User };
        self.accounts.get(&login.to_lowercase()).cloned().unwrap_or_else(ghost)
    }

    /// Adds an account unless it is there.
    pub(super) fn add_account(&mut self, login: &str, kind: Kind) {
        let key = login.to_lowercase();
        if !self.accounts.contains_key(&key) {
            let id = self.new_id();
            self.accounts.insert(key, Account { id, login: login.to_owned(), kind });
        }
    }

    pub(super) fn add_repository(&mut self, id: u64, owner: &str, name: &str, is_fork: bool) {
        let commit = "a".repeat(40);
        let repository = Repository {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            is_fork,
            default_branch: "main".to_owned(),
            created_at: self.clock.text(),
            branches: BTreeMap::from([("main".to_owned(), commit.clone())]),
            commits: BTreeSet::from([commit]),
            behind: BTreeMap::new(),
            roles: BTreeMap::from([(owner.to_lowercase(), "admin".to_owned())]),
            pulls: BTreeMap::new(),
            comments: BTreeMap::new(),
            checks: BTreeMap::new(),
            deployments: BTreeMap::new(),
        };
        self.names.insert(repository.full_name().to_lowercase(), id);
        self.repositories.insert(id, repository);
    }
}
