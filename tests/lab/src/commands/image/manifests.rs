//! The path of `manifests/worker`, as a kustomization names it.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::machine::folders;

/// The path of `manifests/worker` relative to a folder. Kustomize accepts no absolute one.
pub fn worker_manifests(from: &Path) -> Result<PathBuf> {
    let whole = |path: &Path| path.canonicalize().with_context(|| format!("looking for {}", path.display()));
    Ok(between(&whole(from)?, &whole(&folders::workspace().join("manifests/worker"))?))
}

fn between(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_path_goes_up_no_further_than_needed() {
        assert_eq!(between(Path::new("/a/b/c"), Path::new("/a/d")), Path::new("../../d"));
        assert_eq!(between(Path::new("/a"), Path::new("/a/d")), Path::new("d"));
    }
}
