//! Lists in pages, with the header `Link`.

use axum::{
    Json,
    http::{HeaderValue, Uri, header::LINK},
    response::IntoResponse as _,
};
use serde_json::Value;

use super::answers::Answer;

/// GitHub's page size without `per_page`, and below it the greatest.
const USUAL: usize = 30;
const GREATEST: usize = 100;

struct Page {
    size: usize,
    /// Counts from 1.
    number: usize,
}

impl Page {
    fn read(query: &str) -> Self {
        let value = |name: &str| {
            let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
            found.1.parse::<usize>().ok()
        };
        let size = value("per_page").filter(|size| *size > 0).unwrap_or(USUAL).min(GREATEST);
        Self { size, number: value("page").unwrap_or(1).max(1) }
    }

    /// The header for a list of `total` items, if there is more than this page.
    fn links(&self, url: &str, query: &str, total: usize) -> Option<String> {
        let last = total.div_ceil(self.size).max(1);
        let rest: Vec<_> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("page=")).collect();
        let link = |page: usize, relation: &str| {
            let query = rest.iter().map(|pair| format!("{pair}&")).collect::<String>();
            format!("<{url}?{query}page={page}>; rel=\"{relation}\"")
        };
        let mut links = Vec::new();
        if self.number > 1 {
            links.push(link(self.number.min(last + 1) - 1, "prev"));
        }
        if self.number < last {
            links.push(link(self.number + 1, "next"));
            links.push(link(last, "last"));
        }
        if self.number > 1 {
            links.push(link(1, "first"));
        }
        (!links.is_empty()).then(|| links.join(", "))
    }
}

/// Answers the page that the query asks for. Links go to the repository by id, as GitHub's do.
pub(super) fn answer(
    base: &str,
    repository: u64,
    uri: &Uri,
    items: Vec<Value>,
    body: impl FnOnce(Value) -> Value,
) -> Answer {
    let query = uri.query().unwrap_or_default();
    let page = Page::read(query);
    let rest: String = uri.path().split('/').skip(4).map(|part| format!("/{part}")).collect();
    let links = page.links(&format!("{base}/repositories/{repository}{rest}"), query, items.len());
    let shown: Vec<_> = items.into_iter().skip((page.number - 1) * page.size).take(page.size).collect();
    let mut response = Json(body(Value::Array(shown))).into_response();
    if let Some(links) = links.and_then(|links| HeaderValue::from_str(&links).ok()) {
        response.headers_mut().insert(LINK, links);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_size_is_github_s_and_bounded() {
        assert_eq!(Page::read("").size, 30);
        assert_eq!(Page::read("per_page=500").size, 100);
        assert_eq!((Page::read("per_page=0&page=0").size, Page::read("per_page=0&page=0").number), (30, 1));
    }

    #[test]
    fn links_name_the_pages_around() {
        let links = |query: &str| Page::read(query).links("u", query, 5);
        assert_eq!(links("per_page=5"), None);
        assert_eq!(
            links("state=all&per_page=2&page=2").as_deref(),
            Some(
                "<u?state=all&per_page=2&page=1>; rel=\"prev\", <u?state=all&per_page=2&page=3>; rel=\"next\", \
                 <u?state=all&per_page=2&page=3>; rel=\"last\", <u?state=all&per_page=2&page=1>; rel=\"first\""
            )
        );
        assert!(links("per_page=2&page=9").is_some_and(|links| links.contains("page=3>; rel=\"prev\"")));
    }
}
