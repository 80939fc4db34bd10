//! Admission of a request: whether the claims of a token allow it. Pure.
//!
//! Ids are compared, not `sub`: its form is the repository's own choice. The events are listed, and every other one is refused:
//! `pull_request_target`, `workflow_run` and `issue_comment` run with the rights of the main branch on behalf of strangers.

use super::{apps::AppFacts, token::Claims};

/// The subject of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Preview { pr: u64, action: PreviewAction },
    Production,
}

/// The purpose of a request about a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreviewAction {
    Read,
    Deploy,
    Close,
}

/// A request that is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// The job runs for the pull request, or for production.
    Fully,
    /// The job runs after a merge, and may be about any pull request. Its close is a hint: GitHub is asked.
    AsHint,
}

/// Decides about a request. The token has been verified.
///
/// # Errors
/// The reason, for the log of the job.
pub(super) fn admit(claims: &Claims, app: &AppFacts, wanted: Wanted) -> Result<Admitted, String> {
    let Some(github) = &app.github else {
        return Err(format!("the app file of {} has no github.repository_id, so no job is believed", app.name));
    };
    if claims.repository_id != github.repository_id {
        return Err(format!(
            "the job is of repository {}, and the app file of {} names {}",
            claims.repository_id, app.name, github.repository_id
        ));
    }
    match wanted {
        Wanted::Preview { pr, action } => {
            if !app.has_previews {
                return Err(format!("{} has no previews", app.name));
            }
            for_preview(claims, pr, action)
        }
        Wanted::Production => for_production(claims, app),
    }
}

fn for_preview(claims: &Claims, pr: u64, action: PreviewAction) -> Result<Admitted, String> {
    let event = claims.event_name.as_str();
    if event != "pull_request" {
        return Err(format!("a preview is deployed by jobs of the event pull_request, not of {event:?}"));
    }
    if claims.reference == format!("refs/pull/{pr}/merge") {
        return Ok(Admitted::Fully);
    }
    // After a merge the run of `closed` is on the base branch, and the token no longer has the pull request's number.
    let is_after_merge = claims.base_ref.as_ref().is_some_and(|base| claims.reference == format!("refs/heads/{base}"));
    if is_after_merge && action != PreviewAction::Deploy {
        return Ok(Admitted::AsHint);
    }
    Err(format!("the job runs on {:?}, and not for pull request {pr}", claims.reference))
}

fn for_production(claims: &Claims, app: &AppFacts) -> Result<Admitted, String> {
    let Some(jobs) = &app.production else { return Err(format!("{} has no production", app.name)) };
    let event = claims.event_name.as_str();
    if !matches!(event, "push" | "workflow_dispatch") {
        return Err(format!("production takes jobs of the events push and workflow_dispatch, not of {event:?}"));
    }
    if claims.reference != format!("refs/heads/{}", jobs.branch) {
        return Err(format!(
            "the job runs on {:?}, and production takes jobs of the branch {}",
            claims.reference, jobs.branch
        ));
    }
    let environment = claims.environment.as_deref();
    if environment != Some(&*jobs.environment) {
        return Err(format!(
            "the job has {}, and production takes jobs with `environment: {}`",
            environment
                .map_or_else(|| "no environment".to_owned(), |environment| format!("the environment {environment:?}")),
            jobs.environment
        ));
    }
    Ok(Admitted::Fully)
}

#[cfg(test)]
mod tests {
    use berth_manifests::app::GithubSettings;

    use super::{super::apps::ReleaseJobs, *};

    const DEPLOY: Wanted = Wanted::Preview { pr: 123, action: PreviewAction::Deploy };
    const CLOSE: Wanted = Wanted::Preview { pr: 123, action: PreviewAction::Close };
    const READ: Wanted = Wanted::Preview { pr: 123, action: PreviewAction::Read };

    fn app() -> AppFacts {
        let github = GithubSettings {
            repository_id: 123_456_789,
            comment: true,
            commands: true,
            drafts: false,
            label: None,
            skip_label: None,
        };
        let production = ReleaseJobs { branch: "main".to_owned(), environment: "production".to_owned() };
        AppFacts {
            name: "web".to_owned(),
            github: Some(github),
            has_previews: true,
            production: Some(production),
            job_variables: [].into(),
        }
    }

