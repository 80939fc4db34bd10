use berth_workflows::contract::pull_request_list::{ListPullRequestsInput, ListedPullRequest, ListedPullRequests};

use super::*;
use crate::github::list_pull_requests::list_pull_requests;

async fn list(site: &Site, asked: &[u64]) -> Result<Vec<ListedPullRequest>, Failure> {
    Ok(ask(site, asked).await?.pull_requests)
}

async fn ask(site: &Site, asked: &[u64]) -> Result<ListedPullRequests, Failure> {
    let list = ListPullRequestsInput { app: "web".to_owned(), asked: asked.to_vec() };
    list_pull_requests(&site.client, REPOSITORY, &list).await
}

#[tokio::test]
async fn open_pull_requests_are_listed_beside_those_asked_for() {
    let site = Site::start();
    for name in ["merged", "closed", "unasked"] {
        site.github.open(REPOSITORY, NewPull::new(name, &"c".repeat(40))).unwrap();
    }
    let fork = NewPull { fork_of: Some("octocat".to_owned()), is_draft: true, ..NewPull::new("fork", &"d".repeat(40)) };
    site.github.open(REPOSITORY, fork).unwrap();
    site.github.merge(REPOSITORY, 2);
    site.github.close(REPOSITORY, 3);
    site.github.close(REPOSITORY, 4);
    site.github.add_label(REPOSITORY, 1, "preview");
    for _ in 0..2 {
        let listed = list(&site, &[1, 2, 3]).await.unwrap();
        let shown: Vec<_> = listed.iter().map(|pull| (pull.number, pull.facts.is_closed(), pull.facts.fork)).collect();
        assert_eq!(shown, [(1, false, false), (2, true, false), (3, true, false), (5, false, true)]);
        assert!(listed[0].facts.has_label("preview") && listed[3].facts.draft);
        assert!(listed.iter().all(|pull| pull.facts.asked));
        assert_eq!(listed[0].facts.head, head());
    }
}

#[tokio::test]
async fn list_goes_through_all_pages() {
    let site = Site::start();
    (2..=230).for_each(|n| {
        site.github.open(REPOSITORY, NewPull::new(&format!("b{n}"), &"c".repeat(40))).unwrap();
    });
    assert_eq!(list(&site, &[]).await.unwrap().len(), 230);
    assert_eq!(site.github.count("POST", "/graphql"), 3);
}

#[tokio::test]
async fn number_that_does_not_exist_is_named_and_hides_no_other() {
    let site = Site::start();
    site.github.open(REPOSITORY, NewPull::new("closed", &"c".repeat(40))).unwrap();
    site.github.close(REPOSITORY, 2);
    let listed = ask(&site, &[1, 404, 2]).await.unwrap();
    assert_eq!(listed.absent, [404]);
    assert!(listed.facts(2).unwrap().is_closed() && listed.facts(404).is_none());
    assert!(listed.facts(1).is_some_and(|facts| !facts.is_closed()));
}

#[tokio::test]
async fn failing_or_renamed_repository_is_never_an_empty_list() {
    let site = Site::start();
    site.github.fail(Fault::status(502).on("POST", "/graphql").times(1));
    assert_eq!(pause(list(&site, &[]).await), None);
    site.github.fail(Fault::status(200).body("{\"data\": {\"repository\": null}}").on("POST", "/graphql").times(1));
    assert_eq!(pause(list(&site, &[]).await), None);
    site.github.rename(REPOSITORY, "shop");
    assert_eq!(list(&site, &[]).await.unwrap().len(), 1);
    site.github.uninstall(REPOSITORY);
    denied(list(&site, &[]).await);
}
