//! Apps as `berth hooks` knows them: their repository on GitHub, and the jobs that may release them.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use berth_manifests::app::{App, AppFolder, GithubSettings, read_apps};

/// How often the app files are read again. They change with a new image, or with a mounted volume.
const READ_EVERY: Duration = Duration::from_secs(60);

/// An app, as far as it decides who is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AppFacts {
    pub(super) name: String,
    /// Its repository. None: nothing of GitHub is believed about the app.
    pub(super) github: Option<GithubSettings>,
    pub(super) has_previews: bool,
    /// The jobs that may release it. None: it has no production.
    pub(super) production: Option<ReleaseJobs>,
    /// The variables of GitHub that its pushes bring.
    pub(super) job_variables: BTreeSet<String>,
}

/// The jobs that may release an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReleaseJobs {
    /// The branch that they run on.
    pub(super) branch: String,
    /// Their GitHub environment, whose reviewers have let them run.
    pub(super) environment: String,
}

impl AppFacts {
    fn new(app: App) -> Self {
        let production = app
            .production
            .map(|production| ReleaseJobs { branch: production.branch, environment: production.environment });
        let job_variables = app.push_variables.into_keys().filter(|name| name.starts_with("GITHUB_")).collect();
        Self { name: app.app, github: app.github, has_previews: app.preview.is_some(), production, job_variables }
    }

    /// Whether the app's repository has this id.
    pub(super) fn is_of(&self, repository_id: u64) -> bool {
        self.github.as_ref().is_some_and(|github| github.repository_id == repository_id)
    }
}

/// The apps of a folder.
pub(super) struct Apps {
    folder: PathBuf,
    known: RwLock<Arc<Known>>,
}

/// The apps as they are known after a read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    facts: Arc<[AppFacts]>,
    /// The name of each app's file, in the order of the facts.
    files: Vec<String>,
    /// Whether there is a file that cannot be used, and was never read. The app that it describes is unknown.
    has_unknown: bool,
    /// The findings of the read.
    findings: Vec<String>,
}

impl Known {
    /// The apps after another read of the folder. An app keeps its facts while its file is there and cannot be used.
    fn after(&self, AppFolder { apps, findings, .. }: AppFolder) -> Self {
        let broken: BTreeSet<&str> =
            findings.iter().filter(|finding| finding.is_error()).map(|finding| finding.file.as_str()).collect();
        let mut read: Vec<(String, AppFacts)> =
            apps.into_iter().map(|app| (file_name(&app), AppFacts::new(app))).collect();
        let before = self.files.iter().zip(self.facts.iter());
        // Without any app the folder itself cannot be read, or is being replaced.
        let is_lost = read.is_empty();
        let is_kept = |file: &str| is_lost && broken.iter().all(|broken| !is_app_file(broken)) || broken.contains(file);
        let kept: Vec<_> = before
            .filter(|(file, app)| is_kept(file) && read.iter().all(|(_, read)| read.name != app.name))
            .map(|(file, app)| (file.clone(), app.clone()))
            .collect();
        let is_known = |file: &str| self.files.iter().any(|known| known == file);
        let has_unknown = broken.iter().any(|file| is_app_file(file) && !is_known(file));
        read.extend(kept);
        let (files, facts): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        Self { facts: facts.into(), files, has_unknown, findings: findings.iter().map(ToString::to_string).collect() }
    }

    fn log(&self) {
        self.findings.iter().for_each(|finding| tracing::warn!("{finding}"));
        for app in self.facts.iter().filter(|app| app.github.is_none()) {
            tracing::warn!(app = %app.name, "{} has no github.repository_id: nothing is taken for it", app.name);
        }
    }
}

/// The name of an app's file in the folder.
fn file_name(app: &App) -> String {
    app.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether a finding is about a file of the folder, and not about the folder itself.
fn is_app_file(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

impl Apps {
    /// Reads the folder.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn read(folder: PathBuf) -> anyhow::Result<Self> {
        anyhow::ensure!(folder.is_dir(), "{} is not a folder (--apps)", folder.display());
        let apps = Self { folder, known: RwLock::default() };
        apps.read_again();
        Ok(apps)
    }

    /// The apps, as they were read last.
    pub(super) fn all(&self) -> Arc<[AppFacts]> {
        Arc::clone(&self.known().facts)
    }

    /// An app by its name.
    pub(super) fn find(&self, name: &str) -> Option<AppFacts> {
        self.all().iter().find(|app| app.name == name).cloned()
    }

    /// Whether the folder may have an app that is not known, because its file has never been usable.
    pub(super) fn has_unknown(&self) -> bool {
        self.known().has_unknown
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder again. A change is logged.
    fn read_again(&self) {
        let before = self.known();
        let now = before.after(read_apps(&self.folder));
        if now != *before {
            now.log();
            *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(now);
        }
    }

    /// Reads the folder again and again. Never ends.
    pub(super) async fn keep_reading(self: Arc<Self>) {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            let apps = Arc::clone(&self);
            // A read that panics leaves the apps as they were.
            let _ = tokio::task::spawn_blocking(move || apps.read_again()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn write(folder: &Path, app: &str, repository: &str) {
        let file = format!(
            "app: {app}\nrepository: acme/web\nimages: [registry.example.com/{app}]\ngithub: {{ repository_id: {repository} }}\n\
             preview: {{ host: '{app}-{{pr}}.example.com' }}\n"
        );
        fs::write(folder.join(format!("{app}.yaml")), file).unwrap();
    }

    fn names(apps: &Apps) -> Vec<(String, bool)> {
        let mut names: Vec<_> = apps.all().iter().map(|app| (app.name.clone(), app.is_of(7))).collect();
        names.sort();
        names
    }

    #[test]
    fn app_keeps_its_facts_while_its_file_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "api", "7");
        write(folder.path(), "web", "7");
        let apps = Apps::read(folder.path().to_owned()).unwrap();
        let both = [("api".to_owned(), true), ("web".to_owned(), true)];
        assert_eq!(names(&apps), both);
        for broken in ["app: [", "", "app: web\n", "app: web\nrepository: acme/web\nimages: []\n"] {
            fs::write(folder.path().join("web.yaml"), broken).unwrap();
            apps.read_again();
            assert_eq!((names(&apps), apps.has_unknown()), (both.to_vec(), false), "{broken}");
        }
        write(folder.path(), "web", "8");
        apps.read_again();
        assert_eq!(names(&apps), [("api".to_owned(), true), ("web".to_owned(), false)]);
        fs::remove_file(folder.path().join("web.yaml")).unwrap();
        apps.read_again();
        assert_eq!(names(&apps), [("api".to_owned(), true)], "its file is gone, and so is the app");
    }

    #[test]
    fn apps_stay_while_none_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "web", "7");
        let apps = Apps::read(folder.path().to_owned()).unwrap();
        fs::write(folder.path().join("web.yaml"), "app: [").unwrap();
        apps.read_again();
        assert_eq!(names(&apps).len(), 1);
        fs::remove_dir_all(folder.path()).unwrap();
        apps.read_again();
        assert_eq!((names(&apps).len(), apps.has_unknown()), (1, false));
    }

    #[test]
    fn file_that_was_never_usable_leaves_an_unknown_app() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "web", "7");
        fs::write(folder.path().join("api.yaml"), "app: [").unwrap();
        let apps = Apps::read(folder.path().to_owned()).unwrap();
        assert!(apps.has_unknown() && names(&apps).len() == 1);
        write(folder.path(), "api", "7");
        apps.read_again();
        assert!(!apps.has_unknown() && names(&apps).len() == 2);
    }
}
