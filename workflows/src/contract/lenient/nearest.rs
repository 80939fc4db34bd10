//! The nearest known name to an unknown field, for the sender who has mistyped it.

/// A name is offered if at most half of its letters differ.
const FARTHEST: usize = 2;

/// Names the nearest known field in serde's message about an unknown one. Returns every other message as it is.
pub(super) fn with_nearest(message: String) -> String {
    let Some((unknown, known)) = parts(&message) else { return message };
    let nearest = known.split('`').skip(1).step_by(2).min_by_key(|known| strsim::levenshtein(unknown, known));
    match nearest.filter(|nearest| strsim::levenshtein(unknown, nearest) <= unknown.chars().count() / FARTHEST) {
        Some(nearest) => format!("unknown field `{unknown}`: the nearest known name is `{nearest}`; expected {known}"),
        None => message,
    }
}

/// The unknown field, and the part of the message with the known ones.
fn parts(message: &str) -> Option<(&str, &str)> {
    const LONGEST: usize = 100;
    let (unknown, known) = message.strip_prefix("unknown field `")?.split_once("`, expected ")?;
    (unknown.len() <= LONGEST).then_some((unknown, known))
}

#[cfg(test)]
mod tests {
    use crate::contract::{
        lenient::Input,
        production::{ApproveRelease, Rollback},
        signals::{Approve, Push},
    };

    fn refusal<T: Input>(field: &str) -> String {
        let mut json: serde_json::Value = serde_json::from_str(T::EXAMPLE).unwrap();
        json[field] = serde_json::json!({});
        T::from_json(json.to_string().as_bytes()).err().unwrap()
    }

    #[test]
    fn mistyped_field_is_refused_with_the_nearest_name() {
        for (refusal, expected) in [
            (
                refusal::<Push>("imges"),
                "unknown field `imges`: the nearest known name is `images`; expected one of `commit`, ",
            ),
            (refusal::<Push>("named_images"), "unknown field `named_images`: the nearest known name is `images`;"),
            (refusal::<Push>("variable"), "unknown field `variable`: the nearest known name is `variables`;"),
            (refusal::<Push>("Image"), "unknown field `Image`: the nearest known name is `image`;"),
            (refusal::<Approve>("comit"), "unknown field `comit`: the nearest known name is `commit`;"),
            (refusal::<ApproveRelease>("plna"), "unknown field `plna`: the nearest known name is `plan`;"),
            (refusal::<Rollback>("resaon"), "unknown field `resaon`: the nearest known name is `reason`;"),
        ] {
            assert!(refusal.starts_with(expected), "{refusal}");
        }
    }

    #[test]
    fn field_that_is_near_to_none_is_refused_with_all_names() {
        for field in ["colour", "x", &"y".repeat(10_000), "a`, expected `b", ""] {
            let refusal = refusal::<Push>(field);
            assert!(!refusal.contains("nearest"), "{refusal}");
        }
    }
}
