//! Random YAML spellings of one object.

use serde_json::{Map, Value};

/// A spelling of an object. `$GITHUB_ACTOR` in the text stands for the author.
pub(super) struct Spelled {
    pub(super) text: String,
    pub(super) author: String,
}

/// A writer whose choices are a list of bytes. After the last byte it writes in the plainest way.
pub(super) struct Speller<'a> {
    choices: std::slice::Iter<'a, u8>,
    anchors: Vec<String>,
    author: Option<String>,
}

impl<'a> Speller<'a> {
    pub(super) fn new(choices: &'a [u8]) -> Self {
        Self { choices: choices.iter(), anchors: Vec::new(), author: None }
    }

    pub(super) fn spell(mut self, object: &Value) -> Spelled {
        let wrapped = self.wrapped(object);
        // Never an alias: a document that is only an alias cannot have its anchor before it.
        let body = wrapped.as_object().map(|map| self.mapping(map)).unwrap_or_default();
        // Anchors must come before their aliases, so the first key of the object holds them.
        let anchors = std::mem::take(&mut self.anchors);
        let text = match (anchors.is_empty(), body.strip_prefix('{')) {
            (false, Some(rest)) => format!("{{x: [{}], {rest}", anchors.join(", ")),
            _ => body,
        };
        let before = ["", "---\n", "# a comment\n---\n", "\u{feff}", "%YAML 1.1\n---\n", "---\n---\n"];
        let text = format!("{}{text}\n", self.one_of(&before));
        let text = if self.choose(4) == 1 { text.replace('\n', "\r\n") } else { text };
        Spelled { text, author: self.author.unwrap_or_else(|| "octocat".to_owned()) }
    }

    /// The object by itself, or in lists.
    fn wrapped(&mut self, object: &Value) -> Value {
        let kind = object["kind"].as_str().unwrap_or_default();
        let list = |kind: &str, version: &Value, item: Value| serde_json::json!({"apiVersion": version, "kind": kind, "items": [item]});
        let v1 = Value::from("v1");
        match self.choose(5) {
            1 => list("List", &v1, object.clone()),
            2 => list("List", &v1, list("List", &v1, object.clone())),
            3 => {
                // Items of such a list may leave out `apiVersion` and `kind`.
                let mut item = object.clone();
                let fields = item.as_object_mut().expect("an object");
                fields.remove("kind");
                fields.remove("apiVersion");
                list(&format!("{kind}List"), &object["apiVersion"], item)
            }
            _ => object.clone(),
        }
    }

    fn choose(&mut self, among: usize) -> usize {
        self.choices.next().map_or(0, |choice| usize::from(*choice) % among)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.choose(all.len())]
    }

    fn value(&mut self, value: &Value) -> String {
        let written = match value {
            Value::String(text) => self.text(text, false),
            Value::Bool(true) => {
                self.one_of(&["true", "True", "yes", "on", "Y", "!!bool \"true\"", "!!bool yes"]).to_owned()
            }
            Value::Number(number) if number.as_u64() == Some(7233) => self
                .one_of(&[
                    "7233",
                    "0x1C41",
                    "016101",
                    "7_233",
                    "7233.0",
                    "7.233e3",
                    "!!int \"7233\"",
                    "0b1110001000001",
                ])
                .to_owned(),
            Value::Array(items) => {
                let tag = self.one_of(&["", "", "!!seq "]);
                let items: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                format!("{tag}[{}]", items.join(", "))
            }
            Value::Object(map) => self.mapping(map),
            other => other.to_string(),
        };
        if self.choose(7) == 1 {
            let name = format!("a{}", self.anchors.len());
            self.anchors.push(format!("&{name} {written}"));
            return format!("*{name} ");
        }
        written
    }

    fn mapping(&mut self, map: &Map<String, Value>) -> String {
        let mut pairs: Vec<String> = Vec::new();
        for (key, value) in map {
            let key = self.text(key, true);
            let pair = format!("{key} : {}", self.value(value));
            // A merge key takes the pair from a mapping, or from a list of mappings.
            pairs.push(match self.choose(6) {
                1 => format!("<<: {{{pair}}}"),
                2 => format!("<<: [{{}}, {{{pair}}}]"),
                3 => format!("<<: {{<<: {{{pair}}}}}"),
                _ => pair,
            });
        }
        format!("{{{}}}", pairs.join(", "))
    }

    fn text(&mut self, text: &str, key: bool) -> String {
        let escaped = |text: &str| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<String>();
        let plain = |text: &str| serde_json::Value::from(text).to_string();
        match self.choose(8) {
            1 => format!("'{text}'"),
            2 => format!("\"{}\"", escaped(text)),
            3 => format!("!!str {}", plain(text)),
            4 if self.author.as_deref().is_none_or(|author| author == text) => {
                self.author = Some(text.to_owned());
                self.one_of(&["$GITHUB_ACTOR", "\"${GITHUB_ACTOR}\""]).to_owned()
            }
            5 if key => text.to_owned(),
            _ => plain(text),
        }
    }
}
