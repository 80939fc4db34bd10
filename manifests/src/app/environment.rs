//! Names of an app's environments, and the policy for the manifests of one.

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock};

use super::{App, CronJobs, DopplerConfig, Egress, EgressAllowed, Gate, Isolation, Pattern, PodSecurity};
use crate::network;
use crate::render::{
    EnvironmentKind, Finding, Inspection, PolicyInput, SourceFiles, VariableInput, Variables, builtin, content_hash,
    find_temporal_service, inspect, unique_name,
};

/// The names of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentNames {
    /// Preview or production.
    pub kind: EnvironmentKind,
    /// The pull request's number, in a preview.
    pub pr: Option<u64>,
    /// The namespace.
    pub namespace: String,
    /// The web app's host name.
    pub host: String,
    /// temporal-ui's host name, if it has one.
    pub temporal_ui_host: Option<String>,
}

impl App {
    /// The names of a pull request's environment; `None` if the app has no previews.
    pub fn preview_environment(&self, pr: u64) -> Option<EnvironmentNames> {
        let preview = self.preview.as_ref()?;
        let render = |text: &str| Some(Pattern::new(text, &self.app).ok()?.render(pr));
        Some(EnvironmentNames {
            kind: EnvironmentKind::Preview,
            pr: Some(pr),
            namespace: render(&preview.namespace)?,
            host: render(&preview.host)?,
            temporal_ui_host: preview.temporal_ui_host.as_deref().and_then(render),
        })
    }

    /// The names of the production environment; `None` if the app has none.
    pub fn production_environment(&self) -> Option<EnvironmentNames> {
        let production = self.production.as_ref()?;
        let render = |text: &str| text.replace("{app}", &self.app);
        Some(EnvironmentNames {
            kind: EnvironmentKind::Production,
            pr: None,
            namespace: render(&production.namespace),
            host: render(&production.host),
            temporal_ui_host: production.temporal_ui_host.as_deref().map(render),
        })
    }

    /// The namespace of a pull request's environment.
    pub fn namespace_for(&self, pr: u64) -> Option<String> {
        self.preview_environment(pr).map(|environment| environment.namespace)
    }

    /// The web app's host name in a pull request's environment.
    pub fn host_for(&self, pr: u64) -> Option<String> {
        self.preview_environment(pr).map(|environment| environment.host)
    }

    /// The inputs of the variables that are the same in every rollout of an environment. The others are empty.
    pub fn variable_input(&self, environment: &EnvironmentNames) -> VariableInput {
        VariableInput {
            app: self.app.clone(),
            namespace: environment.namespace.clone(),
            environment_kind: environment.kind,
            pr: environment.pr,
            deploy_id: 0,
            images: Vec::new(),
            host: environment.host.clone(),
            temporal_ui_host: environment.temporal_ui_host.clone(),
            commit: String::new(),
            author: String::new(),
            repository: self.repository.clone(),
            doppler_managed_secret: None,
            doppler_token_secret: None,
            temporal_server_address: String::new(),
            pushed_names: self.pushed_names(),
            extra: self.variables_of(environment.kind),
        }
    }

