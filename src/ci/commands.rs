//! Commands in the log of a job, which GitHub's runner obeys: a group, a notice, an error. Pure.
//!
//! The runner obeys a command wherever a line begins with it, so text from outside is never written bare. In a command it is
//! escaped, and elsewhere it stands between [`stop`] and [`resume`].

/// The kind of a message that GitHub shows on the page of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Notice,
    Error,
}

/// The line that opens a group.
pub(super) fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// The line that closes a group.
pub(super) const END_OF_GROUP: &str = "::endgroup::";

/// The line with a message.
pub(super) fn message(kind: Kind, title: &str, text: &str) -> String {
    let name = match kind {
        Kind::Notice => "notice",
        Kind::Error => "error",
    };
    format!("::{name} title={}::{}", property(title), data(text))
}

/// The line after which commands are text. `token` ends that, and must not be guessed.
pub(super) fn stop(token: &str) -> String {
    format!("::stop-commands::{token}")
}

/// The line after which commands are obeyed again.
pub(super) fn resume(token: &str) -> String {
    format!("::{token}::")
}

/// A text where commands are stopped, as lines.
pub(super) fn guarded(token: &str, text: &str) -> String {
    let lines = text.lines().map(|line| plain(line) + "\n");
    format!("{}\n{}{}", stop(token), lines.collect::<String>(), resume(token))
}

/// A text of one line, without characters that steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

/// Escapes the text of a command, as GitHub's own toolkit does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property, as GitHub's own toolkit does.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_command() {
        let hostile = "100%\r\n::add-mask::x: a, b";
        assert_eq!(
            message(Kind::Error, hostile, hostile),
            "::error title=100%25%0D%0A%3A%3Aadd-mask%3A%3Ax%3A a%2C b::100%25%0D%0A::add-mask::x: a, b"
        );
        assert_eq!(message(Kind::Notice, "web", "live"), "::notice title=web::live");
        assert_eq!(group("a\nb"), "::group::a%0Ab");
    }

    #[test]
    fn text_stands_where_commands_are_stopped() {
        let text = "::error::x\r::add-mask::y\n  ::stop-commands::z\u{1b}[2J\n::z::";
        let guarded = guarded("4f2a9c1e", text);
        let lines: Vec<_> = guarded.lines().collect();
        let inside = ["::error::x ::add-mask::y", "  ::stop-commands::z [2J", "::z::"];
        assert_eq!(lines, [&["::stop-commands::4f2a9c1e"][..], &inside, &["::4f2a9c1e::"]].concat());
    }
}
