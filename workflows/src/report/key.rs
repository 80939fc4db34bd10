//! A key of what is shown: equal content has equal keys, also in another run of the workflow.

use serde::{Deserialize, Serialize};

/// FNV-1a of 64 bits over the content's JSON. Nobody gains by a collision: it would leave a text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Key(u64);

impl Key {
    pub(super) fn of(content: &impl Serialize) -> Self {
        // Content that cannot be written as JSON is not shown either.
        let json = serde_json::to_vec(content).unwrap_or_default();
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(json.iter().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn key_is_the_published_hash() {
        // FNV-1a of the text `1`.
        assert_eq!(Key::of(&1), Key(0xaf63_ac4c_8601_9afc));
        assert_ne!(Key::of(&"a"), Key::of(&"b"));
    }
}
