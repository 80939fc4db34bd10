//! The book of scripts that run in a preview. Pure.

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        environment::Environment,
        run_script::RunScript,
        script::{RunningScript, ScriptRunInput},
    },
    environment::book::Serving,
};

/// Bound on scripts at once, more than a person watches. The server holds ten open updates, `deploy` among them.
const AT_ONCE: usize = 5;

/// See the module. Scripts that run are not carried from run to run: only an idle environment continues as new.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunningScripts {
    #[serde(skip)]
    pub running: Vec<RunningScript>,
    /// The number of the newest script run.
    pub last_number: u64,
}

impl RunningScripts {
    /// Refuses a script that runs already, and one too many. `unique_name` is the environment's `$KUBE_APP`.
    pub fn admit(&self, script: &RunScript, unique_name: &str) -> Result<(), String> {
        if let Some(same) = self.running.iter().find(|running| is_same(running, script, unique_name)) {
            return Err(format!("{} is running already: {}", script.title(), same.script_run));
        }
        if self.running.len() >= AT_ONCE {
            return Err(format!("{AT_ONCE} scripts are running already"));
        }
        Ok(())
    }

    /// Numbers the next script run and records it. Returns its input. `now_ms` is Unix time in milliseconds.
    pub fn begin(
        &mut self,
        mut environment: Environment,
        serving: &Serving,
        script: RunScript,
        now_ms: u64,
    ) -> ScriptRunInput {
        // A script needs none of them, and they would be most of its input.
        environment.cluster_objects.clear();
        self.last_number += 1;
        let input = ScriptRunInput {
            environment,
            stored_release: serving.stored_release.clone().filter(|_| script.is_cron()),
            script,
            number: self.last_number,
            commit: serving.release.commit.to_string(),
            author: serving.release.author.clone(),
        };
        self.running.push(RunningScript {
            name: input.script.name().to_owned(),
            cron: input.script.is_cron(),
            script_run: input.workflow_id(),
            since_ms: now_ms,
            stopping: false,
        });
        input
    }

    /// Records that one is being stopped.
    pub fn stop(&mut self, script_run: &str) {
        for script in self.running.iter_mut().filter(|script| script.script_run == script_run) {
            script.stopping = true;
        }
    }

    /// Forgets one that has ended.
    pub fn end(&mut self, script_run: &str) {
        self.running.retain(|script| script.script_run != script_run);
    }
}

/// Whether a request is for the script that runs. A `CronJob` has two names: with the prefix `$KUBE_APP-`, and without.
fn is_same(running: &RunningScript, script: &RunScript, unique_name: &str) -> bool {
    let short = |name: &str| {
        let rest = name.strip_prefix(unique_name).and_then(|rest| rest.strip_prefix('-'));
        rest.unwrap_or(name).to_owned()
    };
    running.is(script) || running.cron && script.is_cron() && short(&running.name) == short(script.name())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn running(name: &str, cron: bool) -> RunningScripts {
        let running =
            vec![RunningScript { name: name.to_owned(), cron, script_run: "run".into(), since_ms: 0, stopping: false }];
        RunningScripts { running, last_number: 1 }
    }

    #[test]
    fn cron_job_that_runs_is_refused_under_both_names() {
        let (script, cron) = (json!({"name": "nightly"}), json!({"cron": "nightly"}));
        let full = json!({"cron": "web-pr-1-nightly"});
        for (name, is_cron, asked, refused) in [
            ("nightly", true, &cron, true),
            ("nightly", true, &full, true),
            ("web-pr-1-nightly", true, &cron, true),
            ("web-pr-1-nightly", true, &full, true),
            ("nightly", true, &script, false),
            ("nightly", false, &cron, false),
            ("nightly", false, &script, true),
            ("pr-1-nightly", true, &cron, false),
            ("web-pr-1nightly", true, &cron, false),
        ] {
            let asked = serde_json::from_value(asked.clone()).unwrap();
            let admitted = running(name, is_cron).admit(&asked, "web-pr-1");
            assert_eq!(admitted.is_err(), refused, "{name} {is_cron} {asked:?}: {admitted:?}");
        }
    }

    #[test]
    fn refusal_names_the_cron_job_and_its_run() {
        let asked = serde_json::from_value(json!({"cron": "nightly"})).unwrap();
        let refusal = running("nightly", true).admit(&asked, "web-pr-1").unwrap_err();
        assert_eq!(refusal, "CronJob nightly is running already: run");
    }
}
