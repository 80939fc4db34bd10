//! The whole way from the stand-in for GitHub: its webhooks as it delivers them, and the tokens of its jobs.

use berth_lab::github::{GithubServer, NewPull};
use berth_test_support::preview::{Preview, preview};

use crate::{REPOSITORY, history::await_messages, process::Hooks};

#[tokio::test]
async fn life_of_a_pull_request_reaches_its_environment() {
    preview("hooks-life", async |t: Preview| {
        let github = GithubServer::start().unwrap();
        let hooks = Hooks::begin("previews", "hooks-life", &t.address, &t.task_queue, &github.url()).await;
        hooks.await_ready().await;
        github.send_webhooks(&hooks.webhook_url(), hooks.secret());
        github.ping();
        let (first, second) = ("a".repeat(40), "b".repeat(40));
        let number = github.open(REPOSITORY, NewPull::new("feature", &first)).unwrap();
        assert_eq!(number, t.input.pr);
        github.add_label(REPOSITORY, number, "preview");
        github.add_label(REPOSITORY, number, "bug");
        github.push(REPOSITORY, number, &second);
        github.delivered().await;
        let deliveries = github.deliveries();
        assert!(deliveries.iter().all(|delivery| delivery.status == Some(202)), "{deliveries:#?}");

        let sent = await_messages(&t.client, &t.input.workflow_id(), 3).await;
        assert!(sent.len() == 3 && sent.iter().all(|(name, _)| name == "pull_request"), "{sent:#?}");
        assert_eq!((&sent[0].1["head"], &sent[2].1["head"]), (&first.into(), &second.into()));
    })
    .await;
}
