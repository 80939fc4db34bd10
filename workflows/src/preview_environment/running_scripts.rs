//! The book of scripts that run in a preview. Pure.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment,
    release::Release,
    run_script::RunScript,
    script::{RunningScript, ScriptRunInput},
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
    /// Refuses a script that runs already, and one too many.
    pub fn admit(&self, script: &RunScript) -> Result<(), String> {
        if let Some(same) = self.running.iter().find(|running| running.name == script.name.as_str()) {
            return Err(format!("{} is running already: {}", script.name, same.script_run));
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
        release: Release,
        script: RunScript,
        now_ms: u64,
    ) -> ScriptRunInput {
        // A script needs none of them, and they would be most of its input.
        environment.cluster_objects.clear();
        self.last_number += 1;
        let commit = release.commit.to_string();
        let input = ScriptRunInput { environment, script, number: self.last_number, commit, author: release.author };
        self.running.push(RunningScript {
            name: input.script.name.to_string(),
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
