//! Extent of the checks: a report never covers a file that no check has read.

use std::collections::{BTreeMap, BTreeSet};

use super::format::Format;

/// The files of a folder by the extent of their checks.
#[derive(Debug, Default)]
pub struct Coverage {
    checked: Vec<String>,
    syntax_only: Vec<String>,
    not_checked: Vec<String>,
}

impl Coverage {
    /// Adds a file.
    pub(super) fn file(&mut self, path: &str, text: &str, format: Format) {
        let list = match format {
            Format::Json | Format::Yaml => &mut self.syntax_only,
            Format::Other => &mut self.not_checked,
            _ => &mut self.checked,
        };
        list.push(path.to_owned());
        if format == Format::CloudFormation || path.ends_with(".tftpl") {
            self.skip(format!("files embedded in {path}"));
        }
        if format == Format::CloudFormation && text.contains("\nTransform:") {
            self.skip(format!("names in {path} (`Transform` can add some)"));
        }
    }

    /// Adds an item that no check reads.
    pub(super) fn skip(&mut self, what: impl Into<String>) {
        self.not_checked.push(what.into());
    }

    /// Every file, by how much of it was checked.
    pub fn lists(&self) -> [(&'static str, &[String]); 3] {
        [
            ("checked", &self.checked),
            ("syntax only", &self.syntax_only),
            ("not checked", &self.not_checked),
        ]
    }

    /// The summary: a line for each depth.
    pub fn lines(&self) -> Vec<String> {
        let lists = self.lists().map(|(title, list)| (title, grouped(list)));
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        lists
            .map(|(title, list)| format!("{title}: {}", list.join(", ")))
            .collect()
    }
}

/// Returns the paths, with the many files of a folder as one entry.
fn grouped(paths: &[String]) -> Vec<String> {
    const MANY: usize = 4;
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in paths {
        let up = path.len() - path.trim_start_matches("../").len();
        let end = path[up..].find('/').map_or(0, |slash| up + slash + 1);
        folders.entry(&path[..end]).or_default().insert(path);
    }
    let entries = folders
        .into_iter()
        .flat_map(|(folder, paths)| match paths.len() {
            count if count >= MANY && !folder.is_empty() => {
                vec![format!("{folder} ({count} files)")]
            }
            _ => paths.into_iter().map(str::to_owned).collect(),
        });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::{Coverage, Format};

    #[test]
    fn lists_every_file_by_how_much_was_checked() {
        let mut coverage = Coverage::default();
        coverage.file(
            "template.yaml",
            "A: 1\nTransform: B\n",
            Format::CloudFormation,
        );
        coverage.file("own.json", "", Format::Json);
        for name in ["a", "b", "c", "d/e"] {
            coverage.file(&format!("../image/{name}"), "", Format::Other);
        }
        coverage.skip("clients/a");
        coverage.skip("fields of Certificate (no schema)");
        let expected = [
            "checked: template.yaml",
            "syntax only: own.json",
            "not checked: fields of Certificate (no schema), files embedded in template.yaml, names in template.yaml (`Transform` can add some), ../image/ (4 files), clients/a",
        ];
        assert_eq!(coverage.lines(), expected);
    }
}
