//! Changes with their webhooks, by people and through the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{PERSON, accounts::Kind, comments::Comment, pulls::Pull, state::State};

impl State {
    /// The fork of a login. It is made if it is missing.
    pub(super) fn fork(&mut self, repository: u64, login: &str) -> Option<u64> {
        let name = self.repositories.get(&repository)?.name.clone();
        let known = self.names.get(&format!("{login}/{name}").to_lowercase()).copied();
        Some(known.unwrap_or_else(|| {
            let id = self.new_id();
            self.add_account(login, Kind::User);
            self.add_repository(id, login, &name, true);
            id
        }))
    }

    pub(super) fn pull(&self, repository: u64, number: u64) -> Option<&Pull> {
        self.repositories.get(&repository)?.pulls.get(&number)
    }

    pub(super) fn change_pull(
        &mut self,
        repository: u64,
        number: u64,
        action: &str,
        more: Value,
        change: impl FnOnce(&mut Pull, &str),
    ) {
        let now = self.clock.text();
        let found = self.repositories.get_mut(&repository).and_then(|found| found.pulls.get_mut(&number));
        let Some(pull) = found else { return };
        change(pull, &now);
        pull.updated_at = now;
        self.announce_pull(repository, number, PERSON, action, more);
    }

    pub(super) fn announce_pull(
        &mut self,
        repository: u64,
        number: u64,
        sender: &str,
        action: &str,
        mut payload: Value,
    ) {
        let Some(found) = self.repositories.get(&repository) else { return };
        let Some(pull) = found.pulls.get(&number) else { return };
        payload["number"] = json!(number);
        payload["pull_request"] = pull.full_json(self, found);
        self.announce("pull_request", repository, sender, action, payload);
    }

    pub(super) fn add_comment(&mut self, repository: u64, number: u64, author: &str, body: &str) -> u64 {
        let (id, now) = (self.new_id(), self.clock.text());
        let comment = Comment {
            id,
            pull: number,
            author: author.to_owned(),
            body: body.to_owned(),
            created_at: now.clone(),
            updated_at: now.clone(),
            reactions: BTreeMap::new(),
        };
        if let Some(found) = self.repositories.get_mut(&repository) {
            found.comments.insert(id, comment);
            if let Some(pull) = found.pulls.get_mut(&number) {
                pull.updated_at = now;
            }
        }
        self.announce_comment(repository, id, author, "created", json!({}));
        id
    }

    pub(super) fn edit_comment(&mut self, repository: u64, id: u64, body: &str) {
        let now = self.clock.text();
        let Some(comment) = self.repositories.get_mut(&repository).and_then(|found| found.comments.get_mut(&id)) else {
            return;
        };
        let before = std::mem::replace(&mut comment.body, body.to_owned());
        comment.updated_at = now;
        let author = comment.author.clone();
        self.announce_comment(repository, id, &author, "edited", json!({"changes": {"body": {"from": before}}}));
    }

    pub(super) fn delete_comment(&mut self, repository: u64, id: u64) {
        self.announce_comment(repository, id, PERSON, "deleted", json!({}));
        if let Some(found) = self.repositories.get_mut(&repository) {
            found.comments.remove(&id);
        }
    }

    fn announce_comment(&mut self, repository: u64, id: u64, sender: &str, action: &str, mut more: Value) {
        let Some(found) = self.repositories.get(&repository) else { return };
        let Some(comment) = found.comments.get(&id) else { return };
        let Some(pull) = found.pulls.get(&comment.pull) else { return };
        more["issue"] = pull.issue_json(self, found);
        more["comment"] = comment.json(self, found);
        self.announce("issue_comment", repository, sender, action, more);
    }
}
