//! Values of plain (unquoted) YAML scalars, as kubectl reads them.
//!
//! kubectl reads YAML with `sigs.k8s.io/yaml`. Its resolver (`goyaml.v2/resolve.go`) follows YAML 1.1: booleans may be
//! `yes`, `off` or `y`, `0644` is octal (as in file modes), and numbers may have `_` inside. A manifest must mean
//! the same here as to kubectl, so this module follows that resolver and not YAML 1.2.
//!
//! A date differs: it stays a string here, and kubectl makes it a time stamp.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Number, Value};

/// The value of a plain scalar.
///
/// # Errors
/// The scalar is a number that JSON cannot hold: an infinity, or "not a number".
pub(super) fn parse_plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" => return Err("is not a number, which JSON cannot represent"),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => {
            return Err("is infinite, which JSON cannot represent");
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(Value::from(text));
    }
    Ok(parse_number(text).map_or_else(|| Value::from(text), Value::Number))
}

/// The value of a scalar with a core tag of YAML, for example `!!str 123`.
///
/// # Errors
/// The text is not of that type, or a manifest cannot have that tag.
pub(super) fn parse_tagged(tag: &str, text: &str) -> Result<Value, String> {
    match tag {
        "int" | "float" | "bool" | "null" => {}
        "binary" => return binary(text).map(Value::from),
        _ => return Ok(Value::from(text)),
    }
    let value = parse_plain(text)?;
    let fits = match tag {
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "bool" => value.is_boolean(),
        _ => value.is_null(),
    };
    if fits { Ok(value) } else { Err(format!("is not of the type `!!{tag}`")) }
}

/// The text of Base64 digits. Bytes that are not UTF-8 are replaced, as Go's JSON encoder does.
fn binary(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    match STANDARD.decode(digits) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => Err("is not Base64, as the tag `!!binary` says".to_owned()),
    }
}

/// The text in JSON of a mapping's key that is a plain scalar, as kubectl writes it: `on` is `true`, `0x10` is `16`.
///
/// # Errors
/// JSON has no such key.
pub(super) fn plain_key(text: &str) -> Result<String, &'static str> {
    match parse_plain(text)? {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => match parse_integer(&text.replace('_', "")) {
            Some(integer) if integer.is_i64() => Ok(integer.to_string()),
            Some(_) => Err("is a number too large for a key: put it in quotes"),
            None => number.as_f64().map(go_float).ok_or("is not a number that a key can have"),
        },
        _ => Err("is not a string: put it in quotes"),
    }
}

/// A number as `strconv.FormatFloat(value, 'g', -1, 32)` writes it: kubectl's keys have single precision.
fn go_float(value: f64) -> String {
    let scientific = format!("{:e}", value as f32);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => (value as f32).to_string(),
    }
}

fn parse_number(text: &str) -> Option<Number> {
    // The resolver passes these to Go's `ParseFloat`, which accepts `_` only between digits.
    if text.starts_with('.') && text.contains('_') && !underscores_separate_digits(text) {
        return None;
    }
    let digits = text.replace('_', "");
    parse_integer(&digits).or_else(|| parse_float(&digits))
}

fn underscores_separate_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    (0..bytes.len())
        .filter(|index| bytes.get(*index) == Some(&b'_'))
        .all(|index| index > 0 && is_digit(index - 1) && is_digit(index + 1))
}

/// Parses an integer as Go's `strconv.ParseInt(text, 0, 64)` does, then `ParseUint`.
fn parse_integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = magnitude.to_ascii_lowercase();
    let (radix, digits) = if let Some(hexadecimal) = lower.strip_prefix("0x") {
        (16, hexadecimal)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (2, binary)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (8, octal)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    // Rust's parser accepts a second sign; Go's does not.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    // kubectl's objects have 64-bit integers with a sign; a larger one becomes a float.
    let as_float = |_| u64::try_from(value).ok().and_then(|value| Number::from_f64(value as f64));
    i64::try_from(value).map(Number::from).map_or_else(as_float, Some)
}

/// Parses `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`. A float without a fraction becomes an integer, as Go's
/// JSON encoder writes it: from kubectl, a field of type integer accepts `1e3`.
fn parse_float(text: &str) -> Option<Number> {
    /// 2^53: every integer up to here is exactly a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = all_digits(whole)
        && fraction.is_none_or(all_digits)
        && !(whole.is_empty() && fraction.is_none_or(str::is_empty));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    if !digits || !exponent_fits {
        return None;
    }
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        // The cast is exact: an integer within i64.
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalar_has_the_value_that_kubectl_reads() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("true", json!(true)),
            ("yes", json!(true)),
            ("y", json!(true)),
            ("On", json!(true)),
            ("no", json!(false)),
            ("OFF", json!(false)),
            ("yEs", json!("yEs")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("8080", json!(8080)),
            ("+5", json!(5)),
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("0x1F", json!(31)),
            ("-0b11", json!(-3)),
            ("1_000", json!(1000)),
            ("08", json!(8)),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("-1.25", json!(-1.25)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615.0)),
            ("0x-1", json!("0x-1")),
            ("+-5", json!("+-5")),
            ("1e999", json!("1e999")),
            ("500m", json!("500m")),
            ("1.2.3", json!("1.2.3")),
            ("80:80", json!("80:80")),
            ("2024-01-02", json!("2024-01-02")),
            (".", json!(".")),
            ("-", json!("-")),
            ("_1", json!("_1")),
            ("._1", json!("._1")),
            (".1_5", json!(0.15)),
            ("$KUBE_NS", json!("$KUBE_NS")),
        ] {
            assert_eq!(parse_plain(text), Ok(expected), "{text}");
        }
        assert!(parse_plain(".inf").is_err());
        assert!(parse_plain(".NaN").is_err());
    }

    #[test]
    fn tag_must_match_the_scalars_type() {
        assert_eq!(parse_tagged("str", "123"), Ok(json!("123")));
        assert_eq!(parse_tagged("int", "123"), Ok(json!(123)));
        assert!(parse_tagged("int", "web").is_err());
        assert_eq!(parse_tagged("binary", "aGVs\nbG8="), Ok(json!("hello")));
        assert!(parse_tagged("binary", "?").is_err());
        assert_eq!(parse_tagged("timestamp", "2024-01-02"), Ok(json!("2024-01-02")));
    }

    #[test]
    fn key_has_the_text_that_kubectl_writes() {
        for (text, expected) in [
            ("on", "true"),
            ("n", "false"),
            ("0x1f", "31"),
            ("1.50", "1.5"),
            ("0.1", "0.1"),
            ("1e3", "1000"),
            ("1.5e7", "1.5e+07"),
            ("1e6", "1e+06"),
            ("1000000", "1000000"),
            ("123456.7", "123456.7"),
            ("1.5e30", "1.5e+30"),
            ("0.00001", "1e-05"),
            ("123456789.123", "1.2345679e+08"),
            ("web", "web"),
        ] {
            assert_eq!(plain_key(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(plain_key("~").is_err());
        assert!(plain_key("12345678901234567890").is_err());
    }
}
