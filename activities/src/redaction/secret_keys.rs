//! Keys and values of an environment's Secret that people may see.

use std::collections::BTreeMap;

/// The address of the app's Temporal server.
pub(crate) const TEMPORAL_SERVER_ADDRESS: &str = "TEMPORAL_SERVER_ADDRESS";

/// Keys whose values are public: names from the app file, and the address that `status` shows. Redacting them would
/// remove `preview` and the app's name from every second sentence.
const PUBLIC_KEYS: [&str; 4] = ["DOPPLER_PROJECT", "DOPPLER_ENVIRONMENT", "DOPPLER_CONFIG", TEMPORAL_SERVER_ADDRESS];

/// Keys of the environment's database whose values are public. The password is in the other keys.
const PUBLIC_DATABASE_KEYS: [&str; 7] = [
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_NAME",
    "DATABASE_TLS",
    "TEMPORAL_DATABASE_NAME",
    "TEMPORAL_VISIBILITY_DATABASE_NAME",
];

/// Words in the name of a key whose value is a secret, whatever it is.
const SECRET_WORDS: [&str; 18] = [
    "apikey",
    "credential",
    "credentials",
    "key",
    "keys",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pin",
    "private",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
];

/// Endings of such words that are written together: `dbpassword`, `clientSecret`.
const SECRET_ENDINGS: [&str; 6] = ["apikey", "passphrase", "passwd", "password", "secret", "token"];

/// Values of settings. They are in every log, and give nothing away.
const SETTINGS: [&str; 59] = [
    "true",
    "false",
    "null",
    "none",
    "auto",
    "always",
    "never",
    "enabled",
    "disabled",
    "enable",
    "disable",
    "default",
    "trace",
    "debug",
    "info",
    "notice",
    "warn",
    "warning",
    "error",
    "fatal",
    "critical",
    "verbose",
    "quiet",
    "json",
    "text",
    "plain",
    "local",
    "localhost",
    "dev",
    "develop",
    "development",
    "test",
    "testing",
    "stage",
    "staging",
    "preview",
    "prod",
    "production",
    "main",
    "master",
    "http",
    "https",
    "tcp",
    "utf8",
    "utf-8",
    "require",
    "required",
    "verify",
    "verify-full",
    "prefer",
    "postgres",
    "postgresql",
    "mysql",
    "redis",
    "root",
    "admin",
    "memory",
    "0.0.0.0",
    "127.0.0.1",
];

/// The most digits of a number that gives nothing away: a port, a limit, a time.
const MOST_DIGITS: usize = 5;

/// Returns whether the value of a key must not be shown.
pub(crate) fn is_secret(key: &str, value: &[u8]) -> bool {
    !PUBLIC_KEYS.contains(&key)
        && !PUBLIC_DATABASE_KEYS.contains(&key)
        && (sounds_secret(key) || !std::str::from_utf8(value).is_ok_and(is_setting))
}

/// Returns the values of the secret keys.
pub(crate) fn secret_values(values: &BTreeMap<String, String>) -> Vec<Vec<u8>> {
    let secret = values.iter().filter(|(key, value)| is_secret(key, value.as_bytes()));
    secret.map(|(_, value)| value.clone().into_bytes()).collect()
}

/// Returns whether a key's name says that its value is a secret.
pub(super) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let mut words = key.split(|char: char| !char.is_ascii_alphanumeric());
    words.any(|word| SECRET_WORDS.contains(&word) || SECRET_ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

/// Returns whether a value is a setting: a word that settings have, or a small number, perhaps with a unit.
fn is_setting(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    SETTINGS.contains(&value.as_str()) || is_small_number(&value)
}

fn is_small_number(value: &str) -> bool {
    let digits = value.chars().take_while(|char| char.is_ascii_digit() || *char == '.').count();
    let (number, unit) = value.split_at(digits);
    (1..=MOST_DIGITS).contains(&digits)
        && number.parse::<f64>().is_ok()
        && unit.len() <= 3
        && unit.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stay_readable_and_secrets_do_not() {
        for (key, value) in [
            ("DEBUG", "true"),
            ("LOG_LEVEL", "info"),
            ("LOG_LEVEL", "INFO"),
            ("PORT", "8080"),
            ("TIMEOUT", "1500ms"),
            ("LIMIT", "512Mi"),
            ("RATE", "0.25"),
            ("NODE_ENV", "production"),
            ("HOST", "0.0.0.0"),
            ("TEMPORAL_AUTH_ENABLED", "true"),
            ("DATABASE_NAME", "web_pr_1"),
        ] {
            assert!(!is_secret(key, value.as_bytes()), "{key}={value}");
        }
        for (key, value) in [
            ("PASSWORD", "true"),
            ("ADMIN_PASSWORD", "admin"),
            ("DBPASSWORD", "8080"),
            ("clientSecret", "info"),
            ("API_KEY", "12345"),
            ("PIN", "4711"),
            ("SOMETHING", "123456"),
            ("SOMETHING", "info2"),
            ("SOMETHING", "a\u{0}\u{fffd}"),
        ] {
            assert!(is_secret(key, value.as_bytes()), "{key}={value}");
        }
        assert!(is_secret("SOMETHING", &[0xff, 0xfe, 0xfd, 0xfc]));
    }
}
