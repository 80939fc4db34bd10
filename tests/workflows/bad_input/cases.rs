//! Bad inputs from people and scripts, each with the text that its sender must read.

use serde_json::{Value, json};
use temporalio_common::{data_converters::RawValue, protos::temporal::api::common::v1::Payload};

/// A bad input, and the text that its sender must read.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) payloads: Vec<Payload>,
    pub(crate) message: &'static str,
}

impl Case {
    /// The input for the client.
    pub(crate) fn input(&self) -> RawValue {
        RawValue::new(self.payloads.clone())
    }

    /// The input for `--input`, if it is JSON in UTF-8.
    pub(crate) fn text(&self) -> Option<String> {
        match self.payloads.as_slice() {
            [payload] if payload.metadata.get("encoding").map(Vec::as_slice) == Some(b"json/plain") => {
                String::from_utf8(payload.data.clone()).ok()
            }
            _ => None,
        }
    }
}

fn payload(encoding: Option<&str>, data: impl Into<Vec<u8>>) -> Payload {
    let metadata = encoding.map(|encoding| ("encoding".to_owned(), encoding.as_bytes().to_vec()));
    Payload { metadata: metadata.into_iter().collect(), data: data.into(), ..Default::default() }
}

fn case(name: &'static str, json: &Value, message: &'static str) -> Case {
    raw(name, json.to_string(), message)
}

fn raw(name: &'static str, json: impl Into<Vec<u8>>, message: &'static str) -> Case {
    Case { name, payloads: vec![payload(Some("json/plain"), json)], message }
}

