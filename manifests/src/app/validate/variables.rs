//! Rules for variables, and for the names that an app leaves to pushes.

use std::collections::BTreeMap;

use super::AppReport;
use crate::{
    app::{
        App,
        names::{
            MAX_PUSHED_NAME, MAX_PUSHED_VALUE, is_image_repository, is_pushed_name, is_pushed_value, is_variable_name,
        },
        pushed::{MAX_NAMED_IMAGES, MAX_PUSH_VARIABLES},
    },
    render::{RESERVED_NAMES, RESERVED_PREFIXES, is_own_default, variables_of_image},
};

/// Prefixes of names for secrets and registries, which no push brings.
const SECRET_PREFIXES: [&str; 2] = ["DOPPLER_", "DOCKER_"];

pub(super) fn check_variables(variables: &BTreeMap<String, String>, path: &str, report: &mut AppReport<'_>) {
    for name in variables.keys() {
        let field = format!("{path}.{name}");
        report.require(is_variable_name(name), &field, || format!("`{name}` is not a valid variable name"));
        report.require(!RESERVED_NAMES.contains(&name.as_str()), &field, || {
            format!("`{name}` is reserved: berth sets it")
        });
    }
}

pub(super) fn check_pushed(app: &App, report: &mut AppReport<'_>) {
    report.require(app.named_images.len() <= MAX_NAMED_IMAGES, "named_images", || {
        format!("has {} images, and a push brings at most {MAX_NAMED_IMAGES}", app.named_images.len())
    });
    report.require(app.push_variables.len() <= MAX_PUSH_VARIABLES, "push_variables", || {
        format!("has {} variables, and a push brings at most {MAX_PUSH_VARIABLES}", app.push_variables.len())
    });
    for (name, repository) in &app.named_images {
        check_named_image(app, name, repository, report);
    }
    for (name, variable) in &app.push_variables {
        let field = format!("push_variables.{name}");
        match refuse_variable(app, name) {
            Some(why) => report.error(&field, why),
            None => report.require(is_pushed_value(&variable.example), &format!("{field}.example"), || {
                format!(
                    "is no value that a push could bring: at most {MAX_PUSHED_VALUE} letters, digits and `_ . , : / @ + = -`, \
                     beginning with a letter, a digit or `_`"
                )
            }),
        }
    }
}

fn check_named_image(app: &App, name: &str, repository: &str, report: &mut AppReport<'_>) {
    let field = format!("named_images.{name}");
    let reserved = RESERVED_PREFIXES.iter().find(|prefix| name.starts_with(**prefix));
    if !is_pushed_name(name) {
        report.error(&field, not_a_name(name));
    } else if let Some(prefix) = reserved {
        report.error(&field, format!("`{name}` begins with `{prefix}`, which is reserved"));
    } else {
        for variable in variables_of_image(name) {
            report.require(!is_of_app(app, &variable) && !app.push_variables.contains_key(&variable), &field, || {
                format!("gives the variable `{variable}`, which the app file has already")
            });
        }
    }
    report.require(is_image_repository(repository), &field, || {
        format!("`{repository}` is not an image repository without tag and digest")
    });
}

/// The reason why a name cannot be a variable of pushes.
fn refuse_variable(app: &App, name: &str) -> Option<String> {
    if !is_pushed_name(name) {
        return Some(not_a_name(name));
    }
    if RESERVED_NAMES.contains(&name) || is_own_default(name) {
        return Some(format!("`{name}` is reserved: berth sets it"));
    }
    if let Some(prefix) = SECRET_PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        return Some(format!("`{name}` begins with `{prefix}`, which is reserved: berth brings secrets itself"));
    }
    if name == "GITHUB_TOKEN" {
        return Some("`GITHUB_TOKEN` is a secret, and a push's variables are public".to_owned());
    }
    is_of_app(app, name).then(|| format!("`{name}` is one of `variables` too: remove it there, or here"))
}

fn not_a_name(name: &str) -> String {
    format!(
        "`{name}` is not a name of at most {MAX_PUSHED_NAME} capital letters, digits and `_` that begins with a letter"
    )
}

/// Whether the app file gives a value to a variable in any environment.
fn is_of_app(app: &App, variable: &str) -> bool {
    let preview = app.preview.iter().map(|preview| &preview.variables);
    let production = app.production.iter().map(|production| &production.variables);
    std::iter::once(&app.variables).chain(preview).chain(production).any(|variables| variables.contains_key(variable))
}
