//! The token that opens a config: which kinds berth takes, and that none is ever shown.

use std::fmt;

/// A service token. Never shown: not in a log, not in an error.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// Takes a token that opens one config, or everything of a machine's account.
    ///
    /// # Errors
    /// Personal and CLI tokens open everything that a person may see, and end with that person: they are refused. So is
    /// what no HTTP header can carry. The error never contains the token.
    pub(crate) fn new(text: impl AsRef<str>) -> Result<Self, String> {
        // A token that came from a file ends in a line feed.
        let text = text.as_ref().trim();
        if text.is_empty() {
            return Err("the token is empty".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has characters that no token has".to_owned());
        }
        match ["dp.pt.", "dp.ct."].into_iter().find(|kind| text.starts_with(kind)) {
            Some(kind) => {
                Err(format!("a token of the kind {kind} is a person's: create a service token (dp.st.) for the config"))
            }
            None => Ok(Self(text.to_owned())),
        }
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes the token out of a text that came from outside: a server may repeat what it was sent.
    pub(super) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.0, "(token)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_person_or_of_no_header_is_refused_and_not_shown() {
        for bad in ["", " \n", "dp.pt.canary", "dp.ct.canary", "dp.st.can ary", "dp.st.canary\u{e9}", "dp.st.\ncanary"]
        {
            let error = Token::new(bad).unwrap_err();
            assert!(!error.contains("canary") && !error.contains("can ary"), "{error}");
        }
    }

    #[test]
    fn a_machines_token_is_taken_without_the_line_feed_of_its_file_and_not_shown() {
        for good in ["dp.st.preview.canary\n", "dp.sa.canary", "dp.said.canary"] {
            let token = Token::new(good).unwrap();
            assert_eq!(token.reveal(), good.trim());
            assert_eq!(format!("{token:?}"), "Token(…)");
        }
    }
}
