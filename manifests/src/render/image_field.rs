//! Fields that name an image of a pod, by their path in a document.

/// The lists of containers in a pod's spec.
pub(super) const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Whether a field is a container's `image`, or the `reference` of an image volume.
pub(super) fn is_image_field(path: &str) -> bool {
    if let Some(container) = path.strip_suffix(".image") {
        return is_item_of(container, &CONTAINER_LISTS);
    }
    path.strip_suffix(".image.reference").is_some_and(|volume| is_item_of(volume, &["volumes"]))
}

/// Whether a path ends with an item of one of these lists, for example `containers[0]`.
fn is_item_of(path: &str, lists: &[&str]) -> bool {
    let list = path.strip_suffix(']').and_then(|path| path.rsplit_once('[')).map(|(list, _)| list);
    list.is_some_and(|list| lists.contains(&list.rsplit('.').next().unwrap_or(list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_field_is_in_a_list_of_containers_or_an_image_volume() {
        for path in [
            "spec.template.spec.containers[0].image",
            "items[2].spec.template.spec.initContainers[12].image",
            "spec.jobTemplate.spec.template.spec.ephemeralContainers[0].image",
            "spec.template.spec.volumes[1].image.reference",
        ] {
            assert!(is_image_field(path), "{path}");
        }
        for path in [
            "data.image",
            "spec.image",
            "data[containers[0].image]",
            "metadata.annotations[example.com/containers[0].image]",
            "spec.template.spec.containers[0].env[0].image",
            "spec.template.spec.containers[0].name",
            "spec.template.spec.containers.image",
            "spec.template.spec.volumes[1].image",
            "spec.template.spec.mycontainers[0].image",
        ] {
            assert!(!is_image_field(path), "{path}");
        }
    }
}
