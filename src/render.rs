//! `berth render`: prints the objects of an environment as they would be applied, or what an apply would change.

mod difference;

use std::{iter::once, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, ensure};
use berth_activities::release::compare;
use berth_manifests::{
    app::{App, AppFolder, EnvironmentNames, read_apps},
    render::{Finding, Object, PushedImage, Rendered, VariableInput, Variables, render},
};
use berth_workflows::contract::{
    environment::MAX_PR,
    release::{Commit, Image},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    arguments::{Pushed, PushedArgs, commit},
    envelope::{Envelope, Output},
    exit::{self, Exit, UsageError},
    kubeconfig,
};

/// Print an app's manifests as they would be applied; needs neither a cluster nor Temporal
///
/// Prints YAML that kubectl takes, in the order of an apply. Warnings and notes go to standard error. What only a rollout knows has
/// an example value: the name of the Secret with the app's secrets. With --diff it prints what an apply would change in the cluster
/// of your kubeconfig, by a dry run of its API server; the values of Secrets are not shown.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(exit::CHECK))]
#[command(group = clap::ArgGroup::new("environment").required(true))]
pub(crate) struct Render {
    /// The folder: one YAML file per app, its manifests beside it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The app's name, as in its app file
    #[arg(long)]
    app: String,
    /// Render the environment of this pull request
    #[arg(long, group = "environment", value_parser = clap::value_parser!(u64).range(1..=MAX_PR))]
    pr: Option<u64>,
    /// Render the production environment
    #[arg(long, group = "environment")]
    production: bool,
    #[command(flatten)]
    pushed: PushedArgs,
    /// The pushed commit
    #[arg(long, value_parser = commit, default_value = EXAMPLE_COMMIT)]
    commit: Commit,
    /// The number of the rollout; default: an example, with --diff that of the last rollout
    #[arg(long, value_name = "N")]
    deploy_id: Option<u64>,
    /// Print the differences from the cluster of the kubeconfig; writes nothing
    #[arg(long)]
    diff: bool,
    /// Format of the objects
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLE_COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const EXAMPLE_DEPLOY_ID: u64 = 20_000_000;

/// The objects, in the order of an apply, and the findings.
#[derive(Debug, Serialize)]
struct Report {
    objects: Vec<Value>,
    findings: Vec<Finding>,
}

impl Render {
    /// Renders the manifests, and prints them or what they would change.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        self.act().await.unwrap_or_else(|error| Envelope::error(&error)).print(self.output)
    }

    async fn act(&self) -> anyhow::Result<Envelope> {
        if !self.folder.is_dir() {
            return Err(UsageError(format!("{} is not a folder", self.folder.display())).into());
        }
        let (app, environment) = self.environment()?;
        if self.diff {
            return self.difference(&app, &environment).await;
        }
        let rendered = match render_app(&app, &environment, self.input(&app, &environment)?) {
            Ok(rendered) => rendered,
            Err(findings) => return refused(findings),
        };
        rendered.notes.iter().for_each(|note| eprintln!("{note}"));
        let objects = rendered.objects().map(|object| object.document.clone()).collect();
        let yaml = rendered.objects().map(to_yaml).collect::<anyhow::Result<String>>()?;
        let envelope = Envelope::new("rendered", Exit::Done).with_text(|out| {
            out.push_str(&yaml);
            Ok(())
        });
        envelope.with_data(&Report { objects, findings: rendered.notes })
    }

    /// The differences from the cluster.
    async fn difference(&self, app: &App, environment: &EnvironmentNames) -> anyhow::Result<Envelope> {
        let client = kubeconfig::client().await.context("--diff needs a kubeconfig (KUBECONFIG)")?;
        let last = compare::find_last_rollout(&client, &environment.namespace).await?;
        let mut input = self.input(app, environment)?;
        input.deploy_id = self.deploy_id.or(last.deploy_id).unwrap_or(EXAMPLE_DEPLOY_ID);
        input.doppler_managed_secret = last.secret.clone().or(input.doppler_managed_secret);
        let rendered = match render_app(app, environment, input) {
            Ok(rendered) => rendered,
            Err(findings) => return refused(findings),
        };
        rendered.notes.iter().for_each(|note| eprintln!("{note}"));
        let objects = rendered.objects().cloned().collect();
        difference::envelope(&compare::compare(&client, app, environment, &last, objects).await?)
    }

