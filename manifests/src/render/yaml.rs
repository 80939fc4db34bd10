//! The YAML documents of a file, as trees of nodes with their line, style and tag.
//!
//! The parser is `granit-parser`. `serde-saphyr`, which reads the app files, uses it too, so the binary has one parser. After
//! a syntax error it continues with the next document, so all errors are reported at once; saphyr-parser cannot do that.

mod source;

use std::{collections::HashMap, rc::Rc};

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use source::Source;

/// The deepest nesting. It bounds the recursion over the tree, and no Kubernetes object comes near it. An alias counts with the
/// depth of its node.
const MAX_DEPTH: usize = 64;

/// The most documents per file. It bounds the work for one file, and no real file comes near it.
const MAX_DOCUMENTS: usize = 1000;

/// A node and its position. Nodes are shared, so an alias costs nothing until it is expanded within a bound.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) tag: Option<NodeTag>,
    pub(super) kind: NodeKind,
    depth: usize,
}

/// A node's tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeTag {
    /// A core tag of YAML without its prefix: `str` for `!!str`, and for a lone `!`.
    Core(String),
    /// Any other tag, as written.
    Other(String),
}

/// The content of a node.
#[derive(Debug)]
pub(super) enum NodeKind {
    /// A scalar; `plain` if it has no quotes and is no block scalar.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// An error that makes a document unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Every readable document of a file, and the errors of the others.
pub(super) fn documents(text: &str) -> (Vec<Rc<Node>>, Vec<Problem>) {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let source = Source::new(text);
    let mut parser = Parser::new_from_str_with_options(source.text(), options);
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    let mut tree = Tree::new(&source);
    while documents.len() + problems.len() < MAX_DOCUMENTS {
        let event = match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => return (documents, problems),
            Some(event) => event,
        };
        let problem = match event.map_err(Problem::from).and_then(|(event, span)| tree.handle_event(event, span)) {
            Ok(document) => {
                documents.extend(document);
                continue;
            }
            Err(problem) => problem,
        };
        problems.push(Problem { message: source.reveal(&problem.message), ..problem });
        tree = Tree::new(&source);
        if !matches!(parser.proceed_next_document(), Ok(true)) {
            return (documents, problems);
        }
    }
    problems.push(Problem { line: 1, column: 1, message: format!("has more than {MAX_DOCUMENTS} documents") });
    (documents, problems)
}

/// The document being read, with a stack of its open collections.
struct Tree<'a> {
    source: &'a Source<'a>,
    open: Vec<OpenCollection>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

struct OpenCollection {
    line: usize,
    column: usize,
    anchor: usize,
    tag: Option<NodeTag>,
    mapping: bool,
    children: Vec<Rc<Node>>,
}

impl<'a> Tree<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self { source, open: Vec::new(), anchors: HashMap::new(), root: None }
    }

    /// Adds an event to the tree. Returns the document at its end.
    fn handle_event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Rc<Node>>, Problem> {
        let (line, column) = (span.start.line(), span.start.col() + 1);
        match event {
            Event::DocumentStart(..) => *self = Self::new(self.source),
            Event::DocumentEnd => return Ok(self.root.take()),
            Event::Scalar(text, style, anchor, tag) => {
                let kind = NodeKind::Scalar { text: self.source.reveal(&text), plain: style == ScalarStyle::Plain };
                let tag = tag.as_deref().map(NodeTag::from);
                self.add(Node { line, column, tag, kind, depth: 1 }, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(line, column, anchor, tag.as_deref(), false),
            Event::MappingStart(_, anchor, tag) => self.begin(line, column, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                // An anchor is recorded at the end of its node, so an alias inside the node does not find it.
                let node = self.anchors.get(&anchor).cloned().ok_or_else(|| Problem {
                    line,
                    column,
                    message: "an alias must not refer to a node that contains it".to_owned(),
                })?;
                self.attach(node);
            }
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, line: usize, column: usize, anchor: usize, tag: Option<&Tag>, mapping: bool) {
        let tag = tag.map(NodeTag::from);
        self.open.push(OpenCollection { line, column, anchor, tag, mapping, children: Vec::new() });
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(OpenCollection { line, column, anchor, tag, mapping, children }) = self.open.pop() else {
            return Ok(());
        };
        let depth = 1 + children.iter().map(|child| child.depth).max().unwrap_or(0);
        let kind = if mapping {
            let mut children = children.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            NodeKind::Mapping(pairs)
        } else {
            NodeKind::Sequence(children)
        };
        self.add(Node { line, column, tag, kind, depth }, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if node.depth > MAX_DEPTH {
            let message = format!("is nested more than {MAX_DEPTH} levels deep");
            return Err(Problem { line: node.line, column: node.column, message });
        }
        let node = Rc::new(node);
        // 0 is the parser's value for a node without an anchor.
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node);
        Ok(())
    }

    fn attach(&mut self, node: Rc<Node>) {
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
    fn error_in_one_document_does_not_hide_the_next() {
        let (documents, problems) = documents("a: 1\n---\nb: [1\n---\nc: 3\n---\nd: {\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(documents[1].line, 5);
    }

    #[test]
    fn alias_to_an_anchor_of_another_document_is_refused() {
        let (documents, problems) = documents("a: &x 1\nb: *x\n---\nc: *x\n");
        assert_eq!((documents.len(), problems.len()), (1, 1));
    }

    #[test]
    fn alias_within_its_anchor_is_refused() {
        assert_eq!(documents("a: &x [*x]\n").1.len(), 1);
    }

    #[test]
    fn depth_is_bounded_through_aliases() {
        let mut text = String::from("l0: &a0 [x]\n");
        for level in 1..5000 {
            text.push_str(&format!("l{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert_eq!(documents(&text).1.len(), 1);
        assert_eq!(documents(&"[".repeat(100_000)).1.len(), 1);
    }
}
