//! Reading of the worker's apps folder: one YAML file per app.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{App, unique, validate};
use crate::render::{
    finding::Finding,
    template::{self, Lines},
};

/// The largest app file. People write these by hand.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The usable apps of a folder, and the errors of the others.
#[derive(Clone, Debug, Default)]
pub struct AppFolder {
    /// The usable apps, sorted by name. Two apps whose names conflict are both left out.
    pub apps: Vec<App>,
    /// Every finding, in the order of the files.
    pub findings: Vec<Finding>,
    /// The conflicts of each app that was left out because of them, by the app's name.
    pub refused: BTreeMap<String, Vec<Finding>>,
}

/// Reads every app of a folder; all must be valid.
///
/// # Errors
/// Every finding, if at least one is an error.
pub fn load_apps(folder: &Path) -> Result<Vec<App>, Vec<Finding>> {
    let AppFolder { apps, findings, .. } = read_apps(folder);
    if findings.iter().any(Finding::is_error) { Err(findings) } else { Ok(apps) }
}

/// Reads every app of a folder. One team's mistake does not stop the rollouts of other teams.
pub fn read_apps(folder: &Path) -> AppFolder {
    let mut findings = Vec::new();
    let mut read = Vec::new();
    for path in app_files(folder, &mut findings) {
        let label = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match read_app(folder, &path, &label) {
            Ok((app, lines)) => read.push((app, label, lines)),
            Err(found) => findings.extend(found),
        }
    }
    let conflicts = unique::conflicts_between(&read);
    findings.extend(conflicts.iter().map(|(_, finding)| finding.clone()));
    let mut refused: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for (index, finding) in conflicts.iter() {
        if let Some((app, _, _)) = read.get(*index) {
            refused.entry(app.app.clone()).or_default().push(finding.clone());
        }
    }
    // Also those of apps that are left out: their environments may run.
    let known = unique::known_names(read.iter().map(|(app, _, _)| app));
    let mut apps: Vec<App> = read
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !conflicts.iter().any(|(app, _)| app == index))
        .map(|(_, (app, _, _))| App { known: known.clone(), ..app })
        .collect();
    apps.sort_by(|a, b| a.app.cmp(&b.app));
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    AppFolder { apps, findings, refused }
}

/// The app files of a folder, sorted by name. Files that begin with a dot belong to editors and mounts.
fn app_files(folder: &Path, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let label = folder.display().to_string();
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = match entries {
        Ok(paths) => paths,
        Err(error) => {
            findings.push(Finding::error(label, 0, format!("cannot be read: {error}")));
            return Vec::new();
        }
    };
    paths.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml")) && !path.is_dir()
    });
    paths.sort();
    if paths.is_empty() {
        findings.push(Finding::error(label, 0, "has no app file (`.yaml` or `.yml`)"));
    }
    paths
}

fn read_app(folder: &Path, path: &Path, label: &str) -> Result<(App, Lines), Vec<Finding>> {
    let error = |message: String| vec![Finding::error(label, 0, message)];
    let unreadable = |problem: std::io::Error| error(format!("cannot be read: {problem}"));
    let root = folder.canonicalize().map_err(unreadable)?;
    let target = path.canonicalize().map_err(unreadable)?;
    if !target.starts_with(&root) {
        return Err(error("is a link that leaves the apps folder".to_owned()));
    }
    let metadata = target.metadata().map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(error(format!("is not a file of at most {MAX_FILE_BYTES} bytes")));
    }
    let text = fs::read_to_string(&target).map_err(unreadable)?;
    let (mut app, lines) = parse(label, &text)?;
    app.file = path.to_owned();
    app.lines = lines.clone();
    let findings = validate::check(&app, label, &lines);
    if findings.is_empty() { Ok((app, lines)) } else { Err(findings) }
}

/// Parses one app file. Also returns the line of each field.
pub(super) fn parse(label: &str, text: &str) -> Result<(App, Lines), Vec<Finding>> {
    // Parsed twice: for the lines of the fields, and for their types. `serde-saphyr` reports the line of a wrong type, but not
    // of a value that breaks a rule.
    let (documents, findings) = template::documents(label, text, None);
    if !findings.is_empty() {
        return Err(findings);
    }
    let lines = match documents.as_slice() {
        [document] => document.lines.as_ref().clone(),
        [] => return Err(vec![Finding::error(label, 0, "is empty")]),
        [_, second, ..] => {
            let message = "is a second document; a file describes one app";
            return Err(vec![Finding::error(label, second.line, message)]);
        }
    };
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_str_with_options(text, options) {
        Ok(app) => Ok((app, lines)),
        Err(error) => {
            let (line, column) = error
                .location()
                .map_or((0, None), |location| (location.line() as usize, Some(location.column() as usize)));
            // serde-saphyr's message ends with line and column, which the finding has already.
            let text = error.without_snippet().to_string();
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
            let mut finding = Finding::error(label, line, message);
            finding.column = column;
            Err(vec![finding])
        }
    }
}
