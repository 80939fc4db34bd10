//! What of an object does not fit the schema of its kind.

mod format;

use serde_json::{Map, Value};

use super::{Field, ScalarType, VERSION};
use crate::render::{
    finding::{Finding, Severity},
    object::Object,
    scalar,
    template::child,
    variables::nearest,
};

/// Every field of an object that its kind does not have, that has another type, or that is missing.
///
/// An unknown field is a warning: a newer cluster may know it. A wrong type and a missing field are errors.
pub(in crate::render) fn check(object: &Object) -> Vec<Finding> {
    let root = Field::Object.of_kind(object.api_version(), object.kind());
    let mut check = Check { object, findings: Vec::new() };
    check.visit(&object.document, root, "");
    check.findings
}

struct Check<'a> {
    object: &'a Object,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn visit(&mut self, value: &Value, field: Field, path: &str) {
        let Field::Known(schema) = field else { return };
        match (schema.get("type").and_then(Value::as_str), value) {
            // Kubernetes reads null as a field that is left out.
            (_, Value::Null) => {}
            (Some("object"), Value::Object(map)) => self.visit_object(map, field, schema, path),
            (Some("object"), _) => self.refuse(path, "a mapping", value),
            (Some("array"), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.visit(item, field.item(), &format!("{path}[{index}]"));
                }
            }
            (Some("array"), _) => self.refuse(path, "a list", value),
            _ => self.visit_scalar(value, field, schema, path),
        }
    }

    fn visit_object(&mut self, map: &Map<String, Value>, field: Field, schema: &Value, path: &str) {
        for (key, value) in map {
            let path = child(path, key);
            match field.child(key) {
                // Without properties, a mapping may have any key.
                Field::Unknown if schema.get("properties").is_some() => self.warn_unknown(key, schema, &path),
                field => self.visit(value, field, &path),
            }
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if map.get(key).is_none_or(Value::is_null) {
                let message = format!("must have a `{key}`");
                self.findings.push(self.object.finding(Severity::Error, path, message));
            }
        }
    }

    fn visit_scalar(&mut self, value: &Value, field: Field, schema: &Value, path: &str) {
        let is_integer = value.is_i64() || value.is_u64();
        let (fits, name) = match field.scalar_type() {
            ScalarType::Any => return,
            ScalarType::Text => (value.is_string(), "a string"),
            ScalarType::Integer => (is_integer, "an integer"),
            ScalarType::Number => (value.is_number(), "a number"),
            ScalarType::Boolean => (value.is_boolean(), "`true` or `false`"),
            ScalarType::IntegerOrText => (is_integer || value.is_string(), "an integer or a string"),
            ScalarType::Quantity => (value.is_number() || value.is_string(), "a number or a string"),
        };
        if !fits {
            return self.refuse(path, name, value);
        }
        let Some(text) = value.as_str() else { return };
        if field.scalar_type() == ScalarType::Quantity && !format::is_quantity(text) {
            let message =
                "must be a quantity: a number, and a unit such as `m`, `k`, `M`, `Mi` or `Gi` without a space";
            self.findings.push(self.object.finding(Severity::Error, path, message));
        }
        if schema.get("format").is_some_and(|format| format == "byte") && !format::is_base64(text) {
            let advice = match self.object.kind() {
                "Secret" => "; a text as it is belongs into `stringData`",
                "ConfigMap" => "; a text as it is belongs into `data`",
                _ => "",
            };
            self.findings.push(self.object.finding(Severity::Error, path, format!("must be Base64{advice}")));
        }
    }

    fn refuse(&mut self, path: &str, expected: &str, value: &Value) {
        let advice = match value {
            Value::Number(_) | Value::Bool(_) if expected == "a string" => ": put it in quotes",
            Value::String(text)
                if scalar::parse_plain(text).is_ok_and(|value| value.is_number() || value.is_boolean()) =>
            {
                ", without quotes"
            }
            _ => "",
        };
        let message = format!("must be {expected}{advice}");
        self.findings.push(self.object.finding(Severity::Error, path, message));
    }

    fn warn_unknown(&mut self, key: &str, schema: &Value, path: &str) {
        let known = schema.get("properties").and_then(Value::as_object);
        let near = known.and_then(|known| nearest(key, known.keys().map(String::as_str)));
        let near = near.map(|near| format!("; the nearest name is `{near}`")).unwrap_or_default();
        let message = format!("Kubernetes {VERSION} has no such field here{near}");
        self.findings.push(self.object.finding(Severity::Warning, path, message));
    }
}

#[cfg(test)]
mod tests;
