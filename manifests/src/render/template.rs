//! Conversion of a YAML document to JSON, with berth's variables replaced in its scalars and nowhere else.
//!
//! Substitution happens after parsing, so a value is always part of one scalar. It can hold quotes, line ends or `<<: *x`
//! and never changes the structure. The result is a string, even if it looks like a number: a commit of digits stays a string.
//! Only a plain scalar that consists of `$KUBE_DEPLOY_ID` or `$PR_NUMBER` becomes a number.

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    finding::{Finding, Severity},
    image_field::is_image_field,
    object::line_of,
    pushed_image::PushedImage,
    scalar,
    substitute::{sole_image, sole_reference, substitute, substitute_image},
    variables::Variables,
    yaml::{self, Node, NodeKind, NodeTag},
};

/// The most bytes of text plus nodes of a file, with aliases and variables expanded. etcd accepts no object over 1.5 MiB, so
/// no useful file comes near this bound. An alias bomb exceeds it at once.
const MAX_EXPANDED: usize = 8 * 1024 * 1024;

/// The most unknown names reported per document: as many as the findings of a whole environment.
const MAX_UNKNOWN: usize = 200;

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
        let value = expansion.convert_node(&node, "", false);
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

struct TooLarge;

struct Expansion<'a> {
    file: &'a str,
    variables: Option<&'a Variables>,
    budget: usize,
    lines: Lines,
    sole_images: BTreeSet<String>,
    findings: Vec<Finding>,
    /// Numbers of unknown names reported so far: outside of scripts, and inside.
    unknown: [usize; 2],
}

impl<'a> Expansion<'a> {
    fn new(file: &'a str, variables: Option<&'a Variables>, budget: usize) -> Self {
        let (lines, sole_images, findings) = (Lines::new(), BTreeSet::new(), Vec::new());
        Self { file, variables, budget, lines, sole_images, findings, unknown: [0; 2] }
    }

