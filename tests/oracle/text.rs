//! What a text means: kubectl's reading of documents that a grammar makes, beside berth's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use berth_lab::kubectl;
use serde_json::Value;

use crate::{
    berth::{self, Read},
    grammar::Writer,
};

/// The page that tells people of the differences.
const README: &str = include_str!("../../manifests/README.md");

/// The number of files. Each has one document or two.
const FILES: u64 = 2400;

/// The number of files for one kubectl.
const AT_ONCE: u64 = 100;

/// Texts that berth takes and kubectl refuses: kubectl's error, and why berth takes them.
const REFUSED_BY_KUBECTL: [(&str, &str); 4] = [
    ("found unknown escape character", "`\\/` is an escape of JSON and of YAML 1.2"),
    ("found invalid Unicode character escape code", "a pair of surrogates is one character, as in JSON"),
    ("did not find expected <document start>", "a `%YAML` directive belongs to the document behind it"),
    ("invalid character", "`...` ends a document in JSON, too"),
];

/// Texts that mean more to berth than to kubectl: a mark in the text, and why.
const READ_OTHERWISE: [(&str, &str); 2] = [
    ("\n...\n", "kubectl reads nothing behind `...` up to the next `---`, and says nothing"),
    ("\n\u{feff}", "a byte order mark behind a document in JSON becomes part of the first key"),
];

/// What kubectl makes of a folder.
#[derive(Default)]
struct OfKubectl {
    /// The objects that it reads, by name.
    objects: BTreeMap<String, Value>,
    /// Its errors, by the file's name without the ending. It reads on behind a file that it refuses.
    errors: BTreeMap<String, String>,
}

fn of_kubectl(folder: &Path) -> OfKubectl {
    let output = Command::new(kubectl().unwrap())
        .args(["annotate", "--local", "--output", "json", "--filename"])
        .arg(folder)
        .arg("of-oracle=1")
        .output()
        .unwrap();
    let mut read = OfKubectl::default();
    for object in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
        let mut object = object.unwrap();
        object["metadata"].as_object_mut().unwrap().remove("annotations");
        read.objects.insert(object["metadata"]["name"].as_str().unwrap().to_owned(), object);
    }
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        if let Some((file, why)) = line.split_once(".yaml: ") {
            read.errors.insert(file.rsplit('/').next().unwrap().to_owned(), why.to_owned());
        }
    }
    read
}

/// Whether two values are the same to an API server. It reads a number without a fraction as an integer.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || !(a.is_i64() && b.is_i64()) && a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => a == b,
    }
}

/// The objects of one file, of all those that kubectl has read.
fn of_file(objects: &BTreeMap<String, Value>, file: &str) -> BTreeMap<String, Value> {
    let prefix = format!("{file}.");
    objects
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// How a file compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Comparison {
    Same,
    RefusedByBoth,
    /// As a table above explains.
    Explained(&'static str),
    Different,
}

fn compare(text: &str, file: &str, kubectl: &OfKubectl, berth: &Read) -> Comparison {
    let explained = |table: &[(&'static str, &str)], text: &str| {
        let text = text.replace("\r\n", "\n");
        let found = table.iter().find(|(mark, _)| text.contains(mark));
        found.map_or(Comparison::Different, |(mark, _)| Comparison::Explained(mark))
    };
    match (kubectl.errors.get(file), berth) {
        (Some(_), Read::Refused) => Comparison::RefusedByBoth,
        (Some(error), Read::Taken(_)) => explained(&REFUSED_BY_KUBECTL, error),
        (None, Read::Refused) => Comparison::Different,
        (None, Read::Taken(new)) => {
            let old = of_file(&kubectl.objects, file);
            let same = old.len() == new.len() && old.iter().zip(new).all(|((a, x), (b, y))| a == b && is_same(x, y));
            if same { Comparison::Same } else { explained(&READ_OTHERWISE, text) }
        }
    }
}

#[test]
fn text_means_to_berth_what_it_means_to_kubectl() {
    let mut counts: BTreeMap<Comparison, usize> = BTreeMap::new();
    for begin in (0..FILES).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let folder = tempfile::tempdir().unwrap();
        let files: BTreeMap<_, _> =
            (begin..begin + AT_ONCE).map(|number| (format!("c{number}"), Writer::file(number))).collect();
        for (file, text) in &files {
            fs::write(folder.path().join(format!("{file}.yaml")), text).unwrap();
        }
        let kubectl = of_kubectl(folder.path());
        for (file, text) in &files {
            let berth = berth::read(text);
            let comparison = compare(text, file, &kubectl, &berth);
            *counts.entry(comparison).or_default() += 1;
            if comparison == Comparison::Different {
                let (old, error) = (of_file(&kubectl.objects, file), kubectl.errors.get(file));
                eprintln!("== {file}\n{text}\n-- kubectl: {old:?} {error:?}\n-- berth: {berth:?}");
            }
        }
    }
    eprintln!("{counts:#?}");
    assert_eq!(counts.get(&Comparison::Different), None);
    // A difference that does not come any more has no place in a table.
    let seen: BTreeSet<_> = counts.keys().copied().collect();
    for (mark, why) in REFUSED_BY_KUBECTL.iter().chain(&READ_OTHERWISE) {
        assert!(README.contains(why), "manifests/README.md lacks: {why}");
        assert!(seen.contains(&Comparison::Explained(mark)), "{mark}: {why}");
    }
}

/// An app file whose manifests are beside it.
const APP: &str = "app: web
repository: acme/web
images: [registry.example.com/acme/web]
manifests: ./web
preview: {namespace: 'pr-{pr}', host: 'pr-{pr}.example.com'}
";

#[test]
fn rendered_yaml_means_to_kubectl_what_it_means_to_berth() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("web/core")).unwrap();
    fs::write(folder.path().join("web.yaml"), APP).unwrap();
    fs::write(folder.path().join("web/core/pushed.yaml"), berth::PUSHED).unwrap();
    let mut objects = BTreeMap::new();
    for number in 0..AT_ONCE {
        let text = Writer::file(number);
        if let Read::Taken(read) = berth::read(&text) {
            fs::write(folder.path().join(format!("web/core/c{number}.yaml")), text).unwrap();
            objects.extend(read);
        }
    }
    let image = format!("registry.example.com/acme/web@sha256:{}", "0".repeat(64));
    let rendered = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["render", "--app", "web", "--pr", "1", "--image", &image])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let printed = tempfile::tempdir().unwrap();
    fs::write(printed.path().join("all.yaml"), rendered.stdout).unwrap();
    let mut kubectl = of_kubectl(printed.path());
    assert_eq!(kubectl.errors, BTreeMap::new());
    kubectl.objects.remove("pushed");
    assert_eq!(kubectl.objects.keys().collect::<Vec<_>>(), objects.keys().collect::<Vec<_>>());
    for (name, mut object) in kubectl.objects {
        object["metadata"].as_object_mut().unwrap().remove("namespace");
        assert!(is_same(&object, &objects[&name]), "{name}: {object}");
    }
}
