//! Markdown for GitHub. Texts from outside are in code, where nothing of them is a link, an image or HTML. A mention is broken
//! there as well: its person is notified of nothing.

use crate::contract::release::{Release, is_harmless};

/// A character of no width, which ends a word.
const BREAK: char = '\u{200b}';

/// A text as a code span of one line, also in a cell of a table.
pub fn code(text: &str) -> String {
    let text = harmless(text).replace('`', "'").replace('|', "¦");
    let text = text.trim();
    if text.is_empty() { "` `".to_owned() } else { format!("`{text}`") }
}

/// Lines as a block of code.
pub fn block<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.into_iter().map(harmless).collect();
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
}

/// A part that is folded. `title` is berth's own text.
pub fn folded(title: &str, content: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{content}\n</details>\n")
}

/// A link. `text` is berth's own or a code span.
pub fn link(text: &str, url: &str) -> String {
    let url: String = url.chars().filter(|c| c.is_ascii_graphic() && !"()<>[]\\\"'`".contains(*c)).collect();
    format!("[{text}]({url})")
}

/// A release: its commit, and its author if it has one.
pub fn release(release: &Release) -> String {
    match &release.author {
        Some(author) => format!("{} by {}", code(release.commit.short()), code(author.as_str())),
        None => code(release.commit.short()),
    }
}

/// A text of one line without mentions, and without characters that steer a terminal or turn the order of a text.
fn harmless(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if plain.ends_with('@') && c.is_ascii_alphanumeric() {
            plain.push(BREAK);
        }
        plain.push(if is_harmless(c) { c } else { ' ' });
    }
    plain
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_a_code_span() {
        assert_eq!(code("a `b`\n| [x](y) @octocat"), "`a 'b' ¦ [x](y) @\u{200b}octocat`");
        assert_eq!(code("\u{202e}\u{1b}[2J"), "`[2J`");
        assert_eq!((code(""), code("sha@256")), ("` `".to_owned(), "`sha@\u{200b}256`".to_owned()));
    }

    #[test]
    fn block_ends_only_with_its_own_fence() {
        let text = block(["a", "```` @acme/team", "</details>"]);
        assert_eq!(text, "`````text\na\n```` @\u{200b}acme/team\n</details>\n`````\n");
    }

    #[test]
    fn link_cannot_be_left() {
        assert_eq!(link("page", "https://x.example/)[y](javascript:z"), "[page](https://x.example/yjavascript:z)");
    }
}
