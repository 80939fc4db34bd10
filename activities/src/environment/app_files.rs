//! The worker's app files, read and compared with each other once, until one of them changes.
//!
//! Each rollout asks for its app several times, and the number of apps must not matter to it. What the file system says of the
//! files (size, times, inode) decides whether they are as they were read, so that a change counts at once: there is no time for
//! which an old file is believed. A file that was written a moment ago is read again, because the clock of a file system may
//! have stood still between two writes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use berth_manifests::app::{AppFolder, read_apps};

/// The age from which a file's time tells two writes apart. File systems count in nanoseconds to seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// The folders that this process reads: a worker has one.
static FOLDERS: Mutex<BTreeMap<PathBuf, Arc<AppFiles>>> = Mutex::new(BTreeMap::new());

/// Returns the apps of a folder as they are now. Blocks: it reads from a disk.
pub(crate) fn current_apps(folder: &Path) -> Arc<AppFolder> {
    let files = {
        let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(folders.entry(folder.to_owned()).or_insert_with(|| Arc::new(AppFiles::new(folder, read_apps))))
    };
    files.current()
}

type Read = Box<dyn Fn(&Path) -> AppFolder + Send + Sync>;

/// The app files of a folder.
struct AppFiles {
    folder: PathBuf,
    read: Read,
    last: Mutex<Option<Known>>,
}

/// The apps as they were read, and the marks of their files just before.
struct Known {
    marks: BTreeMap<OsString, Mark>,
    apps: Arc<AppFolder>,
}

/// What the file system says of a file. If one of these differs, so may its content.
#[derive(Clone, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    is_settled: bool,
}

impl AppFiles {
    fn new(folder: &Path, read: impl Fn(&Path) -> AppFolder + Send + Sync + 'static) -> Self {
        Self { folder: folder.to_owned(), read: Box::new(read), last: Mutex::new(None) }
    }

    /// Returns the apps, and reads them only if a file has changed. Others who ask meanwhile wait for the same read.
    fn current(&self) -> Arc<AppFolder> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the read: a change during the read differs from these marks.
        let marks = marks(&self.folder, SystemTime::now());
        if let (Some(known), Ok(marks)) = (&*last, &marks)
            && known.marks == *marks
            && marks.values().all(|mark| mark.is_settled)
        {
            return Arc::clone(&known.apps);
        }
        let apps = Arc::new((self.read)(&self.folder));
        *last = marks.ok().map(|marks| Known { marks, apps: Arc::clone(&apps) });
        apps
    }
}

/// Returns the marks of the folder's files by their names. Links are followed: a mounted `ConfigMap` changes by its links.
fn marks(folder: &Path, now: SystemTime) -> io::Result<BTreeMap<OsString, Mark>> {
    let mut marks = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Folders have manifests, which are read for each release.
        let metadata = match fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => continue,
            found => found?,
        };
        let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
        let mark = Mark {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            is_settled: age.is_some_and(|age| age >= SETTLED),
        };
        marks.insert(entry.file_name(), mark);
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::symlink,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tempfile::TempDir;

    use super::*;

    /// A folder whose reads are counted.
    struct Counted {
        folder: TempDir,
        files: AppFiles,
        reads: Arc<AtomicUsize>,
    }

    impl Counted {
        fn new(names: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let reads = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&reads);
            let files = AppFiles::new(folder.path(), move |folder| {
                count.fetch_add(1, Ordering::Relaxed);
                read_apps(folder)
            });
            let counted = Self { folder, files, reads };
            names.iter().for_each(|name| counted.write(name, name));
            counted
        }

        /// Writes an app file as it was an hour ago.
        fn write(&self, file: &str, app: &str) {
            let path = self.folder.path().join(format!("{file}.yaml"));
            let text = format!(
                "app: {app}\nrepository: acme/{app}\nimages: [registry.example.com/{app}]\npreview: {{ host: 'pr-{{pr}}-{app}.example.com' }}\n"
            );
            fs::write(&path, text).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        }

        /// Returns the names of the apps, and the number of reads so far.
        fn look(&self) -> (Vec<String>, usize) {
            let apps = self.files.current().apps.iter().map(|app| app.app.clone()).collect();
            (apps, self.reads.load(Ordering::Relaxed))
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn many_apps_are_read_once_for_all_activities_of_a_rollout() {
        let all: Vec<String> = (0..50).map(|number| format!("app{number:02}")).collect();
        let counted = Counted::new(&all.iter().map(String::as_str).collect::<Vec<_>>());
        for _ in 0..5 {
            assert_eq!(counted.look(), (all.clone(), 1));
        }
    }

    #[test]
    fn each_change_of_a_file_counts_at_once() {
        let counted = Counted::new(&["one", "two"]);
        assert_eq!(counted.look(), (names(&["one", "two"]), 1));
        counted.write("one", "six");
        assert_eq!(counted.look(), (names(&["six", "two"]), 2), "of the same length, with the same time");
        counted.write("ten", "ten");
        assert_eq!(counted.look(), (names(&["six", "ten", "two"]), 3), "a new file");
        fs::remove_file(counted.folder.path().join("two.yaml")).unwrap();
        assert_eq!(counted.look(), (names(&["six", "ten"]), 4), "a removed file");
        fs::rename(counted.folder.path().join("ten.yaml"), counted.folder.path().join("nine.yaml")).unwrap();
        assert_eq!(counted.look().1, 5, "another name");
        assert_eq!(counted.look().1, 5);
    }

    #[test]
    fn a_file_that_was_just_written_is_read_again() {
        let counted = Counted::new(&["one"]);
        let path = counted.folder.path().join("one.yaml");
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
        assert_eq!((counted.look().1, counted.look().1), (1, 2));
        let ahead = SystemTime::now() + Duration::from_secs(3600);
        fs::File::options().write(true).open(&path).unwrap().set_modified(ahead).unwrap();
        assert_eq!((counted.look().1, counted.look().1), (3, 4), "its time is in the future");
    }

    #[test]
    fn a_swapped_link_counts_as_a_change() {
        let counted = Counted::new(&[]);
        for (folder, app) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(counted.folder.path().join(folder)).unwrap();
            counted.write(&format!("{folder}/web"), app);
        }
        let data = counted.folder.path().join("..data");
        symlink("..1", &data).unwrap();
        symlink("..data/web.yaml", counted.folder.path().join("web.yaml")).unwrap();
        assert_eq!((counted.look(), counted.look().1), ((names(&["one"]), 1), 1));
        fs::remove_file(&data).unwrap();
        symlink("..2", &data).unwrap();
        assert_eq!((counted.look(), counted.look().1), ((names(&["two"]), 2), 2));
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_read_again() {
        let counted = Counted::new(&["one"]);
        fs::rename(counted.folder.path().join("one.yaml"), counted.folder.path().join("one.txt")).unwrap();
        let files = AppFiles::new(&counted.folder.path().join("none"), read_apps);
        assert!(files.current().apps.is_empty() && !files.current().findings.is_empty());
        assert_eq!(counted.look(), (names(&[]), 1));
        symlink("nowhere", counted.folder.path().join("broken.yaml")).unwrap();
        assert_eq!((counted.look().1, counted.look().1), (2, 3));
    }

    #[test]
    fn apps_of_a_folder_are_shared_in_the_process() {
        let counted = Counted::new(&["one"]);
        let path = counted.folder.path();
        assert!(Arc::ptr_eq(&current_apps(path), &current_apps(path)));
    }
}
