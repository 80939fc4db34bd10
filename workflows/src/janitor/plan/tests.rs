use super::*;
use crate::{
    contract::{
        janitor::SentFacts,
        pull_request::{PullRequestFacts, PullRequestState, Timestamp},
    },
    preview_environment::facts::tests::facts,
};

const MINUTE: u64 = 60_000;

fn pull(number: u64, state: PullRequestState) -> ListedPullRequest {
    let facts = PullRequestFacts { state, asked: true, ..facts('a', 0) };
    ListedPullRequest { number, facts }
}

fn open(number: u64) -> ListedPullRequest {
    pull(number, PullRequestState::Open)
}

fn closed(number: u64) -> ListedPullRequest {
    pull(number, PullRequestState::Closed)
}

fn running(numbers: impl IntoIterator<Item = u64>) -> ListedEnvironments {
    let workflow = |pr| ListedWorkflow { pr, run_id: format!("run-{pr}"), phase: "Live".to_owned() };
    ListedEnvironments { workflows: numbers.into_iter().map(workflow).collect(), ..ListedEnvironments::default() }
}

/// A `Janitor` that looks at the running previews of these pull requests.
struct Site {
    memory: Memory,
    found: ListedEnvironments,
}

impl Site {
    fn new(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self { memory: Memory::default(), found: running(numbers) }
    }

    fn look(&mut self, minute: u64, listed: Option<&[ListedPullRequest]>) -> Plan {
        let listed = listed.map(|pulls| ListedPullRequests { pull_requests: pulls.to_vec(), absent: Vec::new() });
        let now_ms = (100 + minute) * MINUTE;
        self.memory.begin(now_ms);
        let look = Look { found: &self.found, listed: listed.as_ref(), now_ms, confirm_ms: 10 * MINUTE };
        self.memory.plan(&look)
    }

    /// The numbers that a look closes.
    fn closes(&mut self, minute: u64, listed: Option<&[ListedPullRequest]>) -> Vec<u64> {
        self.look(minute, listed).close.iter().map(|pull| pull.number).collect()
    }

    /// Looks, and sends what it plans. Returns the numbers of the facts that do not close.
    fn sends(&mut self, minute: u64, listed: &[ListedPullRequest]) -> Vec<u64> {
        let plan = self.look(minute, Some(listed));
        let numbers: Vec<u64> = plan.send.iter().map(|(_, pull)| pull.number).collect();
        let sent = SentFacts { sent: numbers.clone(), ..SentFacts::default() };
        self.memory.take_sent("web", &plan, &sent, minute * MINUTE);
        numbers
    }
}

#[test]
fn closed_pull_request_closes_when_seen_twice_ten_minutes_apart() {
    let mut site = Site::new([1, 2]);
    let listed = [open(1), closed(2)];
    assert_eq!(site.closes(0, Some(&listed)), [0; 0]);
    assert_eq!(site.closes(5, Some(&listed)), [0; 0]);
    assert_eq!(site.closes(9, Some(&listed)), [0; 0]);
    assert_eq!(site.closes(10, Some(&listed)), [2]);
    assert_eq!(site.closes(15, Some(&listed)), [2], "until the environment closes");
    site.found.workflows[1].phase = "TearingDown".to_owned();
    assert_eq!(site.closes(20, Some(&listed)), [0; 0]);
}

#[test]
fn absence_an_error_or_partial_data_never_closes() {
    let mut site = Site::new([1, 2]);
    for minute in 0..10 {
        // Not listed, not answered, and an answer without that one.
        assert_eq!(site.closes(minute * 30, Some(&[])), [0; 0]);
        assert_eq!(site.closes(minute * 30 + 10, None), [0; 0]);
        assert_eq!(site.closes(minute * 30 + 20, Some(&[open(1)])), [0; 0]);
    }
}