    fn release() -> Claims {
        Claims {
            event_name: "push".to_owned(),
            reference: "refs/heads/main".to_owned(),
            base_ref: None,
            environment: Some("production".to_owned()),
            ..Claims::example()
        }
    }

    fn merged() -> Claims {
        Claims { reference: "refs/heads/main".to_owned(), ..Claims::example() }
    }

    #[test]
    fn job_of_the_pull_request_deploys_and_closes_its_preview() {
        for wanted in [DEPLOY, CLOSE, READ] {
            assert_eq!(admit(&Claims::example(), &app(), wanted), Ok(Admitted::Fully));
        }
        assert_eq!(admit(&release(), &app(), Wanted::Production), Ok(Admitted::Fully));
    }

    #[test]
    fn close_after_a_merge_is_a_hint_and_a_deploy_is_refused() {
        assert_eq!(admit(&merged(), &app(), CLOSE), Ok(Admitted::AsHint));
        assert_eq!(admit(&merged(), &app(), READ), Ok(Admitted::AsHint));
        let refused = admit(&merged(), &app(), DEPLOY).unwrap_err();
        assert_eq!(refused, "the job runs on \"refs/heads/main\", and not for pull request 123");
    }

    #[test]
    fn job_of_another_pull_request_or_reference_is_refused() {
        for reference in [
            "refs/pull/124/merge",
            "refs/pull/0123/merge",
            "refs/pull/123/head",
            "refs/pull/123/merge/x",
            "refs/heads/refs/pull/123/merge",
            "refs/heads/feature",
            "refs/tags/main",
            "main",
            "",
        ] {
            let claims = Claims { reference: reference.to_owned(), ..Claims::example() };
            for wanted in [DEPLOY, CLOSE, READ] {
                assert!(admit(&claims, &app(), wanted).is_err(), "{reference}");
            }
        }
        let no_base = Claims { base_ref: None, ..merged() };
        assert!(admit(&no_base, &app(), CLOSE).is_err());
    }

    #[test]
    fn each_event_is_admitted_where_it_belongs() {
        for event in [
            "pull_request",
            "push",
            "workflow_dispatch",
            "pull_request_target",
            "workflow_run",
            "issue_comment",
            "schedule",
            "release",
            "merge_group",
            "repository_dispatch",
            "",
        ] {
            let preview = Claims { event_name: event.to_owned(), ..Claims::example() };
            assert_eq!(admit(&preview, &app(), DEPLOY).is_ok(), event == "pull_request", "{event}");
            let production = Claims { event_name: event.to_owned(), ..release() };
            let admitted = admit(&production, &app(), Wanted::Production).is_ok();
            assert_eq!(admitted, matches!(event, "push" | "workflow_dispatch"), "{event}");
        }
    }

    #[test]
    fn job_of_another_repository_is_refused() {
        for (claims, wanted) in [(Claims::example(), DEPLOY), (release(), Wanted::Production)] {
            let foreign = Claims { repository_id: 1, ..claims.clone() };
            let refused = admit(&foreign, &app(), wanted).unwrap_err();
            assert_eq!(refused, "the job is of repository 1, and the app file of web names 123456789");
            let unnamed = AppFacts { github: None, ..app() };
            assert!(admit(&claims, &unnamed, wanted).unwrap_err().contains("has no github.repository_id"));
        }
    }

    #[test]
    fn release_needs_the_branch_and_the_environment() {
        let refused = |change: fn(&mut Claims)| {
            let mut claims = release();
            change(&mut claims);
            admit(&claims, &app(), Wanted::Production).is_err()
        };
        assert!(refused(|claims| claims.reference = "refs/heads/feature".to_owned()));
        assert!(refused(|claims| claims.reference = "refs/tags/main".to_owned()));
        assert!(refused(|claims| claims.environment = None));
        assert!(refused(|claims| claims.environment = Some("Production".to_owned())));
        assert!(refused(|claims| claims.environment = Some("staging".to_owned())));
    }

    #[test]
    fn app_without_that_environment_is_refused() {
        let none = AppFacts { has_previews: false, production: None, ..app() };
        assert_eq!(admit(&Claims::example(), &none, DEPLOY).unwrap_err(), "web has no previews");
        assert_eq!(admit(&release(), &none, Wanted::Production).unwrap_err(), "web has no production");
    }
}
