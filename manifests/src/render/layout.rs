//! The layout of an app's manifests folder: `core/`, `shared/`, then `preview/` or `production/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use strum::VariantArray;

use super::{finding::Finding, variables::EnvironmentKind};

/// The largest file. etcd accepts no object over 1.5 MiB; a file of many objects is seldom a tenth of this.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The most files of an app, and their total size. They bound what the worker reads and keeps for one folder.
const MAX_FILES: usize = 500;
const MAX_TOTAL_BYTES: u64 = 16 * 1024 * 1024;

/// The most notes about files that are not applied.
const MAX_NOTES: usize = 50;

const OTHER_ENVIRONMENT: &str = "is not applied: an app has the environments of its pull requests and production, and berth supports no preview \
    without a pull request";
const ABOVE_SECTIONS: &str = "is not applied: berth reads the folders `core`, `shared`, `preview` and `production`";
const NESTED: &str =
    "is not applied: berth reads no folder within a folder, as `kubectl apply --filename` does without `--recursive`";
const NO_MANIFEST: &str = "is not applied: its name does not end in `.yaml`, `.yml` or `.json`";
const HOOK: &str = "is not run: berth runs no hooks. Work before the pods start belongs in an init container or in a Job of the \
                    manifests, whose end a rollout waits for; a check afterwards is a gate of the app file";

/// A folder of manifests, in the order in which they are applied. Other files and folders are named in a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Section {
    /// Objects that every environment needs, applied first.
    Core,
    /// Objects of previews and production.
    Shared,
    /// Objects of previews only.
    Preview,
    /// Objects of production only.
    Production,
}

impl Section {
    /// The folder's name.
    pub fn folder(self) -> &'static str {
        self.into()
    }

    fn is_for(self, environment_kind: EnvironmentKind) -> bool {
        match self {
            Self::Core | Self::Shared => true,
            Self::Preview => environment_kind == EnvironmentKind::Preview,
            Self::Production => environment_kind == EnvironmentKind::Production,
        }
    }
}

/// A manifest file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The folder of the file.
    pub section: Section,
    /// The path in findings, for example `web/core/app.yaml`.
    pub path: String,
    /// The file's content.
    pub content: String,
}

/// An app's manifests before rendering, for all its environments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFiles {
    /// The files, in the order in which they are applied.
    files: Vec<SourceFile>,
    /// A note for each file or folder that is not applied.
    not_applied: Vec<Finding>,
}

impl SourceFiles {
    /// Files whose content is known, for example the built-in ones. They are sorted in the order of the layout.
    pub fn new(mut files: Vec<SourceFile>) -> Self {
        files.sort_by(|a, b| (a.section, &a.path).cmp(&(b.section, &b.path)));
        Self { files, not_applied: Vec::new() }
    }

    /// Reads a folder. `label` is the prefix of each file's path in findings.
    ///
    /// # Errors
    /// A finding for each file that cannot be read, is not UTF-8, is too large, or is a link that leaves the folder. A finding
    /// if the folder has none of the four folders.
    pub fn read(folder: &Path, label: &str) -> Result<Self, Vec<Finding>> {
        let (files, findings, not_applied) = (Vec::new(), Vec::new(), Vec::new());
        let mut reader = Reader { label, files, findings, not_applied, total: 0 };
        match folder.canonicalize() {
            Ok(root) => reader.read_sections(&root),
            Err(error) => reader.findings.push(Finding::error(label, 0, format!("cannot be read: {error}"))),
        }
        let Reader { files, findings, not_applied, .. } = reader;
        if findings.is_empty() { Ok(Self { not_applied, ..Self::new(files) }) } else { Err(findings) }
    }

    /// The files of one kind of environment, in the order in which they are applied.
    pub fn for_kind(&self, environment_kind: EnvironmentKind) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(move |file| file.section.is_for(environment_kind))
    }

    /// A note for each file or folder that is not applied, with what to do instead where berth has something.
    pub fn not_applied(&self) -> &[Finding] {
        &self.not_applied
    }

    /// All files.
    pub fn all(&self) -> &[SourceFile] {
        &self.files
    }
}

struct Reader<'a> {
    label: &'a str,
    files: Vec<SourceFile>,
    findings: Vec<Finding>,
    not_applied: Vec<Finding>,
    total: u64,
}