#[test]
fn sighting_outlives_an_error_and_not_an_open_pull_request() {
    let mut site = Site::new([2]);
    site.closes(0, Some(&[closed(2)]));
    assert_eq!(site.closes(5, None), [0; 0]);
    assert_eq!(site.closes(6, Some(&[])), [0; 0]);
    assert_eq!(site.closes(10, Some(&[closed(2)])), [2]);

    let mut site = Site::new([2]);
    site.closes(0, Some(&[closed(2)]));
    assert_eq!(site.closes(5, Some(&[open(2)])), [0; 0], "opened again");
    assert_eq!(site.closes(10, Some(&[closed(2)])), [0; 0], "the first sighting of the second close");
    assert_eq!(site.closes(20, Some(&[closed(2)])), [2]);
}

#[test]
fn at_most_five_close_in_a_look_the_longest_known_first() {
    let mut site = Site::new(1..=12);
    site.closes(0, Some(&[closed(12)]));
    let all: Vec<_> = (1..=12).map(closed).collect();
    site.closes(1, Some(&all));
    assert_eq!(site.closes(20, Some(&all)), [12, 1, 2, 3, 4]);
    site.found = running(5..=11);
    assert_eq!(site.closes(25, Some(&all)), [5, 6, 7, 8, 9]);
}

#[test]
fn pull_request_without_a_preview_is_left_alone() {
    let mut site = Site::new([]);
    for minute in [0, 20] {
        assert_eq!(site.look(minute, Some(&[open(1), closed(2)])), Plan::default());
    }
}

#[test]
fn facts_are_sent_once_for_each_time_and_run() {
    let mut site = Site::new([1, 2]);
    assert_eq!(site.sends(0, &[open(1), open(2)]), [1, 2]);
    assert_eq!(site.sends(5, &[open(1), open(2)]), [0; 0]);
    let mut pushed = open(1);
    pushed.facts.updated_at = Timestamp::try_from("2026-11-28T07:20:00Z".to_owned()).unwrap();
    assert_eq!(site.sends(10, &[pushed.clone(), open(2)]), [1]);
    site.found.workflows[1].run_id = "another".to_owned();
    assert_eq!(site.sends(15, &[pushed, open(2)]), [2]);
}

#[test]
fn facts_that_were_not_taken_are_sent_again() {
    let mut site = Site::new([1]);
    let plan = site.look(0, Some(&[open(1)]));
    site.memory.take_sent("web", &plan, &SentFacts { failed: vec![1], ..SentFacts::default() }, 0);
    assert!(site.memory.to_status("web").trouble.unwrap().contains("took no facts: [1]"));
    assert_eq!(site.sends(5, &[open(1)]), [1]);
}

#[test]
fn facts_of_a_closed_pull_request_are_not_sent_before_they_close() {
    let mut site = Site::new([1]);
    assert_eq!(site.look(0, Some(&[closed(1)])).pull_requests(), []);
    assert_eq!(site.look(10, Some(&[closed(1)])).pull_requests(), [closed(1)]);
}

#[test]
fn suspects_are_asked_for_first_and_all_in_turn() {
    let mut site = Site::new(1..=120);
    let seen: Vec<_> = (1..=40).map(open).chain([closed(100)]).collect();
    site.look(0, Some(&seen));
    let first = site.memory.to_ask(&site.found);
    assert_eq!((first.len(), first[0], first[1], first[49]), (MAX_ASKED, 100, 41, 89));
    let second = site.memory.to_ask(&site.found);
    assert_eq!((second.len(), second[0], second[1]), (MAX_ASKED, 100, 90));
    let asked: BTreeSet<u64> = first.into_iter().chain(second).collect();
    assert!((41..=120).all(|number| asked.contains(&number)));
    site.found = running([7]);
    assert_eq!(site.memory.to_ask(&site.found), [7], "there is room for one that was open");
}

#[test]
fn memory_is_carried_whole() {
    let mut site = Site::new([1, 2]);
    site.sends(0, &[open(1), closed(2)]);
    let carried = serde_json::to_value(&site.memory).unwrap();
    assert_eq!(crate::contract::exact::decode::<Memory>(carried), Ok(site.memory));
}
