use super::*;
use crate::{
    contract::{
        environment::PullRequest,
        load_app::GithubRules,
        report::{CheckConclusion, CheckStatus},
    },
    environment::book::RolloutEnd,
    report::examples::{Example, abbreviated, crash_loop, rules_with_pages},
};

/// GitHub: it gives each thing that is made the next id.
#[derive(Default)]
struct Github {
    reports: Reports,
    last_id: u64,
    writes: Vec<String>,
}

impl Github {
    /// Writes until nothing differs. Returns what was written.
    fn settle(&mut self, example: &Example) -> Vec<String> {
        let first = self.writes.len();
        while let Some(wanted) = self.reports.next_write(&example.view()) {
            assert!(self.writes.len() < first + 20, "it never ends: {:?}", self.writes);
            self.reports.begin(&wanted);
            let id = self.take(&wanted.write);
            self.reports.record(wanted, Reported { id: Some(id), gone: false });
        }
        self.writes[first..].to_vec()
    }

    fn take(&mut self, write: &GithubWrite) -> u64 {
        let (id, what) = match write {
            GithubWrite::Comment { id, marker, .. } => (*id, format!("comment {}", marker.contains(':'))),
            GithubWrite::Check { head, id, status, conclusion, .. } => {
                let state = conclusion.map_or_else(|| format!("{status:?}"), |conclusion| format!("{conclusion:?}"));
                (*id, format!("check {} {state}", head.short()))
            }
            GithubWrite::Deployment { reference, task, transient, .. } => {
                (None, format!("deployment {} of {task} transient {transient}", reference.short()))
            }
            GithubWrite::DeploymentStatus { deployment, state, .. } => {
                (Some(*deployment), format!("deployment {deployment} {state:?}"))
            }
        };
        self.writes.push(what);
        id.unwrap_or_else(|| {
            self.last_id += 1;
            self.last_id
        })
    }
}

#[test]
fn life_of_a_preview_is_written_once_each() {
    let (mut github, mut example) = (Github::default(), Example::new());
    assert_eq!(github.settle(&example), ["comment true"], "it awaits a push");
    example.head('a');
    assert_eq!(github.settle(&example), ["comment true", "check aaaaaaa Queued"]);
    let queued = example.begin(Some('a'));
    let begun = ["comment true", "check aaaaaaa InProgress", "deployment aaaaaaa of preview-web-123 transient true"];
    assert_eq!(github.settle(&example)[..3], begun);
    assert_eq!(github.writes.last().unwrap(), "deployment 3 InProgress");
    example.record.book.conclude(queued, RolloutEnd::Failed(Box::new(crash_loop()), Box::default()), 0, 1);
    assert_eq!(github.settle(&example), ["comment true", "check aaaaaaa Failure", "deployment 3 Failure"]);
    example.live('a');
    assert_eq!(github.settle(&example), ["comment true", "check aaaaaaa Success", "deployment 3 Success"]);
    assert_eq!(github.settle(&example), Vec::<String>::new());
    example.close();
    assert_eq!(github.settle(&example), ["comment true", "deployment 3 Inactive"], "a conclusion stays");
}

#[test]
fn deployment_stays_active_until_the_next_one_is_live() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.live('a');
    github.settle(&example);
    let begun = example.begin(Some('b'));
    let written = github.settle(&example);
    assert!(!written.iter().any(|write| write.contains("Inactive")), "{written:?}");
    let failed = RolloutEnd::Failed(Box::new(crash_loop()), Box::default());
    example.end(begun, failed);
    github.settle(&example);
    example.live('c');
    let written = github.settle(&example);
    let states: Vec<_> = written.iter().filter(|write| write.contains("tive") || write.contains("Success")).collect();
    assert_eq!(states.len(), 4, "the check, and three deployments: {written:?}");
    assert!(states[1].ends_with("Success") && states[3].ends_with("Inactive"), "{written:?}");
}

#[test]
fn check_of_an_earlier_head_is_cancelled() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.head('a');
    github.settle(&example);
    example.head('b');
    let written = github.settle(&example);
    assert_eq!(written[1..], ["check aaaaaaa Cancelled", "check bbbbbbb Queued"]);
}

#[test]
fn fork_gets_a_comment_of_its_own_once() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.fork('a');
    assert_eq!(github.settle(&example), ["comment true", "comment true", "check aaaaaaa ActionRequired"]);
    assert_eq!(github.settle(&example), Vec::<String>::new());
    example.approve('a');
    assert_eq!(github.settle(&example), ["comment true", "check aaaaaaa InProgress"]);
    assert_eq!(github.reports.comment.id, Some(1));
}

#[test]
fn deleted_comment_is_made_again_with_the_next_push() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.failed('a', crash_loop());
    github.settle(&example);
    example.live('a');
    let wanted = github.reports.next_write(&example.view()).unwrap();
    assert!(matches!(wanted.write, GithubWrite::Comment { id: Some(1), .. }));
    github.reports.record(wanted, Reported { id: None, gone: true });
    assert!(!github.settle(&example).contains(&"comment true".to_owned()));
    example.live('b');
    assert!(github.settle(&example).contains(&"comment true".to_owned()));
}

