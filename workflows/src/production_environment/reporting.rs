//! Production's reports on GitHub: a deployment for each commit that is rolled out.

use std::pin::pin;

use futures::FutureExt;
use temporalio_workflow::{WorkflowContext, workflows::select};

use super::{ProductionEnvironment, state::State};
use crate::{
    contract::{
        environment::{Environment, EnvironmentKind},
        release::Release,
    },
    environment::reporting::{ReportedEnvironment, Reporting, report_changes},
    report::{
        Reports,
        view::{RolloutView, Rollouts, View, workflow_pages},
    },
};

impl ReportedEnvironment for ProductionEnvironment {
    fn view(&self) -> Option<View> {
        let input = self.input.as_ref().ok()?;
        self.state.view(&input.app, input.workflow_id(), &self.namespace)
    }

    fn reports(&self) -> &Reports {
        &self.state.reports
    }

    fn reports_mut(&mut self) -> &mut Reports {
        &mut self.state.reports
    }

    fn reporting(&self) -> &Reporting {
        &self.reporting
    }

    fn reporting_mut(&mut self) -> &mut Reporting {
        &mut self.reporting
    }
}

impl ProductionEnvironment {
    /// Lives production's life, and reports it beside it.
    pub(super) async fn reporting_changes<T>(ctx: &WorkflowContext<Self>, life: impl Future<Output = T>) -> T {
        let (mut life, mut reports) = (pin!(life.fuse()), pin!(report_changes(ctx).fuse()));
        select! {
            ended = life => ended,
            never = reports => match never {},
        }
    }
}

impl State {
    /// The view to be shown. None: the app file names no repository of GitHub or has not been read, or there is no App to report as.
    fn view(&self, app: &str, environment: String, namespace: &str) -> Option<View> {
        let rules = self.github.as_ref().filter(|rules| rules.reports)?;
        let book = &self.book;
        let failed = self.failed.as_ref().map(|failed| &failed.failed);
        Some(View {
            app: app.to_owned(),
            kind: EnvironmentKind::Production,
            environment,
            github_environment: rules.production_environment.clone().unwrap_or_else(|| "production".to_owned()),
            url: book.answering().map(Environment::url),
            workflows: workflow_pages(rules, namespace),
            is_closed: false,
            rollouts: Rollouts {
                rolling_out: book.rolling_out.as_ref().and_then(|now| shown(&now.queued.release, Some(&now.rollout))),
                serving: book.serving.as_ref().and_then(|serving| shown(&serving.release, Some(&serving.rollout))),
                failed: failed.and_then(|failed| shown(&failed.release, failed.rollout.as_ref())),
            },
            pull_request: None,
        })
    }
}

/// A rollout as it is shown. GitHub finds a commit by all its digits only.
fn shown(release: &Release, rollout: Option<&String>) -> Option<RolloutView> {
    let commit = Some(&release.commit).filter(|commit| commit.as_str().len() >= 40)?;
    Some(RolloutView { commit: commit.clone(), rollout: rollout.cloned().unwrap_or_default() })
}
