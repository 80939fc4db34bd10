//! Apps as `berth hooks` knows them: their repository on GitHub, and the jobs that may release them.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use berth_manifests::app::{App, GithubSettings, read_apps};

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
        Self { name: app.app, github: app.github, has_previews: app.preview.is_some(), production }
    }

    /// Whether the app's repository has this id.
    pub(super) fn is_of(&self, repository_id: u64) -> bool {
        self.github.as_ref().is_some_and(|github| github.repository_id == repository_id)
    }
}

/// The apps of a folder.
pub(super) struct Apps {
    folder: PathBuf,
    facts: RwLock<Arc<[AppFacts]>>,
}

impl Apps {
    /// Reads the folder.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn read(folder: PathBuf) -> anyhow::Result<Self> {
        anyhow::ensure!(folder.is_dir(), "{} is not a folder (--apps)", folder.display());
        let found = read_apps(&folder);
        found.findings.iter().for_each(|finding| tracing::warn!("{finding}"));
        let facts: Arc<[AppFacts]> = found.apps.into_iter().map(AppFacts::new).collect();
        for app in facts.iter().filter(|app| app.github.is_none()) {
            tracing::warn!(app = %app.name, "{} has no github.repository_id: nothing is taken for it", app.name);
        }
        Ok(Self { folder, facts: RwLock::new(facts) })
    }

    /// The apps, as they were read last.
    pub(super) fn all(&self) -> Arc<[AppFacts]> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An app by its name.
    pub(super) fn find(&self, name: &str) -> Option<AppFacts> {
        self.all().iter().find(|app| app.name == name).cloned()
    }

    /// Reads the folder again and again. Never ends.
    pub(super) async fn keep_reading(&self) {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            let folder = self.folder.clone();
            // A folder that cannot be read leaves the apps as they were.
            let Ok(found) = tokio::task::spawn_blocking(move || read_apps(&folder)).await else { continue };
            if !found.apps.is_empty() {
                let facts = found.apps.into_iter().map(AppFacts::new).collect();
                *self.facts.write().unwrap_or_else(PoisonError::into_inner) = facts;
            }
        }
    }
}
