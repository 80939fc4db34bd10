//! The names of a preview's role and databases. They are built from checked parts only.

use berth_workflows::contract::environment::{MAX_APP_BYTES, is_dns_label};

/// The length at which PostgreSQL truncates identifiers silently.
const MAX_BYTES: usize = 63;

/// The role and the databases of one preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The only role that may connect to the databases.
    pub role: String,
    /// The app's database.
    pub app: String,
    /// Temporal's database.
    pub temporal: String,
    /// Temporal's visibility database.
    pub temporal_visibility: String,
}

impl Names {
    /// The names for pull request `pr`. No name can be built without a number, so berth can never create, change or
    /// drop production's database.
    ///
    /// # Errors
    /// `app` is not the name of an app, or a name would be too long.
    pub fn of_preview(app: &str, pr: u64) -> Result<Self, String> {
        if !is_dns_label(app) || app.len() > MAX_APP_BYTES {
            return Err(format!("{app:?} is not the name of an app"));
        }
        // An app's name has no underscore, so two apps never get the same stem.
        let stem = format!("{}_pr_{pr}", app.replace('-', "_"));
        let names = Self {
            app: stem.clone(),
            temporal: format!("{stem}_temporal"),
            temporal_visibility: format!("{stem}_visibility"),
            role: stem,
        };
        match names.databases().iter().all(|name| name.len() <= MAX_BYTES) {
            true => Ok(names),
            false => Err(format!("the databases of {app} {pr} would have names longer than {MAX_BYTES} bytes")),
        }
    }

    /// Returns the names of all databases.
    pub fn databases(&self) -> [&str; 3] {
        [&self.app, &self.temporal, &self.temporal_visibility]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn role_and_databases_are_named_after_app_and_pull_request() {
        let names = Names::of_preview("web-shop", 123).unwrap();
        assert_eq!(names.role, "web_shop_pr_123");
        assert_eq!(names.databases(), ["web_shop_pr_123", "web_shop_pr_123_temporal", "web_shop_pr_123_visibility"]);
    }

    #[test]
    fn the_longest_app_and_number_still_fit() {
        let names = Names::of_preview(&"a".repeat(MAX_APP_BYTES), 9_999_999_999);
        assert!(names.is_ok(), "{names:?}");
    }

    proptest! {
        #[test]
        fn names_accept_only_the_name_of_an_app(text in ".*", pr: u64) {
            if let Ok(names) = Names::of_preview(&text, pr) {
                let plain = |name: &str| name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
                prop_assert!(names.databases().iter().all(|name| plain(name) && name.contains("_pr_")));
            }
        }

        #[test]
        fn two_previews_never_share_a_database(a in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?", b in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?", m: u32, n: u32) {
            let (one, other) = (Names::of_preview(&a, m.into()).unwrap(), Names::of_preview(&b, n.into()).unwrap());
            let meet = one.databases().iter().any(|name| other.databases().contains(name));
            prop_assert_eq!(meet, a == b && m == n);
        }
    }
}
