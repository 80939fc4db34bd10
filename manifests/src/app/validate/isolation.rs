//! Rules for the networks that an app file opens.

use super::{App, AppReport};
use crate::{
    app::Isolation,
    network::{METADATA, ip_block},
};

pub(super) fn check(app: &App, report: &mut AppReport<'_>) {
    check_networks(&app.isolation, "isolation", report);
    if let Some(isolation) = app.production.as_ref().and_then(|production| production.isolation.as_ref()) {
        check_networks(isolation, "production.isolation", report);
    }
}

fn check_networks(isolation: &Isolation, field: &str, report: &mut AppReport<'_>) {
    for (index, allowed) in isolation.egress_allow.iter().enumerate() {
        let field = format!("{field}.egress_allow[{index}]");
        let is_metadata = ip_block(allowed.cidr.0, &METADATA).is_none();
        report.require(!is_metadata, &format!("{field}.cidr"), || {
            format!("{} is the address of a cloud's metadata service, which stays closed", allowed.cidr)
        });
        report.require(!allowed.ports.contains(&0), &format!("{field}.ports"), || "0 is not a port".to_owned());
    }
}
