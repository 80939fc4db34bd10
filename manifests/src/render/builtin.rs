//! The built-in manifests, for apps without manifests: `manifests/environment/` of this repository, compiled in.

use super::{Section, SourceFile, SourceFiles};

/// The prefix of each file's path in findings.
const LABEL: &str = "manifests/environment";

/// Section, name and content of each file.
macro_rules! builtin_files {
    ($($section:ident $folder:literal $name:literal),* $(,)?) => {
        [$((
            Section::$section,
            $name,
            include_str!(concat!("../../environment/", $folder, "/", $name)),
        )),*]
    };
}

const FILES: [(Section, &str, &str); 6] = builtin_files![
    Core "core" "services.yaml",
    Shared "shared" "ingress.yaml",
    Shared "shared" "temporal.yaml",
    Shared "shared" "web.yaml",
    Preview "preview" "temporal-ui.yaml",
    Production "production" "temporal-ui.yaml",
];

/// The built-in gates, in the format of an app file.
pub(crate) const GATES: &str = include_str!("../../environment/gates.yaml");

/// The built-in manifests.
pub(crate) fn files() -> SourceFiles {
    let file = |(section, name, content): (Section, &str, &str)| SourceFile {
        section,
        path: format!("{LABEL}/{}/{name}", section.folder()),
        content: content.to_owned(),
    };
    SourceFiles::new(FILES.map(file).into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::render::{Rendered, Variables, examples, render};

    fn rendered(input: crate::render::VariableInput) -> Rendered {
        render(&files(), &Variables::new(input.clone()), &examples::policy(&input)).unwrap()
    }

    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("environment");
        assert_eq!(SourceFiles::read(&folder, LABEL).unwrap().all(), files().all());
    }

    #[test]
    fn preview_gets_two_pods_three_services_and_two_hosts() {
        insta::assert_yaml_snapshot!(rendered(examples::preview()).objects().map(|o| &o.document).collect::<Vec<_>>());
    }

    #[test]
    fn production_gets_a_read_only_temporal_ui() {
        let production = rendered(examples::production());
        let ui = production.objects().find(|object| object.kind() == "ConfigMap").unwrap();
        assert_eq!(ui.document["data"]["TEMPORAL_DISABLE_WRITE_ACTIONS"], "true");
        let names: Vec<_> = production.objects().map(|o| format!("{}/{}", o.kind(), o.name())).collect();
        insta::assert_yaml_snapshot!(names);
    }

    #[test]
    fn builtin_manifests_have_no_findings() {
        for input in [examples::preview(), examples::production()] {
            assert_eq!(rendered(input).notes, Vec::new());
        }
    }
}
