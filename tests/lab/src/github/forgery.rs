//! Tokens that are none of the issuer's.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    GithubServer,
    keys::{self, Key},
};

/// A way to forge a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// `alg: none`, without a signature.
    Unsigned,
    /// HS256 with the public key as its secret.
    PublicKeyAsSecret(Spelling),
    /// RS256 under a `kid` that is not published.
    UnknownKey,
    /// RS256 by another key, under the `kid` of the published one.
    OtherKey,
}

/// A text in which a verifier may hold the public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    Pem,
    Der,
    /// The JSON Web Key, as it is published.
    Jwk,
    /// The modulus alone, as libraries take it from a JSON Web Key.
    Modulus,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unsigned,
        Self::PublicKeyAsSecret(Spelling::Pem),
        Self::PublicKeyAsSecret(Spelling::Der),
        Self::PublicKeyAsSecret(Spelling::Jwk),
        Self::PublicKeyAsSecret(Spelling::Modulus),
        Self::UnknownKey,
        Self::OtherKey,
    ];
}

impl GithubServer {
    /// Signs claims with the issuer's newest key by RS256, under a header with changes. A field that is null is left out.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign_with(&self, changes: &Value, claims: &Value) -> Result<String> {
        let state = self.github.state();
        let newest = state.issuer.newest()?;
        let mut header = newest.header("RS256");
        for (name, value) in changes.as_object().into_iter().flatten() {
            header[name] = value.clone();
        }
        if let Some(fields) = header.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        newest.sign_with(&header, claims)
    }

    /// A token that must be refused.
    ///
    /// # Errors
    /// No key could be made.
    pub fn forge(&self, claims: &Value, forgery: Forgery) -> Result<String> {
        let state = self.github.state();
        let newest = state.issuer.newest()?;
        match forgery {
            Forgery::Unsigned => Ok(format!("{}.", keys::unsigned(&newest.header("none"), claims))),
            Forgery::PublicKeyAsSecret(spelling) => {
                let text = keys::unsigned(&newest.header("HS256"), claims);
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &newest.spelled(spelling));
                let tag = ring::hmac::sign(&secret, text.as_bytes());
                Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag)))
            }
            Forgery::UnknownKey => Key::generate("unknown")?.sign(claims),
            Forgery::OtherKey => Key::generate(&newest.id)?.sign(claims),
        }
    }
}

impl Key {
    fn spelled(&self, spelling: Spelling) -> Vec<u8> {
        match spelling {
            Spelling::Pem => self.public_pem().into_bytes(),
            Spelling::Der => self.public_der().to_vec(),
            Spelling::Jwk => self.jwk().to_string().into_bytes(),
            Spelling::Modulus => self.components().n,
        }
    }
}
