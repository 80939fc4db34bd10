//! Tokens of GitHub's jobs, signed by RS256 with a key that the issuer publishes.
//!
//! This file and its folder answer one question: has the issuer signed these claims for us, and do they hold now? What the claims
//! allow is decided in [`super::admit`].

mod claims;
mod keys;

use berth_activities::jwt;
use jsonwebtoken::{
    Algorithm, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
};

pub(super) use claims::Claims;
use keys::Keys;

/// The longest token. GitHub's have about 2 KB.
const MAX_TOKEN: usize = 8 * 1024;
/// How far the clocks of two machines may differ, in seconds.
const LEEWAY: u64 = 60;

/// The reason why a token is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unbelieved {
    /// It is wrong, whenever it is shown.
    Token(String),
    /// The issuer's keys cannot be had. Another try may succeed.
    Issuer,
}

/// Verifies tokens of one issuer for one audience.
pub(super) struct Tokens {
    keys: Keys,
    validation: Validation,
}

impl Tokens {
    /// Prepares for tokens of `issuer` whose audience is `audience`.
    ///
    /// # Errors
    /// The issuer is no URL, or TLS cannot be set up.
    pub(super) fn new(issuer: &str, audience: &str) -> anyhow::Result<Self> {
        jwt::install_provider();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Ok(Self { keys: Keys::new(issuer)?, validation })
    }

    /// The claims of a token that holds.
    ///
    /// # Errors
    /// See [`Unbelieved`].
    pub(super) async fn verify(&self, token: &str) -> Result<Claims, Unbelieved> {
        let wrong = |why: &str| Unbelieved::Token(why.to_owned());
        if token.len() > MAX_TOKEN {
            return Err(wrong("the token is too long"));
        }
        let header = decode_header(token).map_err(|error| wrong(reason(&error)))?;
        // The algorithm is ours to choose, and not the token's: `none` and an HMAC with the public key are known attacks.
        if header.alg != Algorithm::RS256 {
            return Err(wrong("the token is not signed by RS256"));
        }
        let kid = header.kid.ok_or_else(|| wrong("the token names no key"))?;
        let key = self.keys.find(&kid).await?;
        let verified = decode::<Claims>(token, &key, &self.validation);
        verified.map(|verified| verified.claims).map_err(|error| wrong(reason(&error)))
    }
}

/// The reason in plain words. It repeats nothing of the token.
fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience: ask for one with our public URL",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidSignature => "the token's signature does not hold",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a claim that every token has",
        _ => "it is not a token of a GitHub job",
    }
}
