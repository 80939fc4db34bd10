//! Conversion of a YAML document to JSON, with berth's variables replaced in its scalars and nowhere else.
//!
//! Substitution happens after parsing, so a value is always part of one scalar. It can hold quotes, line ends or `<<: *x`
//! and never changes the structure. The result is a string, except where a plain scalar is one variable and nothing else: such a
//! value takes the type that its field has. berth's own values stay strings, so a commit of digits does; only
//! `$KUBE_DEPLOY_ID` and `$PR_NUMBER` are numbers.

mod expansion;
mod place;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::Value;

use super::{finding::Finding, variables::Variables, yaml};
use expansion::{Expansion, TooLarge};
use place::Place;

/// The most bytes of text plus nodes of a file, with aliases and variables expanded. etcd accepts no object over 1.5 MiB, so
/// no useful file comes near this bound. An alias bomb exceeds it at once.
const MAX_EXPANDED: usize = 8 * 1024 * 1024;

/// Line and column of each field of a document, by the field's path.
pub(crate) type Lines = HashMap<String, (usize, usize)>;

/// A document after substitution.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) line: usize,
    pub(crate) value: Value,
    pub(crate) lines: Arc<Lines>,
    /// The variables of pushed images that are alone in the `image` of a container.
    pub(crate) sole_images: BTreeSet<String>,
}

/// Every document of a file that is not empty. Without `variables`, nothing is replaced and no name is unknown.
pub(crate) fn documents(file: &str, text: &str, variables: Option<&Variables>) -> (Vec<Document>, Vec<Finding>) {
    let (nodes, problems) = yaml::documents(text);
    let mut findings: Vec<_> = problems
        .into_iter()
        .map(|problem| {
            let message = format!("is not YAML: {}", problem.message);
            Finding::error(file, problem.line, message).column(problem.column)
        })
        .collect();
    let mut budget = MAX_EXPANDED;
    let mut documents = Vec::new();
    for node in nodes {
        let mut expansion = Expansion::new(file, variables, budget);
        let value = expansion.convert_node(&node, &Place::document());
        budget = expansion.budget;
        findings.append(&mut expansion.findings);
        match value {
            Ok(Value::Null) => {}
            Ok(value) => {
                let Expansion { lines, sole_images, .. } = expansion;
                documents.push(Document { line: node.line, value, lines: Arc::new(lines), sole_images });
            }
            Err(TooLarge) => {
                let message = format!("is more than {MAX_EXPANDED} bytes with its aliases expanded");
                findings.push(Finding::error(file, node.line, message));
                break;
            }
        }
    }
    (documents, findings)
}

/// A field's path in findings: `spec.containers[0].image`, `metadata.annotations[example.com/owner]`.
pub(crate) fn child(path: &str, key: &str) -> String {
    if key.is_empty() || key.contains(['.', '/', '[', ']', ' ']) {
        format!("{path}[{key}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
