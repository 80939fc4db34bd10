//! Tokens that are none of the issuer's.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    GithubServer,
    keys::{self, Key},
};

/// A way to forge a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// `alg: none`, without a signature.
    Unsigned,
    /// HS256 with the text of the public key as its secret.
    PublicKeyAsSecret,
    /// RS256 under a `kid` that is not published.
    UnknownKey,
    /// RS256 by another key, under the `kid` of the published one.
    OtherKey,
}

impl GithubServer {
    /// A token that must be refused.
    ///
    /// # Errors
    /// No key could be made.
    pub fn forge(&self, claims: &Value, forgery: Forgery) -> Result<String> {
        let state = self.github.state();
        let newest = state.issuer.newest()?;
        let header = |algorithm: &str| json!({"typ": "JWT", "alg": algorithm, "kid": newest.id});
        match forgery {
            Forgery::Unsigned => Ok(format!("{}.", keys::unsigned(&header("none"), claims))),
            Forgery::PublicKeyAsSecret => {
                let text = keys::unsigned(&header("HS256"), claims);
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, newest.public_pem().as_bytes());
                let tag = ring::hmac::sign(&secret, text.as_bytes());
                Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag)))
            }
            Forgery::UnknownKey => Key::generate("unknown")?.sign(claims),
            Forgery::OtherKey => Key::generate(&newest.id)?.sign(claims),
        }
    }
}
