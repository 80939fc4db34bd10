//! The objects of the schema, and how each field is found.

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use serde_json::{Value, json};

use super::{
    connection::{Connection, arguments, failed},
    may_read,
};
use crate::github::{accounts::Account, caller::Caller, clock, pulls::Pull, repositories::Repository, state::State};

type Resolved<'a> = Result<ResolvedValue<'a>, FieldError>;

pub(super) struct Query<'s> {
    pub(super) state: &'s State,
    pub(super) caller: &'s Caller,
}

impl Query<'_> {
    fn repository(&self, owner: &str, name: &str) -> Resolved<'_> {
        let full_name = format!("{owner}/{name}");
        let id = self.state.names.get(&full_name.to_lowercase());
        let id = id.filter(|id| may_read(self.state, self.caller, **id));
        let found = id.and_then(|id| self.state.repositories.get(id));
        let found =
            found.ok_or_else(|| failed(format!("Could not resolve to a Repository with the name '{full_name}'.")))?;
        Ok(ResolvedValue::object(RepositoryObject { state: self.state, found }))
    }

    fn node(&self, id: &str) -> Resolved<'_> {
        let visible = || self.state.repositories.values().filter(|found| may_read(self.state, self.caller, found.id));
        if let Some(found) = visible().find(|found| found.node_id() == id) {
            return Ok(ResolvedValue::object(RepositoryObject { state: self.state, found }));
        }
        let mut pulls =
            visible().flat_map(|of| of.pulls.values().map(move |pull| PullObject { state: self.state, of, pull }));
        let missing = || failed(format!("Could not resolve to a node with the global id of '{id}'"));
        pulls.find(|one| one.pull.node_id() == id).map(ResolvedValue::object).ok_or_else(missing)
    }
}

impl ObjectValue for Query<'_> {
    fn type_name(&self) -> &str {
        "Query"
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Resolved<'a> {
        let arguments = arguments(info);
        let text = |name: &str| arguments[name].as_str().unwrap_or_default();
        match info.field_name() {
            "repository" => self.repository(text("owner"), text("name")),
            "node" => self.node(text("id")),
            "rateLimit" => Ok(ResolvedValue::object(Plain("RateLimit", rate_limit(self.state, self.caller)))),
            _ => Err(self.unknown_field_error(info)),
        }
    }
}

fn rate_limit(state: &State, caller: &Caller) -> Value {
    let mut limit = state.usage.allowance(caller.account(), "graphql", state.clock.milliseconds()).json();
    limit["cost"] = json!(1);
    limit["nodeCount"] = json!(1);
    limit["resetAt"] = json!(clock::text(limit["reset"].as_u64().unwrap_or_default()));
    limit
}

struct RepositoryObject<'s> {
    state: &'s State,
    found: &'s Repository,
}

impl<'s> RepositoryObject<'s> {
    fn pull(&self, number: u64) -> Resolved<'s> {
        let missing = || failed(format!("Could not resolve to a PullRequest with the number of {number}."));
        let pull = self.found.pulls.get(&number).ok_or_else(missing)?;
        Ok(ResolvedValue::object(PullObject { state: self.state, of: self.found, pull }))
    }

    /// Selects and orders pull requests as the arguments say. Without an order, the oldest comes first.
    fn pulls(&self, arguments: &Value) -> Vec<PullObject<'s>> {
        let wanted = |pull: &&Pull| {
            let states = arguments["states"].as_array();
            let labels = arguments["labels"].as_array();
            let fits = |argument: &str, value: &str| arguments[argument].as_str().is_none_or(|asked| asked == value);
            states.is_none_or(|states| states.contains(&json!(pull.graphql_state())))
                && labels.is_none_or(|labels| pull.labels.iter().any(|label| labels.contains(&json!(label))))
                && fits("headRefName", &pull.branch)
                && fits("baseRefName", &pull.base)
        };
        let mut pulls: Vec<_> = self.found.pulls.values().filter(wanted).collect();
        let order = &arguments["orderBy"];
        if order["field"] == "UPDATED_AT" {
            pulls.sort_by(|one, other| one.updated_at.cmp(&other.updated_at));
        }
        if order["direction"] == "DESC" {
            pulls.reverse();
        }
        pulls.into_iter().map(|pull| PullObject { state: self.state, of: self.found, pull }).collect()
    }
}

