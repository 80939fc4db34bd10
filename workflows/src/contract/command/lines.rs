//! The plain lines of a Markdown text: those that a paragraph of its own shows as they are written.
//!
//! It errs on the safe side: a line that GitHub may show as something else is none of them. Blocks in lists and quotes, and code over
//! several lines, follow rules that only a parser knows.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag};

/// A paragraph that is in no list, quote or table.
struct Paragraph<'a> {
    lines: Vec<Line<'a>>,
}

/// A line of a paragraph, without the space around it.
struct Line<'a> {
    text: &'a str,
    at: Range<usize>,
    /// Whether it begins with text.
    is_text: bool,
    /// Whether a part of it is code, a link, HTML or anything else but text.
    is_marked: bool,
}

/// The plain lines of a text.
pub(super) fn plain(text: &str) -> impl Iterator<Item = &str> {
    let (mut plain, mut paragraph, mut depth) = (Vec::new(), None, 0_usize);
    for (event, range) in Parser::new_ext(text, as_on_github()).into_offset_iter() {
        match (&event, &mut paragraph) {
            (Event::Start(Tag::Paragraph), _) if depth == 0 => paragraph = Some(Paragraph::new(text, range)),
            (Event::Text(_), Some(paragraph)) if depth == 1 => paragraph.add_text(&range),
            (Event::SoftBreak | Event::HardBreak | Event::End(_), _) => {}
            (_, Some(paragraph)) if depth == 1 => paragraph.mark(&range),
            _ => {}
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            plain.extend(paragraph.take().into_iter().flat_map(Paragraph::plain));
        }
    }
    plain.into_iter()
}

/// The parts of GitHub's Markdown besides `CommonMark` that make something else of a line.
fn as_on_github() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
}

impl<'a> Paragraph<'a> {
    fn new(text: &'a str, range: Range<usize>) -> Self {
        let mut start = range.start;
        let lines = text[range].split_inclusive('\n').map(|line| {
            let begin = start + (line.len() - line.trim_start().len());
            start += line.len();
            let text = line.trim();
            Line { text, at: begin..begin + text.len(), is_text: false, is_marked: false }
        });
        Self { lines: lines.collect() }
    }

    /// The lines that share a byte with the range.
    fn lines_in(&mut self, range: &Range<usize>) -> impl Iterator<Item = &mut Line<'a>> {
        let first = self.lines.partition_point(|line| line.at.end <= range.start);
        self.lines.iter_mut().skip(first).take_while(|line| line.at.start < range.end)
    }

    fn add_text(&mut self, range: &Range<usize>) {
        self.lines_in(range).for_each(|line| line.is_text |= range.start <= line.at.start);
    }

    fn mark(&mut self, range: &Range<usize>) {
        self.lines_in(range).for_each(|line| line.is_marked = true);
    }

    fn plain(self) -> impl Iterator<Item = &'a str> {
        self.lines.into_iter().filter(|line| line.is_text && !line.is_marked).map(|line| line.text)
    }
}
