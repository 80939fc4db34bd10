//! The values to hide: a Secret's values, and the secrets inside them.
//!
//! A value may be a URL with a password, a connection string, or JSON. A program decodes it and prints only the part that it
//! needs, so each such part is a value of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    secret_keys::sounds_secret,
    views::{View, percent},
};

/// The shortest value that is looked for, in bytes. Shorter values (`1`, `on`) are in every text and give nothing away.
pub(super) const SHORTEST: usize = 4;
/// The length from which a value is also looked for line by line and inside longer encoded texts.
pub(super) const LONG: usize = 8;
/// The length from which a user's name in a URL without a password counts as a token.
const TOKEN: usize = 16;
/// The deepest JSON that is searched.
const MAX_DEPTH: u8 = 8;

/// Adds what is to be hidden of a value.
pub(super) fn add_parts(value: &[u8], into: &mut BTreeSet<Vec<u8>>) {
    let mut add = |part: &[u8], shortest: usize| {
        if part.len() >= shortest {
            into.insert(part.to_vec());
        }
    };
    add(value, SHORTEST);
    add(value.trim_ascii(), SHORTEST);
    // Logs break at line ends.
    value.split(|byte| *byte == b'\n').for_each(|line| add(line.trim_ascii(), LONG));
    let Ok(text) = std::str::from_utf8(value) else { return };
    let mut inner = BTreeSet::new();
    add_passwords_of_urls(text, &mut inner);
    add_assigned(text, &mut inner);
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        add_of_json(&json, None, 0, &mut inner);
    }
    for part in inner {
        add(part.as_bytes(), SHORTEST);
        let decoded = percent(&View::plain(&part)).map(|decoded| decoded.bytes);
        add(&decoded.unwrap_or_default(), SHORTEST);
    }
}

/// Adds the password of each URL in the text. Without a password a long name of a user is a token.
fn add_passwords_of_urls(text: &str, into: &mut BTreeSet<String>) {
    for (at, separator) in text.match_indices("://") {
        let rest = text[at + separator.len()..].split(char::is_whitespace).next().unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A password with a `/` that is not encoded ends at the last `@`.
        for user_info in [authority, rest].into_iter().filter_map(|part| Some(part.rsplit_once('@')?.0)) {
            match user_info.split_once(':') {
                Some((_, password)) => _ = into.insert(password.to_owned()),
                None if user_info.len() >= TOKEN => _ = into.insert(user_info.to_owned()),
                None => {}
            }
        }
    }
}

/// Adds the value of each `password=…` and the like: of a URL's query, a connection string, or a file of variables.
fn add_assigned(text: &str, into: &mut BTreeSet<String>) {
    for (at, _) in text.match_indices('=') {
        let name = text[..at].trim_end();
        let name = name.rsplit(|char: char| !char.is_ascii_alphanumeric() && !matches!(char, '_' | '-')).next();
        if !name.is_some_and(sounds_secret) {
            continue;
        }
        let value = text[at + 1..].trim_start_matches([' ', '\t']);
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
        if let Some(quote) = quote {
            into.extend(value[1..].split(quote).next().map(str::to_owned));
            continue;
        }
        let value =
            value.split(|char: char| char.is_whitespace() || matches!(char, '&' | ';')).next().unwrap_or_default();
        into.insert(value.to_owned());
        into.extend(value.split(',').next().map(str::to_owned));
    }
}

fn add_of_json(json: &Value, key: Option<&str>, depth: u8, into: &mut BTreeSet<String>) {
    match json {
        _ if depth > MAX_DEPTH => {}
        Value::String(text) => {
            if key.is_some_and(|key| key == "auth" || sounds_secret(key)) {
                into.insert(text.clone());
            }
            into.extend(
                text.lines().map(str::trim).filter(|line| text.contains('\n') && line.len() >= LONG).map(str::to_owned),
            );
            add_passwords_of_urls(text, into);
        }
        Value::Array(items) => items.iter().for_each(|item| add_of_json(item, key, depth + 1, into)),
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| add_of_json(value, Some(key), depth + 1, into));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str) -> Vec<String> {
        let mut parts = BTreeSet::new();
        add_parts(value.as_bytes(), &mut parts);
        parts.into_iter().map(|part| String::from_utf8(part).unwrap()).filter(|part| part != value).collect()
    }

    #[test]
    fn password_of_a_url_is_a_value_as_written_and_decoded() {
        assert_eq!(parts("postgres://web:p%40ss%2Fword@db:5432/web"), ["p%40ss%2Fword", "p@ss/word"]);
        assert_eq!(parts("redis://:hunter2@cache:6379"), ["hunter2"]);
        assert_eq!(parts("mongodb://u:hunter2@a:1,b:2/x?replicaSet=rs0"), ["hunter2"]);
        assert_eq!(parts("https://0123456789abcdef0123@sentry.example.com/1"), ["0123456789abcdef0123"]);
        assert_eq!(parts("postgres://postgres@db/web"), [""; 0]);
        assert!(parts("amqp://u:a/b@c@mq/v").contains(&"a/b@c".to_owned()), "not encoded");
    }

    #[test]
    fn secret_of_a_connection_string_is_a_value() {
        assert_eq!(parts("host=db user=web password=hunter2 sslmode=require"), ["hunter2"]);
        assert_eq!(parts("host=db password='hunter 2' user=web"), ["hunter 2"]);
        assert_eq!(parts("Server=db;Password=hunter2;Encrypt=true"), ["hunter2"]);
        assert_eq!(parts("cache:6380,password=hunter2,ssl=True"), ["hunter2", "hunter2,ssl=True"]);
        assert_eq!(parts("jdbc:postgresql://db/web?user=web&password=hunter%202"), ["hunter 2", "hunter%202"]);
        assert!(parts("LEVEL=info\nAPI_TOKEN=hunter22\n").contains(&"hunter22".to_owned()));
    }

    #[test]
    fn secret_of_json_is_a_value() {
        let found = parts(r#"{"type":"service_account","private_key":"-----BEGIN-----\nMIIEvQIBADANBg\n","n":1}"#);
        assert!(
            found.contains(&"MIIEvQIBADANBg".to_owned()) && !found.contains(&"service_account".to_owned()),
            "{found:?}"
        );
        let found = parts(r#"{"auths":{"registry":{"username":"ci","password":"hunter2","auth":"Y2k6aHVudGVyMg=="}}}"#);
        assert!(["hunter2", "Y2k6aHVudGVyMg=="].iter().all(|part| found.contains(&(*part).to_owned())), "{found:?}");
    }
}
