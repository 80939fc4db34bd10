//! The admission of a `Janitor`: it may look at the previews of its own app. Pure.

use berth_workflows::contract::{
    environment::{EnvironmentKind, is_dns_label},
    janitor::{JANITOR, janitor_id},
    verdict::FailureType,
};

use crate::{
    admission::{Caller, check_served},
    failure::Failure,
    settings::Settings,
};

/// Checks that the caller is the app's `Janitor`, and that the worker serves previews. The name is safe in a query then.
///
/// # Errors
/// `PolicyDenied`, permanent.
pub(super) fn check(caller: &Caller, settings: &Settings, app: &str) -> Result<(), Failure> {
    check_served(settings, EnvironmentKind::Preview { pr: 0 })?;
    if is_dns_label(app) && caller.is(&janitor_id(app), JANITOR) {
        return Ok(());
    }
    Err(Failure::permanent(FailureType::PolicyDenied, format!("only the Janitor of {app:?} may look at its previews")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{examples::settings, settings::Serve};

    fn caller(id: &str, kind: &str) -> Caller {
        Caller { workflow_id: Some(id.to_owned()), workflow_type: Some(kind.to_owned()) }
    }

    #[test]
    fn janitor_looks_at_its_own_app_alone() {
        let is_admitted = |id: &str, kind: &str, app: &str| check(&caller(id, kind), &settings(), app).is_ok();
        assert!(is_admitted("janitor-web", "Janitor", "web"));
        for (id, kind, app) in [
            ("janitor-shop", "Janitor", "web"),
            ("janitor-web", "PreviewEnvironment", "web"),
            ("preview-web-1", "PreviewEnvironment", "web"),
            ("janitor-web' OR BerthApp = 'shop", "Janitor", "web' OR BerthApp = 'shop"),
        ] {
            assert!(!is_admitted(id, kind, app), "{id} {kind}");
        }
        assert!(check(&Caller::default(), &settings(), "web").is_err());
        let other = Settings { serve: Serve { previews: false, production: true }, ..settings() };
        assert!(check(&caller("janitor-web", "Janitor"), &other, "web").is_err());
    }
}
