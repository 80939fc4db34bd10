//! Commands in comments of a pull request: `/berth [app] redeploy|approve <40 digits>|run <script>|status`. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::is_dns_label,
    lenient::Input,
    number,
    release::{Commit, Name},
    run_script::{Argument, Arguments, RunScript, ScriptName},
    verdict::truncate,
};

mod lines;

/// The word that a command begins with.
const WORD: &str = "/berth";
/// An approval names the whole commit: an abbreviated one could be forged.
const COMMIT_DIGITS: usize = 40;
/// The commands, for the error about an unknown one.
const VERBS: [&str; 4] = ["redeploy", "approve", "run", "status"];

/// Signal `command`: a comment of the pull request may be a command. Only its id is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentSignal {
    /// The comment's id on GitHub.
    #[serde(deserialize_with = "number::read")]
    pub comment: u64,
    /// The app that the sender has read in it. It is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<Name>,
}

impl Input for CommentSignal {
    const EXAMPLE: &'static str = r#"{"comment":2612345678}"#;
}

/// The input of `admit_command`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmitCommandInput {
    pub app: String,
    pub pull_request: u64,
    /// The comment's id.
    pub comment: u64,
}

/// The result of `admit_command`: the comment as GitHub has it, and its author's permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AdmittedCommand {
    /// A command of a person who may give it.
    Admitted { by: Name, command: CommentCommand },
    /// A command that is not obeyed.
    Refused {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Name>,
        reason: String,
    },
    /// No command for this app.
    Nothing,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum CommentCommand {
    /// Roll the newest release out again.
    Redeploy,
    /// Let the commit that waits be rolled out.
    Approve { commit: Commit },
    /// Run a script of the app.
    Run { script: RunScript },
    /// Show the state.
    Status,
}

impl CommentCommand {
    /// The command as a person writes it, without the arguments of a script.
    pub fn title(&self) -> String {
        match self {
            Self::Redeploy => "redeploy".to_owned(),
            Self::Approve { commit } => format!("approve {}", commit.short()),
            Self::Run { script } => format!("run {}", script.name()),
            Self::Status => "status".to_owned(),
        }
    }
}

/// A command, and the app that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// None: it is for each app of the pull request.
    pub app: Option<String>,
    pub command: CommentCommand,
}

/// Finds the command in a comment's Markdown. None: there is none. Code blocks, quotes and HTML are not commands.
///
/// # Errors
/// A message for the comment's author: two commands, an unknown one, or a wrong argument.
pub fn parse(body: &str) -> Result<Option<CommandLine>, String> {
    let mut commands = lines::plain(body).filter_map(words);
    let Some(command) = commands.next() else { return Ok(None) };
    if commands.next().is_some() {
        return Err("a comment may have one command".to_owned());
    }
    parse_words(&command).map(Some)
}

/// The words after `/berth`, if the line is a command.
fn words(line: &str) -> Option<Vec<&str>> {
    let mut words = line.split_whitespace();
    words.next().filter(|first| first.eq_ignore_ascii_case(WORD))?;
    Some(words.collect())
}

fn parse_words(words: &[&str]) -> Result<CommandLine, String> {
    let (app, words) = match words {
        [app, rest @ ..] if !VERBS.contains(app) && rest.first().is_some_and(|verb| VERBS.contains(verb)) => {
            (Some(*app), rest)
        }
        words => (None, words),
    };
    if app.is_some_and(|app| !is_dns_label(app)) {
        return Err("the app's name is not valid".to_owned());
    }
    Ok(CommandLine { app: app.map(str::to_owned), command: command(words)? })
}

fn command(words: &[&str]) -> Result<CommentCommand, String> {
    match words {
        ["redeploy"] => Ok(CommentCommand::Redeploy),
        ["status"] => Ok(CommentCommand::Status),
        ["approve", commit] if commit.len() == COMMIT_DIGITS => {
            Ok(CommentCommand::Approve { commit: Commit::try_from(commit.to_ascii_lowercase())? })
        }
        ["approve", ..] => Err(format!("approve takes all {COMMIT_DIGITS} digits of the commit")),
        ["run", name, args @ ..] => {
            let args = args.iter().map(|arg| Argument::try_from((*arg).to_owned())).collect::<Result<Vec<_>, _>>()?;
            let (name, args) = (ScriptName::try_from((*name).to_owned())?, Arguments::try_from(args)?);
            Ok(CommentCommand::Run { script: RunScript::Script { name, args } })
        }
        ["run"] => Err("run takes the name of a script".to_owned()),
        ["redeploy" | "status", ..] => Err("it takes no argument".to_owned()),
        [] => Err(format!("the command is missing: {}", VERBS.join(", "))),
        [unknown, ..] => {
            let mut unknown = (*unknown).to_owned();
            truncate(&mut unknown, 40);
            Err(format!("there is no command {unknown:?}; there are {}", VERBS.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
