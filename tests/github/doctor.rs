use crate::site::Site;

fn doctor(site: &Site, more: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["github", "doctor"], more].concat();
    let output = site.berth(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text)
}

#[test]
fn doctor_exits_with_what_it_found() {
    let site = Site::start();
    let (code, text) = doctor(&site, &["--all"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("ok       app web: repository 123456789 is acme/web"), "{text}");
    site.github.set_app_permission("checks", None);
    let (code, text) = doctor(&site, &["--app", "web"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("missing  the App lacks the permission checks=write"), "{text}");
    assert!(text.contains("Permissions & events"), "{text}");
    let (code, text) = doctor(&site, &["--app", "web", "--output", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &answer["exit_code"], &answer["outcome"]), (Some(1), &1.into(), &"missing".into()), "{text}");
    let findings = answer["data"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["ok"] == false && finding["advice"].is_string()), "{text}");
    site.check_requests("berth github doctor");
}

#[test]
fn doctor_needs_an_app_that_exists() {
    let site = Site::start();
    for arguments in [&["--app", "shop"][..], &[], &["--all", "--pull-request", "1"]] {
        let (code, text) = doctor(&site, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
    }
}
