//! The Doppler stand-in, checked with Doppler's own CLI.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use berth_lab::{DopplerServer, Failure, doppler_cli};
use serde_json::{Value, json};

const TOKEN: &str = "dp.st.preview.cli";
const GREETING: &str = "say \"hello\" to $USER\\\nand a second line";

/// A stand-in with one config, and the CLI with a folder of its own for its fallback files.
struct Cli {
    doppler: DopplerServer,
    program: PathBuf,
    home: PathBuf,
}

impl Cli {
    fn start(test: &str) -> Self {
        let doppler = DopplerServer::start().unwrap();
        doppler.put("cli", "preview", &[("API_KEY", "value of the key"), ("GREETING", GREETING), ("EMPTY", "")]);
        doppler.bind(TOKEN, "cli", "preview");
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("doppler-cli-{test}"));
        // Files of an earlier run must not be found.
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).unwrap();
        Self { doppler, program: doppler_cli().unwrap(), home }
    }

    fn run(&self, token: &str, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .args(["--api-host", &self.doppler.url(), "--token", token, "--attempts", "1", "--no-check-version"])
            .args(["--no-read-env", "--config-dir"])
            .arg(&self.home)
            .env("HOME", &self.home)
            .current_dir(&self.home)
            .output()
            .unwrap()
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(TOKEN, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.stdout(arguments)).unwrap()
    }

    /// The message of a command that must fail.
    fn refusal(&self, token: &str, arguments: &[&str]) -> String {
        let output = self.run(token, arguments);
        assert!(!output.status.success(), "{arguments:?} should fail");
        String::from_utf8(output.stderr).unwrap()
    }
}

const DOWNLOAD: [&str; 4] = ["secrets", "download", "--no-file", "--no-fallback"];

fn download<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&DOWNLOAD[..], more].concat()
}

#[test]
fn cli_downloads_all_values_with_the_three_that_doppler_adds() {
    let cli = Cli::start("download");
    let expected = json!({
        "API_KEY": "value of the key", "GREETING": GREETING, "EMPTY": "",
        "DOPPLER_PROJECT": "cli", "DOPPLER_CONFIG": "preview", "DOPPLER_ENVIRONMENT": "preview",
    });
    assert_eq!(cli.json(&download(&["--format", "json"])), expected);
    assert_eq!(cli.json(&download(&["--format", "json", "--project", "cli", "--config", "preview"])), expected);
}

#[test]
fn cli_shows_one_value_and_all_names() {
    let cli = Cli::start("get");
    assert_eq!(cli.stdout(&["secrets", "get", "API_KEY", "--plain"]), "value of the key\n");
    assert_eq!(cli.stdout(&["secrets", "get", "GREETING", "--plain"]), format!("{GREETING}\n"));
    assert_eq!(cli.json(&["secrets", "--json"])["API_KEY"]["computed"], "value of the key");
    let names = cli.stdout(&["secrets", "--only-names", "--json"]);
    assert!(names.contains("GREETING") && !names.contains("hello"), "{names}");
    assert!(
        cli.refusal(TOKEN, &["secrets", "get", "NONE", "--plain"]).contains("Could not find requested secret: NONE")
    );
}

#[test]
fn cli_gets_formats_and_names_from_the_server() {
    let cli = Cli::start("formats");
    let line = |text: &str| text.lines().find(|line| line.contains("value of the key")).map(str::to_owned).unwrap();
    for (format, expected) in [
        ("env", "API_KEY=\"value of the key\""),
        ("env-no-quotes", "API_KEY=value of the key"),
        ("docker", "API_KEY=value of the key"),
        ("yaml", "API_KEY: \"value of the key\""),
    ] {
        let text = cli.stdout(&download(&["--format", format]));
        assert_eq!(line(&text), expected, "{format}");
        assert_eq!(text.trim_end().lines().count(), 6, "a value of two lines is one line: {text}");
    }
    for (transformer, name) in [("camel", "apiKey"), ("lower-kebab", "api-key"), ("tf-var", "TF_VAR_api_key")] {
        let json = cli.json(&download(&["--name-transformer", transformer]));
        assert_eq!(json[name], "value of the key", "{transformer}: {json}");
    }
}

#[test]
fn cli_shows_its_token() {
    let cli = Cli::start("me");
    let me = cli.json(&["me", "--json"]);
    assert_eq!((&me["type"], &me["workplace"]["slug"]), (&json!("service_token"), &json!("lab")), "{me}");
}

#[test]
fn cli_reads_an_unchanged_config_from_its_fallback_file() {
    let cli = Cli::start("etag");
    let download = ["secrets", "download", "--no-file", "--format", "json"];
    let first = cli.json(&download);
    assert_eq!((cli.json(&download), cli.doppler.requests("cli", "preview")), (first, (2, 1)));
    cli.doppler.put("cli", "preview", &[("API_KEY", "changed")]);
    assert_eq!(cli.json(&download)["API_KEY"], "changed");
    assert_eq!(cli.doppler.requests("cli", "preview"), (3, 1));
    cli.doppler.fail("cli", "preview", Some(Failure { status: Some(503), ..Failure::default() }));
    assert_eq!(cli.json(&download)["API_KEY"], "changed", "its fallback outlives an outage");
    cli.doppler.revoke(TOKEN);
    assert!(cli.refusal(TOKEN, &download).contains("Invalid Service token"));
    cli.doppler.bind(TOKEN, "cli", "preview");
    assert!(!cli.refusal(TOKEN, &download).contains("changed"), "and not a revocation");
}

#[test]
fn cli_passes_dopplers_messages_on() {
    let cli = Cli::start("refusals");
    let refusal = |token: &str, more: &[&str]| cli.refusal(token, &download(more));
    assert!(refusal("dp.st.preview.none", &[]).contains("Invalid Service token"));
    assert!(refusal("dp.pt.none", &["-p", "cli", "-c", "preview"]).contains("Invalid Auth token"));
    let other = refusal(TOKEN, &["--config", "production"]);
    assert!(other.contains("This token does not have access to requested config 'production'"), "{other}");
    cli.doppler.remove("cli", "preview");
    assert!(refusal(TOKEN, &[]).contains("Could not find requested config 'preview'"));
    let message = r#"{"messages":["Exceeded rate limit of 240. Retry in 1 seconds."],"success":false}"#;
    let limit = Failure { status: Some(429), body: Some(message.to_owned()), ..Failure::default() };
    cli.doppler.fail("cli", "preview", Some(limit));
    assert!(refusal(TOKEN, &[]).contains("Exceeded rate limit of 240"));
}
