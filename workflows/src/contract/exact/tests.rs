use serde::Deserialize;
use serde_json::json;

use super::*;

/// State as of one version of berth, with a flattened part, an optional field and an enum.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    #[serde(flatten)]
    book: Book,
    queue: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip)]
    answers: u32,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Book {
    last_number: u64,
    serving: Option<Item>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    kind: Kind,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Kind {
    #[default]
    Web,
    Worker,
}

fn written() -> Value {
    let item = || Item { name: "a".into(), kind: Kind::Worker };
    let book = Book { last_number: 7, serving: Some(item()) };
    let state = State { book, queue: vec![item(), item()], note: Some("n".into()), answers: 9 };
    serde_json::to_value(state).unwrap()
}

fn refusal(carried: Value) -> String {
    decode::<State>(carried).unwrap_err()
}

#[test]
fn state_of_the_same_version_is_read_whole() {
    let state = decode::<State>(written()).unwrap();
    assert_eq!((state.book.last_number, state.queue.len(), state.answers), (7, 2, 0));
    assert_eq!(serde_json::to_value(&state).unwrap(), written());
}

#[test]
fn commit_in_upper_case_of_an_earlier_version_is_read_in_lower_case() {
    let commit = decode::<crate::contract::release::Commit>(json!("4F2A9C1"));
    assert_eq!(commit.map(String::from), Ok("4f2a9c1".to_owned()));
}

#[test]
fn state_with_a_field_more_is_refused_wherever_it_is() {
    let newer = [("/frozen", "frozen"), ("/serving/frozen", "serving.frozen"), ("/queue/1/frozen", "queue.1.frozen")];
    for (pointer, path) in newer {
        for value in [json!(false), json!({"by": "octocat"}), json!([])] {
            let mut carried = written();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            carried.pointer_mut(parent).unwrap()[name] = value;
            let expected = format!("{path} is not known to this version of berth");
            assert_eq!(refusal(carried), expected);
        }
    }
}

#[test]
fn state_with_an_unknown_field_that_is_null_is_read() {
    let mut carried = written();
    carried["frozen"] = Value::Null;
    carried["note"] = Value::Null;
    let state = decode::<State>(carried).unwrap();
    assert_eq!((state.book.last_number, state.note), (7, None), "the version that wrote it reads the same again");
}

#[test]
fn state_with_a_variant_more_is_refused() {
    let mut carried = written();
    carried["queue"][0]["kind"] = json!("Cron");
    assert!(refusal(carried).contains("unknown variant `Cron`"));
}

#[test]
fn state_of_an_older_version_lacks_only_fields_with_a_default() {
    let mut carried = written();
    for optional in ["last_number", "queue", "note"] {
        carried.as_object_mut().unwrap().remove(optional);
    }
    assert_eq!(decode::<State>(carried.clone()).unwrap().book.serving.unwrap().name, "a");
    carried["serving"].as_object_mut().unwrap().remove("name");
    assert!(refusal(carried).contains("missing field `name`"));
}

#[test]
fn state_of_another_shape_is_refused() {
    for carried in [json!(null), json!([]), json!("x"), json!({"last_number": "7"}), json!({"queue": [1]})] {
        refusal(carried);
    }
}

#[test]
fn field_that_is_decoded_exactly_refuses_a_part_more() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Recalled {
        #[serde(default, deserialize_with = "field")]
        state: Option<State>,
        version: String,
    }
    let recalled = |state: Value| serde_json::from_value::<Recalled>(json!({"state": state, "version": "7", "new": 1}));
    assert_eq!(recalled(written()).unwrap().state.unwrap().book.last_number, 7);
    assert_eq!(recalled(Value::Null).unwrap().state, None);
    assert_eq!(serde_json::from_value::<Recalled>(json!({"version": "7"})).unwrap().state, None);
    let mut newer = written();
    newer["queue"][0]["frozen"] = json!(1);
    let refused = recalled(newer).unwrap_err().to_string();
    assert!(refused.contains("queue.0.frozen is not known to this version of berth"), "{refused}");
}