    /// The app and its environment.
    fn environment(&self) -> anyhow::Result<(App, EnvironmentNames)> {
        let AppFolder { apps, findings, .. } = read_apps(&self.folder);
        let Some(app) = apps.into_iter().find(|app| app.app == self.app) else {
            let errors: Vec<_> = findings.iter().map(|finding| format!("\n{finding}")).collect();
            return Err(UsageError(format!("no app `{}` can be read{}", self.app, errors.concat())).into());
        };
        let environment = match self.pr {
            Some(pr) => app.preview_environment(pr).ok_or_else(|| UsageError("the app has no previews".to_owned()))?,
            None => app.production_environment().ok_or_else(|| UsageError("the app has no production".to_owned()))?,
        };
        Ok((app, environment))
    }

    fn input(&self, app: &App, environment: &EnvironmentNames) -> anyhow::Result<VariableInput> {
        let pushed = self.pushed.read()?;
        check_pushed(app, &pushed)?;
        let Image { repository, tag, digest } = pushed.image;
        let named = pushed
            .images
            .iter()
            .map(|(name, Image { repository, tag, digest })| PushedImage::named(name, repository, tag.clone(), digest));
        let values = pushed.variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(VariableInput {
            deploy_id: self.deploy_id.unwrap_or(EXAMPLE_DEPLOY_ID),
            images: once(PushedImage::new(repository, tag, digest)).chain(named).collect(),
            commit: self.commit.to_string(),
            pushed_names: app.variable_input(environment).pushed_names.with_values(values),
            ..example(app, environment)
        })
    }
}

/// The objects of one environment.
fn render_app(app: &App, environment: &EnvironmentNames, input: VariableInput) -> Result<Rendered, Vec<Finding>> {
    let files = app.source_files()?;
    let reserved = input.doppler_managed_secret.iter().cloned().collect::<Vec<_>>();
    render(&files, &Variables::new(input), &app.policy(environment, reserved))
}

/// The answer about manifests that cannot be rendered.
fn refused(findings: Vec<Finding>) -> anyhow::Result<Envelope> {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.is_error()).map(Finding::to_string).collect();
    let envelope = Envelope::new("failed", Exit::Failed).complain(errors.join("\n"));
    envelope.with_data(&Report { objects: Vec::new(), findings })
}

/// Checks that the app file has the images and variables, as a rollout does.
fn check_pushed(app: &App, pushed: &Pushed) -> anyhow::Result<()> {
    let repository = &pushed.image.repository;
    ensure!(app.images.contains(repository), "`{repository}` is not an image of the app: {}", app.images.join(", "));
    for (name, Image { repository, .. }) in pushed.images.iter() {
        let allowed = app.named_images.get(name);
        let allowed = allowed.with_context(|| format!("`{name}` is not one of the app's `named_images`"))?;
        ensure!(repository == allowed, "`{repository}` is not the image `{name}` of the app: {allowed}");
    }
    for (name, _) in pushed.variables.iter() {
        ensure!(app.push_variables.contains_key(name), "`{name}` is not one of the app's `push_variables`");
    }
    Ok(())
}

/// Example values for what only a rollout knows.
pub(crate) fn example(app: &App, environment: &EnvironmentNames) -> VariableInput {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let main = PushedImage::new(app.images.first().cloned().unwrap_or_default(), None, digest);
    let declared = app.variable_input(environment);
    VariableInput {
        deploy_id: EXAMPLE_DEPLOY_ID,
        images: once(main).chain(app.example_images()).collect(),
        commit: EXAMPLE_COMMIT.to_owned(),
        author: "octocat".to_owned(),
        // berth writes this Secret even without Doppler, since it adds keys of its own.
        doppler_managed_secret: Some(format!("{}-secrets-0123456789", app.app)),
        doppler_token_secret: app.doppler(environment.kind).map(|config| config.token.secret.clone()),
        temporal_server_address: app.own_temporal_address(environment),
        pushed_names: declared.pushed_names.with_values(app.example_variables()),
        ..declared
    }
}

/// One document, with the place that it comes from.
fn to_yaml(object: &Object) -> anyhow::Result<String> {
    Ok(format!("---\n# {}:{}\n{}", object.file, object.line, yaml(&object.document)?))
}

/// A value as YAML. A long text stays in one line, where people look for it.
fn yaml(value: &Value) -> anyhow::Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    Ok(serde_saphyr::to_string_with_options(value, options)?)
}
