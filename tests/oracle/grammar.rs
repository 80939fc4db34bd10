//! Manifests as text, made by a grammar: what people and their tools write, and what YAML allows beside it.
//!
//! A serialiser would write one style only. Each document is a `LimitRange` with any tree under `spec`: no rule of berth looks there.

mod scalars;

use fastrand::Rng;

use scalars::{KEYS, PLAIN, QUOTED, TAGGED};

/// Writes one file.
pub(crate) struct Writer {
    random: Rng,
    text: String,
    anchors: usize,
    mapping_anchors: usize,
}

impl Writer {
    /// The file of a number. The same number gives the same text.
    pub(crate) fn file(number: u64) -> String {
        let mut writer = Self { random: Rng::with_seed(number), text: String::new(), anchors: 0, mapping_anchors: 0 };
        writer.write_file(number);
        if writer.one_in(25) {
            return writer.text.replace('\n', "\r\n");
        }
        writer.text
    }

    fn one_in(&mut self, of: u32) -> bool {
        self.random.u32(0..of) == 0
    }

    fn any<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.random.usize(0..of.len())]
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn write_file(&mut self, number: u64) {
        if self.one_in(30) {
            self.put("\u{feff}");
        }
        if self.one_in(20) {
            self.put("# a comment: {\n\n");
        }
        match self.random.u32(0..20) {
            0 => self.put("--- # begins\n"),
            1 if self.one_in(3) => self.put("%YAML 1.1\n---\n"),
            2..=5 => self.put("---\n"),
            _ => {}
        }
        let documents = if self.one_in(4) { 2 } else { 1 };
        for document in 0..documents {
            if document > 0 {
                let between = self.any(&[
                    "---\n",
                    "---\n",
                    "---   \n",
                    "--- # next\n",
                    "...\n---\n",
                    "---\n---\n",
                    "---\n\u{feff}",
                    "---\n# only\n---\n",
                    "---\t\n",
                    "---\n~\n---\n",
                    "...\n",
                    "---\n\n\n",
                ]);
                self.put(between);
            }
            self.anchors = 0;
            self.mapping_anchors = 0;
            let name = format!("c{number}.{document}");
            match self.random.u32(0..12) {
                0 => self.write_json(&name),
                1 => self.write_list(&name),
                _ => self.write_object(&name, 0),
            }
        }
        match self.random.u32(0..16) {
            0 => self.put("...\n"),
            1 => self.put("---\n"),
            2 => self.put("---\n# nothing\n"),
            3 => self.put("--- \n"),
            _ => {}
        }
    }

    fn write_object(&mut self, name: &str, indent: usize) {
        let pad = " ".repeat(indent);
        self.put("apiVersion: v1\n");
        let kind = self.any(&["kind: LimitRange\n", "kind:   'LimitRange'\n", "\"kind\": LimitRange # it is\n"]);
        self.put(&format!("{pad}{kind}"));
        match self.random.u32(0..3) {
            0 => self.put(&format!("{pad}metadata: {{name: {name}}}\n")),
            1 => self.put(&format!("{pad}metadata:\n{pad}  name: {name}\n")),
            _ => self.put(&format!("{pad}metadata:\n\n{pad}    # its name\n{pad}    name: \"{name}\"\n")),
        }
        self.put(&format!("{pad}spec:"));
        self.write_mapping(indent + 2, 0);
    }

    fn write_list(&mut self, name: &str) {
        self.put("apiVersion: v1\nkind: List\nitems:\n");
        let indent = self.random.usize(0..3);
        self.put(&format!("{}- ", " ".repeat(indent)));
        self.write_object(name, indent + 2);
    }

    fn write_json(&mut self, name: &str) {
        self.put(&format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"LimitRange\", \"metadata\": {{\"name\": \"{name}\"}}, \"spec\": "
        ));
        self.write_json_value(0);
        self.put("}\n");
    }

    fn write_json_value(&mut self, depth: usize) {
        match self.random.u32(0..if depth > 2 { 4 } else { 6 }) {
            0 => self.put("null"),
            1 => {
                let number =
                    self.any(&["0", "-1", "12", "1.5", "1e3", "-0.0", "1E-2", "12345678901234567890", "true", "false"]);
                self.put(number);
            }
            2 | 3 => {
                let text = self.any(&[
                    "\"a\"",
                    "\"\\u00e9\\/\"",
                    "\"\"",
                    "\"yes\"",
                    "\"a\\nb\"",
                    "\"\\ud83d\\ude00\"",
                    "\"\\t\"",
                ]);
                self.put(text);
            }
            4 => self.write_json_items("[", "]", depth, false),
            _ => self.write_json_items("{", "}", depth, true),
        }
    }

    fn write_json_items(&mut self, open: &str, close: &str, depth: usize, keyed: bool) {
        self.put(open);
        for item in 0..self.random.usize(0..4) {
            if item > 0 {
                self.put(",");
            }
            if self.one_in(3) {
                self.put("\n\t");
            }
            if keyed {
                self.put(&format!("\"k{item}\": "));
            }
            self.write_json_value(depth + 1);
        }
        self.put(close);
    }

    /// Writes a value behind `key:` or `-`, and the end of its line.
    fn write_value(&mut self, indent: usize, depth: usize) {
        match self.random.u32(0..if depth > 2 { 12 } else { 16 }) {
            0 if self.anchors > 0 => {
                let anchor = self.random.usize(0..self.anchors);
                self.put(&format!(" *s{anchor}\n"));
            }
            0 | 1 => {
                let name = self.anchors;
                self.put(&format!(" &s{name} "));
                self.anchors += 1;
                self.write_scalar();
                self.put("\n");
            }
            2 => self.write_block_scalar(indent),
            3 => self.write_long_scalar(indent),
            4 => {
                self.put(" ");
                self.write_flow(0);
                self.put("\n");
            }
            5 => self.put("\n"),
            6..=11 => {
                self.put(" ");
                self.write_scalar();
                let end = self.any(&["\n", "\n", "\n", " # why\n", "   \n", "\n\n", "\t# tab\n"]);
                self.put(end);
            }
            12 | 13 => self.write_sequence(indent, depth),
            _ => self.write_mapping(indent, depth + 1),
        }
    }

    fn write_scalar(&mut self) {
        let scalar = match self.random.u32(0..10) {
            0..=5 => self.any(&PLAIN),
            6..=8 => self.any(&QUOTED),
            _ => self.any(&TAGGED),
        };
        self.put(scalar);
    }

    fn write_mapping(&mut self, indent: usize, depth: usize) {
        let anchored = self.one_in(6);
        self.put(&if anchored { format!(" &m{}\n", self.mapping_anchors) } else { "\n".to_owned() });
        let pad = " ".repeat(indent);
        for _ in 0..self.random.usize(1..5) {
            if self.mapping_anchors > 0 && self.one_in(8) {
                let anchor = self.random.usize(0..self.mapping_anchors);
                let merged = match self.random.u32(0..3) {
                    0 => format!("[*m{anchor}, {{z: 1}}]"),
                    1 => format!("[{{a: 7}}, *m{anchor}]"),
                    _ => format!("*m{anchor}"),
                };
                self.put(&format!("{pad}<<: {merged}\n"));
                continue;
            }
            let key = self.any(&KEYS);
            let colon = self.any(&[":", ":", ":", " :"]);
            match self.random.u32(0..24) {
                0 => self.put(&format!("{pad}? {key}\n{pad}:")),
                1 => self.put(&format!("\n{pad}# about\n{pad}{key}{colon}")),
                _ => self.put(&format!("{pad}{key}{colon}")),
            }
            self.write_value(indent + 2, depth);
        }
        if anchored {
            self.mapping_anchors += 1;
        }
    }

    fn write_sequence(&mut self, indent: usize, depth: usize) {
        // People write the items of a list below their key, or indented.
        let indent = if self.one_in(2) { indent - 2 } else { indent };
        self.put("\n");
        for _ in 0..self.random.usize(1..4) {
            self.put(&format!("{}-", " ".repeat(indent)));
            if self.one_in(4) {
                let key = self.any(&["a", "b", "name", "'q'"]);
                self.put(&format!(" {key}: 1\n{}z:", " ".repeat(indent + 2)));
                self.write_value(indent + 4, depth + 1);
            } else {
                self.write_value(indent + 2, depth + 1);
            }
        }
    }

    fn write_flow(&mut self, depth: usize) {
        let keyed = self.one_in(2);
        self.put(if keyed { "{" } else { "[" });
        let count = self.random.usize(0..4);
        for item in 0..count {
            if keyed {
                let key = self.any(&["a", "b", "\"c\"", "1", "on", "'x y'"]);
                let colon = self.any(&[": ", ": ", " : "]);
                self.put(&format!("{key}{colon}"));
            }
            match self.random.u32(0..8) {
                0 if depth < 2 => self.write_flow(depth + 1),
                _ => {
                    let scalar = self.any(&[
                        "1", "yes", "a b", "'q'", "\"d\"", "0644", "~", "x", "1.5", "12:30", "http://x", "", "a$",
                    ]);
                    self.put(scalar);
                }
            }
            if item + 1 < count || self.one_in(6) {
                let comma = self.any(&[", ", ",", " , "]);
                self.put(comma);
            }
        }
        self.put(if keyed { "}" } else { "]" });
    }

    fn write_block_scalar(&mut self, indent: usize) {
        let header = self.any(&["|", "|-", "|+", ">", ">-", ">+", "|2", "| # text", ">2-"]);
        let deeper = if header.contains('2') { 2 } else { 1 + self.random.usize(0..4) };
        // A block's indent is counted from its parent's, which is two less than that of a value.
        let pad = " ".repeat(indent - 2 + deeper);
        self.put(&format!(" {header}\n"));
        for _ in 0..self.random.usize(1..5) {
            let line = self.any(&[
                "text",
                "  deeper",
                "",
                "key: value",
                "# not a comment",
                "a\ttab",
                "- item",
                "trail  ",
                "{{ x }}",
                "ü",
            ]);
            self.put(&if line.is_empty() { "\n".to_owned() } else { format!("{pad}{line}\n") });
        }
        self.put(&format!("{pad}end\n"));
    }

    fn write_long_scalar(&mut self, indent: usize) {
        let pad = " ".repeat(indent);
        let (open, close) = [("", ""), ("'", "'"), ("\"", "\"")][self.random.usize(0..3)];
        let middle = self.any(&["\n", "\n\n", "\n  "]);
        self.put(&format!(" {open}first{middle}{pad}second line\n{pad}third{close}\n"));
    }
}
