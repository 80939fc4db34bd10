//! The plain lines of a Markdown text: those that are in no code block, quote or HTML.
//!
//! It errs on the safe side: a line that GitHub may show as something else is none of them.

/// The block that the next line is in.
enum Block {
    Text,
    /// A fence of so many of that character.
    Fence(char, usize),
    /// A quote. It goes on without its mark until an empty line.
    Quote,
    /// HTML, up to a line that has this text. None: up to an empty line.
    Html(Option<&'static str>),
}

/// HTML whose content is not Markdown, with the text that ends it.
const RAW: [(&str, &str); 6] = [
    ("<!--", "-->"),
    ("<pre", "</pre>"),
    ("<script", "</script>"),
    ("<style", "</style>"),
    ("<textarea", "</textarea>"),
    ("<![cdata[", "]]>"),
];

/// The plain lines of a text.
pub(super) fn plain(text: &str) -> impl Iterator<Item = &str> {
    let mut block = Block::Text;
    text.lines().filter(move |line| {
        let (next, is_plain) = step(&block, line);
        block = next;
        is_plain
    })
}

/// The block of the next line, and whether this one is plain.
fn step(block: &Block, line: &str) -> (Block, bool) {
    let rest = line.trim_start_matches(' ');
    let is_indented = line.len() - rest.len() > 3 || rest.starts_with('\t');
    let is_empty = rest.trim().is_empty();
    match block {
        Block::Fence(with, length) => {
            let run = run_of(rest, *with);
            let closes = !is_indented && run >= *length && rest.trim_end().chars().count() == run;
            (if closes { Block::Text } else { Block::Fence(*with, *length) }, false)
        }
        Block::Quote if !is_empty => (Block::Quote, false),
        Block::Html(Some(end)) => {
            let ends = rest.to_ascii_lowercase().contains(end);
            (if ends { Block::Text } else { Block::Html(Some(end)) }, false)
        }
        Block::Html(None) if !is_empty => (Block::Html(None), false),
        Block::Text | Block::Quote | Block::Html(None) if is_empty || is_indented => (Block::Text, false),
        Block::Text | Block::Quote | Block::Html(None) => begin(rest),
    }
}

fn begin(rest: &str) -> (Block, bool) {
    for with in ['`', '~'] {
        let length = run_of(rest, with);
        if length >= 3 {
            return (Block::Fence(with, length), false);
        }
    }
    if rest.starts_with('>') {
        return (Block::Quote, false);
    }
    if !rest.starts_with('<') {
        return (Block::Text, true);
    }
    let lower = rest.to_ascii_lowercase();
    match RAW.iter().find(|(start, _)| lower.starts_with(start)) {
        Some((_, end)) if lower.contains(end) => (Block::Text, false),
        Some((_, end)) => (Block::Html(Some(end)), false),
        None => (Block::Html(None), false),
    }
}

fn run_of(text: &str, with: char) -> usize {
    text.chars().take_while(|c| *c == with).count()
}
