use apollo_compiler::{Schema, schema::ExtendedType};
use serde_json::json;

use super::schemas;

#[test]
fn nullable_value_may_be_null() {
    let description = json!({"components": {"schemas": {"text": {"type": "string", "nullable": true}}}});
    let schema =
        json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/components/schemas/text"}}});
    let validator = schemas::validator(&description, &schema).unwrap();
    assert!(validator.is_valid(&json!({"a": null})) && validator.is_valid(&json!({"a": "x"})));
    assert!(!validator.is_valid(&json!({"a": 5})) && !validator.is_valid(&json!({})));
}

#[test]
fn value_of_a_format_is_checked() {
    let schema = json!({"type": "string", "format": "date-time", "example": "x"});
    let validator = schemas::validator(&json!({}), &schema).unwrap();
    assert!(validator.is_valid(&json!("2026-11-28T07:15:00Z")) && !validator.is_valid(&json!("yesterday")));
}

/// Each type of the stand-in's schema, with its fields, their arguments and types.
fn fields(schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    for (name, definition) in schema.types.iter().filter(|(_, definition)| !definition.is_built_in()) {
        let of = |fields: Vec<String>| fields.into_iter().map(|field| format!("{name}.{field}"));
        let field = |field: &apollo_compiler::schema::FieldDefinition| {
            let arguments = field.arguments.iter().map(|argument| format!("{}: {}", argument.name, argument.ty));
            let mut arguments: Vec<_> = arguments.collect();
            arguments.sort();
            (arguments, format!("{}: {}", field.name, field.ty))
        };
        let all = match definition {
            ExtendedType::Object(object) => object.fields.values().map(|one| field(one)).collect(),
            ExtendedType::Interface(interface) => interface.fields.values().map(|one| field(one)).collect(),
            ExtendedType::Enum(values) => values.values.keys().map(|value| (Vec::new(), value.to_string())).collect(),
            ExtendedType::InputObject(input) => {
                input.fields.values().map(|one| (Vec::new(), format!("{}: {}", one.name, one.ty))).collect()
            }
            _ => vec![(Vec::new(), "scalar".to_owned())],
        };
        for (arguments, text) in all {
            found.extend(of(arguments.into_iter().map(|argument| format!("{text} ({argument})")).collect()));
            found.extend(of(vec![text]));
        }
    }
    found
}

#[test]
fn schema_of_the_stand_in_is_a_part_of_github_s() {
    let github = super::Description::load().unwrap();
    let theirs: std::collections::BTreeSet<_> = fields(github.graphql()).into_iter().collect();
    let own = Schema::parse_and_validate(include_str!("../graphql/schema.graphql"), "schema.graphql").unwrap();
    let own = fields(&own);
    assert!(own.len() > 50, "{own:?}");
    let alien: Vec<_> = own.into_iter().filter(|field| !theirs.contains(field)).collect();
    assert!(alien.is_empty(), "GitHub has none of these: {alien:#?}");
}

#[test]
fn wrong_requests_and_answers_are_found() {
    let recorded = |route: &str, query: &str, answer: serde_json::Value| crate::github::Recorded {
        method: "GET".to_owned(),
        path: route.to_owned(),
        query: query.to_owned(),
        route: route.to_owned(),
        caller: "nobody".to_owned(),
        status: 200,
        at_ms: 0,
        request: json!(null),
        answer,
    };
    let runs = "/repos/{owner}/{repo}/commits/{ref}/check-runs";
    let good = recorded(runs, "check_name=berth&page=2", json!({"total_count": 0, "check_runs": []}));
    let wrong_answer = recorded(runs, "", json!({"total_count": "none", "check_runs": [{}]}));
    let wrong_query = recorded(runs, "name=berth", json!({"total_count": 0, "check_runs": []}));
    let no_route = recorded("/nothing", "", json!(null));
    let mut query = recorded("/graphql", "", json!(null));
    query.request = json!({"query": "{ nothing }"});
    let mut description = super::Description::load().unwrap();
    assert_eq!(description.check(&[good]).problems, [""; 0]);
    for wrong in [wrong_answer, wrong_query, no_route, query] {
        assert!(!description.check(std::slice::from_ref(&wrong)).problems.is_empty(), "{wrong:?}");
    }
}
