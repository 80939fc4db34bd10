//! What an app's manifests become in one environment: read, rendered, judged, put in order. Pure, but for reading the folder.
//!
//! ```text
//! layout → yaml → template (variables, substitute, scalar) → object → policy → order → stamp
//! ```

pub(crate) mod finding;
mod kinds;
mod layout;
mod object;
mod order;
pub(crate) mod own;
mod policy;
mod scalar;
mod stamp;
mod substitute;
pub(crate) mod template;
mod variables;
mod yaml;

use std::collections::HashMap;

use sha2::{Digest, Sha256};

pub(crate) use object::line_of;
pub(crate) use variables::OWN;

pub use finding::{Finding, Severity, Subject};
pub use kinds::{KINDS, Kind, cluster_kinds};
pub use layout::{Section, SourceFile, SourceFiles};
pub use object::{Identity, Object};
pub use policy::PolicyInput;
pub use stamp::Stamp;
pub use variables::{EnvironmentKind, VariableInput, Variables, unique_name};

/// Objects of one environment. A bound on what a rollout watches and a status has to hold.
const MAX_OBJECTS: usize = 500;

/// What is shown of one environment's manifests. Who has more than that to mend begins with these.
const MAX_FINDINGS: usize = 200;

/// A release's objects, ready to be stamped and applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Apply one after the other; within one, all at once.
    pub stages: Vec<Vec<Object>>,
    /// What people should know about it: warnings, and what was left out.
    pub notes: Vec<Finding>,
}

impl Rendered {
    /// Every object, in the order of the stages.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.stages.iter().flatten()
    }

    /// Says on every object that it is berth's, and whose.
    pub fn stamp(&mut self, stamp: &Stamp) {
        self.stages.iter_mut().flatten().for_each(|object| stamp.apply(object));
    }
}

/// Renders an app's manifests for one environment.
///
/// # Errors
/// Everything that is wrong with them, all at once and in the order of the files, warnings and notes included.
pub fn render(files: &SourceFiles, variables: &Variables, policy: &PolicyInput) -> Result<Rendered, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut objects = Vec::new();
    for file in files.of(policy.environment_kind) {
        let (documents, found) = template::documents(&file.path, &file.text, Some(variables));
        findings.extend(found);
        for document in documents {
            objects.extend(Object::from_document(&file.path, document, &mut findings));
        }
    }
    let (objects, found) = policy::check(objects, policy);
    findings.extend(found.into_iter().map(Finding::about_policy));
    let objects = last_of_each(objects, &mut findings);
    if let Some(object) = objects.get(MAX_OBJECTS) {
        findings.push(object.error("", format!("is one object too many: {MAX_OBJECTS} at most")));
    }
    let place: HashMap<&str, usize> =
        files.all().iter().enumerate().map(|(index, file)| (file.path.as_str(), index)).collect();
    findings.sort_by_key(|finding| (place.get(finding.file.as_str()).copied(), finding.line));
    findings.dedup();
    let left_out = findings.len().saturating_sub(MAX_FINDINGS);
    if left_out > 0 {
        // Errors stay before anything else does.
        findings.sort_by_key(|finding| !finding.is_error());
        findings.truncate(MAX_FINDINGS);
        let severity = findings.first().map_or(Severity::Note, |finding| finding.severity);
        findings.push(Finding::new(severity, "", 0, format!("and {left_out} more")));
    }
    if findings.iter().any(Finding::is_error) {
        return Err(findings);
    }
    Ok(Rendered { stages: order::stages(objects), notes: findings })
}

/// An object that is written twice (`preview/` over `shared/`) ends as the last one says, as with `kubectl apply` file by
/// file; applied at once, the two would race.
fn last_of_each(objects: Vec<Object>, findings: &mut Vec<Finding>) -> Vec<Object> {
    let mut places: HashMap<Identity, usize> = HashMap::new();
    let mut kept: Vec<Object> = Vec::new();
    for object in objects {
        let Some(place) = places.get(&object.identity()).and_then(|place| kept.get_mut(*place)) else {
            places.insert(object.identity(), kept.len());
            kept.push(object);
            continue;
        };
        let message = format!(
            "{} `{}` is written again at {}:{}, which is the one that counts",
            place.kind(),
            place.name(),
            object.file,
            object.line
        );
        findings.push(place.finding(Severity::Warning, "", message));
        *place = object;
    }
    kept
}

/// Replaces berth's variables in a text that is no manifest, as a gate's path.
pub fn substitute(text: &str, variables: &Variables) -> String {
    substitute::substitute(text, variables).text
}

/// A hash of manifests as they are written, and of whatever else (`context`) they are rendered from: so that a rollout
/// knows what it used, and a change is seen.
pub fn content_hash(context: &[u8], files: &SourceFiles) -> String {
    let mut hash = Sha256::new();
    let parts = files
        .all()
        .iter()
        .flat_map(|file| [file.section.folder().as_bytes(), file.path.as_bytes(), file.text.as_bytes()]);
    for part in std::iter::once(context).chain(parts) {
        // The length first, so that no two lists of parts give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;
