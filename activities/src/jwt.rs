//! JSON Web Tokens by RS256 on ring, as the cryptography of the crate `jsonwebtoken`.
//!
//! The crate's own providers are no choice: one brings a second TLS library, the other an RSA whose timing leaks the key.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error, Signer, Verifier},
};
use ring::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};

/// Makes ring the cryptography of tokens in this process. Later calls change nothing.
pub fn install_provider() {
    static PROVIDER: CryptoProvider =
        CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };
    // An error means that it is installed already.
    let _ = PROVIDER.install_default();
}

/// A private key that signs by RS256.
struct Rs256Signer(KeyPair);

/// A public key that verifies by RS256: modulus and exponent.
struct Rs256Verifier(PublicKeyComponents<Vec<u8>>);

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    check(*algorithm, key.family())?;
    let pair = KeyPair::from_der(key.as_bytes()).map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?;
    Ok(Box::new(Rs256Signer(pair)))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    check(*algorithm, key.family())?;
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            Ok(Box::new(Rs256Verifier(PublicKeyComponents { n: n.clone(), e: e.clone() })))
        }
        DecodingKeyKind::SecretOrDer(_) => Err(ErrorKind::InvalidKeyFormat.into()),
    }
}

/// Takes RS256 with an RSA key. A public key as the secret of an HMAC is a known attack.
fn check(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    match (algorithm, family) {
        (Algorithm::RS256, AlgorithmFamily::Rsa) => Ok(()),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

impl Signer<Vec<u8>> for Rs256Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        let signed = self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| Error::new())
    }
}

impl JwtSigner for Rs256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

impl Verifier<Vec<u8>> for Rs256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Rs256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Header, Validation, decode, encode};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn other_algorithms_and_kinds_of_keys_are_refused() {
        install_provider();
        let claims = json!({"exp": 4_000_000_000_u64});
        let secret = EncodingKey::from_secret(b"modulus");
        assert!(encode(&Header::new(Algorithm::HS256), &claims, &secret).is_err());
        let no_key = EncodingKey::from_rsa_der(b"not a key");
        assert!(encode(&Header::new(Algorithm::RS256), &claims, &no_key).is_err());
        assert!(encode(&Header::new(Algorithm::RS512), &claims, &no_key).is_err());
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQwMDAwMDAwMDB9.AAAA";
        for key in [DecodingKey::from_secret(b"modulus"), DecodingKey::from_rsa_der(b"modulus")] {
            for algorithm in [Algorithm::HS256, Algorithm::RS256] {
                assert!(decode::<Value>(token, &key, &Validation::new(algorithm)).is_err(), "{algorithm:?}");
            }
        }
    }
}
