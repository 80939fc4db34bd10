//! The images of a release: a container of a pushed repository runs the pushed image, by digest.
//!
//! In a container's `image`, `$KUBE_DEPLOYMENT_IMAGE` alone is the whole pushed reference, and with more text the repository.
//! After rendering, every image of a pushed repository must have a pushed digest: a tag may name another image by the time it
//! is pulled. Images of other repositories stay as they are.

mod reference;

use serde_json::Value;

use super::{
    finding::{Finding, Severity},
    object::{Object, pointer_of},
    policy::pods,
    pushed_image::PushedImage,
    substitute::has_reference,
    variables::Variables,
};
use reference::Reference;

/// Adds the pushed digest where an image has only the pushed tag. Reports every other image of a pushed repository, and
/// a release of which no container has a pushed digest.
pub(super) fn pin(objects: &mut [Object], variables: &Variables, findings: &mut Vec<Finding>) {
    let mut first_container = None;
    let mut carried = false;
    for object in objects.iter_mut() {
        for ImageField { path, of_container } in image_fields(object) {
            let pointer = pointer_of(&path);
            let written = object.string_at(&pointer).to_owned();
            if of_container && first_container.is_none() {
                first_container = Some(object.finding(Severity::Error, &path, absent(variables)));
            }
            match judge(&written, variables) {
                // A variable that nobody declares is an error already.
                Image::Unpushed | Image::Unknown => {}
                Image::Pushed => carried |= of_container,
                Image::Tagged { digest } => {
                    carried |= of_container;
                    let note = format!("names the pushed tag without its digest; berth adds `@{digest}`");
                    findings.push(object.finding(Severity::Note, &path, note));
                    if let Some(image) = object.document.pointer_mut(&pointer) {
                        *image = Value::from(format!("{written}@{digest}"));
                    }
                }
                Image::Refused { message } => findings.push(object.error(&path, message)),
            }
        }
    }
    // An object that was refused may be the one with the image.
    if !carried && !findings.iter().any(Finding::is_error) {
        findings.push(first_container.unwrap_or_else(|| Finding::error("", 0, absent(variables))));
    }
}

/// A field that names an image.
struct ImageField {
    path: String,
    of_container: bool,
}

fn image_fields(object: &Object) -> Vec<ImageField> {
    let mut fields = Vec::new();
    for (spec, path) in pods::specs(object) {
        fields.extend(
            pods::containers(spec, &path)
                .map(|(_, container)| ImageField { path: format!("{container}.image"), of_container: true }),
        );
        fields.extend(pods::items(spec.get("volumes")).map(|(index, _)| ImageField {
            path: format!("{path}.volumes[{index}].image.reference"),
            of_container: false,
        }));
    }
    fields
}

/// An image of the manifests, compared with the push.
enum Image {
    /// Its repository was not pushed.
    Unpushed,
    /// It has a variable that nobody declares.
    Unknown,
    /// It has a pushed digest.
    Pushed,
    /// It has a pushed tag and no digest.
    Tagged { digest: String },
    /// It is another image of a pushed repository.
    Refused { message: String },
}

fn judge(written: &str, variables: &Variables) -> Image {
    if has_reference(written) {
        return Image::Unknown;
    }
    let reference = Reference::parse(written.trim());
    let pushed: Vec<&PushedImage> =
        variables.images().iter().filter(|image| reference.is_of_repository(&image.repository)).collect();
    if pushed.is_empty() {
        return Image::Unpushed;
    }
    if written != written.trim() {
        let message = "must not have spaces or line ends around it: Kubernetes refuses such a pod".to_owned();
        return Image::Refused { message };
    }
    let found = match reference.digest {
        Some(digest) => pushed.iter().any(|image| image.digest == digest).then_some(Image::Pushed),
        None => {
            let image = pushed.iter().find(|image| variables.tag_of(image) == Some(reference.tag_or_latest()));
            image.map(|image| Image::Tagged { digest: image.digest.clone() })
        }
    };
    found.unwrap_or_else(|| Image::Refused { message: not_pushed(written, &pushed) })
}

fn not_pushed(written: &str, pushed: &[&PushedImage]) -> String {
    let references: Vec<_> = pushed.iter().map(|image| format!("`{}`", image.reference())).collect();
    let names: Vec<_> = pushed.iter().map(|image| format!("`${}`", image.image_variable())).collect();
    format!(
        "`{written}` is not the pushed image {}, but of its repository: write {}",
        references.join(" or "),
        names.join(" or ")
    )
}

fn absent(variables: &Variables) -> String {
    let names: Vec<_> =
        variables.images().iter().map(|image| format!("`image: ${}`", image.image_variable())).collect();
    format!(
        "no container of the manifests has the pushed image: write {} in each container that runs it",
        names.join(" or ")
    )
}
