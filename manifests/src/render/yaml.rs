//! Which YAML documents a file has: trees of nodes that still know their line, their style and their tag.
//!
//! The parser is `granit-parser`: the event parser inside `serde-saphyr`, which reads the app files, so the binary has one.
//! It goes on after a syntax error with the next document, which saphyr-parser cannot: all errors are shown at once.

use std::{collections::HashMap, rc::Rc};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

/// Nothing in Kubernetes nests as deeply; the recursion over the tree is bounded by it. Aliases count as what they stand for.
const MAX_DEPTH: usize = 64;

/// Documents per file. A bound on the work that one file can ask for, far above any that people keep.
const MAX_DOCUMENTS: usize = 1000;

/// A node and where it began. Shared, so that an alias costs nothing before it is expanded within a bound.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) column: usize,
    /// The suffix of a tag of YAML's own (`str` of `!!str`), or the whole of another.
    pub(super) tag: Option<NodeTag>,
    pub(super) kind: Kind,
    depth: usize,
}

/// A node's tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeTag {
    /// One of YAML's own, as `str` of `!!str`; `str` for the lone `!` too.
    Core(String),
    /// Somebody else's, as written.
    Other(String),
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text; `plain` if it had no quotes and was no block scalar.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Every document of a file that can be read, and why the others cannot.
pub(super) fn documents(text: &str) -> (Vec<Rc<Node>>, Vec<Problem>) {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut parser = Parser::new_from_str_with_options(text.trim_start_matches('\u{feff}'), options);
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    let mut tree = Tree::default();
    while documents.len() + problems.len() < MAX_DOCUMENTS {
        let event = match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => return (documents, problems),
            Some(event) => event,
        };
        let problem = match event.map_err(Problem::from).and_then(|(event, span)| tree.take(event, span)) {
            Ok(document) => {
                documents.extend(document);
                continue;
            }
            Err(problem) => problem,
        };
        problems.push(problem);
        tree = Tree::default();
        if !matches!(parser.proceed_next_document(), Ok(true)) {
            return (documents, problems);
        }
    }
    problems.push(Problem { line: 1, column: 1, message: format!("has more than {MAX_DOCUMENTS} documents") });
    (documents, problems)
}

/// The document being read: a stack of collections that have begun and not ended.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

struct Open {
    line: usize,
    column: usize,
    anchor: usize,
    tag: Option<NodeTag>,
    mapping: bool,
    children: Vec<Rc<Node>>,
}

impl Tree {
    /// The finished document, at its end.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Rc<Node>>, Problem> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        match event {
            Event::DocumentStart(..) => *self = Self::default(),
            Event::DocumentEnd => return Ok(self.root.take()),
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let tag = tag.as_deref().map(NodeTag::from);
                self.add(Node { line, column, tag, kind, depth: 1 }, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(line, column, anchor, tag.as_deref(), false),
            Event::MappingStart(_, anchor, tag) => self.begin(line, column, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                // An anchor is known only when its node has ended: an alias inside its own node finds nothing.
                let node = self.anchors.get(&anchor).cloned().ok_or_else(|| Problem {
                    line,
                    column,
                    message: "an alias inside of what it stands for never ends".to_owned(),
                })?;
                self.place(node);
            }
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, line: usize, column: usize, anchor: usize, tag: Option<&Tag>, mapping: bool) {
        let tag = tag.map(NodeTag::from);
        self.open.push(Open { line, column, anchor, tag, mapping, children: Vec::new() });
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { line, column, anchor, tag, mapping, children }) = self.open.pop() else {
            return Ok(());
        };
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or(0);
        let kind = if mapping {
            let mut children = children.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            Kind::Mapping(pairs)
        } else {
            Kind::Sequence(children)
        };
        self.add(Node { line, column, tag, kind, depth }, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if node.depth > MAX_DEPTH {
            let message = format!("nests more than {MAX_DEPTH} deep");
            return Err(Problem { line: node.line, column: node.column, message });
        }
        let node = Rc::new(node);
        // 0 says that the node has no anchor.
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node);
        Ok(())
    }

    fn place(&mut self, node: Rc<Node>) {
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
    }
}

impl From<ScanError> for Problem {
    fn from(error: ScanError) -> Self {
        let marker = error.marker();
        Self { line: marker.line(), column: marker.col() + 1, message: error.info() }
    }
}

impl From<&Tag> for NodeTag {
    fn from(tag: &Tag) -> Self {
        if tag.handle() == "!" && tag.suffix().is_empty() {
            return Self::Core("str".to_owned());
        }
        tag.suffix_in_namespace("tag:yaml.org,2002:")
            .map_or_else(|| Self::Other(tag.original()), |suffix| Self::Core(suffix.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_one_document_does_not_hide_the_next() {
        let (documents, problems) = documents("a: 1\n---\nb: [1\n---\nc: 3\n---\nd: {\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(documents[1].line, 5);
    }

    #[test]
    fn an_alias_knows_only_the_anchors_of_its_own_document() {
        let (documents, problems) = documents("a: &x 1\nb: *x\n---\nc: *x\n");
        assert_eq!((documents.len(), problems.len()), (1, 1));
    }

    #[test]
    fn an_alias_within_itself_is_refused() {
        assert_eq!(documents("a: &x [*x]\n").1.len(), 1);
    }

    #[test]
    fn depth_is_bounded_through_aliases_too() {
        let mut text = String::from("l0: &a0 [x]\n");
        for level in 1..5000 {
            text.push_str(&format!("l{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert_eq!(documents(&text).1.len(), 1);
        assert_eq!(documents(&"[".repeat(100_000)).1.len(), 1);
    }
}
