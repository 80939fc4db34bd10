//! Requests that may be refused: berth's rights in a namespace end early in its deletion.

use crate::failure::Failure;

/// Nothing where berth may not (its rights in a namespace end early in its deletion), or where it is gone already.
pub(crate) fn permitted<T>(answer: kube::Result<T>, what: impl FnOnce() -> String) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
        Err(e) => Err(Failure::kubernetes(what(), e)),
    }
}