impl Reader<'_> {
    fn read_sections(&mut self, root: &Path) {
        let mut found = false;
        for &section in Section::VARIANTS {
            let folder = root.join(section.folder());
            if folder.is_dir() {
                found = true;
                self.read_section(root, section, &folder);
            }
        }
        if !found && self.findings.is_empty() {
            let message = "has none of the folders `core`, `shared`, `preview`, `production`";
            self.findings.push(Finding::error(self.label, 0, message));
        }
        let is_section = |name: &str| Section::VARIANTS.iter().any(|section| section.folder() == name);
        for path in entries(root).unwrap_or_default() {
            match name_of(&path) {
                Some(name) if !name.starts_with('.') && !is_section(name) => {
                    let why = if has_manifests(&path) { OTHER_ENVIRONMENT } else { ABOVE_SECTIONS };
                    self.note(self.label, &path, why)
                }
                _ => {}
            }
        }
    }

    /// Notes that a file, or every file of a folder, is not applied.
    fn note(&mut self, label: &str, path: &Path, why: &str) {
        let Some(name) = name_of(path).filter(|name| !name.starts_with('.')) else { return };
        let label = format!("{label}/{name}");
        let inner = if path.is_dir() && !path.is_symlink() { entries(path).unwrap_or_default() } else { Vec::new() };
        let hooks: Vec<_> = inner.iter().filter(|path| is_hook(path)).collect();
        for hook in &hooks {
            self.note_one(format!("{label}/{}", name_of(hook).unwrap_or_default()), HOOK);
        }
        if hooks.is_empty() || hooks.len() < inner.len() {
            self.note_one(label, if is_hook(path) { HOOK } else { why });
        }
    }

    fn note_one(&mut self, label: String, why: &str) {
        if self.not_applied.len() < MAX_NOTES {
            self.not_applied.push(Finding::note(label, 0, why));
        }
    }

    fn read_section(&mut self, root: &Path, section: Section, folder: &Path) {
        let label = format!("{}/{}", self.label, section.folder());
        let paths = match entries(folder) {
            Ok(paths) => paths,
            Err(error) => return self.add_error(&label, format!("cannot be read: {error}")),
        };
        for path in paths {
            // A name that is not UTF-8 is ignored, like any name without a manifest's ending.
            let Some(name) = name_of(&path) else { continue };
            if !is_manifest(name) || path.is_dir() {
                self.note(&label, &path, if path.is_dir() { NESTED } else { NO_MANIFEST });
                continue;
            }
            let label = format!("{label}/{name}");
            if self.files.len() == MAX_FILES {
                return self.add_error(&label, format!("exceeds the limit of {MAX_FILES} files"));
            }
            match self.read_file(root, &path) {
                Ok(None) => {}
                Ok(Some(content)) => self.files.push(SourceFile { section, path: label, content }),
                Err(message) => self.add_error(&label, message),
            }
        }
    }

    /// The file's content; `None` for a folder with a manifest's name.
    fn read_file(&mut self, root: &Path, path: &Path) -> Result<Option<String>, String> {
        // Links are resolved: a folder mounted from a ConfigMap consists of links within itself.
        let target = path.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
        if !target.starts_with(root) {
            return Err("is a link that leaves the manifests folder".to_owned());
        }
        let metadata = target.metadata().map_err(|error| format!("cannot be read: {error}"))?;
        if metadata.is_dir() {
            return Ok(None);
        }
        if !metadata.is_file() {
            return Err("is neither a file nor a link to one".to_owned());
        }
        if metadata.len() > MAX_FILE_BYTES {
            return Err(format!("has {} bytes; the limit is {MAX_FILE_BYTES}", metadata.len()));
        }
        self.total += metadata.len();
        if self.total > MAX_TOTAL_BYTES {
            return Err(format!("makes the folder larger than {MAX_TOTAL_BYTES} bytes"));
        }
        let bytes = fs::read(&target).map_err(|error| format!("cannot be read: {error}"))?;
        String::from_utf8(bytes).map(Some).map_err(|_| "is not UTF-8 text".to_owned())
    }

    fn add_error(&mut self, label: &str, message: impl Into<String>) {
        self.findings.push(Finding::error(label, 0, message));
    }
}

/// The entries of a folder, sorted by name.
fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// Whether a file is a hook of the kind that deployment jobs run: `pre-deploy.sh`, `post_rollout`.
fn is_hook(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    ["pre", "post", "before", "after"].iter().any(|time| {
        let rest = stem.strip_prefix(time).and_then(|rest| rest.strip_prefix(['-', '_']));
        rest.is_some_and(|rest| ["deploy", "rollout", "release", "apply"].iter().any(|word| rest.starts_with(word)))
    })
}

/// Whether a folder has a manifest: it is another environment's.
fn has_manifests(folder: &Path) -> bool {
    !folder.is_symlink()
        && entries(folder).is_ok_and(|paths| paths.iter().filter_map(|path| name_of(path)).any(is_manifest))
}

/// Whether kubectl would read the file. Files that begin with a dot are left out: they belong to editors and mounts.
fn is_manifest(name: &str) -> bool {
    !name.starts_with('.') && [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests;
