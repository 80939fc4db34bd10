//! The effect of each answer of Doppler on a rollout, as a table.

use std::{fmt::Write as _, process::Command, sync::Mutex, thread, time::Duration};

use berth_lab::Failure;
use berth_test_support::Answer;
use serde_json::Value;

use super::{WITHOUT_PODS, bench::Bench};

/// A way in which reading secrets can go, and the outcome of the rollout.
struct Case {
    pr: u64,
    what: &'static str,
    /// The key and the token in the app's token Secret. None means that there is no such Secret.
    token: Option<(&'static str, &'static str)>,
    preparation: Preparation,
    expected: Expected,
}

/// The preparation of Doppler.
enum Preparation {
    Nothing,
    Fail(Failure),
    Revoke,
    RemoveConfig,
    Empty,
    /// The app file names a config that the token does not open.
    OtherConfig,
}

enum Expected {
    /// Live after that many requests and at least that many seconds. Doppler's message is in the history.
    Live { requests: u64, after: u64, message: &'static str },
    /// A verdict of that type, with that message and advice.
    Verdict { failure: &'static str, message: &'static str, advice: &'static str },
}

const SERVICE: Option<(&str, &str)> = Some(("serviceToken", "dp.st.preview.TOKEN"));

const LIMIT: &str = r#"{"messages":["Exceeded rate limit of 240 secret read requests within 60 seconds. Retry in 3 seconds."],"success":false}"#;

fn once(status: u16, body: &str) -> Failure {
    Failure { status: Some(status), body: Some(body.to_owned()), times: Some(1), ..Failure::default() }
}

fn live(requests: u64, after: u64, message: &'static str) -> Expected {
    Expected::Live { requests, after, message }
}

fn denied(message: &'static str, advice: &'static str) -> Expected {
    Expected::Verdict { failure: "SecretsDenied", message, advice }
}

/// The time in five seconds, in a header's format.
fn soon() -> String {
    let then = k8s_openapi::jiff::Timestamp::now() + Duration::from_secs(5);
    k8s_openapi::jiff::fmt::rfc2822::to_string(&then.to_zoned(k8s_openapi::jiff::tz::TimeZone::UTC))
        .unwrap()
        .replace("+0000", "GMT")
}

fn cases() -> Vec<Case> {
    use Preparation::{Empty, Fail, Nothing, OtherConfig, RemoveConfig, Revoke};
    let with_header = |seconds: String| Failure {
        retry_after: Some(seconds),
        ..once(429, r#"{"messages":["Slow down"],"success":false}"#)
    };
    let html = Failure { content_type: Some("text/html".into()), ..once(502, "<html>Bad gateway</html>") };
    let slow = Failure { delay_ms: 12_000, times: Some(1), ..Failure::default() };
    let look = "check the token in Secret";
    let create = "kubectl create secret generic";
    let rows = [
        // First, since berth waits three minutes for it: the others run meanwhile.
        (
            "429, back in an hour",
            SERVICE,
            Fail(with_header("3600".into())),
            Expected::Verdict { failure: "SecretsUnavailable", message: "Slow down", advice: "" },
        ),
        ("a good answer", SERVICE, Nothing, live(1, 0, "")),
        ("401, a revoked token", SERVICE, Revoke, denied("Invalid Service token (HTTP 401", look)),
        (
            "403, another config's token",
            SERVICE,
            OtherConfig,
            denied("This token does not have access to requested config 'other' (HTTP 403", look),
        ),
        (
            "404, the config is gone",
            SERVICE,
            RemoveConfig,
            denied("Could not find requested config 'preview' (HTTP 404", look),
        ),
        ("429, Retry-After in seconds", SERVICE, Fail(with_header("3".into())), live(2, 3, "Slow down")),
        ("429, Retry-After as a date", SERVICE, Fail(with_header(soon())), live(2, 1, "Slow down")),
        ("429, `Retry in 3 seconds`", SERVICE, Fail(once(429, LIMIT)), live(2, 3, "Exceeded rate limit of 240")),
        (
            "500, then good",
            SERVICE,
            Fail(once(500, r#"{"messages":["Try later"],"success":false}"#)),
            live(2, 0, "Try later"),
        ),
        ("slower than 10 s, then good", SERVICE, Fail(slow), live(2, 10, "timeout")),
        ("a gateway's page, then good", SERVICE, Fail(html), live(2, 0, "24 bytes (HTTP 502)")),
        ("half a JSON, then good", SERVICE, Fail(once(200, r#"{"API_KEY":"can"#)), live(2, 0, "15 bytes is not JSON")),
        ("a proxy's 404, then good", SERVICE, Fail(once(404, "default backend")), live(2, 0, "15 bytes (HTTP 404)")),
        ("an empty config", SERVICE, Empty, live(1, 0, "")),
        ("no token Secret", None, Nothing, denied("it does not exist", create)),
        (
            "a token Secret without the key",
            Some(("token", "dp.st.preview.TOKEN")),
            Nothing,
            denied("it has no key serviceToken", create),
        ),
        (
            "a personal token",
            Some(("serviceToken", "dp.pt.TOKEN")),
            Nothing,
            denied("a token of the kind dp.pt. belongs to a person", create),
        ),
        (
            "a CLI token",
            Some(("serviceToken", "dp.ct.TOKEN")),
            Nothing,
            denied("a token of the kind dp.ct. belongs to a person", create),
        ),
        ("a service account's token", Some(("serviceToken", "dp.sa.TOKEN")), Nothing, live(1, 0, "")),
        ("an identity's token", Some(("serviceToken", "dp.said.TOKEN")), Nothing, live(1, 0, "")),
    ];
    let case = |(pr, (what, token, preparation, expected))| Case { pr, what, token, preparation, expected };
    (601..).zip(rows).map(case).collect()
}

impl Case {
    fn app(&self) -> String {
        format!("d{}", self.pr)
    }

    fn prepare(&self, bench: &Bench) {
        let app = self.app();
        let values: &[(&str, &str)] =
            if matches!(self.preparation, Preparation::Empty) { &[] } else { &[("API_KEY", "a value")] };
        bench.doppler.put(&app, "preview", values);
        let config = if matches!(self.preparation, Preparation::OtherConfig) { "other" } else { "preview" };
        bench.app(&app, config, "", &[("core/app.yaml", WITHOUT_PODS)]);
        if let Some((key, token)) = self.token {
            let token = token.replace("TOKEN", &app);
            bench.token(&app, key, &token);
            bench.doppler.bind(&token, &app, "preview");
            if matches!(self.preparation, Preparation::Revoke) {
                bench.doppler.revoke(&token);
            }
        }
        match &self.preparation {
            Preparation::Fail(failure) => bench.doppler.fail(&app, "preview", Some(failure.clone())),
            Preparation::RemoveConfig => bench.doppler.remove(&app, "preview"),
            _ => {}
        }
    }

    /// A description of what differs from the expected, or nothing.
    fn complaint(&self, answer: &Answer, requests: u64, status: &Value, history: &str) -> Option<String> {
        let secs = answer.took.as_secs();
        let ok = match &self.expected {
            Expected::Live { requests: expected, after, message } => {
                answer.json["outcome"] == "live"
                    && status["phase"] == "Live"
                    && requests == *expected
                    && secs >= *after
                    && (message.is_empty() || history.contains(message))
            }
            Expected::Verdict { failure, message, advice } => {
                let verdict = &status["failed"]["verdict"];
                let has = |field: &str, text: &str| verdict[field].as_str().unwrap_or_default().contains(text);
                answer.json["verdict"]["failure"] == *failure
                    && status["phase"] == "Failed"
                    && has("message", message)
                    && has("advice", advice)
            }
        };
        (!ok).then(|| format!("{}: {requests} requests, {history:?}, {answer:?}\n  {status}", self.what))
    }
}

/// The history of the rollout. The start event of an activity has the failure of the attempt before.
fn history(bench: &Bench, app: &str, pr: u64) -> String {
    let id = format!("preview-{app}-{pr}-rollout-1");
    let mut temporal = Command::new(bench.lab.tool("temporal"));
    temporal.args(["workflow", "show", "--workflow-id", &id, "-o", "json", "--address", bench.lab.temporal_address()]);
    // A push that is refused early has no rollout: the complaint shows that.
    String::from_utf8_lossy(&temporal.output().unwrap().stdout).into_owned()
}

#[test]
fn each_answer_of_doppler_has_its_outcome_in_the_table() {
    let bench = Bench::start("berth-d600", &[]);
    let cases = cases();
    let image = bench.lab.image("v1");
    cases.iter().for_each(|case| case.prepare(&bench));
    let waiting = Mutex::new(cases.iter());
    let rows: Vec<(String, Option<String>)> = thread::scope(|scope| {
        // A few at a time: the load of starting workflows is not the subject.
        let turns = (0..3).map(|_| scope.spawn(|| next_ones(&bench, &waiting, &image))).collect::<Vec<_>>();
        turns.into_iter().flat_map(|turn| turn.join().unwrap()).collect()
    });
    let table: String = rows.iter().fold(String::new(), |mut table, (row, _)| {
        let _ = writeln!(table, "{row}");
        table
    });
    eprintln!("| answer | outcome | seconds | requests | in Doppler's message |\n{table}");
    let complaints: Vec<_> = rows.into_iter().filter_map(|(_, complaint)| complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(!bench.worker.log().contains("a value"));
}

fn next_ones(bench: &Bench, waiting: &Mutex<std::slice::Iter<'_, Case>>, image: &str) -> Vec<(String, Option<String>)> {
    let next = || waiting.lock().unwrap().next();
    std::iter::from_fn(next).map(|case| run(bench, case, image)).collect()
}

fn run(bench: &Bench, case: &Case, image: &str) -> (String, Option<String>) {
    let (app, pr) = (case.app(), case.pr);
    let answer = bench.push(&app, pr, '1', image);
    let requests = bench.doppler.requests(&app, "preview").0;
    let status = bench.status(&app, pr);
    let seen = history(bench, &app, pr);
    let complaint = case.complaint(&answer, requests, &status, &seen);
    let reported = status["failed"]["verdict"]["message"].as_str().map_or_else(
        || match &case.expected {
            Expected::Live { message, .. } if seen.contains(message) => format!("(while it was retried) {message}"),
            _ => String::new(),
        },
        str::to_owned,
    );
    let outcome = answer.json["verdict"]["failure"].as_str().or_else(|| answer.json["outcome"].as_str());
    let row = format!(
        "| {} | {} | {:.1} | {requests} | {reported} |",
        case.what,
        outcome.unwrap_or("?"),
        answer.took.as_secs_f64()
    );
    bench.close(&app, pr);
    (row, complaint)
}
