//! `berth check`: finds every error in a folder of apps, without a cluster unless asked.

use std::{
    fmt::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use berth_activities::release::stored_release::why_too_large;
use berth_manifests::{
    app::{App, AppFolder, EnvironmentNames, read_apps},
    render::{
        EnvironmentKind, Finding, Inspection, Rendered, Rights, Severity, SourceFiles, Variables, check_classes,
        check_granted, check_references, check_schemas, inspect, without_consequences,
    },
};
use serde::Serialize;

use crate::{
    envelope::{Envelope, Output},
    exit::{self, Exit, UsageError},
    render::example,
};

mod advice;
mod cluster;
mod workloads;

use cluster::Cluster;

/// The pull request that manifests are rendered for.
const EXAMPLE_PR: u64 = 123;

/// Check app files and their manifests; needs neither a cluster nor Temporal
///
/// Renders the manifests with example values and prints every finding, with file, line and field. With --cluster it also says
/// what this cluster lacks: classes of pods, Ingresses and volumes, further kinds, and rights of berth.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::help(exit::CHECK))]
pub(crate) struct Check {
    /// The folder: one YAML file per app, its manifests beside it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Look up classes, rights and further kinds in the cluster of the kubeconfig
    #[arg(long)]
    cluster: bool,
    /// Format of the findings
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The checked apps, and the findings.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    apps: Vec<String>,
    findings: Vec<Finding>,
}

impl Check {
    /// Checks the folder, and prints the findings.
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
        let cluster = if self.cluster { Some(Cluster::read().await?) } else { None };
        let AppFolder { apps, mut findings, .. } = read_apps(&self.folder);
        if let Some(cluster) = &cluster {
            for app in &apps {
                findings.extend(cluster.check_kinds(app, &file_name(app)).await?);
            }
        }
        check(apps, findings, cluster.as_ref()).to_envelope()
    }
}

/// Every finding about apps, besides those that are known already, in the order of files and lines.
fn check(apps: Vec<App>, mut findings: Vec<Finding>, cluster: Option<&Cluster>) -> Report {
    findings.extend(apps.iter().flat_map(|app| check_app(app, cluster)));
    // Findings about what the environments of an app share come twice.
    let mut seen: Vec<Finding> = Vec::new();
    for finding in findings {
        if !seen.contains(&finding) {
            seen.push(finding);
        }
    }
    seen.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    let ok = !seen.iter().any(Finding::is_error);
    Report { ok, apps: apps.into_iter().map(|app| app.app).collect(), findings: seen }
}

/// The name of an app's file.
fn file_name(app: &App) -> String {
    app.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn check_app(app: &App, cluster: Option<&Cluster>) -> Vec<Finding> {
    let file = file_name(app);
    let mut findings = advice::advise_on_app(app, &file);
    if app.manifests.is_none() {
        findings.push(Finding::note(&*file, 0, "names no `manifests`: the environment that berth brings is used"));
    }
    let files = match app.source_files() {
        Ok(files) => files,
        Err(found) => {
            findings.extend(found);
            return findings;
        }
    };
    findings.extend(files.not_applied().iter().cloned());
    let environments = [app.preview_environment(EXAMPLE_PR), app.production_environment()].into_iter().flatten();
    let found = environments.map(|environment| {
        let found = check_environment(app, &file, &files, &environment, cluster);
        (environment.kind, found)
    });
    findings.extend(label(found.collect()));
    findings
}

/// The findings about all environments. One that is not about each of them says which it is about.
fn label(found: Vec<(EnvironmentKind, Vec<Finding>)>) -> Vec<Finding> {
    let is_everywhere = |finding: &Finding| found.iter().all(|(_, other)| other.contains(finding));
    let labelled = found.iter().flat_map(|(kind, of_kind)| {
        of_kind.iter().cloned().map(|finding| if is_everywhere(&finding) { finding } else { finding.only_in(*kind) })
    });
    labelled.collect()
}

fn check_environment(
    app: &App,
    file: &str,
    files: &SourceFiles,
    environment: &EnvironmentNames,
    cluster: Option<&Cluster>,
) -> Vec<Finding> {
    let input = example(app, environment);
    let reserved = input.doppler_managed_secret.iter().chain(&input.doppler_token_secret).cloned().collect::<Vec<_>>();
    let variables = Variables::new(input);
    let policy = app.policy(environment, reserved);
    let Inspection { mut rendered, is_complete } = inspect(files, &variables, &policy);
    let mut findings = std::mem::take(&mut rendered.notes);
    let mut found = check_schemas(&rendered);
    if !findings.iter().any(Finding::is_error) {
        found.extend(advice::advise_on_environment(app, file, environment, &rendered));
    }
    // A document that cannot be read may have the other end of a reference.
    if is_complete {
        found.extend(workloads::check_gates(app, file, environment.kind, &variables, &rendered));
        found.extend(workloads::check_scripts(app, file, environment.kind, &variables, &rendered));
        found.extend(check_references(&rendered, &policy, &app.provided));
    }
    let rights = cluster.and_then(|cluster| cluster.rights.as_ref()).unwrap_or_else(|| Rights::installed());
    let cluster_roles = cluster.and_then(|cluster| cluster.roles.as_ref());
    found.extend(check_granted(&rendered, rights, cluster_roles));
    found.extend(cluster.iter().flat_map(|cluster| check_classes(&rendered, &cluster.classes)));
    found.extend(check_size(file, &rendered));
    let found = without_consequences(found, &findings);
    findings.extend(found);
    // A finding about all the manifests has no file.
    findings
        .into_iter()
        .map(|finding| if finding.file.is_empty() { Finding { file: file.to_owned(), ..finding } } else { finding })
        .collect()
}

/// The finding about a release that is too large to be stored.
fn check_size(file: &str, rendered: &Rendered) -> Option<Finding> {
    let objects: Vec<_> = rendered.objects().map(|object| object.document.clone()).collect();
    why_too_large(&objects).map(|why| Finding::error(file, 0, why).field("manifests"))
}

impl Report {
    fn to_envelope(&self) -> anyhow::Result<Envelope> {
        let envelope =
            if self.ok { Envelope::new("passed", Exit::Done) } else { Envelope::new("failed", Exit::Failed) };
        envelope.with_text(|out| self.write(out)).with_data(self)
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))?;
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let apps = if self.apps.is_empty() { "none".to_owned() } else { self.apps.join(", ") };
        writeln!(out, "apps checked: {apps}; errors: {errors}, warnings: {warnings}")
    }
}

#[cfg(test)]
mod tests;
