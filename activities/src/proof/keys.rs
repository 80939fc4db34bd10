//! Ed25519 keys of proofs: the private one of `berth hooks`, and the public ones of the worker.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use berth_workflows::contract::proof::{Proof, ProofClaims};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};

/// The length of an Ed25519 public key, in bytes.
const PUBLIC_KEY: usize = 32;
/// The most public keys. Two are enough while a key is replaced.
const MAX_KEYS: usize = 16;

/// The public keys of those who may sign proofs.
#[derive(Debug, Clone, Default)]
pub struct ProofKeys(Vec<[u8; PUBLIC_KEY]>);

impl ProofKeys {
    /// Reads a file of public keys: base64, one per line. Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The file cannot be read, has no key, or a line is no key.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("reading public keys from {}", file.display()))
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
            let bytes = BASE64_STANDARD.decode(line).ok();
            let key = bytes.and_then(|bytes| <[u8; PUBLIC_KEY]>::try_from(bytes).ok());
            key.ok_or_else(|| anyhow!("line {number} is not an Ed25519 public key in base64"))
        });
        let keys = keys.collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!keys.is_empty(), "there is no key");
        ensure!(keys.len() <= MAX_KEYS, "there are {} keys, the limit is {MAX_KEYS}", keys.len());
        Ok(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the keys has signed the claims.
    pub(super) fn verify(&self, proof: &Proof) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(&proof.signature) else { return false };
        let text = proof.claims.signing_text();
        let has_signed =
            |key: &[u8; PUBLIC_KEY]| UnparsedPublicKey::new(&ED25519, key).verify(text.as_bytes(), &signature).is_ok();
        self.0.iter().any(has_signed)
    }
}

/// The private key that signs proofs.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes a new key. Returns also its text for a file: PKCS#8 in base64.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn generate() -> anyhow::Result<(Self, String)> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| anyhow!("making a key"))?;
        let text = BASE64_STANDARD.encode(pkcs8.as_ref());
        Ok((Self::parse(&text)?, text))
    }

    /// Reads a key from a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no key. The error repeats nothing of it.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("reading the signing key {}", file.display()))
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let pkcs8 = BASE64_STANDARD.decode(text.trim()).map_err(|_| anyhow!("it is not base64"))?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8);
        pair.map(Self).map_err(|_| anyhow!("it is not an Ed25519 key; `berth hooks new-key` makes one"))
    }

    /// The public key, in base64: a line of the worker's `--proof-keys` file.
    pub fn public_key(&self) -> String {
        BASE64_STANDARD.encode(self.0.public_key().as_ref())
    }

    /// Signs claims.
    pub fn sign(&self, claims: ProofClaims) -> Proof {
        let signature = BASE64_STANDARD.encode(self.0.sign(claims.signing_text().as_bytes()).as_ref());
        Proof { claims, signature }
    }
}
