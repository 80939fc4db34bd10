//! The comments of the demo, as Markdown and as pictures of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use pulldown_cmark::{Options, Parser, html};

use crate::{commands::screenshot::browser::Browser, machine::folders, parts};

/// The width of a conversation at GitHub, and room for one comment.
const SIZE: (u32, u32) = (900, 620);

/// Close enough to GitHub's look that a reader sees headings, code and folded parts as there.
const STYLE: &str = "body{font:14px/1.5 -apple-system,'Segoe UI',Helvetica,Arial,sans-serif;color:#1f2328;margin:24px;\
border:1px solid #d1d9e0;border-radius:6px;padding:16px}\
a{color:#0969da;text-decoration:none}code{font:85% ui-monospace,monospace;background:#818b981f;padding:.2em .4em;border-radius:6px}\
pre{background:#f6f8fa;padding:16px;border-radius:6px;overflow:auto}pre code{background:none;padding:0}\
table{border-collapse:collapse}th,td{border:1px solid #d1d9e0;padding:6px 13px}h3{margin:0 0 12px}";

/// Comments by the state that they show, in the order in which they were kept.
#[derive(Debug, Default)]
pub(super) struct Gallery(Vec<(&'static str, String)>);

impl Gallery {
    pub(super) fn keep(&mut self, state: &'static str, comment: String) {
        self.0.push((state, comment));
    }

    /// Writes each comment as Markdown and as HTML.
    pub(super) fn write(&self, folder: &Path) -> Result<String> {
        folders::make(folder.to_owned())?;
        let mut lines = Vec::new();
        for (state, comment) in &self.0 {
            let file = folder.join(format!("{state}.md"));
            fs::write(&file, comment).with_context(|| format!("writing {}", file.display()))?;
            lines.push(file.display().to_string());
        }
        Ok(lines.join("\n"))
    }

    /// Takes a picture of each comment, rendered.
    pub(super) fn photograph(&self, lab: &str, folder: &Path) -> Result<String> {
        if !parts::chromium().ensure(false)? {
            bail!("chromium is missing; to install it run: {}", parts::chromium().command());
        }
        let folder = folders::make(folder.to_owned())?.canonicalize()?;
        let data = folders::data(lab)?;
        let mut browser = Browser::start(lab, data.join("chromium"))?;
        browser.resize(SIZE)?;
        let mut taken = Vec::new();
        for (state, comment) in &self.0 {
            let picture = picture(&mut browser, &data, (state, comment), &folder)?;
            taken.push(picture.display().to_string());
        }
        Ok(taken.join("\n"))
    }
}

fn picture(browser: &mut Browser, data: &Path, (state, comment): (&str, &str), folder: &Path) -> Result<PathBuf> {
    let page = data.join(format!("{state}.html"));
    fs::write(&page, rendered(comment))?;
    browser.open(&format!("file://{}", page.display()), &["web:"])?;
    let file = folder.join(format!("comment-{state}.png"));
    browser.save(&file)?;
    Ok(file)
}

fn rendered(comment: &str) -> String {
    let mut page = format!("<!doctype html><meta charset=utf-8><style>{STYLE}</style>");
    html::push_html(&mut page, Parser::new_ext(comment, Options::ENABLE_GFM | Options::ENABLE_TABLES));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_code_of_a_comment_are_rendered() {
        let page = rendered("<!-- berth:preview-web-1 -->\n### 🟢 web: live at `4f2a9c1`\n");
        assert!(page.contains("<h3>🟢 web: live at <code>4f2a9c1</code></h3>"), "{page}");
    }
}
