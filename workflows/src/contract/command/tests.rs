use super::*;

const COMMIT: &str = "4f2a9c14f2a9c14f2a9c14f2a9c14f2a9c14f2a9";

fn line(app: Option<&str>, command: CommentCommand) -> Result<Option<CommandLine>, String> {
    Ok(Some(CommandLine { app: app.map(str::to_owned), command }))
}

#[test]
fn command_is_found_in_a_line_of_its_own() {
    let commit = Commit::try_from(COMMIT.to_owned()).unwrap();
    assert_eq!(parse("/berth redeploy"), line(None, CommentCommand::Redeploy));
    assert_eq!(parse("Thanks!\r\n\r\n  /berth web status  \r\n"), line(Some("web"), CommentCommand::Status));
    let approve = CommentCommand::Approve { commit };
    assert_eq!(parse(&format!("/Berth approve {}", COMMIT.to_uppercase())), line(None, approve.clone()));
    assert_eq!(approve.title(), "approve 4f2a9c1");
    let run = parse("/berth api run send-reminder --dry-run x").unwrap().unwrap();
    let CommentCommand::Run { script: RunScript::Script { name, args } } = &run.command else { panic!("{run:?}") };
    assert_eq!((run.app.as_deref(), name.as_str()), (Some("api"), "send-reminder"));
    assert_eq!(args.iter().collect::<Vec<_>>(), ["--dry-run", "x"]);
}

#[test]
fn comment_without_a_command_has_none() {
    for body in [
        "",
        "please /berth redeploy",
        "/berthing redeploy",
        "/ berth redeploy",
        "    /berth redeploy",
        "\t/berth redeploy",
        "> /berth redeploy",
        "> quoted\n/berth redeploy",
        "```\n/berth redeploy\n```",
        "````sh\n```\n/berth redeploy\n````",
        "~~~\n/berth redeploy\n```\n/berth redeploy",
        "```\n/berth redeploy",
        "<!--\n\n/berth redeploy\n-->",
        "<pre>\n\n/berth redeploy\n</pre>",
        "<div>\n/berth redeploy",
        "`/berth redeploy`",
    ] {
        assert_eq!(parse(body), Ok(None), "{body}");
    }
}

#[test]
fn block_in_a_list_or_a_quote_is_no_command() {
    for body in [
        "- ```\n  /berth redeploy\n  ```",
        "- ```\n\n  /berth redeploy",
        "1. ```sh\n   /berth redeploy\n   ```",
        "* a\n\n  ```\n  /berth redeploy\n  ```",
        "+ a\n  + b\n\n    ~~~\n    /berth redeploy",
        "- [ ] todo\n  ```\n  /berth redeploy\n  ```",
        "- > quoted\n  /berth redeploy",
        "- > quoted\n/berth redeploy",
        "> - ```\n>   /berth redeploy",
        "> a\n> > b\n/berth redeploy",
        "- a\n  /berth redeploy",
        "- a\n\n ```\n\n/berth redeploy\n ```",
        "- <pre>\n\n  /berth redeploy\n  </pre>",
        "[^1]: note\n\n    /berth redeploy",
    ] {
        assert_eq!(parse(body), Ok(None), "{body}");
    }
}

#[test]
fn line_inside_a_span_is_no_command() {
    for body in [
        "`code\n/berth redeploy\ncode`",
        "``a ` b\n/berth redeploy\n``",
        "$$\n/berth redeploy\n$$",
        "<a title=\"\n/berth redeploy\n\">x</a>",
        "[x](https://example.com \"\n/berth redeploy\n\")",
        "[x]: https://example.com \"\n/berth redeploy\n\"",
        "text <!--\n/berth redeploy\n-->",
        "/berth redeploy `code`",
        "/berth redeploy\n===",
        "| a |\n|---|\n/berth redeploy",
    ] {
        assert_eq!(parse(body), Ok(None), "{body}");
    }
}

#[test]
fn command_after_a_block_is_found() {
    for body in [
        "```\ncode\n```\n/berth redeploy",
        "> quoted\n\n/berth redeploy",
        "<!-- hidden -->\n/berth redeploy",
        "<details>\n\n/berth redeploy\n\n</details>",
        "- ```\n  code\n  ```\n\n/berth redeploy",
        "1. a\n2. b\n\n/berth redeploy",
        "`code\ncode` and an unmatched `\n/berth redeploy",
        "text\n/berth redeploy\ntext",
    ] {
        assert_eq!(parse(body), line(None, CommentCommand::Redeploy), "{body}");
    }
}

#[test]
fn wrong_command_is_refused_with_the_reason() {
    for (body, why) in [
        ("/berth redeploy\n/berth redeploy", "one command"),
        ("/berth", "the command is missing: redeploy, approve, run, status"),
        ("/berth destroy", "there is no command \"destroy\""),
        ("/berth Web! status", "the app's name is not valid"),
        ("/berth approve 4f2a9c1", "all 40 digits"),
        ("/berth approve", "all 40 digits"),
        ("/berth redeploy now", "no argument"),
        ("/berth run", "the name of a script"),
        ("/berth run --help", "does not begin with `-`"),
        ("/berth run a;b", "the name of a script"),
    ] {
        let refused = parse(body).unwrap_err();
        assert!(refused.contains(why), "{body}: {refused}");
    }
}

#[test]
fn every_text_is_parsed_without_a_panic() {
    use proptest::prelude::*;
    proptest!(|(body in "(/berth|>|`{3}|~{3}|<!--|-->|[ \\t\\n\\r]|web|approve|run|\\PC){0,30}")| {
        let _ = parse(&body);
    });
}
