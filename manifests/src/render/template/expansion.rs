//! Conversion of one document.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::{Map, Value};

use super::{
    Lines,
    place::{Place, Usage},
};
use crate::render::{
    finding::{Finding, Severity},
    image_field::is_image_field,
    pushed_image::PushedImage,
    scalar,
    schema::ScalarType,
    substitute::{Substituted, sole_image, sole_reference, substitute, substitute_image},
    variables::Variables,
    yaml::{Node, NodeKind, NodeTag},
};

/// The most unknown names reported per document as errors, and as warnings: as many as the findings of a whole environment.
const MAX_UNKNOWN: usize = 200;

/// A document has more bytes than a file may have.
pub(super) struct TooLarge;

/// A document being converted.
pub(super) struct Expansion<'a> {
    file: &'a str,
    variables: Option<&'a Variables>,
    /// The bytes that are left.
    pub(super) budget: usize,
    pub(super) lines: Lines,
    pub(super) sole_images: BTreeSet<String>,
    pub(super) findings: Vec<Finding>,
    /// How many unknown names may still be reported as errors, and as warnings.
    unknown_errors_left: usize,
    unknown_warnings_left: usize,
}

impl<'a> Expansion<'a> {
    pub(super) fn new(file: &'a str, variables: Option<&'a Variables>, budget: usize) -> Self {
        let (lines, sole_images, findings) = (Lines::new(), BTreeSet::new(), Vec::new());
        let (unknown_errors_left, unknown_warnings_left) = (MAX_UNKNOWN, MAX_UNKNOWN);
        Self { file, variables, budget, lines, sole_images, findings, unknown_errors_left, unknown_warnings_left }
    }

