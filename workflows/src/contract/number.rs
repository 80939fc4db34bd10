//! Numbers from outside. A shell or a template puts one in quotes easily, so `"42"` counts as `42`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// Reads a number: `#[serde(deserialize_with = "number::read")]`.
///
/// # Errors
/// It is no whole number from 0, or it is above what the field can hold.
pub fn read<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    fit(Number::deserialize(deserializer)?)
}

/// Reads a number that may be null: `#[serde(default, deserialize_with = "number::read_optional")]`.
///
/// # Errors
/// As [`read`].
pub fn read_optional<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<Number>::deserialize(deserializer)?.map(fit).transpose()
}

struct Number(u64);

fn fit<T: TryFrom<u64>, E: Error>(number: Number) -> Result<T, E> {
    let Number(number) = number;
    T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &"a smaller number"))
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(Number).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::{Value, json};

    use crate::contract::{
        command::CommentSignal,
        environment::PullRequest,
        janitor::JanitorInput,
        lenient::Input,
        production::{ApproveRelease, Production, RejectRelease, Rollback},
        signals::{Close, Push},
    };

    /// The paths of all numbers in a schema's properties, with a value that each takes.
    fn numbers(schema: &Value, root: &Value, path: &str, found: &mut Vec<(String, u64)>) {
        let referenced = schema["$ref"].as_str().and_then(|name| root.pointer(name.trim_start_matches('#')));
        let schema = referenced.unwrap_or(schema);
        let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        if types.contains(&json!("integer")) {
            found.push((path.to_owned(), schema["minimum"].as_u64().unwrap_or_default().max(1)));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            // A proof is written by berth alone.
            if name != "proof" {
                numbers(property, root, &format!("{path}/{name}"), found);
            }
        }
    }

    fn with(mut example: Value, path: &str, number: &Value) -> Value {
        let (parent, name) = path.rsplit_once('/').unwrap();
        if let Some(field) = parent.strip_prefix('/') {
            example[field] = json!({ name: number });
        } else {
            example[name] = number.clone();
        }
        example
    }

    fn read<T: Input>(example: &Value) -> Result<T, String> {
        T::from_json(example.to_string().as_bytes())
    }

    fn check<T: Input + JsonSchema + PartialEq + std::fmt::Debug>() -> usize {
        let schema = schemars::schema_for!(T).to_value();
        let example: Value = serde_json::from_str(T::EXAMPLE).unwrap();
        let mut found = Vec::new();
        numbers(&schema, &schema, "", &mut found);
        for (path, number) in &found {
            let quoted = read::<T>(&with(example.clone(), path, &json!(number.to_string())));
            assert_eq!(quoted, read(&with(example.clone(), path, &json!(number))), "{path}");
            assert!(quoted.is_ok(), "{path}: {quoted:?}");
            for bad in
                [json!("x"), json!(""), json!("-1"), json!("+1"), json!("1.0"), json!(-1), json!(1.5), json!(true)]
            {
                let refused = read::<T>(&with(example.clone(), path, &bad)).unwrap_err();
                assert!(refused.contains("a whole number from 0"), "{path}: {refused}");
            }
        }
        found.len()
    }

    #[test]
    fn each_number_of_an_input_may_be_in_quotes() {
        let counts = [
            check::<PullRequest>(),
            check::<Production>(),
            check::<Push>(),
            check::<Close>(),
            check::<ApproveRelease>(),
            check::<RejectRelease>(),
            check::<Rollback>(),
            check::<CommentSignal>(),
            check::<JanitorInput>(),
        ];
        assert_eq!(counts, [9, 8, 1, 1, 1, 1, 1, 1, 2]);
    }

    #[test]
    fn number_above_its_field_is_refused() {
        let refused =
            read::<PullRequest>(&json!({"app": "web", "pr": 1, "timings": {"history_events": 4_294_967_296_u64}}));
        assert!(refused.unwrap_err().contains("expected a smaller number"));
    }
}
