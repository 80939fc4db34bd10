//! `berth schema`: the JSON Schema of what people and CI write, from the types that read it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::PullRequest,
    script::{RunScript, ScriptAnswer},
    signals::{Approve, Close, DeployAnswer, Push, Redeploy},
    status::Status,
};
use clap::{Args, ValueEnum};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

/// Print the JSON Schema of app files, for editors, or of what goes over Temporal
///
/// An editor checks an app file while it is written if the schema is kept beside it (`berth schema > .app.schema.json`) and
/// the file's first line is `# yaml-language-server: $schema=.app.schema.json`. The schema knows the form; `berth check`
/// knows every rule.
#[derive(Debug, Args)]
pub(crate) struct PrintSchema {
    /// What to describe
    #[arg(value_enum, default_value_t)]
    of: Of,
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Of {
    /// An app file
    #[default]
    App,
    /// The input of the workflow `PreviewEnvironment`
    PullRequest,
    /// The signal `push` and the update `deploy`
    Push,
    /// The signal `close`
    Close,
    /// The signal `approve`
    Approve,
    /// The signal `redeploy`
    Redeploy,
    /// The answer of the update `deploy`
    DeployAnswer,
    /// The update `run_script`
    RunScript,
    /// The answer of the update `run_script`
    ScriptAnswer,
    /// The answer of the query `status`
    Status,
}

impl PrintSchema {
    /// Prints it.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &self.of.schema())?;
        writeln!(out)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Of {
    fn schema(self) -> Schema {
        match self {
            Self::App => read::<App>(),
            Self::PullRequest => read::<PullRequest>(),
            Self::Push => read::<Push>(),
            Self::Close => read::<Close>(),
            Self::Approve => read::<Approve>(),
            Self::Redeploy => read::<Redeploy>(),
            Self::DeployAnswer => written::<DeployAnswer>(),
            Self::RunScript => read::<RunScript>(),
            Self::ScriptAnswer => written::<ScriptAnswer>(),
            Self::Status => written::<Status>(),
        }
    }
}

/// What berth reads: fields with a default may be left out. Draft 7 is what editors' YAML plugins know best.
fn read<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>()
}

/// What berth writes: fields with a default are there.
fn written<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>()
}
