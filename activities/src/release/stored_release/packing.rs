//! The compressed form of a stored release, and its limits.

use std::io::{self, Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;

use super::StoredRelease;

/// The most bytes of a compressed release. A namespace keeps up to a hundred of them (`keep_releases`), and etcd has 2 GB by
/// default.
pub(super) const MAX_PACKED: usize = 4_000_000;
/// The most bytes of an unpacked release. It bounds the memory that a damaged Secret can take.
const MAX_UNPACKED: usize = 32 * 1024 * 1024;
/// Beyond this many bytes the work leaves the task that heartbeats: it takes more than some milliseconds.
const LARGE: usize = 256 * 1024;

/// Returns why these objects are too large to be stored as one release, if they are. For `berth check`.
pub fn why_too_large(objects: &[Value]) -> Option<String> {
    let release = StoredRelease { objects: objects.to_vec(), ..StoredRelease::default() };
    match serde_json::to_vec(&release) {
        // Compression never adds more than some bytes.
        Ok(json) if json.len() < MAX_PACKED / 2 => None,
        Ok(json) => compress(&json).err(),
        Err(error) => Some(error.to_string()),
    }
}

/// Compresses the JSON of a release.
///
/// # Errors
/// Why it is too large.
pub(super) async fn pack(json: Vec<u8>) -> Result<Vec<u8>, String> {
    if json.len() < LARGE {
        return compress(&json);
    }
    let packed = tokio::task::spawn_blocking(move || compress(&json)).await;
    packed.unwrap_or_else(|error| Err(error.to_string()))
}

fn compress(json: &[u8]) -> Result<Vec<u8>, String> {
    if json.len() > MAX_UNPACKED {
        return Err(too_large(json.len(), "", MAX_UNPACKED));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(json).and_then(|()| encoder.finish());
    let packed = packed.map_err(|error| format!("the release cannot be compressed: {error}"))?;
    if packed.len() > MAX_PACKED { Err(too_large(packed.len(), " compressed", MAX_PACKED)) } else { Ok(packed) }
}

fn too_large(bytes: usize, compressed: &str, most: usize) -> String {
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    format!(
        "the rendered manifests take {:.1} MB{compressed}; berth stores at most {:.0} MB of a release in its namespace. Move large \
         files into the image",
        megabytes(bytes),
        megabytes(most),
    )
}

/// Reads a release from its compressed form.
///
/// # Errors
/// Why it is damaged.
pub(super) async fn unpack(packed: Vec<u8>) -> Result<StoredRelease, String> {
    if packed.len() < LARGE {
        return decompress(&packed).map_err(|error| error.to_string());
    }
    let unpacked = tokio::task::spawn_blocking(move || decompress(&packed)).await;
    unpacked.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn decompress(packed: &[u8]) -> io::Result<StoredRelease> {
    let mut json = Vec::new();
    GzDecoder::new(packed).take(MAX_UNPACKED as u64).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn size_is_limited_before_and_after_the_compression() {
        let file = |text: String| json!({"kind": "ConfigMap", "data": {"file": text}});
        assert_eq!(why_too_large(&[file("x".repeat(20_000_000))]), None, "it compresses well");
        let long = why_too_large(&[file("x".repeat(40_000_000))]).unwrap();
        assert!(long.starts_with("the rendered manifests take 40.0 MB; berth stores at most 34 MB"), "{long}");
        let random = |bytes| file(super::super::tests::noise(bytes));
        assert_eq!(why_too_large(&[random(3_900_000)]), None);
        let dense = why_too_large(&[random(6_000_000)]).unwrap();
        assert!(dense.contains(" MB compressed; berth stores at most 4 MB"), "{dense}");
    }
}
