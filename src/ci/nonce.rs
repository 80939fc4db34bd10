//! A random word, which text from outside cannot contain.

use anyhow::anyhow;
use ring::rand::{SecureRandom as _, SystemRandom};

/// 32 hexadecimal digits from the operating system.
///
/// # Errors
/// It gives no random numbers.
pub(super) fn nonce() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the operating system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
