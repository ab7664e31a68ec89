//! References to images: each is pinned to a tag or a digest.

use crate::problem::Problem;

/// Returns a problem if an image could change with the next pull.
pub(super) fn unpinned(at: impl Into<String>, image: &str) -> Option<Problem> {
    let name = image.rsplit('/').next().unwrap_or(image);
    let message = match name.split_once(':').map(|(_, tag)| tag) {
        _ if image.contains("@sha256:") => return None,
        None => format!("image `{image}` has no tag"),
        Some(tag @ ("latest" | "")) => format!("image `{image}` has the moving tag `{tag}`"),
        Some(_) => return None,
    };
    Some(Problem::new(at, message).hint("use the tag of a release, such as `1.2.3`"))
}

/// Returns the problems of a Dockerfile's base images.
pub(super) fn dockerfile(text: &str) -> Vec<Problem> {
    let lines = text.lines().map(str::trim).enumerate();
    let from: Vec<(usize, &str)> = lines
        .filter(|(_, line)| line.starts_with("FROM "))
        .collect();
    if from.is_empty() {
        return vec![Problem::new("", "has no FROM").hint("name a base image: `FROM IMAGE:TAG`")];
    }
    let stages: Vec<&str> = from.iter().filter_map(|(_, line)| stage(line)).collect();
    let bases = from.iter().map(|(number, line)| (number + 1, base(line)));
    let bases = bases.filter(|(_, image)| {
        !stages.contains(image) && *image != "scratch" && !image.contains('$')
    });
    bases
        .filter_map(|(number, image)| unpinned(format!("line {number}"), image))
        .collect()
}

fn base(line: &str) -> &str {
    let words = line.split_whitespace().skip(1);
    let mut words = words.skip_while(|word| word.starts_with("--"));
    words.next().unwrap_or_default()
}

/// Returns the name that a later `FROM` can use.
fn stage(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("as"))?;
    words.next()
}

#[cfg(test)]
mod tests {
    use super::{dockerfile, unpinned};

    #[test]
    fn accepts_tags_and_digests() {
        for image in [
            "chromadb/chroma:1.5.9",
            "registry.example.com:5000/chroma:1",
            "chroma@sha256:0123",
            "${REGISTRY:-}chroma:1.5.9",
        ] {
            assert_eq!(unpinned("", image), None, "{image}");
        }
    }

    #[test]
    fn rejects_images_without_a_fixed_tag() {
        for (image, message) in [
            ("chroma", "image `chroma` has no tag"),
            (
                "registry:5000/chroma",
                "image `registry:5000/chroma` has no tag",
            ),
            (
                "caddy:latest",
                "image `caddy:latest` has the moving tag `latest`",
            ),
        ] {
            let problem = unpinned("x", image).expect(image);
            assert_eq!(problem.message, message);
            assert!(problem.hint.is_some());
        }
    }

    #[test]
    fn checks_the_base_images_of_a_dockerfile() {
        let sound = "FROM --platform=$BUILDPLATFORM rust:1.95.0 AS build\nFROM build\nFROM scratch\nFROM $BASE\n";
        assert_eq!(dockerfile(sound), []);
        let found = dockerfile("# syntax\nFROM debian\n");
        assert_eq!(found[0].to_string(), "line 2: image `debian` has no tag");
        assert_eq!(dockerfile("RUN true\n")[0].message, "has no FROM");
    }
}