    /// Converts a node. The recursion is bounded by the depth that `yaml` allows.
    pub(super) fn convert_node(&mut self, node: &Node, place: &Place) -> Result<Value, TooLarge> {
        self.spend(1 + place.path.len())?;
        self.lines.entry(place.path.clone()).or_insert((node.line, node.column));
        match &node.kind {
            NodeKind::Scalar { text, plain } => self.convert_scalar(node, text, *plain, place),
            NodeKind::Sequence(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    values.push(self.convert_node(item, &place.item(index))?);
                }
                Ok(Value::Array(values))
            }
            NodeKind::Mapping(pairs) => {
                let place = place.of_kind(scalar_of(pairs, "apiVersion"), scalar_of(pairs, "kind"));
                let mut map = Map::new();
                self.convert_mapping(pairs, &place, &mut map)?;
                Ok(Value::Object(map))
            }
        }
    }

    fn convert_scalar(&mut self, node: &Node, text: &str, plain: bool, place: &Place) -> Result<Value, TooLarge> {
        if plain
            && node.tag.is_none()
            && let Some(value) = self.value_of_variables(text, place)
        {
            self.spend(text.len())?;
            return Ok(value);
        }
        let (text, changed) = self.substitute_text(node, text, place)?;
        let value = match &node.tag {
            None if plain && !changed => scalar::parse_plain(&text).map_err(ToOwned::to_owned),
            None => return Ok(Value::String(text)),
            Some(NodeTag::Core(tag)) => scalar::parse_tagged(tag, &text),
            // kubectl takes no notice of a tag that it does not know.
            Some(NodeTag::Other(_)) => return Ok(Value::String(text)),
        };
        Ok(value.unwrap_or_else(|message: String| {
            self.add_finding(Severity::Error, node, &place.path, message);
            Value::String(text)
        }))
    }

    /// The value of a scalar that is one variable and nothing else, if it is no string. In a field that takes no text, other
    /// characters may stand beside it.
    fn value_of_variables(&self, text: &str, place: &Place) -> Option<Value> {
        let variables = self.variables?;
        let scalar_type = place.field.scalar_type();
        let value = match sole_reference(text) {
            Some(name) => match variables.number(name) {
                Some(number) => Value::from(number),
                None => scalar::parse_plain(variables.get_of_app(name)?).ok()?,
            },
            None if matches!(scalar_type, ScalarType::Text | ScalarType::Quantity | ScalarType::Any) => return None,
            None => {
                let substituted = substitute(text, variables);
                let is_read =
                    substituted.changed && substituted.undeclared.is_empty() && substituted.unchecked.is_empty();
                scalar::parse_plain(is_read.then_some(&substituted.output)?).ok()?
            }
        };
        let fits = match scalar_type {
            ScalarType::Text | ScalarType::Quantity => false,
            ScalarType::Integer => value.is_i64() || value.is_null(),
            ScalarType::Number => value.is_number() || value.is_null(),
            ScalarType::Boolean => value.is_boolean() || value.is_null(),
            ScalarType::IntegerOrText => value.is_i64(),
            ScalarType::Any => true,
        };
        fits.then_some(value)
    }

    /// A text with its variables replaced, and whether there were any references.
    fn substitute_text(&mut self, node: &Node, text: &str, place: &Place) -> Result<(String, bool), TooLarge> {
        let Some(variables) = self.variables else {
            self.spend(text.len())?;
            return Ok((text.to_owned(), false));
        };
        let substituted = if is_image_field(&place.path) {
            self.sole_images.extend(sole_image(text, variables).map(PushedImage::image_variable));
            substitute_image(text, variables)
        } else {
            substitute(text, variables)
        };
        self.spend(substituted.output.len())?;
        self.check_references(node, &substituted, variables, place);
        Ok((substituted.output, substituted.changed))
    }

    /// Reports references that a shell could misread, and those to names that nobody declares.
    fn check_references(&mut self, node: &Node, substituted: &Substituted, variables: &Variables, place: &Place) {
        if place.usage == Usage::Shell {
            for name in substituted.unchecked.iter().filter(|name| !variables.is_shell_safe(name)) {
                let message = format!(
                    "the value of `${name}` comes unchecked from the caller, and a shell could run it as a command: \
                     pass it to the container as an environment variable"
                );
                self.add_finding(Severity::Error, node, &place.path, message);
            }
        }
        let has_lines = substituted.output.trim_end().contains('\n');
        for name in &substituted.undeclared {
            // The app file says whose it is, so it is no variable of a script.
            if let Some(message) = variables.explain_missing(name) {
                self.add_unknown(Severity::Error, node, place, || message);
            } else if let Some(severity) = place.severity_of_unknown(name, has_lines) {
                let stays = if severity == Severity::Warning { "; it stays as it is" } else { "" };
                self.add_unknown(severity, node, place, || format!("{}{stays}", variables.explain_unknown(name)));
            }
        }
        let is_identifier = place.usage == Usage::Identifier;
        let severity = if is_identifier { Severity::Error } else { Severity::Warning };
        let messages = substituted.expanded.iter().filter_map(|name| variables.explain_expanded(name, is_identifier));
        for message in messages {
            self.add_unknown(severity, node, place, || message);
        }
    }

    /// Reports a name that nobody declares. Bounded, because the search for the nearest name is slow. Warnings have a bound of
    /// their own: they must not hide an error.
    fn add_unknown(&mut self, severity: Severity, node: &Node, place: &Place, explain: impl FnOnce() -> String) {
        let left = match severity {
            Severity::Error => &mut self.unknown_errors_left,
            _ => &mut self.unknown_warnings_left,
        };
        if *left > 0 {
            *left -= 1;
            self.add_finding(severity, node, &place.path, explain());
        }
    }

    /// Converts the pairs of a mapping. Of a key that is there twice the last counts, as with kubectl.
    fn convert_mapping(
        &mut self,
        pairs: &[(Rc<Node>, Rc<Node>)],
        place: &Place,
        map: &mut Map<String, Value>,
    ) -> Result<(), TooLarge> {
        let mut written = BTreeMap::new();
        for (key, value) in pairs {
            let NodeKind::Scalar { text, plain } = &key.kind else {
                self.add_finding(Severity::Error, key, &place.path, "a key must be a string".to_owned());
                continue;
            };
            // The key is compared before substitution: a variable with the value `<<` is an ordinary key.
            if *plain && text == "<<" {
                self.merge_over(value, place, map, &written)?;
                continue;
            }
            let (key_text, changed) = self.substitute_text(key, text, place)?;
            let is_raw = changed || self.variables.is_none();
            let key_text = if is_raw { key_text } else { self.key_text(key, key_text, *plain, &place.path) };
            let place = place.child(&key_text);
            let earlier = map.remove(&key_text);
            if earlier.is_some() {
                self.forget_lines(&place.path);
            }
            // The line of a field is the line of its key.
            self.lines.entry(place.path.clone()).or_insert((key.line, key.column));
            let value = self.convert_node(value, &place)?;
            let line = written.insert(key_text.clone(), key.line);
            if let (Some(line), Some(earlier)) = (line, earlier) {
                self.report_duplicate(key, &place.path, line, earlier == value);
            }
            map.insert(key_text, value);
        }
        Ok(())
    }

    /// Reports a key that is there twice. An app file may have none.
    fn report_duplicate(&mut self, key: &Node, path: &str, line: usize, is_same: bool) {
        if self.variables.is_none() {
            self.add_finding(Severity::Error, key, path, format!("is there twice, also in line {line}"));
        } else if !is_same {
            let message = format!("is there twice, also in line {line}: the last counts, as with kubectl");
            self.add_finding(Severity::Warning, key, path, message);
        }
    }

    /// Merges into a mapping, and warns of each key that was written before with another value.
    fn merge_over(
        &mut self,
        source: &Node,
        place: &Place,
        map: &mut Map<String, Value>,
        written: &BTreeMap<String, usize>,
    ) -> Result<(), TooLarge> {
        let before: Vec<_> =
            written.iter().filter_map(|(key, line)| Some((key, line, map.get(key)?.clone()))).collect();
        self.merge(source, place, map)?;
        for (key, line, value) in before {
            if map.get(key) != Some(&value) {
                let message =
                    format!("replaces the `{key}` of line {line}, as with kubectl: write that line behind the `<<`");
                self.add_finding(Severity::Warning, source, &place.path, message);
            }
        }
        Ok(())
    }

    /// Applies YAML's merge key as kubectl does: its keys win over those before it, and lose to those behind it. An earlier
    /// source wins over a later one.
    fn merge(&mut self, source: &Node, place: &Place, map: &mut Map<String, Value>) -> Result<(), TooLarge> {
        match &source.kind {
            NodeKind::Mapping(pairs) => self.convert_mapping(pairs, place, map),
            NodeKind::Sequence(items) if items.iter().all(|item| matches!(item.kind, NodeKind::Mapping(_))) => {
                items.iter().rev().try_for_each(|item| self.merge(item, place, map))
            }
            _ => {
                let message = "`<<` takes a mapping, or a list of them".to_owned();
                self.add_finding(Severity::Error, source, &place.path, message);
                Ok(())
            }
        }
    }

    /// The text of a key in JSON. kubectl reads a plain key as it reads a value.
    fn key_text(&mut self, key: &Node, text: String, plain: bool, path: &str) -> String {
        let is_resolved = match &key.tag {
            None => plain,
            Some(NodeTag::Core(tag)) => matches!(tag.as_str(), "int" | "float" | "bool" | "null"),
            Some(NodeTag::Other(_)) => false,
        };
        if !is_resolved {
            return text;
        }
        scalar::plain_key(&text).unwrap_or_else(|message| {
            self.add_finding(Severity::Error, key, path, format!("the key `{text}` {message}"));
            text
        })
    }

    /// Forgets the lines of a field and of those below it.
    fn forget_lines(&mut self, path: &str) {
        let is_below = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.lines.retain(|other, _| other != path && !is_below(other));
    }

    fn add_finding(&mut self, severity: Severity, node: &Node, path: &str, message: String) {
        self.findings.push(Finding::new(severity, self.file, node.line, message).field(path));
    }

    fn spend(&mut self, amount: usize) -> Result<(), TooLarge> {
        self.budget = self.budget.checked_sub(amount).ok_or(TooLarge)?;
        Ok(())
    }
}

/// The scalar behind a key of a mapping; empty if there is none.
fn scalar_of<'a>(pairs: &'a [(Rc<Node>, Rc<Node>)], name: &str) -> &'a str {
    let is_named = |node: &Node| matches!(&node.kind, NodeKind::Scalar { text, .. } if text == name);
    let value = pairs.iter().rev().find(|(key, _)| is_named(key)).map(|(_, value)| &value.kind);
    match value {
        Some(NodeKind::Scalar { text, .. }) => text,
        _ => "",
    }
}
