//! Replay of every recorded history with today's workflows: a release must not break running workflows.
//!
//! The tests beside this one record histories when `BERTH_RECORD_HISTORIES` names a folder. Keep one of each kind for every
//! released version.

use std::path::{Path, PathBuf};

use berth_workflows::register_workflows;
use temporalio_client::WorkflowHistory;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

fn replayer() -> WorkflowReplayer {
    let options = register_workflows!(WorkflowReplayerOptions::new()).unwrap();
    WorkflowReplayer::new(options.build()).unwrap()
}

/// The histories in `tests/histories` and in its folders, one for each released version.
fn histories() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    collect_histories(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories"), &mut files);
    files.sort();
    let named =
        |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
    files.into_iter().map(named).collect()
}

fn collect_histories(folder: &Path, files: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect_histories(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}

#[tokio::test]
async fn each_recorded_history_replays() {
    let histories = histories();
    assert!(histories.len() >= 60, "there should be recorded histories, found {}", histories.len());
    for (name, json) in histories {
        let replayed = replayer().replay_workflow(WorkflowHistory::from_json(&json).unwrap()).await;
        assert!(replayed.is_ok(), "{name}: {:?}", replayed.err());
    }
}

#[tokio::test]
async fn history_with_another_activity_does_not_replay() {
    // The test above can fail: here it is the same history, with another name for one activity.
    let (_, json) = histories().into_iter().find(|(name, _)| name.starts_with("rollout-live")).unwrap();
    let json = String::from_utf8(json).unwrap().replace("\"apply_manifests\"", "\"apply_something_else\"");
    let replayed = replayer().replay_workflow(WorkflowHistory::from_json(json.as_bytes()).unwrap()).await;
    let error = format!("{:?}", replayed.err());
    assert!(error.contains("Nondeterminism"), "{error}");
}
