//! Doppler's formats of secrets, and its name transformers.

use std::collections::BTreeMap;

/// The content type and body. `None` for a format that Doppler does not have or that the lab does not use.
pub(super) fn body(format: &str, secrets: &BTreeMap<String, String>) -> Option<(&'static str, String)> {
    let lines = |line: &dyn Fn(&str, &str) -> String| secrets.iter().map(|(name, value)| line(name, value)).collect();
    let text = "text/plain; charset=utf-8";
    Some(match format {
        "json" => ("application/json; charset=utf-8", serde_json::json!(secrets).to_string()),
        "env" => (text, lines(&|name, value| format!("{name}=\"{}\"\n", escaped(value)))),
        "yaml" => (text, lines(&|name, value| format!("{name}: \"{}\"\n", escaped(value)))),
        "docker" | "env-no-quotes" => (text, lines(&|name, value| format!("{name}={}\n", value.replace('\n', "\\n")))),
        _ => return None,
    })
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A transformed name. `None` for a transformer that Doppler does not have.
pub(super) fn transformed(transformer: &str, name: &str) -> Option<String> {
    let words: Vec<String> = name.split('_').map(str::to_lowercase).collect();
    Some(match transformer {
        "camel" => words[0].clone() + &words[1..].iter().map(|word| capital(word)).collect::<String>(),
        "upper-camel" => words.iter().map(|word| capital(word)).collect(),
        "lower-snake" => words.join("_"),
        "lower-kebab" => words.join("-"),
        "tf-var" => format!("TF_VAR_{}", words.join("_")),
        // A double underscore separates sections in .NET.
        "dotnet-env" => {
            let section = |part: &str| part.split('_').map(|word| capital(&word.to_lowercase())).collect::<String>();
            name.split("__").map(section).collect::<Vec<_>>().join("__")
        }
        _ => return None,
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_transformed_as_in_dopplers_table() {
        for (transformer, name, expected) in [
            ("camel", "API_KEY", "apiKey"),
            ("upper-camel", "API_KEY", "ApiKey"),
            ("lower-snake", "API_KEY", "api_key"),
            ("lower-kebab", "API_KEY", "api-key"),
            ("tf-var", "API_KEY", "TF_VAR_api_key"),
            ("dotnet-env", "SMTP__USER_NAME", "Smtp__UserName"),
        ] {
            assert_eq!(transformed(transformer, name).as_deref(), Some(expected), "{transformer}");
        }
        assert_eq!(transformed("rot13", "A"), None);
    }
}
