//! `berth schema`: JSON Schemas of app files and messages, generated from the types that read them.
//!
//! Its output is the schema alone, and no envelope: it is written to a file, for an editor or a validator.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::PullRequest,
    janitor::{JanitorInput, JanitorStatus},
    production::{ApproveRelease, Freeze, Production, RejectRelease, Rollback, Unfreeze},
    production_answer::ProductionAnswer,
    production_status::ProductionStatus,
    pull_request::PullRequestFacts,
    run_script::RunScript,
    script::ScriptAnswer,
    signals::{Approve, Close, CloseAnswer, DeployAnswer, Push, Redeploy},
    status::Status,
};
use clap::{Args, ValueEnum};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::exit;

/// Print the JSON Schema of app files, for editors, or of a message over Temporal
///
/// An editor checks an app file while you write it, if the schema is beside it (`berth schema > .app.schema.json`) and the
/// first line of the file is `# yaml-language-server: $schema=.app.schema.json`. The schema describes the form; `berth check`
/// checks every rule.
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::PLAIN))]
pub(crate) struct PrintSchema {
    /// The schema to print
    #[arg(value_enum, default_value_t)]
    name: SchemaName,
}

/// A schema that can be printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SchemaName {
    /// An app file
    #[default]
    App,
    /// The input of the workflow `PreviewEnvironment`
    PullRequest,
    /// The signal `pull_request` of a preview: facts of GitHub
    PullRequestFacts,
    /// The signal `push` and the update `deploy`; `release` of production, without `fork` and `draft`
    Push,
    /// The signal and the update `close`
    Close,
    /// The answer of the update `close`
    CloseAnswer,
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
    /// The input of the workflow `ProductionEnvironment`
    Production,
    /// `approve` of production
    ApproveRelease,
    /// `reject` of production
    RejectRelease,
    /// `rollback` of production
    Rollback,
    /// `freeze` of production
    Freeze,
    /// `unfreeze` of production
    Unfreeze,
    /// The answer of production to an update
    ProductionAnswer,
    /// The answer of production to the query `status`
    ProductionStatus,
    /// The input of the workflow `Janitor`
    Janitor,
    /// The answer of a `Janitor` to the query `status`
    JanitorStatus,
}

impl PrintSchema {
    /// Prints the schema.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &self.name.schema())?;
        writeln!(out)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl SchemaName {
    fn schema(self) -> Schema {
        match self {
            Self::App => read::<App>(),
            Self::PullRequest => read::<PullRequest>(),
            Self::PullRequestFacts => read::<PullRequestFacts>(),
            Self::Push => read::<Push>(),
            Self::Close => read::<Close>(),
            Self::CloseAnswer => written::<CloseAnswer>(),
            Self::Approve => read::<Approve>(),
            Self::Redeploy => read::<Redeploy>(),
            Self::DeployAnswer => written::<DeployAnswer>(),
            Self::RunScript => read::<RunScript>(),
            Self::ScriptAnswer => written::<ScriptAnswer>(),
            Self::Status => written::<Status>(),
            Self::Production => read::<Production>(),
            Self::ApproveRelease => read::<ApproveRelease>(),
            Self::RejectRelease => read::<RejectRelease>(),
            Self::Rollback => read::<Rollback>(),
            Self::Freeze => read::<Freeze>(),
            Self::Unfreeze => read::<Unfreeze>(),
            Self::ProductionAnswer => written::<ProductionAnswer>(),
            Self::ProductionStatus => written::<ProductionStatus>(),
            Self::Janitor => read::<JanitorInput>(),
            Self::JanitorStatus => written::<JanitorStatus>(),
        }
    }
}

/// Schema of a type that berth reads: fields with a default may be left out. Editors know draft 7 best.
fn read<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>()
}

/// Schema of a type that berth writes: fields with a default are present.
fn written<T: JsonSchema>() -> Schema {
    SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>()
}
