//! The activity `list_pull_requests`: the open pull requests, and others by number, in one query of GraphQL.
//!
//! An answer with errors or with gaps is an error: a pull request that is not in it is not closed.

use std::collections::BTreeMap;

use berth_workflows::contract::pull_request_list::{
    ListPullRequestsInput, ListedPullRequest, ListedPullRequests, MAX_ASKED,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{bounded, denied, unavailable},
    client::GithubClient,
    repository::Repository,
};
use crate::failure::Failure;

mod pull;

use pull::Pull;

/// The most pages of a hundred open pull requests.
const MAX_PAGES: usize = 20;
const WHAT: &str = "listing pull requests";

/// The fields of a pull request that the facts need.
const FIELDS: &str = "number state isDraft locked isCrossRepository headRefOid updatedAt author { login } \
                      headRepository { databaseId } labels(first: 100) { nodes { name } }";

#[derive(Debug, Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    data: Option<Data>,
    /// Left out, or null, where there is none.
    #[serde(default)]
    errors: Option<Vec<GraphqlError>>,
}

#[derive(Debug, Deserialize)]
struct GraphqlError {
    #[serde(default)]
    message: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// The field of the answer that it is about.
    #[serde(default)]
    path: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Data {
    repository: Option<Found>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    database_id: Option<u64>,
    pull_requests: Page,
    /// The pull requests that were asked for by number, each under its alias.
    #[serde(flatten)]
    asked: BTreeMap<String, Option<Pull>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    nodes: Vec<Option<Pull>>,
    page_info: PageInfo,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// Lists the open pull requests, and those that are asked for.
///
/// # Errors
/// `GithubDenied` if a person must act. `GithubUnavailable` otherwise, also for an answer that is not whole.
pub async fn list_pull_requests(
    github: &GithubClient,
    repository: u64,
    list: &ListPullRequestsInput,
) -> Result<ListedPullRequests, Failure> {
    if list.asked.len() > MAX_ASKED {
        return Err(denied(format!("{WHAT}: at most {MAX_ASKED} may be asked for by number"), "ask again".to_owned()));
    }
    let repository = github.repository(repository);
    let Named { full_name } = repository.get("").await?.read("reading the repository")?;
    let (mut listed, mut absent, mut after) = (BTreeMap::new(), Vec::new(), None);
    for page in 0..MAX_PAGES {
        let asked = if page == 0 { list.asked.as_slice() } else { &[] };
        let (found, none) = ask(repository, &full_name, asked, after.as_deref()).await?;
        absent.extend(none);
        let PageInfo { has_next_page, end_cursor } = &found.pull_requests.page_info;
        after = end_cursor.clone().filter(|_| *has_next_page);
        let is_last = !has_next_page;
        for pull in pulls(found, asked, &absent)? {
            listed.insert(pull.number, pull);
        }
        if is_last {
            return Ok(ListedPullRequests { pull_requests: listed.into_values().collect(), absent });
        }
        if after.is_none() {
            break;
        }
    }
    Err(incomplete("there are more pages than berth reads"))
}

/// Asks for a page. Returns also the numbers that are no pull requests.
async fn ask(
    repository: Repository<'_>,
    name: &str,
    asked: &[u64],
    after: Option<&str>,
) -> Result<(Found, Vec<u64>), Failure> {
    let (owner, name) = name.split_once('/').ok_or_else(|| incomplete("the repository has no name"))?;
    let variables = json!({"owner": owner, "name": name, "after": after});
    let response = repository.graphql(&json!({"query": query(asked), "variables": variables})).await?;
    whole(response.read(WHAT)?, repository.id, asked)
}

/// The query. Numbers are the only part that varies.
pub(super) fn query(asked: &[u64]) -> String {
    let asked: String = asked.iter().map(|n| format!(" p{n}: pullRequest(number: {n}) {{ {FIELDS} }}")).collect();
    format!(
        "query($owner: String!, $name: String!, $after: String) {{ repository(owner: $owner, name: $name) {{ databaseId \
         pullRequests(first: 100, after: $after, states: OPEN, orderBy: {{field: CREATED_AT, direction: ASC}}) {{ \
         pageInfo {{ hasNextPage endCursor }} nodes {{ {FIELDS} }} }}{asked} }} }}"
    )
}

/// Returns the data of an answer about the repository of that id, whose only errors are numbers that are no pull requests, and those.
fn whole(response: Response, repository: u64, asked: &[u64]) -> Result<(Found, Vec<u64>), Failure> {
    let errors = response.errors.unwrap_or_default();
    let absent = errors.iter().filter_map(|error| error.absent(asked)).collect();
    if let Some(error) = errors.iter().find(|error| error.absent(asked).is_none()) {
        let message = format!("{WHAT}: {}", bounded(&error.message));
        return Err(match error.kind.as_deref() {
            Some("FORBIDDEN") => {
                denied(message, "give the App the permission pull_requests=read; see `berth github doctor`".to_owned())
            }
            Some("RATE_LIMITED") => unavailable(message, Some(std::time::Duration::from_secs(60))),
            _ => unavailable(message, None),
        });
    }
    let found = response.data.and_then(|data| data.repository);
    let found = found.ok_or_else(|| incomplete("the answer has no repository"))?;
    // The name may belong to another repository by now.
    if found.database_id != Some(repository) {
        return Err(incomplete("the answer is not about the repository with the id of the app file"));
    }
    Ok((found, absent))
}

impl GraphqlError {
    /// The number that was asked for and is no pull request, if that is the error.
    fn absent(&self, asked: &[u64]) -> Option<u64> {
        let [repository, alias] = self.path.as_deref()? else { return None };
        let is_absent = self.kind.as_deref() == Some("NOT_FOUND") && *repository == "repository";
        asked.iter().copied().find(|number| is_absent && *alias == format!("p{number}"))
    }
}

/// All pull requests of an answer. A gap is an error.
fn pulls(found: Found, asked: &[u64], absent: &[u64]) -> Result<Vec<ListedPullRequest>, Failure> {
    let Found { pull_requests, asked: mut by_number, .. } = found;
    let asked = asked
        .iter()
        .filter(|number| !absent.contains(number))
        .map(|number| by_number.remove(&format!("p{number}")).flatten());
    let pulls = pull_requests.nodes.into_iter().chain(asked);
    pulls.map(|pull| pull.ok_or_else(|| incomplete("a pull request is missing in the answer"))?.listed()).collect()
}

fn incomplete(why: &str) -> Failure {
    unavailable(format!("{WHAT}: {why}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(number: u64, state: &str) -> Value {
        json!({"number": number, "state": state, "isDraft": false, "locked": false, "isCrossRepository": false,
            "headRefOid": "a".repeat(40), "updatedAt": "2026-11-28T07:15:00Z", "author": {"login": "octocat"},
            "headRepository": {"databaseId": 1}, "labels": {"nodes": [{"name": "preview"}]}})
    }

    fn read(response: Value, asked: &[u64]) -> Result<Vec<ListedPullRequest>, Failure> {
        let (found, absent) = whole(serde_json::from_value(response).unwrap(), 7, asked)?;
        pulls(found, asked, &absent)
    }

    fn answer(nodes: &[Value]) -> Value {
        let page = json!({"pageInfo": {"hasNextPage": false, "endCursor": null}, "nodes": nodes});
        json!({"data": {"repository": {"databaseId": 7, "pullRequests": page}}})
    }

    #[test]
    fn merged_pull_request_that_is_asked_for_is_closed() {
        let mut response = answer(&[pull(1, "OPEN")]);
        response["data"]["repository"]["p7"] = pull(7, "MERGED");
        let listed = read(response, &[7]).unwrap();
        let shown: Vec<_> = listed.iter().map(|pull| (pull.number, pull.facts.is_closed())).collect();
        assert_eq!(shown, [(1, false), (7, true)]);
        assert!(listed.iter().all(|pull| pull.facts.asked && pull.facts.has_label("preview")));
    }

    #[test]
    fn answer_with_a_gap_or_an_error_is_an_error() {
        let mut gap = answer(&[pull(1, "OPEN")]);
        gap["data"]["repository"]["p7"] = Value::Null;
        let mut partial = answer(&[pull(1, "OPEN")]);
        partial["errors"] = json!([{"message": "Something went wrong", "path": ["repository"]}]);
        let of_repository = |id: Value| {
            let mut response = answer(&[pull(1, "OPEN")]);
            response["data"]["repository"]["databaseId"] = id;
            response
        };
        for (response, asked) in [
            (gap, &[7][..]),
            (partial, &[]),
            (answer(&[Value::Null]), &[]),
            (answer(&[pull(1, "OPEN")]), &[7]),
            (json!({"data": {"repository": null}}), &[]),
            (json!({}), &[]),
            (of_repository(json!(8)), &[]),
            (of_repository(Value::Null), &[]),
            (answer(&[pull(1, "UNHEARD_OF")]), &[]),
        ] {
            let failure = read(response.clone(), asked).unwrap_err();
            assert!(matches!(failure, Failure::Transient { .. }), "{response}: {failure}");
        }
    }

    #[test]
    fn number_that_is_no_pull_request_is_named_and_not_closed() {
        let absent = |path: Value, kind: &str| {
            let mut response = answer(&[pull(1, "OPEN")]);
            response["data"]["repository"]["p7"] = Value::Null;
            response["errors"] = json!([{"message": "Could not resolve", "type": kind, "path": path}]);
            whole(serde_json::from_value(response).unwrap(), 7, &[7]).map(|(_, absent)| absent)
        };
        assert_eq!(absent(json!(["repository", "p7"]), "NOT_FOUND").unwrap(), [7]);
        for (path, kind) in [
            (json!(["repository", "p8"]), "NOT_FOUND"),
            (json!(["repository"]), "NOT_FOUND"),
            (json!(null), "NOT_FOUND"),
            (json!(["repository", "p7", "labels"]), "NOT_FOUND"),
            (json!(["repository", "p7"]), "SERVICE_UNAVAILABLE"),
        ] {
            assert!(absent(path.clone(), kind).is_err(), "{path} {kind}");
        }
    }

    #[test]
    fn missing_permission_of_the_query_is_permanent() {
        let response = json!({"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible by integration"}]});
        assert!(matches!(read(response, &[]).unwrap_err(), Failure::Permanent(_)));
    }

    #[test]
    fn query_has_an_alias_for_each_number() {
        let query = query(&[7, 12]);
        assert!(query.contains(" p7: pullRequest(number: 7) {") && query.contains(" p12: pullRequest(number: 12) {"));
        assert_eq!(query.matches('{').count(), query.matches('}').count());
    }
}