#[test]
fn write_that_github_refuses_is_not_tried_again() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.live('a');
    let mut refused = 0;
    while let Some(wanted) = github.reports.next_write(&example.view()) {
        github.reports.refuse(wanted, "no permission".into());
        refused += 1;
        assert!(refused < 10);
    }
    assert_eq!((refused, github.reports.trouble.as_deref()), (3, Some("no permission")));
    example.failed('b', crash_loop());
    assert!(github.reports.next_write(&example.view()).is_some(), "other content is tried");
}

#[test]
fn preview_that_was_never_shown_has_no_last_report() {
    let mut example = Example::new();
    example.close();
    assert_eq!(Reports::default().next_write(&example.view()), None);
    let mut reports = Reports::default();
    reports.comment.is_begun = true;
    let wanted = reports.next_write(&example.view()).unwrap();
    assert!(matches!(wanted.write, GithubWrite::Comment { id: None, .. }), "it may have been made");
}

#[test]
fn carried_state_leads_to_no_write() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.live('a');
    example.failed('b', crash_loop());
    github.settle(&example);
    example.record.reports = github.reports.clone();
    example.record = serde_json::from_value(serde_json::to_value(example.record.to_carry()).unwrap()).unwrap();
    assert_eq!(example.record.reports.next_write(&example.view()), None);
}

#[test]
fn abbreviated_commit_has_no_check_and_no_deployment() {
    let (mut github, mut example) = (Github::default(), Example::new());
    let queued = example.begin(Some('a'));
    example.record.book.rolling_out.as_mut().unwrap().queued.release.commit = abbreviated('a');
    assert_eq!(github.settle(&example), ["comment true"]);
    example.head('a');
    assert!(github.settle(&example).contains(&"check aaaaaaa InProgress".to_owned()), "facts know all its digits");
    drop(queued);
}

#[test]
fn check_states_have_the_conclusions_that_people_expect() {
    let state =
        |example: &Example| check::wanted(&example.view()).map(|(_, state, _)| (state.status, state.conclusion));
    let mut example = Example::new();
    assert_eq!(state(&example), None);
    example.head('a');
    assert_eq!(state(&example), Some((CheckStatus::Queued, None)));
    example.live('a');
    assert_eq!(state(&example), Some((CheckStatus::Completed, Some(CheckConclusion::Success))));
    example.close();
    assert_eq!(state(&example), Some((CheckStatus::Completed, Some(CheckConclusion::Cancelled))));
}

#[test]
fn comment_that_was_deleted_before_the_first_push_comes_with_it() {
    let (mut github, mut example) = (Github::default(), Example::new());
    github.settle(&example);
    example.record.notes.add("something");
    let wanted = Reports { comment: Shown { key: None, ..github.reports.comment.clone() }, ..Reports::default() };
    let wanted = wanted.next_write(&example.view()).unwrap();
    github.reports.record(wanted, Reported { id: None, gone: true });
    assert_eq!(github.settle(&example), Vec::<String>::new());
    example.live('a');
    assert!(github.settle(&example).contains(&"comment true".to_owned()));
}

#[test]
fn part_that_github_does_not_take_lets_the_others_go_first() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.live('a');
    let comment = github.reports.next_write(&example.view()).unwrap();
    assert!(matches!(comment.write, GithubWrite::Comment { .. }));
    github.reports.fail(&comment, "503".into());
    let next = github.reports.next_write(&example.view()).unwrap();
    assert!(matches!(next.write, GithubWrite::Check { .. }), "{next:?}");
    assert!(github.settle(&example).contains(&"comment true".to_owned()), "it is tried again");
}

#[test]
fn refused_write_is_tried_again_after_news_of_the_pull_request() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.live('a');
    while let Some(wanted) = github.reports.next_write(&example.view()) {
        github.reports.refuse(wanted, "the conversation is locked".into());
    }
    github.reports.forget_refusals();
    assert_eq!(github.settle(&example).len(), 4, "{:?}", github.writes);
}

#[test]
fn deployment_that_serves_stays_active_while_it_is_rolled_out_again() {
    let (mut github, mut example) = (Github::default(), Example::new());
    example.live('a');
    github.settle(&example);
    example.record.redeploy().unwrap();
    let begun = example.begin(None);
    github.settle(&example);
    example.end(begun, RolloutEnd::Failed(Box::new(crash_loop()), Box::default()));
    github.settle(&example);
    let states: Vec<_> = github.writes.iter().filter(|write| write.starts_with("deployment")).collect();
    assert_eq!(states, ["deployment aaaaaaa of preview-web-123 transient true", "deployment 3 Success"]);
}

#[test]
fn every_deployment_of_many_pushes_ends_inactive() {
    let (mut github, mut example) = (Github::default(), Example::new());
    for digit in "abcdef0123456789".chars() {
        example.live(digit);
        github.settle(&example);
    }
    example.close();
    github.settle(&example);
    let ended = github.writes.iter().filter(|write| write.ends_with("Inactive")).count();
    assert_eq!(ended, 16, "{:#?}", github.writes);
}

#[test]
fn nothing_is_shown_without_an_app_to_report_as() {
    let mut example = Example::new();
    let is_shown = |example: &Example| example.record.view(&PullRequest::new("web", 123), "ci").is_some();
    assert!(is_shown(&example));
    example.record.take_rules(Ok(Some(GithubRules { reports: false, ..rules_with_pages() })));
    assert!(!is_shown(&example));
}
