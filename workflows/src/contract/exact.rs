//! Decoding of what berth itself has written, in a version that may be another one.
//!
//! Every part must be known: one that is ignored would be lost, or would have meant something.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

/// Decodes a value, and refuses any part that this version does not know.
///
/// # Errors
/// A message that names the part. It repeats no more of the value than serde does.
pub fn decode<T: Serialize + DeserializeOwned>(value: Value) -> Result<T, String> {
    let decoded: T = serde_json::from_value(value.clone()).map_err(|why| why.to_string())?;
    // serde cannot deny unknown fields where it flattens, so the decoded value is written again and compared.
    let written = serde_json::to_value(&decoded).map_err(|why| why.to_string())?;
    match first_lost(&value, &written) {
        None => Ok(decoded),
        Some(path) => Err(format!("{} is not known to this version of berth", path.join("."))),
    }
}

/// Decodes a field of a struct as [`decode`] does: `#[serde(deserialize_with = "exact::field")]`.
///
/// # Errors
/// As [`decode`].
pub fn field<'de, D: Deserializer<'de>, T: Serialize + DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    decode(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The path of the first part of a value that is not written again. A null is as good as an absent field.
fn first_lost(value: &Value, written: &Value) -> Option<Vec<String>> {
    match (value, written) {
        (Value::Object(fields), Value::Object(written)) => fields.iter().find_map(|(name, value)| {
            let lost = match written.get(name) {
                Some(written) => first_lost(value, written),
                None => (!value.is_null()).then(Vec::new),
            };
            lost.map(|rest| below(name.clone(), rest))
        }),
        (Value::Array(items), Value::Array(written)) if items.len() == written.len() => {
            let mut pairs = items.iter().zip(written).enumerate();
            pairs.find_map(|(at, (item, written))| first_lost(item, written).map(|rest| below(at.to_string(), rest)))
        }
        // A version before this one has kept the letters of a hash as they came.
        (Value::String(text), Value::String(written)) => (!text.eq_ignore_ascii_case(written)).then(Vec::new),
        _ => (value != written).then(Vec::new),
    }
}

fn below(name: String, mut path: Vec<String>) -> Vec<String> {
    path.insert(0, name);
    path
}

#[cfg(test)]
mod tests;