impl ObjectValue for RepositoryObject<'_> {
    fn type_name(&self) -> &str {
        "Repository"
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Resolved<'a> {
        let found = self.found;
        Ok(match info.field_name() {
            "id" => leaf(json!(found.node_id())),
            // GitHub's `Int` has 32 bits.
            "databaseId" => leaf(json!(i32::try_from(found.id).ok())),
            "isPrivate" => leaf(json!(true)),
            "name" => leaf(json!(found.name)),
            "nameWithOwner" => leaf(json!(found.full_name())),
            "owner" => actor(self.state, &self.state.account(&found.owner)),
            "url" => leaf(json!(format!("{}/{}", self.state.base, found.full_name()))),
            "pullRequest" => return self.pull(arguments(info)["number"].as_u64().unwrap_or_default()),
            "pullRequests" => {
                let pulls = self.pulls(&arguments(info));
                ResolvedValue::object(Connection::new("PullRequestConnection", pulls, show_pull, info)?)
            }
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}

#[derive(Clone, Copy)]
struct PullObject<'s> {
    state: &'s State,
    of: &'s Repository,
    pull: &'s Pull,
}

impl ObjectValue for PullObject<'_> {
    fn type_name(&self) -> &str {
        "PullRequest"
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Resolved<'a> {
        let pull = self.pull;
        Ok(match info.field_name() {
            "author" => actor(self.state, &self.state.account(&pull.author)),
            "labels" => {
                ResolvedValue::object(Connection::new("LabelConnection", pull.labels.clone(), show_label, info)?)
            }
            "headRepository" => {
                let head = pull.head_repository.and_then(|id| self.state.repositories.get(&id));
                ResolvedValue::nullable_object(head.map(|found| RepositoryObject { state: self.state, found }))
            }
            other => {
                let value = self.scalars().get(other).cloned();
                leaf(value.ok_or_else(|| self.unknown_field_error(info))?)
            }
        })
    }
}

impl PullObject<'_> {
    fn scalars(&self) -> Value {
        let pull = self.pull;
        json!({
            "id": pull.node_id(), "fullDatabaseId": pull.id.to_string(), "number": pull.number, "title": pull.title,
            "state": pull.graphql_state(), "closed": !pull.is_open, "merged": pull.merged_at.is_some(),
            "isDraft": pull.is_draft, "locked": pull.is_locked,
            "isCrossRepository": pull.head_repository != Some(self.of.id),
            "headRefName": pull.branch, "headRefOid": pull.head,
            "baseRefName": pull.base, "baseRefOid": self.of.commit(&pull.base),
            "createdAt": pull.created_at, "updatedAt": pull.updated_at,
            "closedAt": pull.closed_at, "mergedAt": pull.merged_at,
            "url": format!("{}/{}/pull/{}", self.state.base, self.of.full_name(), pull.number),
        })
    }
}

fn show_pull<'a>(pull: &'a PullObject<'_>) -> ResolvedValue<'a> {
    ResolvedValue::object(*pull)
}

fn show_label(name: &String) -> ResolvedValue<'_> {
    ResolvedValue::object(Plain("Label", json!({"id": format!("LA_{name}"), "name": name})))
}

fn actor<'a>(state: &State, account: &Account) -> ResolvedValue<'a> {
    // GraphQL writes a bot's login without the ending that REST gives it.
    let login = account.login.trim_end_matches("[bot]");
    let value = json!({"id": account.node_id(), "login": login, "url": format!("{}/{login}", state.base)});
    ResolvedValue::object(Plain(account.type_name(), value))
}

fn leaf<'a>(value: Value) -> ResolvedValue<'a> {
    ResolvedValue::leaf(value)
}

/// An object of plain values.
struct Plain(&'static str, Value);

impl ObjectValue for Plain {
    fn type_name(&self) -> &str {
        self.0
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Resolved<'a> {
        self.1.get(info.field_name()).cloned().map(leaf).ok_or_else(|| self.unknown_field_error(info))
    }
}
