use berth_lab::github::PERSON;
use berth_workflows::contract::command::{AdmitCommandInput, AdmittedCommand, CommentCommand};

use super::*;
use crate::github::admit_command::admit_command;

async fn admit(site: &Site, comment: u64) -> AdmittedCommand {
    let admit = AdmitCommandInput { app: "web".to_owned(), pull_request: 1, comment };
    admit_command(&site.client, REPOSITORY, &admit).await.unwrap()
}

fn reason(admitted: AdmittedCommand) -> String {
    let AdmittedCommand::Refused { reason, .. } = admitted else { panic!("{admitted:?}") };
    reason
}

#[tokio::test]
async fn command_of_a_writer_is_admitted_and_reacted_to_once() {
    let site = Site::start();
    let id = site.github.comment(REPOSITORY, 1, PERSON, "/berth web redeploy");
    for _ in 0..2 {
        let admitted = admit(&site, id).await;
        let AdmittedCommand::Admitted { by, command } = admitted else { panic!("{admitted:?}") };
        assert_eq!((by.as_str(), command), (PERSON, CommentCommand::Redeploy));
    }
    let comments = site.github.comments(REPOSITORY, 1);
    assert_eq!(comments[0].reactions().collect::<Vec<_>>(), [(site.github.bot().as_str(), "eyes")]);
}

#[tokio::test]
async fn command_is_admitted_though_the_reaction_fails() {
    let site = Site::start();
    let id = site.github.comment(REPOSITORY, 1, PERSON, "/berth status");
    let reactions = "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions";
    site.github.fail(Fault::status(403).on("POST", reactions));
    assert!(matches!(admit(&site, id).await, AdmittedCommand::Admitted { .. }));
}

#[tokio::test]
async fn role_of_the_author_decides() {
    let site = Site::start();
    let id = site.github.comment(REPOSITORY, 1, PERSON, "/berth redeploy");
    for (role, may) in
        [("admin", true), ("maintain", true), ("write", true), ("triage", false), ("read", false), ("none", false)]
    {
        site.github.set_role(REPOSITORY, PERSON, role);
        let admitted = admit(&site, id).await;
        assert_eq!(matches!(admitted, AdmittedCommand::Admitted { .. }), may, "{role}: {admitted:?}");
    }
}

#[tokio::test]
async fn edited_deleted_or_wrong_command_is_refused() {
    let site = Site::start();
    let wrong = site.github.comment(REPOSITORY, 1, PERSON, "/berth fly");
    assert!(reason(admit(&site, wrong).await).contains("there is no command"));
    let id = site.github.comment(REPOSITORY, 1, PERSON, "/berth redeploy");
    site.github.advance(Duration::from_secs(5));
    site.github.edit_comment(REPOSITORY, id, "/berth run wipe");
    assert!(reason(admit(&site, id).await).contains("was edited"));
    site.github.delete_comment(REPOSITORY, id);
    assert!(reason(admit(&site, id).await).contains("is gone"));
}

#[tokio::test]
async fn comment_that_is_no_command_here_is_nothing() {
    let site = Site::start();
    let other = site.github.open(REPOSITORY, NewPull::new("other", &"b".repeat(40))).unwrap();
    let bot = site.github.bot();
    for (number, author, body) in [
        (1, PERSON, "looks good"),
        (1, PERSON, "> /berth redeploy"),
        (1, PERSON, "/berth shop redeploy"),
        (other, PERSON, "/berth redeploy"),
        (1, bot.as_str(), "/berth redeploy"),
    ] {
        let id = site.github.comment(REPOSITORY, number, author, body);
        assert_eq!(admit(&site, id).await, AdmittedCommand::Nothing, "{author}: {body}");
    }
    assert!(site.github.comments(REPOSITORY, 1).iter().all(|comment| comment.reactions().count() == 0));
}
