//! The same objects, rolled out with `kubectl` in a namespace beside production's, and the time that both take.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::site::{DATABASE as DATABASE_OF_PRODUCTION, HOST, NAMESPACE, Site, UI_HOST};
use crate::commands::by_hand::{by_hand, objects};

const BESIDE: &str = "web-by-hand";
/// Two Temporal servers on one database would disturb each other.
pub(super) const DATABASE: &str = "web_by_hand";

/// The times of a rollout over a release that serves.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    /// From the release to live.
    pub(super) berth: Option<Duration>,
}

impl ByHand {
    /// Rolls the first release out by hand, for the next one to begin like berth's.
    pub(super) fn first(&self, site: &Site<'_>) -> Result<String> {
        let objects = objects_beside(site)?;
        site.person.kubectl(&["create", "namespace", BESIDE])?;
        let begun = Instant::now();
        by_hand(&site.person, BESIDE, &objects)?;
        Ok(format!("rolled out in {BESIDE} after {:.1} s, with images that were there", begun.elapsed().as_secs_f32()))
    }

    /// Rolls the next release out by hand, and compares the times.
    pub(super) fn next(&self, site: &Site<'_>) -> Result<String> {
        let objects = objects_beside(site)?;
        let begun = Instant::now();
        by_hand(&site.person, BESIDE, &objects)?;
        let by_hand = begun.elapsed().as_secs_f32();
        site.person.kubectl(&["delete", "namespace", BESIDE, "--wait=false"])?;
        let berth = self.berth.context("berth's release was not measured")?.as_secs_f32();
        Ok(format!(
            "release 2 over release 1: berth {berth:.1} s from `release` to live, kubectl {by_hand:.1} s to ready pods\n\
             berth's time has the plan, the record and the gates, and five seconds for a container without a probe to stay up"
        ))
    }
}

/// The objects of the newest release, with names of their own where two environments would meet.
fn objects_beside(site: &Site<'_>) -> Result<Vec<Value>> {
    objects(&site.person, NAMESPACE, BESIDE)?.iter().map(beside).collect()
}

fn beside(object: &Value) -> Result<Value> {
    let (host, ui_host) = (format!("{BESIDE}.localhost"), format!("{BESIDE}-temporal.localhost"));
    let text = object.to_string().replace(NAMESPACE, BESIDE).replace(UI_HOST, &ui_host).replace(HOST, &host);
    let mut object: Value = serde_json::from_str(&text)?;
    if object["kind"] == "Secret" {
        for value in object["data"].as_object_mut().context("the Secret is empty")?.values_mut() {
            let plain = String::from_utf8(STANDARD.decode(value.as_str().unwrap_or_default())?)?;
            let plain = plain.replace(NAMESPACE, BESIDE).replace(DATABASE_OF_PRODUCTION, DATABASE);
            *value = json!(STANDARD.encode(plain));
        }
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_beside_share_no_name_with_production() {
        let ingress = json!({"kind": "Ingress", "metadata": {"namespace": "web-production"},
            "spec": {"rules": [{"host": "web.localhost"}, {"host": "web-temporal.localhost"}]}});
        let moved = beside(&ingress).unwrap();
        assert_eq!(moved["metadata"]["namespace"], BESIDE);
        assert_eq!(moved["spec"]["rules"][0]["host"], "web-by-hand.localhost");
        assert_eq!(moved["spec"]["rules"][1]["host"], "web-by-hand-temporal.localhost");
        let secret = json!({"kind": "Secret", "data": {"DATABASE_NAME": STANDARD.encode("web_production")}});
        assert_eq!(beside(&secret).unwrap()["data"]["DATABASE_NAME"], STANDARD.encode("web_by_hand"));
    }
}