/// Inputs that are bad everywhere.
fn anywhere() -> Vec<Case> {
    let good = || payload(Some("json/plain"), "{}");
    let of = |name, payloads, message| Case { name, payloads, message };
    vec![
        of("no argument", vec![], "there is no argument; send {"),
        of("two arguments", vec![good(), good()], "expected one JSON argument, got 2"),
        of("binary/null", vec![payload(Some("binary/null"), "")], "there is no argument; send {"),
        of("binary/plain", vec![payload(Some("binary/plain"), [0, 159])], "of encoding json/plain, got binary/plain"),
        of("json/protobuf", vec![payload(Some("json/protobuf"), "{}")], "of encoding json/plain, got json/protobuf"),
        of("no encoding", vec![payload(None, "{}")], "of encoding json/plain, got no encoding"),
        raw("not JSON", "commit: 1", "expected value at line 1 column 1; send {"),
        raw("cut JSON", r#"{"comm"#, "EOF while parsing a string"),
        raw("not UTF-8", [b'{', b'"', 0xff, 0xfe, b'"'], "invalid unicode code point"),
        raw("two values", "{} {}", "; send {"),
        case("null", &json!(null), "there is no argument; send {"),
        case("a text", &json!("push"), "expected a JSON object"),
        case("a number", &json!(123), "expected a JSON object"),
        case("an unknown field", &json!({"colour": "red"}), "unknown field `colour`"),
        case("a field that steers a terminal", &json!({"\u{1b}[2J": 1}), r"unknown field `\u{1b}[2J`"),
        raw("deep nesting", format!("{{\"app\":{}1{}}}", "[".repeat(500), "]".repeat(500)), "; send {"),
        raw(
            "16 KB and 1 byte",
            format!("{:>1$}", "{}", 16 * 1024 + 1),
            "the input has 16385 bytes, the limit is 16384",
        ),
        raw("one MB", format!("\"{}\"", "x".repeat(1_000_000)), "the limit is 16384"),
    ]
}

/// Bad inputs of a start for that app.
pub(crate) fn starts(app: &str) -> Vec<Case> {
    let mut cases = anywhere();
    cases.extend([
        case("an array", &json!([app, 1]), "expected a JSON object"),
        case("pr as a word", &json!({"app": app, "pr": "one"}), "string \"one\", expected a whole number from 0"),
        case("pr 0", &json!({"app": app, "pr": 0}), "pr must be from 1 to 9999999999, got 0"),
        case("pr negative", &json!({"app": app, "pr": -1}), "integer `-1`, expected a whole number from 0"),
        case("pr huge", &json!({"app": app, "pr": 99_999_999_999_u64}), "pr must be from 1 to 9999999999"),
        raw("pr beyond 64 bits", format!(r#"{{"app":"{app}","pr":1e30}}"#), "expected a whole number from 0"),
        case("pr 1.5", &json!({"app": app, "pr": 1.5}), "expected a whole number from 0"),
        case("no pr", &json!({"app": app}), "missing field `pr`"),
        case("app in capitals", &json!({"app": "Web", "pr": 1}), "app must be a DNS label of at most 30 characters"),
        case("app of 31 letters", &json!({"app": "a".repeat(31), "pr": 1}), "app must be a DNS label of at most 30"),
        case("app with a command", &json!({"app": "$(touch x)", "pr": 1}), "app must be a DNS label"),
        case("app twice", &json!(null), "duplicate field `app`"),
        case("another pull request's id", &json!({"app": app, "pr": 2}), "must have the id preview-"),
        case(
            "times that overflow",
            &json!({"app": app, "pr": 1, "timings": {"rollout_seconds": u64::MAX}}),
            "timings.rollout_seconds must be from 1 to 604800",
        ),
        case(
            "a history of one event",
            &json!({"app": app, "pr": 1, "timings": {"history_events": 1}}),
            "timings.history_events must be at least 32",
        ),
    ]);
    for twice in cases.iter_mut().filter(|case| case.name == "app twice") {
        *twice = raw("app twice", format!(r#"{{"app":"{app}","app":"{app}","pr":1}}"#), "duplicate field `app`");
    }
    cases
}

/// Bad pushes.
pub(crate) fn pushes() -> Vec<Case> {
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = format!("acme/web@{digest}");
    let with = |field: &str, value: Value| {
        let mut push = json!({"commit": "a".repeat(40), "image": image});
        push[field] = value;
        push
    };
    let mut cases = anywhere();
    cases.extend([
        case("an empty array", &json!([]), "there is no argument; send {"),
        case(
            "a mistyped field",
            &with("imges", json!({})),
            "unknown field `imges`: the nearest known name is `images`",
        ),
        case("an image by tag", &with("images", json!({"WORKER": "acme/worker:v1"})), "images: WORKER: image"),
        case("an image in small letters", &with("images", json!({"worker": image})), "capital letters"),
        case("a list of images", &with("images", json!([image])), "invalid type: sequence"),
        case("a value with a space", &with("variables", json!({"FLAGS": "a b"})), "variables: FLAGS: the value"),
        case("a value as a number", &with("variables", json!({"FLAGS": 1})), "invalid type: integer"),
        case("no image", &json!({"commit": "a".repeat(40)}), "missing field `image`"),
        case("an empty image", &with("image", json!("")), "has no digest: expected repository@sha256:"),
        case("a tag without digest", &with("image", json!("acme/web:latest")), "has no digest"),
        case("a digest in capitals", &with("image", json!(image.to_uppercase())), "has a malformed digest"),
        case(
            "an image with a command",
            &with("image", json!(format!("acme/$(id)@{digest}"))),
            "has a malformed repository",
        ),
        case(
            "an image of 600 characters",
            &with("image", json!(format!("{}@{digest}", "a".repeat(600)))),
            "is longer than 512 bytes",
        ),
        case(
            "a commit with a command",
            &with("commit", json!("$(touch x);")),
            "commit must be 7 to 64 hexadecimal digits",
        ),
        case("a commit of 6 digits", &with("commit", json!("123456")), "commit must be 7 to 64 hexadecimal digits"),
        case("a commit as a number", &with("commit", json!(1_234_567)), "invalid type: integer"),
        case("a branch of 300 characters", &with("branch", json!("b".repeat(300))), "is longer than 255 bytes"),
        case("NUL in the author", &with("author", json!("octo\u{0}cat")), "has control characters"),
        case("an author that reads backwards", &with("author", json!("tac\u{202e}otco")), "has control characters"),
        case("sequence -1", &with("sequence", json!(-1)), "expected a whole number from 0"),
        case("sequence as a word", &with("sequence", json!("seven")), "expected a whole number from 0"),
        case("fork as a text", &with("fork", json!("yes")), "expected a boolean"),
        raw(
            "commit twice",
            format!(r#"{{"commit":"1234567","commit":"1234567","image":"{image}"}}"#),
            "duplicate field `commit`",
        ),
    ]);
    cases
}

/// A table for people, with a line per case, printed when dropped.
#[derive(Default)]
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(crate) fn row(&mut self, way: &str, case: &str, sees: &str) {
        let sees: String = sees.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(260).collect();
        self.0.push(format!("{way:<22} | {case:<32} | {sees}"));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.0.iter().for_each(|row| eprintln!("{row}"));
    }
}
