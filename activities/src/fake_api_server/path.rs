//! The resource that a path names.

/// A resource at a path of the API.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Collection,
    Object {
        collection: &'a str,
        name: &'a str,
    },
    /// A part of an object, for example a pod's log.
    Subresource,
}

/// Returns the resource at a path, or none if it is no path of a resource.
pub(super) fn resource(path: &str) -> Option<Resource<'_>> {
    let segments: Vec<_> = path.split('/').collect();
    let (["", "api", _, below @ ..] | ["", "apis", _, _, below @ ..]) = segments.as_slice() else { return None };
    // A namespace is an object itself, and the root of its objects.
    let below = if let ["namespaces", _, inside @ ..] = below
        && !inside.is_empty()
    {
        inside
    } else {
        below
    };
    match below {
        [] => None,
        [_] => Some(Resource::Collection),
        [_, _] => path.rsplit_once('/').map(|(collection, name)| Resource::Object { collection, name }),
        _ => Some(Resource::Subresource),
    }
}
