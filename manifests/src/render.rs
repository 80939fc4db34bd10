//! Rendering of an app's manifests for one environment: parse, substitute, check, order. Pure, except that it reads the folder.
//!
//! ```text
//! layout → yaml → template (variables, substitute, scalar) → object → policy → images → order → stamp
//! ```

mod accounts;
pub(crate) mod builtin;
pub(crate) mod finding;
mod granted;
mod image_field;
mod images;
mod kinds;
mod layout;
mod object;
mod order;
mod policy;
mod pushed_image;
mod pushed_names;
mod references;
mod repeated;
mod route;
mod scalar;
mod schema;
mod stamp;
mod substitute;
pub(crate) mod template;
mod temporal_service;
mod variables;
mod yaml;

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use policy::Checked;

pub(crate) use object::line_of;
pub(crate) use pushed_image::variables_of_image;
pub(crate) use variables::{RESERVED_NAMES, RESERVED_PREFIXES, is_own_default, is_upper_case};

pub use finding::{Finding, Severity, Subject, without_consequences};
pub use granted::{ClusterRoles, ENVIRONMENT_ROLE_NAME, Rights, check_granted, rule_for};
pub use kinds::{FurtherKind, KINDS, Kind, cluster_kinds, group_and_version};
pub use layout::{Section, SourceFile, SourceFiles};
pub use object::{Identity, Object};
pub use policy::PolicyInput;
pub use pushed_image::PushedImage;
pub use pushed_names::PushedNames;
pub use references::{Classes, ClusterClasses, Provided, check_classes, check_references};
pub use route::{Route, find_route};
pub use stamp::{Stamp, is_berth_key};
pub use temporal_service::find_temporal_service;
pub use variables::{EnvironmentKind, VariableInput, Variables, unique_name};

/// The most objects of one environment. It bounds what a rollout watches and what a status holds.
const MAX_OBJECTS: usize = 500;

/// The most findings of one environment. The rest appears once these are fixed.
const MAX_FINDINGS: usize = 200;

/// The objects of a release, ready to be stamped and applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Stages to apply one after the other. Objects of one stage are applied at once.
    pub stages: Vec<Vec<Object>>,
    /// Findings that do not stop the release: warnings and notes.
    pub notes: Vec<Finding>,
}

impl Rendered {
    /// Every object, in the order of the stages.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.stages.iter().flatten()
    }

    /// Labels every object as managed by berth, with its owner.
    pub fn stamp(&mut self, stamp: &Stamp) {
        self.stages.iter_mut().flatten().for_each(|object| stamp.apply(object));
    }
}

/// Manifests with everything that was found about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The objects that could be read, also those that are refused. They may be applied only without an error.
    pub rendered: Rendered,
    /// Whether each document could be read. If not, an object that another refers to may be in the rest.
    pub is_complete: bool,
}

/// Renders an app's manifests for one environment.
///
/// # Errors
/// Every finding, in the order of the files, if at least one is an error. Warnings and notes are included.
pub fn render(files: &SourceFiles, variables: &Variables, policy: &PolicyInput) -> Result<Rendered, Vec<Finding>> {
    let Inspection { rendered, .. } = inspect(files, variables, policy);
    if rendered.notes.iter().any(Finding::is_error) {
        return Err(rendered.notes);
    }
    Ok(rendered)
}

/// Renders an app's manifests for one environment, and goes on after an error. The notes include the errors.
///
/// For `berth check`, which looks at the objects further.
pub fn inspect(files: &SourceFiles, variables: &Variables, policy: &PolicyInput) -> Inspection {
    let mut read = read_objects(files, variables, policy);
    if !read.sole_images.is_empty() {
        let variables = variables.with_whole_references(&read.sole_images);
        read = read_objects(files, &variables, policy);
    }
    let ReadObjects { objects, mut findings, is_incomplete, .. } = read;
    let Checked { kept, refused, findings: found } = policy::check(objects, policy);
    // A field that cannot be read right breaks rules as a consequence: an unknown variable is no host of the app.
    let found = finding::without_consequences(found, &findings);
    findings.extend(found.into_iter().map(Finding::about_policy));
    let mut objects = last_of_each(kept, &mut findings);
    repeated::keep_last(&mut objects, &mut findings);
    images::pin(&mut objects, variables, &mut findings);
    accounts::add_pull_secret(&mut objects, policy.pull_secret.as_deref());
    if let Some(object) = objects.get(MAX_OBJECTS) {
        findings.push(object.error("", format!("exceeds the limit of {MAX_OBJECTS} objects")));
    }
    let positions: HashMap<&str, usize> =
        files.all().iter().enumerate().map(|(index, file)| (file.path.as_str(), index)).collect();
    findings.sort_by_key(|finding| (positions.get(finding.file.as_str()).copied(), finding.line));
    findings.dedup();
    let left_out = findings.len().saturating_sub(MAX_FINDINGS);
    if left_out > 0 {
        // Errors are kept before warnings and notes.
        findings.sort_by_key(|finding| !finding.is_error());
        findings.truncate(MAX_FINDINGS);
        let severity = findings.first().map_or(Severity::Note, |finding| finding.severity);
        findings.push(Finding::new(severity, "", 0, format!("and {left_out} more")));
    }
    objects.extend(refused);
    let rendered = Rendered { stages: order::stages(objects), notes: findings };
    Inspection { rendered, is_complete: !is_incomplete }
}

