//! The token of a request: a bearer token, or the user name of basic authentication.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};

pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        return Some(decoded.split_once(':').map_or(decoded.as_str(), |(user, _)| user).to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(authorization: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        token(&headers)
    }

    #[test]
    fn token_is_read_from_bearer_and_basic_authentication() {
        assert_eq!(token_of("Bearer dp.st.x").as_deref(), Some("dp.st.x"));
        assert_eq!(token_of(&format!("Basic {}", STANDARD.encode("dp.st.x:"))).as_deref(), Some("dp.st.x"));
    }

    #[test]
    fn other_schemes_have_no_token() {
        assert_eq!(token_of("Digest dp.st.x"), None);
        assert_eq!(token_of("Basic !!"), None);
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
