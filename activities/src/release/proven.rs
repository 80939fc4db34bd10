//! Stored releases of production that were proven, by the time at which they were.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::kubernetes::labels;

/// How many stored releases of one number are kept.
const STORED_OF_EACH: usize = 2;

/// Returns the time at which a stored release was proven. An unreadable time is the oldest one: it was proven.
pub(crate) fn proven_at(secret: &impl ResourceExt) -> Option<Timestamp> {
    let text = secret.annotations().get(labels::PROVEN_AT)?;
    Some(text.parse().unwrap_or(Timestamp::MIN))
}

/// A stored release that was proven.
struct Proven {
    at: Timestamp,
    /// The number of the release. A redeploy stores it again.
    release: Option<String>,
    name: String,
}

impl Proven {
    fn new(secret: &impl ResourceExt) -> Option<Self> {
        let release = secret.annotations().get(labels::RELEASE_NUMBER).cloned();
        Some(Self { at: proven_at(secret)?, release, name: secret.name_any() })
    }
}

/// Returns the names of the newest proven releases: of each its newest two, since a redeploy may have other manifests.
pub(super) fn newest(stored: &[impl ResourceExt], count: usize) -> Vec<String> {
    newest_of(stored.iter().filter_map(Proven::new).collect(), count)
}

fn newest_of(mut proven: Vec<Proven>, count: usize) -> Vec<String> {
    proven.sort_unstable_by(|left, right| (right.at, &right.name).cmp(&(left.at, &left.name)));
    // An entry for each release, with the names under which it is stored. A preview's releases have no number.
    let mut kept: Vec<(&Option<String>, Vec<String>)> = Vec::new();
    for one in &proven {
        let known = kept.iter().position(|(release, _)| release.is_some() && **release == one.release);
        match known {
            Some(known) if kept[known].1.len() < STORED_OF_EACH => kept[known].1.push(one.name.clone()),
            None if kept.len() < count => kept.push((&one.release, vec![one.name.clone()])),
            _ => {}
        }
    }
    kept.into_iter().flat_map(|(_, names)| names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redeploys_of_one_release_do_not_take_the_place_of_others() {
        let proven = |release: Option<&str>, second: i64| Proven {
            at: Timestamp::from_second(second).unwrap(),
            release: release.map(str::to_owned),
            name: format!("{}-{second}", release.unwrap_or("preview")),
        };
        let redeploys = (10..20).map(|second| proven(Some("7"), second));
        let all = redeploys.chain([proven(Some("6"), 3), proven(Some("5"), 2), proven(None, 1), proven(None, 0)]);
        assert_eq!(newest_of(all.collect(), 3), ["7-19", "7-18", "6-3", "5-2"]);
        assert_eq!(newest_of(vec![proven(None, 1), proven(None, 0)], 2), ["preview-1", "preview-0"]);
        assert_eq!(newest_of(vec![proven(Some("7"), 1)], 0), [""; 0]);
    }
}