/// Every field of the objects that does not fit the schema of its kind.
///
/// For `berth check`: a cluster may have another version of Kubernetes, so a push is not refused.
pub fn check_schemas(rendered: &Rendered) -> Vec<Finding> {
    rendered.objects().flat_map(schema::check).collect()
}

/// The objects of one kind of environment before the rules.
#[derive(Default)]
struct ReadObjects {
    objects: Vec<Object>,
    findings: Vec<Finding>,
    /// Whether a document is missing, because it could not be read.
    is_incomplete: bool,
    /// The variables of pushed images that are alone in the `image` of a container.
    sole_images: BTreeSet<String>,
}

fn read_objects(files: &SourceFiles, variables: &Variables, policy: &PolicyInput) -> ReadObjects {
    let mut read = ReadObjects::default();
    for file in files.for_kind(policy.environment_kind) {
        let (documents, mut found) = template::documents(&file.path, &file.content, Some(variables));
        for mut document in documents {
            read.sole_images.append(&mut document.sole_images);
            let before = read.findings.len();
            let objects = Object::from_document(&file.path, document, &mut read.findings);
            read.is_incomplete |= read.findings.len() > before;
            // What is left out may use variables that berth does not have.
            for object in objects.iter().filter(|object| policy::is_left_out(object, policy)) {
                found.retain(|finding| !object.has_line(finding.line));
            }
            read.objects.extend(objects);
        }
        // An error without a field is about a whole document.
        read.is_incomplete |= found.iter().any(|finding| finding.is_error() && finding.field.is_none());
        read.findings.extend(found);
    }
    read
}

/// Keeps the last of several definitions of one object (`preview/` over `shared/`), as `kubectl apply` does file by file.
/// Applied at once, the two would race. Another version of the same kind is the same object.
fn last_of_each(objects: Vec<Object>, findings: &mut Vec<Finding>) -> Vec<Object> {
    let mut positions: HashMap<_, usize> = HashMap::new();
    let mut kept: Vec<Object> = Vec::new();
    for object in objects {
        let key = (object.group_kind(), object.namespace().map(ToOwned::to_owned), object.name().to_owned());
        let Some(earlier) = positions.get(&key).and_then(|index| kept.get_mut(*index)) else {
            positions.insert(key, kept.len());
            kept.push(object);
            continue;
        };
        let message = format!(
            "{} `{}` is defined again at {}:{}; only the later definition is applied",
            earlier.kind(),
            earlier.name(),
            object.file,
            object.line
        );
        findings.push(earlier.finding(Severity::Warning, "", message));
        *earlier = object;
    }
    kept
}

/// The messages about names in a text outside the manifests that a push has to bring, and that this one does not.
pub(crate) fn missing_names(text: &str, variables: &Variables) -> Vec<String> {
    let undeclared = substitute::substitute(text, variables).undeclared;
    undeclared.iter().filter_map(|name| variables.explain_missing(name)).collect()
}

/// Replaces berth's variables in text outside the manifests, for example a gate's path.
pub fn substitute(text: &str, variables: &Variables) -> String {
    substitute::substitute(text, variables).output
}

/// A hash of manifests before rendering, and of the other inputs (`context`). A rollout records it, and a change is
/// detected by it.
pub fn content_hash(context: &[u8], files: &SourceFiles) -> String {
    let mut hash = Sha256::new();
    let parts = files
        .all()
        .iter()
        .flat_map(|file| [file.section.folder().as_bytes(), file.path.as_bytes(), file.content.as_bytes()]);
    for part in std::iter::once(context).chain(parts) {
        // Each part's length comes first, so two different lists of parts never give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod tests;
