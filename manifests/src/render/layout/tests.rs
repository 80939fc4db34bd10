use std::{fs, path::Path};

use super::*;

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn paths(files: &SourceFiles, kind: EnvironmentKind) -> Vec<&str> {
    files.for_kind(kind).map(|file| file.path.as_str()).collect()
}

#[test]
fn files_are_sorted_by_section_then_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "shared/b.yaml",
        "shared/a.yml",
        "core/z.json",
        "preview/p.yaml",
        "production/q.yaml",
        "core/.hidden.yaml",
        "core/notes.txt",
        "core/deeper/d.yaml",
        "scripts/deploy.yaml",
        "top.yaml",
    ] {
        write(folder.path(), path, "");
    }
    let files = SourceFiles::read(folder.path(), "web").unwrap();
    assert_eq!(
        paths(&files, EnvironmentKind::Preview),
        ["web/core/z.json", "web/shared/a.yml", "web/shared/b.yaml", "web/preview/p.yaml"]
    );
    assert_eq!(
        paths(&files, EnvironmentKind::Production),
        ["web/core/z.json", "web/shared/a.yml", "web/shared/b.yaml", "web/production/q.yaml"]
    );
}

#[test]
fn what_is_not_applied_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "core/app.yaml",
        "core/redis/redis.yaml",
        "core/app.yaml.tpl",
        "core/.swp.yaml",
        "staging/app.yaml",
        "scripts/post-deploy.sh",
        "scripts/pre_rollout",
        "hooks/post-release.sh",
        "hooks/README.md",
        ".git/config",
        "pre-deploy.sh",
    ] {
        write(folder.path(), path, "");
    }
    let files = SourceFiles::read(folder.path(), "web").unwrap();
    let notes: Vec<_> = files.not_applied().iter().map(|note| (note.file.as_str(), note.message.as_str())).collect();
    assert_eq!(
        notes,
        [
            ("web/core/app.yaml.tpl", NO_MANIFEST),
            ("web/core/redis", NESTED),
            ("web/hooks/post-release.sh", HOOK),
            ("web/hooks", ABOVE_SECTIONS),
            ("web/pre-deploy.sh", HOOK),
            ("web/scripts/post-deploy.sh", HOOK),
            ("web/scripts/pre_rollout", HOOK),
            ("web/staging", OTHER_ENVIRONMENT),
        ]
    );
}

#[test]
fn folder_without_the_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(SourceFiles::read(folder.path(), "web").unwrap_err().len(), 1);
    assert_eq!(SourceFiles::read(&folder.path().join("absent"), "web").unwrap_err().len(), 1);
}

#[test]
fn every_unreadable_file_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "core/good.yaml", "");
    fs::write(folder.path().join("core/bytes.yaml"), [0xff, 0xfe]).unwrap();
    fs::File::create(folder.path().join("core/large.yaml")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    let findings = SourceFiles::read(folder.path(), "web").unwrap_err();
    let files: Vec<_> = findings.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(files, ["web/core/bytes.yaml", "web/core/large.yaml"]);
}

#[cfg(unix)]
#[test]
fn link_that_leaves_the_folder_is_refused() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.yaml", "a: 1");
    write(folder.path(), "shared/real.yaml", "a: 1");
    fs::create_dir_all(folder.path().join("core")).unwrap();
    symlink("../shared/real.yaml", folder.path().join("core/inside.yaml")).unwrap();
    assert_eq!(SourceFiles::read(folder.path(), "web").unwrap().all().len(), 2);

    symlink(outside.path().join("secret.yaml"), folder.path().join("core/outside.yaml")).unwrap();
    symlink(outside.path(), folder.path().join("preview")).unwrap();
    symlink("nowhere", folder.path().join("core/dangling.yaml")).unwrap();
    let findings = SourceFiles::read(folder.path(), "web").unwrap_err();
    let files: Vec<_> = findings.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(files, ["web/core/dangling.yaml", "web/core/outside.yaml", "web/preview/secret.yaml"]);
}
