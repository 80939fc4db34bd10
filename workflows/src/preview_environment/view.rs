//! A preview as it is shown on GitHub.

use crate::{
    contract::{
        environment::{Environment, EnvironmentKind, PullRequest},
        load_app::GithubRules,
        release::{Commit, Release},
        status::Status,
    },
    preview_environment::record::Record,
    report::view::{PullRequestView, RolloutView, Rollouts, View, workflow_pages},
};

impl Record {
    /// The view to be shown. None: the app file names no repository of GitHub or has not been read, or there is no App to report
    /// as. `namespace` is Temporal's.
    pub fn view(&self, input: &PullRequest, namespace: &str) -> Option<View> {
        let rules = self.mailbox.facts.github().filter(|rules| rules.reports)?;
        Some(View {
            app: input.app.clone(),
            kind: EnvironmentKind::Preview { pr: input.pr },
            environment: input.workflow_id(),
            github_environment: "preview".to_owned(),
            url: self.answering().map(Environment::url),
            workflows: workflow_pages(rules, namespace),
            is_closed: self.closed,
            rollouts: self.shown_rollouts(),
            pull_request: Some(self.pull_request_view(input, rules)),
        })
    }

    fn pull_request_view(&self, input: &PullRequest, rules: &GithubRules) -> PullRequestView {
        PullRequestView {
            status: Status::new(&input.app, input.pr, self),
            head: self.shown_head(),
            comment: rules.comment,
            commands: rules.commands,
            answers: self.commands.answers().to_vec(),
        }
    }

    /// The newest commit that anything is known of.
    fn shown_head(&self) -> Option<Commit> {
        let facts = &self.mailbox.facts;
        let commit = self.waiting_release().map(|release| &release.commit);
        let newest = self.newest_release();
        let commit = commit.or_else(|| facts.awaited_head(newest)).or_else(|| newest.map(|release| &release.commit));
        // A pull request that is closed has no newest release any more.
        let commit = commit.or_else(|| facts.newest().map(|facts| &facts.head));
        facts.full_commit(commit?)
    }

    fn shown_rollouts(&self) -> Rollouts {
        let shown = |release: &Release, rollout: &str| {
            let commit = self.mailbox.facts.full_commit(&release.commit)?;
            Some(RolloutView { commit, rollout: rollout.to_owned() })
        };
        let book = &self.book;
        let failed = book.failed.as_ref();
        Rollouts {
            rolling_out: book.rolling_out.as_ref().and_then(|now| shown(&now.queued.release, &now.rollout)),
            serving: book.serving.as_ref().and_then(|serving| shown(&serving.release, &serving.rollout)),
            failed: failed.and_then(|failed| shown(&failed.release, failed.rollout.as_deref().unwrap_or_default())),
        }
    }
}
