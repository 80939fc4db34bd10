//! The token that opens a config: the accepted kinds, and how it stays hidden.

use std::fmt;

/// A service token. No log and no error shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// Accepts a token of one config or of a service account.
    ///
    /// # Errors
    /// Personal and CLI tokens are refused: they open everything that their person may see, and end with that person's
    /// access. Text that no HTTP header can carry is refused, too. The error never contains the token.
    pub(crate) fn new(text: impl AsRef<str>) -> Result<Self, String> {
        // A token from a file ends in a line feed.
        let text = text.as_ref().trim();
        if text.is_empty() {
            return Err("the token is empty".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has invalid characters".to_owned());
        }
        match ["dp.pt.", "dp.ct."].into_iter().find(|kind| text.starts_with(kind)) {
            Some(kind) => Err(format!(
                "a token of the kind {kind} belongs to a person; create a service token (dp.st.) for the config"
            )),
            None => Ok(Self(text.to_owned())),
        }
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces the token in external text. A server may repeat its request.
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
    fn a_personal_or_unprintable_token_is_refused_and_not_shown() {
        for bad in ["", " \n", "dp.pt.canary", "dp.ct.canary", "dp.st.can ary", "dp.st.canary\u{e9}", "dp.st.\ncanary"]
        {
            let error = Token::new(bad).unwrap_err();
            assert!(!error.contains("canary") && !error.contains("can ary"), "{error}");
        }
    }

    #[test]
    fn a_service_token_is_trimmed_and_not_shown() {
        for good in ["dp.st.preview.canary\n", "dp.sa.canary", "dp.said.canary"] {
            let token = Token::new(good).unwrap();
            assert_eq!(token.reveal(), good.trim());
            assert_eq!(format!("{token:?}"), "Token(…)");
        }
    }
}
