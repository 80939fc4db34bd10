//! Findings about the GitHub App: which token, permission, event or repository is missing, and where it is set.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{GithubClient, answer::bounded, repository::Repository};
use crate::failure::Failure;

/// The permissions that berth needs, with their level.
const PERMISSIONS: [(&str, &str); 4] =
    [("checks", "write"), ("deployments", "write"), ("metadata", "read"), ("pull_requests", "write")];
/// The events that `berth hooks` needs.
const EVENTS: [&str; 4] = ["check_run", "check_suite", "issue_comment", "pull_request"];

/// A finding: what was looked at, and what to do if it is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub subject: String,
    /// None: it is as it must be.
    pub advice: Option<String>,
}

impl Finding {
    fn good(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), advice: None }
    }

    fn bad(subject: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { subject: subject.into(), advice: Some(advice.into()) }
    }

    fn failed(failure: &Failure) -> Self {
        let advice = match failure {
            Failure::Permanent(verdict) => verdict.advice.clone(),
            Failure::Transient { .. } => "check --github-api-url and the way there, then try again".to_owned(),
        };
        Self::bad(failure.to_string(), advice)
    }
}

#[derive(Debug, Deserialize)]
struct App {
    #[serde(default)]
    slug: String,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Installation {
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    suspended_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: u64,
}

/// Looks at the App itself: its token, permissions and events.
pub async fn check_app(github: &GithubClient) -> Vec<Finding> {
    let answer = github.as_app(Method::GET, "/app", None).await;
    match answer.and_then(|answer| answer.read::<App>("asking GitHub for the App")) {
        Err(failure) => vec![Finding::failed(&failure)],
        Ok(app) => {
            let page = format!("the App's settings, {}", bounded(&app.html_url));
            let mut findings = vec![Finding::good(format!("GitHub knows the App {}", bounded(&app.slug)))];
            findings.extend(permissions(&app.permissions, "the App", &format!("{page}, Permissions & events")));
            findings.extend(events(&app.events, &page));
            findings
        }
    }
}

/// Looks at the repository of an app: the installation, what it grants, and the token. With the number of a pull request it
/// also writes a comment there, and deletes it.
pub async fn check_repository(github: &GithubClient, app: &str, id: u64, pull_request: Option<u64>) -> Vec<Finding> {
    let repository = github.repository(id);
    let mut findings = match name(repository).await {
        Ok(name) => vec![Finding::good(format!("app {app}: repository {id} is {}", bounded(&name)))],
        Err(failure) => return vec![Finding::failed(&failure)],
    };
    match installation(repository).await {
        Ok(installation) => findings.extend(installed(app, &installation)),
        Err(failure) => findings.push(Finding::failed(&failure)),
    }
    if let Some(number) = pull_request {
        findings.push(match try_comment(repository, number).await {
            Ok(()) => Finding::good(format!("app {app}: a comment in pull request {number} was written and deleted")),
            Err(failure) => Finding::failed(&failure),
        });
    }
    findings
}

async fn name(repository: Repository<'_>) -> Result<String, Failure> {
    let Named { full_name } = repository.get("").await?.read("reading the repository")?;
    Ok(full_name)
}

async fn installation(repository: Repository<'_>) -> Result<Installation, Failure> {
    let path = format!("/repositories/{}/installation", repository.id);
    let answer = repository.github.as_app(Method::GET, &path, None).await?;
    answer.read("finding the installation of the App")
}

/// The comment is deleted although its author might want to see it: nobody reads it.
async fn try_comment(repository: Repository<'_>, pull_request: u64) -> Result<(), Failure> {
    let body = json!({"body": "`berth github doctor` tries whether berth may comment here."});
    let answer = repository.post(&format!("/issues/{pull_request}/comments"), &body).await?;
    let Made { id } = answer.read("commenting")?;
    repository.delete(&format!("/issues/comments/{id}")).await?.checked("deleting the comment")?;
    Ok(())
}

fn installed(app: &str, installation: &Installation) -> Vec<Finding> {
    let page = bounded(&installation.html_url);
    if installation.suspended_at.is_some() {
        return vec![Finding::bad(
            format!("app {app}: the installation is suspended"),
            format!("unsuspend it: {page}"),
        )];
    }
    permissions(&installation.permissions, &format!("app {app}: the installation"), &format!("accept them: {page}"))
}

fn permissions(granted: &BTreeMap<String, String>, subject: &str, place: &str) -> Vec<Finding> {
    let is_enough = |level: &str, name: &str| {
        granted.get(name).is_some_and(|has| has == level || (level == "read" && has == "write") || has == "admin")
    };
    let missing: Vec<_> = PERMISSIONS.iter().filter(|(name, level)| !is_enough(level, name)).collect();
    if missing.is_empty() {
        return vec![Finding::good(format!("{subject} has all permissions"))];
    }
    let lacks =
        |(name, level): &&(&str, &str)| Finding::bad(format!("{subject} lacks the permission {name}={level}"), place);
    missing.iter().copied().map(|missing| lacks(&missing)).collect()
}

fn events(subscribed: &[String], place: &str) -> Vec<Finding> {
    let missing: Vec<_> = EVENTS.iter().filter(|event| !subscribed.iter().any(|has| has == *event)).collect();
    if missing.is_empty() {
        return vec![Finding::good("the App is told of all events")];
    }
    let advice = |event: &&&str| {
        Finding::bad(format!("the App is not told of the event {event}"), format!("subscribe to it: {place}"))
    };
    missing.iter().map(advice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(levels: &[(&str, &str)]) -> BTreeMap<String, String> {
        levels.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect()
    }

    #[test]
    fn each_missing_permission_is_named_with_its_place() {
        let mut levels = granted(&PERMISSIONS);
        levels.insert("metadata".to_owned(), "write".to_owned());
        assert_eq!(permissions(&levels, "the App", "there")[0].advice, None);
        levels.remove("checks");
        levels.insert("deployments".to_owned(), "read".to_owned());
        let missing = permissions(&levels, "the App", "there");
        let subjects: Vec<_> = missing.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(
            subjects,
            ["the App lacks the permission checks=write", "the App lacks the permission deployments=write"]
        );
        assert!(missing.iter().all(|finding| finding.advice.as_deref() == Some("there")));
    }

    #[test]
    fn each_missing_event_is_named() {
        let mut subscribed: Vec<String> = EVENTS.iter().map(|event| (*event).to_owned()).collect();
        assert_eq!(events(&subscribed, "there"), [Finding::good("the App is told of all events")]);
        subscribed.retain(|event| event != "issue_comment");
        assert_eq!(events(&subscribed, "there")[0].subject, "the App is not told of the event issue_comment");
    }
}
