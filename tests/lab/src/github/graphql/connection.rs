//! Connections: lists in pages with cursors.

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// GitHub's greatest page.
const GREATEST: i64 = 100;

pub(super) fn failed(message: String) -> FieldError {
    FieldError { message }
}

/// The arguments of a field.
pub(super) fn arguments(info: &ResolveInfo<'_>) -> Value {
    serde_json::to_value(info.arguments()).unwrap_or_default()
}

/// The object of one item.
pub(super) type Show<T> = for<'a> fn(&'a T) -> ResolvedValue<'a>;

/// A page of items.
pub(super) struct Connection<T> {
    type_name: &'static str,
    items: Vec<T>,
    show: Show<T>,
    total: usize,
    /// The position of the first item.
    start: usize,
}

impl<T> Connection<T> {
    /// Takes the page that the arguments ask for.
    pub(super) fn new(
        type_name: &'static str,
        items: Vec<T>,
        show: Show<T>,
        info: &ResolveInfo<'_>,
    ) -> Result<Self, FieldError> {
        let (name, arguments) = (info.field_name(), arguments(info));
        let total = items.len();
        let position = |argument: &str| arguments[argument].as_str().and_then(position_of);
        let mut start = position("after").unwrap_or_default().min(total);
        let mut end = position("before").map_or(total, |before| before.saturating_sub(1)).clamp(start, total);
        match (size(name, &arguments, "first")?, size(name, &arguments, "last")?) {
            (Some(first), _) => end = end.min(start + first),
            (None, Some(last)) => start = start.max(end.saturating_sub(last)),
            (None, None) => {
                return Err(failed(format!(
                    "You must provide a `first` or `last` value to properly paginate the `{name}` connection."
                )));
            }
        }
        let items = items.into_iter().skip(start).take(end - start).collect();
        Ok(Self { type_name, items, show, total, start })
    }
}

fn size(connection: &str, arguments: &Value, argument: &str) -> Result<Option<usize>, FieldError> {
    let Some(asked) = arguments[argument].as_i64() else { return Ok(None) };
    if asked > GREATEST {
        return Err(failed(format!(
            "Requesting {asked} records on the `{connection}` connection exceeds the `{argument}` limit of {GREATEST} records."
        )));
    }
    Ok(Some(usize::try_from(asked).unwrap_or_default()))
}

fn cursor(position: usize) -> String {
    STANDARD.encode(format!("cursor:{position}"))
}

fn position_of(cursor: &str) -> Option<usize> {
    String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?.strip_prefix("cursor:")?.parse().ok()
}

impl<T> ObjectValue for Connection<T> {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        match info.field_name() {
            "nodes" => Ok(ResolvedValue::list(self.items.iter().map(|item| (self.show)(item)))),
            "totalCount" => Ok(ResolvedValue::leaf(self.total)),
            "pageInfo" => {
                Ok(ResolvedValue::object(PageInfo { start: self.start, count: self.items.len(), total: self.total }))
            }
            _ => Err(self.unknown_field_error(info)),
        }
    }
}

struct PageInfo {
    start: usize,
    count: usize,
    total: usize,
}

impl ObjectValue for PageInfo {
    fn type_name(&self) -> &str {
        "PageInfo"
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let end = self.start + self.count;
        let cursor_at = |position: usize| match self.count {
            0 => ResolvedValue::null(),
            _ => ResolvedValue::leaf(cursor(position)),
        };
        Ok(match info.field_name() {
            "hasNextPage" => ResolvedValue::leaf(end < self.total),
            "hasPreviousPage" => ResolvedValue::leaf(self.start > 0),
            "startCursor" => cursor_at(self.start + 1),
            "endCursor" => cursor_at(end),
            _ => return Err(self.unknown_field_error(info)),
        })
    }
}
