//! The pages: their links and paths lead to files and headings that exist, and their tables agree with `--help`.

use std::{fs, path::Path, process::Command};

use crate::{BERTH, exit_codes};

const PAGES: [&str; 7] = [
    "README.md",
    "src/README.md",
    "manifests/README.md",
    "manifests/worker/README.md",
    "manifests/hooks/README.md",
    ".github/ARCHITECTURE.md",
    ".github/CONTRIBUTING.md",
];
/// A word in code that begins so is a path from the root.
const FOLDERS: [&str; 6] = [".ci/", "activities/", "manifests/", "src/", "tests/", "workflows/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

/// The targets of a page's links to other files and headings of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// The words between single backticks, outside of code blocks.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).flat_map(str::split_whitespace)
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(page).unwrap();
    text.lines().any(|line| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn each_link_of_a_page_leads_to_a_file_and_a_heading() {
    for page in PAGES {
        let text = read(page);
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let here = root().join(page);
            let target = if file.is_empty() { here } else { here.parent().unwrap().join(file) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            assert!(heading.is_empty() || has_heading(&target, heading), "{page}: {link} leads to no heading");
        }
    }
}

#[test]
fn each_path_that_a_page_names_exists() {
    for page in PAGES {
        let text = read(page);
        let paths = code_words(&text).filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
        for path in paths.filter(|path| !path.contains(['<', '*', '…'])) {
            assert!(root().join(path).exists(), "{page}: {path} does not exist");
        }
    }
}

/// The help of a command.
pub(crate) fn help(arguments: &[&str]) -> String {
    let output = Command::new(BERTH).args(arguments).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_page_of_commands_has_the_exit_codes_of_help() {
    let page = read("src/README.md").replace('`', "");
    let (_, table) = page.split_once("| code | means |\n| --- | --- |\n").unwrap();
    let rows: Vec<_> = table.lines().map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")).collect();
    let codes = exit_codes::rows(&help(&[])).into_iter().map(|(code, meaning)| format!("{code} | {meaning}"));
    assert_eq!(rows, codes.collect::<Vec<_>>());
}

#[test]
fn the_page_of_a_server_has_each_flag_of_help() {
    assert_flags("manifests/worker/README.md", "worker", 15);
    assert_flags("manifests/hooks/README.md", "hooks", 10);
}

/// Fails unless the page names the variable of each flag. There are at least so many.
fn assert_flags(page: &str, command: &str, at_least: usize) {
    let text = read(page);
    let help = help(&[command]);
    // The lines are wrapped.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let variables: Vec<_> = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next()).collect();
    assert!(variables.len() >= at_least, "{variables:?}");
    for variable in variables {
        assert!(text.contains(&format!("`{variable}`")), "{page} has no {variable}");
    }
}
