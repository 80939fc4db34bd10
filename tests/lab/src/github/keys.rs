//! RSA keys, and the JSON Web Tokens that they sign.
//!
//! GitHub knows RS256 alone. `ring` signs and verifies, but cannot make an RSA key; the pure crate `rsa` makes it. A program such as
//! `openssl` is not on every machine, and a committed key is a secret in a repository.

use anyhow::{Result, anyhow};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use serde_json::{Value, json};

/// GitHub's own size.
const BITS: usize = 2048;

#[derive(Debug)]
pub(super) struct Key {
    pair: KeyPair,
    /// The private key as GitHub hands it out: PKCS#1 as PEM.
    pub(super) pem: String,
    pub(super) id: String,
}

impl Key {
    pub(super) fn generate(id: &str) -> Result<Self> {
        let key = rsa::PrivateKey::new(&mut getrandom::SysRng, BITS)?;
        let pair = KeyPair::from_der(key.to_pkcs1_der()?.as_bytes()).map_err(|error| anyhow!("{error}"))?;
        let pem = key.to_pkcs1_pem(LineEnding::LF)?.to_string();
        Ok(Self { pair, pem, id: id.to_owned() })
    }

    pub(super) fn components(&self) -> PublicKeyComponents<Vec<u8>> {
        PublicKeyComponents::from(self.pair.public())
    }

    /// The public key as a JSON Web Key.
    pub(super) fn jwk(&self) -> Value {
        let PublicKeyComponents { n, e } = self.components();
        let encoded = |number: Vec<u8>| URL_SAFE_NO_PAD.encode(number);
        json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": encoded(n), "e": encoded(e)})
    }

    /// The public key as PKCS#1 in PEM, as somebody takes it for a shared secret.
    pub(super) fn public_pem(&self) -> String {
        format!(
            "-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n",
            STANDARD.encode(self.public_der())
        )
    }

    pub(super) fn public_der(&self) -> &[u8] {
        self.pair.public().as_ref()
    }

    /// The header of a token that names this key.
    pub(super) fn header(&self, algorithm: &str) -> Value {
        json!({"typ": "JWT", "alg": algorithm, "kid": self.id})
    }

    pub(super) fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_with(&self.header("RS256"), claims)
    }

    /// Signs by RS256, whatever the header says.
    pub(super) fn sign_with(&self, header: &Value, claims: &Value) -> Result<String> {
        let text = unsigned(header, claims);
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| anyhow!("signing a token"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Verifies a token's signature, and answers its claims.
    pub(super) fn verify(&self, token: &str) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        let (header, claims) = text.split_once('.')?;
        let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_signed = self.components().verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature).is_ok();
        (read(header)?["alg"] == "RS256" && is_signed).then(|| read(claims)).flatten()
    }
}

/// The part of a token that is signed.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encoded(header), encoded(claims))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_verified_by_its_own_key_only() {
        let (key, other) = (Key::generate("a").unwrap(), Key::generate("b").unwrap());
        let claims = json!({"iss": "1"});
        let token = key.sign(&claims).unwrap();
        assert_eq!(key.verify(&token), Some(claims));
        assert_eq!(other.verify(&token), None);
        let altered = token.replacen('.', ".A", 1);
        assert_eq!(key.verify(&altered), None);
        assert_eq!(key.verify("no token"), None);
    }

    #[test]
    fn keys_are_written_as_github_and_its_clients_expect() {
        let key = Key::generate("a").unwrap();
        assert!(key.pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        assert_eq!((&key.jwk()["e"], &key.jwk()["kid"]), (&json!("AQAB"), &json!("a")));
    }
}
