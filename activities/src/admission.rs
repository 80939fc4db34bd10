//! Admission: an activity that writes, or that answers with a log, checks by itself for whom it works.
//!
//! An activity can be started without a workflow, or from a foreign one, with any input. So its input proves nothing:
//! - the caller is named by the server's task information;
//! - names are those that the environment's namespace records, or those of the app file;
//! - each image is in the app file, or in a stored release of the environment, and each variable in the app file;
//! - an address for gates is the one in the environment's own Secret.
//!
//! Everything else in an input is looked up in the environment's own namespace only.
//!
//! Three activities need no admission. `load_app` reads files. `await_namespace_gone` answers with the state of a
//! namespace, to a caller who knows its UID. `recall_preview` reads a workflow that its caller can read.

mod caller;
mod image;
mod names;
mod refusal;
mod secrets;

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    release::Release,
    verdict::{FailureType, Verdict},
};

use crate::{context::Context, database::Names, failure::Failure, settings::Settings};

pub(crate) use caller::{Caller, Purpose, check_parent};
pub(crate) use names::Owner;
use refusal::denied;

/// An environment whose caller is admitted. What the activity takes from its input besides is checked here.
pub(crate) struct Admission<'a> {
    context: Context<'a>,
    caller: Caller,
    environment: &'a Environment,
}

impl<'a> Admission<'a> {
    /// Admits the environment's own workflow, or its child, as the purpose demands.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent: another caller, an environment that the worker does not serve, or one that the
    /// purpose excludes.
    pub(crate) fn new(
        context: Context<'a>,
        caller: Caller,
        purpose: Purpose,
        environment: &'a Environment,
    ) -> Result<Self, Failure> {
        caller::check(&caller, purpose, environment)?;
        check_served(context.settings, environment.kind)?;
        Ok(Self { context, caller, environment })
    }

    /// The name of the environment's app.
    pub(crate) fn app(&self) -> &str {
        &self.environment.app
    }

    /// Checks the environment's names. `app` reads the app file, which is needed only where the namespace does not
    /// record the names.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent, with the name that does not fit. Errors of `app`. Errors of the API, which are
    /// retried.
    pub(crate) async fn check_names(
        &self,
        owner: Owner,
        app: impl AsyncFnOnce() -> Result<App, Failure>,
    ) -> Result<(), Failure> {
        names::check(self.context, self.environment, owner, app).await
    }

    /// Checks that each image of a release is in the app file, or in a stored release of the environment, and that its
    /// variables are those of the app file.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent. Errors of the API, which are retried.
    pub(crate) async fn check_release(&self, app: &App, release: &Release) -> Result<(), Failure> {
        image::check(self.context, self.environment, app, release).await
    }

    /// Checks that the Secret is one of the environment's own, and that its address of a Temporal server is this one.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent. Errors of the API, which are retried.
    pub(crate) async fn check_address(&self, secret: &str, address: &str) -> Result<(), Failure> {
        secrets::check_address(self.context, self.environment, secret, address).await
    }

    /// Checks that the Secret is a release that berth stored for the environment.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent. Errors of the API, which are retried.
    pub(crate) async fn check_stored(&self, stored_release: &str) -> Result<(), Failure> {
        secrets::check_stored(self.context, self.environment, stored_release).await
    }

    /// Checks that the names of objects cannot lead out of the environment's namespace.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent.
    pub(crate) fn check_objects<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<(), Failure> {
        let is_plain = |name: &str| {
            name.len() <= 253 && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        };
        match names.into_iter().find(|name| !is_plain(name)) {
            Some(name) => Err(denied(format!("{name:?} is not the name of an object"))),
            None => Ok(()),
        }
    }

    /// Checks that a script's Job has the id of its `ScriptRun`.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent.
    pub(crate) fn check_job(&self, job: &str) -> Result<(), Failure> {
        match self.caller.workflow_id.as_deref() {
            Some(id) if id == job => Ok(()),
            _ => Err(denied(format!("Job {job:?} is not the one of the script run that asks for it"))),
        }
    }

    /// Checks that the database is named after app and pull request. Nothing else proves its name once the namespace
    /// and the app file are gone.
    ///
    /// # Errors
    /// `PolicyDenied`, permanent.
    pub(crate) fn check_database(&self) -> Result<(), Failure> {
        let (Some(pr), Some((name, _))) = (self.environment.kind.pr(), self.environment.isolated_database()) else {
            return Ok(());
        };
        let expected = Names::of_preview(&self.environment.app, pr).map_err(denied)?.role;
        if name == expected {
            return Ok(());
        }
        Err(denied(format!("the database of {} is {expected}, not {name:?}", self.environment.workflow_id)))
    }
}

/// Checks that the worker serves environments of this kind.
///
/// # Errors
/// `PolicyDenied`, permanent, with the flag's name.
pub(crate) fn check_served(settings: &Settings, kind: EnvironmentKind) -> Result<(), Failure> {
    if settings.serve.includes(kind) {
        return Ok(());
    }
    let kinds = match kind {
        EnvironmentKind::Preview { .. } => "previews",
        EnvironmentKind::Production => "production",
    };
    Err(Verdict::new(FailureType::PolicyDenied, format!("this worker does not serve {kinds} (its flag --serve)"))
        .advise(format!("send it to the task queue of a worker that serves {kinds}, or change --serve"))
        .into())
}

#[cfg(test)]
mod tests;
