//! Requests that may be refused. During a namespace's deletion berth loses its rights in it early.

use crate::failure::Failure;

/// Returns `None` if berth may not make the request, or if its object is gone.
pub(crate) fn permitted<T>(answer: kube::Result<T>, what: impl FnOnce() -> String) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
        Err(e) => Err(Failure::kubernetes(what(), e)),
    }
}