    /// Converts a node. The recursion is bounded by the depth that `yaml` allows.
    fn convert_node(&mut self, node: &Node, path: &str, shell: bool) -> Result<Value, TooLarge> {
        self.spend(1 + path.len())?;
        self.lines.entry(path.to_owned()).or_insert((node.line, node.column));
        match &node.kind {
            NodeKind::Scalar { text, plain } => self.convert_scalar(node, text, *plain, path, shell),
            NodeKind::Sequence(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    values.push(self.convert_node(item, &format!("{path}[{index}]"), shell)?);
                }
                Ok(Value::Array(values))
            }
            NodeKind::Mapping(pairs) => {
                let mut map = Map::new();
                self.convert_mapping(pairs, path, shell, &mut map)?;
                Ok(Value::Object(map))
            }
        }
    }

    fn convert_scalar(
        &mut self,
        node: &Node,
        text: &str,
        plain: bool,
        path: &str,
        shell: bool,
    ) -> Result<Value, TooLarge> {
        if plain
            && node.tag.is_none()
            && let Some(number) = self.number_variable(text)
        {
            return Ok(Value::from(number));
        }
        let (text, changed) = self.substitute_text(node, text, path, shell)?;
        let value = match &node.tag {
            None if plain && !changed => scalar::parse_plain(&text).map_err(ToOwned::to_owned),
            None => return Ok(Value::String(text)),
            Some(NodeTag::Core(tag)) => scalar::parse_tagged(tag, &text),
            // kubectl takes no notice of a tag that it does not know.
            Some(NodeTag::Other(_)) => return Ok(Value::String(text)),
        };
        Ok(value.unwrap_or_else(|message: String| {
            self.add_finding(Severity::Error, node, path, message);
            Value::String(text)
        }))
    }

    fn number_variable(&self, text: &str) -> Option<u64> {
        self.variables?.number(sole_reference(text)?)
    }

    /// A text with its variables replaced, and whether there were any references.
    fn substitute_text(
        &mut self,
        node: &Node,
        text: &str,
        path: &str,
        shell: bool,
    ) -> Result<(String, bool), TooLarge> {
        let Some(variables) = self.variables else {
            self.spend(text.len())?;
            return Ok((text.to_owned(), false));
        };
        let substituted = if is_image_field(path) {
            self.sole_images.extend(sole_image(text, variables).map(PushedImage::image_variable));
            substitute_image(text, variables)
        } else {
            substitute(text, variables)
        };
        self.spend(substituted.output.len())?;
        if shell {
            for name in substituted.unchecked.iter().filter(|name| !variables.is_shell_safe(name)) {
                let message = format!(
                    "the value of `${name}` comes unchecked from the caller, and a shell could run it as a command: \
                     pass it to the container as an environment variable"
                );
                self.add_finding(Severity::Error, node, path, message);
            }
        }
        for name in &substituted.undeclared {
            // Bounded, because the search for the nearest name is slow. One error already stops the release.
            let reported = self.unknown[usize::from(shell)];
            if reported < MAX_UNKNOWN
                && let Some(message) = variables.explain_unknown(name)
            {
                self.unknown[usize::from(shell)] += 1;
                // A shell script may have a variable with this prefix.
                let severity = if shell { Severity::Warning } else { Severity::Error };
                self.add_finding(severity, node, path, message);
            }
        }
        Ok((substituted.output, substituted.changed))
    }

    fn convert_mapping(
        &mut self,
        pairs: &[(Rc<Node>, Rc<Node>)],
        path: &str,
        shell: bool,
        map: &mut Map<String, Value>,
    ) -> Result<(), TooLarge> {
        for (key, value) in pairs {
            let NodeKind::Scalar { text, plain } = &key.kind else {
                self.add_finding(Severity::Error, key, path, "a key must be a string".to_owned());
                continue;
            };
            // The key is compared before substitution: a variable with the value `<<` is an ordinary key.
            if *plain && text == "<<" {
                self.merge(value, path, shell, map)?;
                continue;
            }
            let (key_text, changed) = self.substitute_text(key, text, path, shell)?;
            let key_text = if changed { key_text } else { self.key_text(key, key_text, *plain, path) };
            let path = child(path, &key_text);
            let earlier = map.remove(&key_text).map(|earlier| (earlier, self.forget_lines(&path)));
            // The line of a field is the line of its key.
            self.lines.entry(path.clone()).or_insert((key.line, key.column));
            let value = self.convert_node(value, &path, shell || matches!(key_text.as_str(), "command" | "args"))?;
            if let Some((earlier, line)) = earlier
                && earlier != value
            {
                let message = format!("is there twice, also in line {line}; the last counts, as with kubectl");
                self.add_finding(Severity::Warning, key, &path, message);
            }
            map.insert(key_text, value);
        }
        Ok(())
    }

    /// The text of a key in JSON. kubectl reads a key as it reads a value: `on` is `true`, and `0x10` is `16`.
    fn key_text(&mut self, key: &Node, text: String, plain: bool, path: &str) -> String {
        let value = match &key.tag {
            None if plain => scalar::parse_plain(&text).map_err(ToOwned::to_owned),
            None | Some(NodeTag::Other(_)) => return text,
            Some(NodeTag::Core(tag)) => scalar::parse_tagged(tag, &text),
        };
        match value.and_then(|value| scalar::key_text(value).map_err(ToOwned::to_owned)) {
            Ok(text) => text,
            Err(message) => {
                self.add_finding(Severity::Error, key, path, format!("the key `{text}` {message}"));
                text
            }
        }
    }

    /// Forgets the lines of a field and of those below it. Returns the line of the field.
    fn forget_lines(&mut self, path: &str) -> usize {
        let line = line_of(&self.lines, path).unwrap_or_default();
        let is_below = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.lines.retain(|other, _| other != path && !is_below(other));
        line
    }

    /// Applies YAML's merge key as kubectl does: its keys win over those before it and lose to those behind it; an earlier
    /// source wins over a later one.
    fn merge(&mut self, node: &Node, path: &str, shell: bool, into: &mut Map<String, Value>) -> Result<(), TooLarge> {
        let sources = match &node.kind {
            NodeKind::Mapping(_) => vec![node],
            NodeKind::Sequence(items) => items.iter().rev().map(Rc::as_ref).collect(),
            NodeKind::Scalar { .. } => vec![node],
        };
        for source in sources {
            match &source.kind {
                NodeKind::Mapping(pairs) => self.convert_mapping(pairs, path, shell, into)?,
                _ => {
                    self.add_finding(Severity::Error, source, path, "`<<` takes a mapping, or a list of them".to_owned());
                }
            }
        }
        Ok(())
    }

    fn add_finding(&mut self, severity: Severity, node: &Node, path: &str, message: String) {
        self.findings.push(Finding::new(severity, self.file, node.line, message).field(path));
    }

    fn spend(&mut self, amount: usize) -> Result<(), TooLarge> {
        self.budget = self.budget.checked_sub(amount).ok_or(TooLarge)?;
        Ok(())
    }
}
