//! The admission of GitHub's activities: a workflow may write only about its own environment. Pure.

use berth_workflows::contract::{
    environment::EnvironmentKind,
    janitor::{JANITOR, janitor_id},
    report::{GithubWrite, ReportInput},
    verdict::FailureType,
};

use crate::{admission::Caller, failure::Failure};

/// Checks the caller of a report: the environment's workflow, or its last report. Returns the kind of the environment.
///
/// # Errors
/// `PolicyDenied`, permanent.
pub(super) fn check_report(caller: &Caller, report: &ReportInput) -> Result<EnvironmentKind, Failure> {
    let ReportInput { app, environment, write } = report;
    let kind = EnvironmentKind::from_workflow_id(app, environment)
        .ok_or_else(|| denied(format!("{environment:?} is no environment of {app:?}")))?;
    let last = format!("{environment}-report");
    if !caller.is(environment, kind.workflow_type()) && !caller.is(&last, "FinalReport") {
        return Err(denied(format!("only {environment} and its last report may report it")));
    }
    match write {
        GithubWrite::Comment { pull_request, .. } if kind.pr() != Some(*pull_request) => {
            Err(denied(format!("{environment} may not comment in pull request {pull_request}")))
        }
        _ => Ok(kind),
    }
}

/// Checks the caller of a command: the preview of the pull request.
///
/// # Errors
/// `PolicyDenied`, permanent.
pub(super) fn check_command(caller: &Caller, app: &str, pull_request: u64) -> Result<(), Failure> {
    let kind = EnvironmentKind::Preview { pr: pull_request };
    let environment = kind.workflow_id(app);
    if caller.is(&environment, kind.workflow_type()) {
        return Ok(());
    }
    Err(denied(format!("only {environment} may admit a command in its pull request")))
}

/// Checks the caller of a list: the app's Janitor, or a preview that asks for its own pull request.
///
/// # Errors
/// `PolicyDenied`, permanent.
pub(super) fn check_list(caller: &Caller, app: &str) -> Result<(), Failure> {
    let own = caller.workflow_id.as_deref().and_then(|id| EnvironmentKind::from_workflow_id(app, id));
    let preview = own.filter(|kind| kind.pr().is_some());
    let is_preview = preview.is_some_and(|kind| caller.is(&kind.workflow_id(app), kind.workflow_type()));
    if is_preview || caller.is(&janitor_id(app), JANITOR) {
        return Ok(());
    }
    Err(denied(format!("only the Janitor and the previews of {app} may list its pull requests")))
}

fn denied(message: String) -> Failure {
    Failure::permanent(FailureType::PolicyDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(id: &str, kind: &str) -> Caller {
        Caller { workflow_id: Some(id.to_owned()), workflow_type: Some(kind.to_owned()) }
    }

    fn comment(environment: &str, pull_request: u64) -> ReportInput {
        let (marker, body) = ("<!-- m -->".to_owned(), "<!-- m --> text".to_owned());
        let write = GithubWrite::Comment { pull_request, marker, id: None, body };
        ReportInput { app: "web".to_owned(), environment: environment.to_owned(), write }
    }

    #[test]
    fn environment_comments_in_its_own_pull_request() {
        let own = comment("preview-web-7", 7);
        for (id, kind) in [("preview-web-7", "PreviewEnvironment"), ("preview-web-7-report", "FinalReport")] {
            assert!(check_report(&caller(id, kind), &own).is_ok(), "{id}");
        }
        for (id, kind) in [
            ("preview-web-8", "PreviewEnvironment"),
            ("preview-web-7", "Stranger"),
            ("preview-web-7-report", "PreviewEnvironment"),
            ("production-web", "ProductionEnvironment"),
        ] {
            assert!(check_report(&caller(id, kind), &own).is_err(), "{id}");
        }
        assert!(check_report(&Caller::default(), &own).is_err());
        let preview = caller("preview-web-7", "PreviewEnvironment");
        assert!(check_report(&preview, &comment("preview-web-7", 8)).is_err());
        for forged in ["preview-web-07", "preview-shop-7", "preview-web-", "production-shop", ""] {
            assert!(check_report(&caller(forged, "PreviewEnvironment"), &comment(forged, 7)).is_err(), "{forged}");
        }
        let production = caller("production-web", "ProductionEnvironment");
        assert!(check_report(&production, &comment("production-web", 7)).is_err());
    }

    #[test]
    fn command_and_list_are_for_the_apps_own_workflows() {
        assert!(check_command(&caller("preview-web-7", "PreviewEnvironment"), "web", 7).is_ok());
        assert!(check_command(&caller("preview-web-7", "PreviewEnvironment"), "web", 8).is_err());
        assert!(check_command(&caller("janitor-web", "Janitor"), "web", 7).is_err());
        assert!(check_list(&caller("janitor-web", "Janitor"), "web").is_ok());
        assert!(check_list(&caller("preview-web-7", "PreviewEnvironment"), "web").is_ok());
        assert!(check_list(&caller("janitor-shop", "Janitor"), "web").is_err());
        assert!(check_list(&caller("production-web", "ProductionEnvironment"), "web").is_err());
    }
}