    /// The app's further variables in one kind of environment. Those of the environment win.
    fn variables_of(&self, kind: EnvironmentKind) -> BTreeMap<String, String> {
        let own = match kind {
            EnvironmentKind::Preview => self.preview.as_ref().map(|preview| &preview.variables),
            EnvironmentKind::Production => self.production.as_ref().map(|production| &production.variables),
        };
        let mut variables = self.variables.clone();
        variables.extend(own.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        variables
    }

    /// The policy for the manifests of one environment. `reserved_secrets` are the Secrets that berth writes there.
    pub fn policy(
        &self,
        environment: &EnvironmentNames,
        reserved_secrets: impl IntoIterator<Item = String>,
    ) -> PolicyInput {
        let hosts = [Some(&environment.host), environment.temporal_ui_host.as_ref()];
        let pull_secret = self.image_pull_secret.as_ref().map(|secret| secret.copy.clone());
        PolicyInput {
            environment_kind: environment.kind,
            namespace: environment.namespace.clone(),
            unique_name: unique_name(&self.app, environment.pr),
            hosts: hosts.into_iter().flatten().cloned().collect(),
            cluster_kinds: self.cluster_kinds.clone(),
            kinds: self.kinds.clone(),
            reserved_secrets: reserved_secrets.into_iter().chain(pull_secret.clone()).collect(),
            pull_secret,
            suspend_cron_jobs: self.suspends_cron_jobs(environment.kind),
            known: self.known.clone(),
            closed: network::closed(&[]),
        }
    }

    /// Whether `CronJob`s are suspended in one kind of environment. In production they run as written.
    fn suspends_cron_jobs(&self, kind: EnvironmentKind) -> bool {
        let setting = self.preview.as_ref().map(|preview| preview.cron_jobs).unwrap_or_default();
        kind == EnvironmentKind::Preview && setting == CronJobs::Suspend
    }

    /// The folder of the app's manifests; `None` if it uses the built-in ones.
    pub(super) fn manifests_folder(&self) -> Option<PathBuf> {
        let folder = self.file.parent()?;
        self.manifests.as_ref().map(|manifests| folder.join(manifests))
    }

    /// The app's manifests, or the built-in ones if it has none.
    ///
    /// # Errors
    /// As [`SourceFiles::read`].
    pub fn source_files(&self) -> Result<SourceFiles, Vec<Finding>> {
        match self.manifests_folder() {
            Some(folder) => SourceFiles::read(&folder, &self.manifests_label()),
            None => Ok(builtin::files()),
        }
    }

    /// The prefix of the manifests' paths in findings: `web` for `./web/`.
    pub(super) fn manifests_label(&self) -> String {
        let manifests = self.manifests.as_deref().unwrap_or_default();
        manifests.trim_start_matches("./").trim_end_matches('/').to_owned()
    }

    /// The address of the environment's own Temporal server: that of the app's Service with port 7233, or else the one that the
    /// built-in manifests have.
    ///
    /// It is needed before a push is known. What that leaves open in the manifests is told when they are applied.
    pub fn own_temporal_address(&self, environment: &EnvironmentNames) -> String {
        let usual = format!("{}-temporal", self.app);
        let found = self.source_files().ok().and_then(|files| {
            let variables = Variables::new(self.variable_input(environment));
            let Inspection { rendered, .. } = inspect(&files, &variables, &self.policy(environment, []));
            find_temporal_service(rendered.objects(), &usual).map(str::to_owned)
        });
        format!("{}.{}.svc.cluster.local:7233", found.unwrap_or(usual), environment.namespace)
    }

    /// A hash of a rollout's inputs, except for the push.
    pub fn content_hash(&self, files: &SourceFiles) -> String {
        // A struct of strings and numbers always serialises. Even an empty context would still hash the manifests.
        content_hash(&serde_json::to_vec(self).unwrap_or_default(), files)
    }

    /// The Doppler config of one kind of environment.
    pub fn doppler(&self, kind: EnvironmentKind) -> Option<&DopplerConfig> {
        let doppler = &self.secrets.as_ref()?.doppler;
        match kind {
            EnvironmentKind::Preview => doppler.preview.as_ref(),
            EnvironmentKind::Production => doppler.production.as_ref(),
        }
    }

    /// The gates of one kind of environment. An app with neither gates nor manifests gets the built-in gates.
    pub fn gates(&self, kind: EnvironmentKind) -> &[Gate] {
        static BUILTIN: LazyLock<Vec<Gate>> = LazyLock::new(|| {
            // A test parses this constant, so it cannot fail here.
            serde_saphyr::from_str(builtin::GATES).unwrap_or_default()
        });
        let gates = match kind {
            EnvironmentKind::Preview => self.preview.as_ref().map(|preview| &preview.gates),
            EnvironmentKind::Production => self.production.as_ref().map(|production| &production.gates),
        };
        match gates.map(Vec::as_slice) {
            Some([]) if self.manifests.is_none() => &BUILTIN,
            gates => gates.unwrap_or_default(),
        }
    }

    /// The Pod Security level of the previews' namespaces.
    pub fn pod_security(&self) -> PodSecurity {
        self.level_of(&self.isolation)
    }

    /// The destinations that the previews' pods may connect to.
    pub fn egress(&self) -> Egress {
        self.isolation.egress
    }

    /// The networks that pods of one kind of environment may connect to besides.
    pub fn egress_allowed(&self, kind: EnvironmentKind) -> &[EgressAllowed] {
        let isolation = match kind {
            EnvironmentKind::Preview => Some(&self.isolation),
            EnvironmentKind::Production => {
                self.production.as_ref().and_then(|production| production.isolation.as_ref())
            }
        };
        isolation.map(|isolation| isolation.egress_allow.as_slice()).unwrap_or_default()
    }

    /// The isolation of production, where it is berth's: the namespace's Pod Security level, and the destinations that pods
    /// may connect to. Without it, berth makes no `NetworkPolicy` and changes no Pod Security label there.
    pub fn production_isolation(&self) -> Option<(PodSecurity, Egress)> {
        let isolation = self.production.as_ref()?.isolation.as_ref()?;
        Some((self.level_of(isolation), isolation.egress))
    }

    /// The Pod Security level. Manifests of a team's own are seldom written for `restricted`.
    fn level_of(&self, isolation: &Isolation) -> PodSecurity {
        let default = if self.manifests.is_some() { PodSecurity::Baseline } else { PodSecurity::Restricted };
        isolation.pod_security.unwrap_or(default)
    }
}
