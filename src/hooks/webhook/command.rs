//! Commands in comments, as far as they decide who gets a comment. The worker reads the comment again from GitHub, and only that
//! counts.

/// The word that begins a command.
const COMMAND: &str = "/berth";

/// Finds the first command of a comment. Returns the word behind it, which may name an app, or nothing.
///
/// Code blocks and quotes have no commands: people quote them, and berth's own comment lists them.
pub(super) fn word_after_command(body: &str) -> Option<&str> {
    let mut fence: Option<&str> = None;
    for line in body.lines() {
        let text = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| text.starts_with(marker));
        match (fence, marker) {
            (Some(open), Some(marker)) if open == marker => fence = None,
            (None, Some(marker)) => fence = Some(marker),
            (None, None) if !is_indented_code(line) => {
                let mut words = text.split_whitespace();
                if words.next() == Some(COMMAND) {
                    return Some(words.next().unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether Markdown shows a line as code.
fn is_indented_code(line: &str) -> bool {
    line.starts_with('\t') || line.starts_with("    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_found_at_the_begin_of_a_line() {
        for (body, word) in [
            ("/berth redeploy", "redeploy"),
            ("Thanks!\r\n\r\n/berth web redeploy\r\n", "web"),
            ("  /berth\tstatus", "status"),
            ("/berth", ""),
            ("```\n/berth run x\n```\n/berth approve 1234", "approve"),
            ("~~~\n```\n/berth x\n~~~\n/berth y", "y"),
        ] {
            assert_eq!(word_after_command(body), Some(word), "{body:?}");
        }
    }

    #[test]
    fn text_code_and_quotes_have_no_command() {
        for body in [
            "",
            "please /berth redeploy",
            "/berthold redeploy",
            "`/berth redeploy`",
            "> /berth redeploy",
            "    /berth redeploy",
            "\t/berth redeploy",
            "```\n/berth redeploy\n```",
            "```sh\n/berth redeploy",
            "- /berth redeploy",
        ] {
            assert_eq!(word_after_command(body), None, "{body:?}");
        }
    }
}
