//! Doppler's keys that still hold what berth has replaced: an app that reads one of them connects to the database that is not the
//! environment's own. Pure.

use std::collections::BTreeMap;

/// The shortest part of a value that is looked for. Shorter ones are in unrelated values too.
const SHORTEST: usize = 6;
/// Hosts of every developer's machine.
const COMMON: [&str; 4] = ["localhost", "127.0.0.1", "postgres", "postgresql"];
/// The most keys in a note.
const SHOWN: usize = 10;

/// Returns the keys of other values that contain an address or a password which berth has replaced. Never a value.
pub(super) fn stale_keys(doppler: &BTreeMap<String, String>, berths: &BTreeMap<String, String>) -> Vec<String> {
    let replaced = doppler.iter().filter(|(key, value)| berths.get(*key).is_some_and(|own| own != *value));
    let parts: Vec<&str> = replaced.flat_map(|(key, value)| telling_parts(key, value)).collect();
    let others = doppler.iter().filter(|(key, _)| !berths.contains_key(*key));
    let stale = others.filter(|(_, value)| parts.iter().any(|part| value.contains(part)));
    stale.map(|(key, _)| key.clone()).take(SHOWN).collect()
}

/// The address and the password in a replaced value. A name of a user or database is in unrelated values too.
fn telling_parts<'a>(key: &str, value: &'a str) -> Vec<&'a str> {
    let parts = match value.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
            let password = user.split_once(':').map_or("", |(_, password)| password);
            vec![password, without_port(host)]
        }
        None if ["HOST", "PASSWORD", "ADDRESS"].iter().any(|word| key.contains(word)) => vec![without_port(value)],
        None => Vec::new(),
    };
    let telling = |part: &&str| part.len() >= SHORTEST && !COMMON.contains(part);
    parts.into_iter().map(str::trim).filter(telling).collect()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn stale(doppler: &[(&str, &str)]) -> Vec<String> {
        let own = [
            ("DATABASE_URL", "postgresql://pr_1:own@pg.preview:5432/web"),
            ("DATABASE_HOST", "pg.preview"),
            ("DATABASE_PASSWORD", "own"),
            ("DATABASE_NAME", "web"),
        ];
        stale_keys(&values(doppler), &values(&own))
    }

    const URL: (&str, &str) =
        ("DATABASE_URL", "postgresql://web:hunter22@db.example.com:5432/production?sslmode=require");

    #[test]
    fn key_with_a_replaced_address_or_password_is_named() {
        for value in [
            URL.1,
            "db.example.com",
            "jdbc:postgresql://db.example.com/web",
            "{\"host\":\"db.example.com\"}",
            "hunter22",
        ] {
            assert_eq!(stale(&[URL, ("OTHER", value), ("A", "1")]), ["OTHER"], "{value}");
        }
        assert_eq!(stale(&[("DATABASE_HOST", "db.example.com:5432"), ("PGHOST", "db.example.com")]), ["PGHOST"]);
        assert_eq!(stale(&[("DATABASE_PASSWORD", "hunter22"), ("PGPASSWORD", "hunter22")]), ["PGPASSWORD"]);
    }

    #[test]
    fn value_without_one_is_not_named() {
        assert!(stale(&[URL, ("STAGE", "production"), ("USER", "web"), ("SSL", "require")]).is_empty());
        assert!(stale(&[("DATABASE_HOST", "localhost"), ("CACHE", "redis://localhost:6379")]).is_empty());
        assert!(stale(&[("DATABASE_NAME", "production"), ("STAGE", "production")]).is_empty());
        assert!(
            stale(&[("DATABASE_URL", "postgresql://pr_1:own@pg.preview:5432/web"), ("P", "pg.preview")]).is_empty()
        );
        assert!(stale(&[("PGHOST", "db.example.com"), ("URL", "db.example.com")]).is_empty(), "none was replaced");
        assert!(stale(&[("DATABASE_URL", ""), ("A", "1"), ("DATABASE_HOST", "")]).is_empty());
    }
}
