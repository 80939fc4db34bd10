//! The effect of each answer of Doppler on a rollout: the built binary, a real cluster, and the stand-in over a socket.

pub(crate) mod bench;
mod canary;

use std::{collections::BTreeSet, fmt::Write as _, process::Command, sync::Mutex, thread, time::Duration};

use bench::Bench;
use berth_lab::Failure;
use berth_test_support::{Answer, Begun, until};
use serde_json::{Value, json};

/// An app without pods: its release is live as soon as it is applied.
const CONFIG_ONLY: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: $KUBE_APP}\n\
                           data: {secret: $DOPPLER_MANAGED_SECRET_NAME, temporal: $TEMPORAL_SERVER_ADDRESS}\n";

/// A way in which reading secrets can go, and the outcome of the rollout.
struct Case {
    pr: u64,
    what: &'static str,
    /// The key and the token in the app's token Secret. None means that there is no such Secret.
    token: Option<(&'static str, &'static str)>,
    told: Told,
    expected: Expected,
}

/// The preparation of Doppler.
enum Told {
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
    Live { requests: u64, after: u64, words: &'static str },
    /// A verdict of that type, with that message and advice.
    Verdict { failure: &'static str, words: &'static str, advice: &'static str },
}

const SERVICE: Option<(&str, &str)> = Some(("serviceToken", "dp.st.preview.TOKEN"));
const LIMIT: &str = r#"{"messages":["Exceeded rate limit of 240 secret read requests within 60 seconds. Retry in 3 seconds."],"success":false}"#;

fn once(status: u16, body: &str) -> Failure {
    Failure { status: Some(status), body: Some(body.to_owned()), times: Some(1), ..Failure::default() }
}

fn live(requests: u64, after: u64, words: &'static str) -> Expected {
    Expected::Live { requests, after, words }
}

fn denied(words: &'static str, advice: &'static str) -> Expected {
    Expected::Verdict { failure: "SecretsDenied", words, advice }
}

/// The time in five seconds, in a header's format.
fn soon() -> String {
    let then = k8s_openapi::jiff::Timestamp::now() + Duration::from_secs(5);
    k8s_openapi::jiff::fmt::rfc2822::to_string(&then.to_zoned(k8s_openapi::jiff::tz::TimeZone::UTC))
        .unwrap()
        .replace("+0000", "GMT")
}

fn cases() -> Vec<Case> {
    use Told::{Empty, Fail, Nothing, OtherConfig, RemoveConfig, Revoke};
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
            Expected::Verdict { failure: "SecretsUnavailable", words: "Slow down", advice: "" },
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
    let case = |(pr, (what, token, told, expected))| Case { pr, what, token, told, expected };
    (601..).zip(rows).map(case).collect()
}

impl Case {
    fn app(&self) -> String {
        format!("d{}", self.pr)
    }

    fn prepare(&self, bench: &Bench) {
        let app = self.app();
        let values: &[(&str, &str)] = if matches!(self.told, Told::Empty) { &[] } else { &[("API_KEY", "a value")] };
        bench.doppler.put(&app, "preview", values);
        let config = if matches!(self.told, Told::OtherConfig) { "other" } else { "preview" };
        bench.app(&app, config, "", &[("core/app.yaml", CONFIG_ONLY)]);
        if let Some((key, token)) = self.token {
            let token = token.replace("TOKEN", &app);
            bench.token(&app, key, &token);
            bench.doppler.bind(&token, &app, "preview");
            if matches!(self.told, Told::Revoke) {
                bench.doppler.revoke(&token);
            }
        }
        match &self.told {
            Told::Fail(failure) => bench.doppler.fail(&app, "preview", Some(failure.clone())),
            Told::RemoveConfig => bench.doppler.remove(&app, "preview"),
            _ => {}
        }
    }

    /// A description of what differs from the expected, or nothing.
    fn complaint(&self, answer: &Answer, requests: u64, status: &Value, words_seen: &str) -> Option<String> {
        let secs = answer.took.as_secs();
        let ok = match &self.expected {
            Expected::Live { requests: expected, after, words } => {
                answer.json["outcome"] == "live"
                    && status["phase"] == "Live"
                    && requests == *expected
                    && secs >= *after
                    && (words.is_empty() || words_seen.contains(words))
            }
            Expected::Verdict { failure, words, advice } => {
                let verdict = &status["failed"]["verdict"];
                let has = |field: &str, text: &str| verdict[field].as_str().unwrap_or_default().contains(text);
                answer.json["verdict"]["failure"] == *failure
                    && status["phase"] == "Failed"
                    && has("message", words)
                    && has("advice", advice)
            }
        };
        (!ok).then(|| format!("{}: {requests} requests, {words_seen:?}, {answer:?}\n  {status}", self.what))
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
    eprintln!("| answer | outcome | seconds | requests | in Doppler's words |\n{table}");
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
    let said = status["failed"]["verdict"]["message"].as_str().map_or_else(
        || match &case.expected {
            Expected::Live { words, .. } if seen.contains(words) => format!("(while it was retried) {words}"),
            _ => String::new(),
        },
        str::to_owned,
    );
    let outcome = answer.json["verdict"]["failure"].as_str().or_else(|| answer.json["outcome"].as_str());
    let row = format!(
        "| {} | {} | {:.1} | {requests} | {said} |",
        case.what,
        outcome.unwrap_or("?"),
        answer.took.as_secs_f64()
    );
    bench.close(&app, pr);
    (row, complaint)
}

#[test]
fn many_environments_pushed_at_once_make_one_request() {
    let bench = Bench::start("berth-d630", &[]);
    simple_app(&bench, "d630");
    // All pushes begin within these 8 s. Later readers find an answer that is younger than 5 s.
    let slow = Failure { delay_ms: 8_000, times: Some(1), ..Failure::default() };
    bench.doppler.fail("d630", "preview", Some(slow));
    let image = bench.lab.image("v1");
    let pushes: Vec<_> = (630..642).map(|pr| bench.begin_push("d630", pr, '1', &image)).collect();
    let answers: Vec<_> = pushes.into_iter().map(Begun::wait).collect();
    assert!(answers.iter().all(|answer| answer.json["outcome"] == "live"), "{answers:?}");
    // At most one request per interval: on a busy machine the pushes take longer than the slow answer.
    let intervals = answers.iter().map(|answer| answer.took.as_secs()).max().unwrap() / 5;
    let requests = bench.doppler.requests("d630", "preview").0;
    eprintln!("12 environments: {requests} requests in {intervals} intervals");
    assert!(requests <= intervals.max(1), "{requests} requests in {intervals} intervals of 5 s");
    (630..642).for_each(|pr| assert_eq!(bench.close("d630", pr).code, 0));
}

#[test]
fn changed_secret_rolls_once_and_an_outage_keeps_the_live_release() {
    let mut bench = Bench::start("berth-d645", &[]);
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  \
         template:\n    metadata: {labels: {app: web}}\n    spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      \
         - name: web\n        image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST\n        \
         envFrom: [{secretRef: {name: $DOPPLER_MANAGED_SECRET_NAME}}]\n";
    simple_app(&bench, "d645");
    bench.app("d645", "preview", "", &[("core/app.yaml", CONFIG_ONLY), ("core/web.yaml", deployment)]);
    assert_eq!(bench.push("d645", 645, '1', &bench.lab.image("v1")).json["outcome"], "live");
    let first = bench.status("d645", 645);
    let own = "d645-temporal.d645-pr-645.svc.cluster.local:7233";
    let secrets = &first["secrets"];
    assert_eq!(
        (&secrets["temporal_server_address"], &secrets["temporal_server_address_from"]),
        (&json!(own), &json!("environment"))
    );
    assert_eq!(revisions(&bench), (1, 1));

    // After 5 s the cache is validated by its version: one more request, with the answer 304.
    until("the cache is old", || cache_age(&bench) > Duration::from_secs(5));
    let unchanged = bench.redeploy("d645", 645);
    let (requests, not_modified) = bench.doppler.requests("d645", "preview");
    assert_eq!(requests - not_modified, 1, "an unchanged config is fetched once");
    assert!(not_modified > 0, "and asked about by its version");
    assert_eq!(unchanged["secrets"], first["secrets"]);
    assert_eq!(revisions(&bench), (1, 1), "an unchanged secret changes no object");

    bench.doppler.put(
        "d645",
        "preview",
        &[("API_KEY", "another"), ("TEMPORAL_SERVER_ADDRESS", "temporal.example.com:7233")],
    );
    until("the cache is old", || cache_age(&bench) > Duration::from_secs(5));
    let changed = bench.redeploy("d645", 645);
    assert_eq!(changed["phase"], "Live", "{changed}");
    assert_eq!(revisions(&bench), (2, 2), "a changed secret is one rollout");
    let secrets = &changed["secrets"];
    assert_ne!(secrets["version"], first["secrets"]["version"]);
    assert_eq!(
        (&secrets["temporal_server_address"], &secrets["temporal_server_address_from"]),
        (&json!("temporal.example.com:7233"), &json!("doppler"))
    );
    assert_eq!(secrets["set_by_berth"], json!([]));

    bench.doppler.stop();
    until("the cache is old", || cache_age(&bench) > Duration::from_secs(5));
    bench.temporal(&["workflow", "signal", "--workflow-id", "preview-d645-645", "--name", "redeploy"]);
    let described =
        || bench.temporal(&["workflow", "describe", "--workflow-id", "preview-d645-645-rollout-4", "-o", "json"]);
    until("the refused connection is told", || {
        bench.status("d645", 645)["rolling_out"].is_object() && described().contains("Connection refused")
    });
    let during = bench.status("d645", 645);
    assert_eq!(
        (during["serving"]["rollout"].as_str(), during["failed"].clone()),
        (Some("preview-d645-645-rollout-3"), json!(null))
    );
    assert!(cache(&bench).is_some(), "the last good values stay");
    bench.doppler.start_again().unwrap();
    until("it goes on by itself", || {
        bench.status("d645", 645)["rollouts"].as_array().is_some_and(|all| all.len() == 4)
    });
    assert_eq!((&bench.status("d645", 645)["phase"], revisions(&bench)), (&json!("Live"), (2, 2)));
    assert_eq!(bench.close("d645", 645).code, 0);
}

/// The generation of the Deployment, and the number of its `ReplicaSet`s so far.
fn revisions(bench: &Bench) -> (i64, usize) {
    let generation =
        bench.kubectl(&["get", "deployment", "web", "-n", "d645-pr-645", "-o", "jsonpath={.metadata.generation}"]);
    let sets = bench.kubectl(&["get", "replicasets", "-n", "d645-pr-645", "-o", "name"]);
    (generation.parse().unwrap(), sets.lines().collect::<BTreeSet<_>>().len())
}

fn cache(bench: &Bench) -> Option<Value> {
    let secrets: Value =
        serde_json::from_str(&bench.kubectl(&["get", "secrets", "-n", &bench.name, "-o", "json"])).unwrap();
    let is_cache = |secret: &&Value| secret["metadata"]["name"].as_str().unwrap().starts_with("berth-doppler-");
    secrets["items"].as_array().unwrap().iter().find(is_cache).cloned()
}

fn cache_age(bench: &Bench) -> Duration {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let fetched =
        cache(bench).unwrap()["data"]["fetched_ms"].as_str().map(|text| STANDARD.decode(text).unwrap()).unwrap();
    let fetched = Duration::from_millis(String::from_utf8(fetched).unwrap().parse().unwrap());
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH + fetched).unwrap_or_default()
}

/// An app with one secret, and a token for it.
fn simple_app(bench: &Bench, app: &str) {
    let token = format!("dp.st.preview.{app}");
    bench.doppler.put(app, "preview", &[("API_KEY", "a value")]);
    bench.doppler.bind(&token, app, "preview");
    bench.token(app, "serviceToken", &token);
    bench.app(app, "preview", "", &[("core/app.yaml", CONFIG_ONLY)]);
}
