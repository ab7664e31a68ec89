//! A machine's boot as a script that Google's guest agent runs.
//!
//! Invariant: a file of the script ends at the first line that says so, as bash reads it.

use super::first_boot::{Delivered, FILLED, FirstBoot};
use crate::problem::Problem;

/// What the boot does, of the file at `path` that has this text.
pub(super) fn read(path: &str, text: &str, findings: &mut Vec<Problem>) -> FirstBoot {
    if text.lines().next() != Some("#!/bin/bash") {
        let message = "does not begin with `#!/bin/bash`: another shell would run it";
        findings.push(Problem::new(path, message));
    }
    let value = format!("base64 --decode <<<'{FILLED}'");
    let mut boot = FirstBoot::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let (mode, file, text) = match words[..] {
            ["put", mode, file, here] => {
                let end = here
                    .strip_prefix("<<'")
                    .and_then(|end| end.strip_suffix('\''));
                (
                    mode,
                    file,
                    Some(end.and_then(|end| document(&mut lines, end))),
                )
            }
            [.., "|", "put", mode, file] if line.starts_with(&value) => (mode, file, None),
            _ => {
                if line.contains(FILLED) {
                    findings.push(Problem::new(path, "has a value outside of a file"));
                }
                let started = words.iter().filter(|word| word.ends_with(".service"));
                if words[0] == "systemctl" {
                    boot.services.extend(started.map(ToString::to_string));
                }
                continue;
            }
        };
        if text == Some(None) {
            findings.push(Problem::new(format!("{path}: {file}"), "has no end"));
        }
        boot.files.push(Delivered {
            path: file.to_owned(),
            mode: mode.to_owned(),
            text: text.map(Option::unwrap_or_default),
        });
    }
    boot
}

/// The lines up to the one that ends the document; nothing where none does.
fn document<'a>(lines: &mut impl Iterator<Item = &'a str>, end: &str) -> Option<String> {
    let mut text = String::new();
    for line in lines {
        if line == end {
            return Some(text);
        }
        text.push_str(line);
        text.push('\n');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::first_boot::check;
    use super::super::walk::TemplateCall;

    const SCRIPT: &str = r#"#!/bin/bash
put() {
    install -D --mode="$1" /dev/stdin "$2"
}

base64 --decode <<<'${lines}' | put 0600 /etc/a.env

put 0644 /etc/config.yaml <<'END'
persist_path: /data # $${HOME}
END

put 0644 /etc/systemd/system/a.service <<'END'
[Service]
END

systemctl enable a.service
"#;

    /// What is found when one text of the script is another.
    fn found(old: &str, new: &str) -> Vec<String> {
        assert!(SCRIPT.contains(old), "{old}");
        let call = TemplateCall {
            at: "machine.tf: local.script".to_owned(),
            file: "startup-script.sh.tftpl".to_owned(),
            names: vec!["lines".to_owned()],
        };
        let findings = check(&call, &SCRIPT.replacen(old, new, 1));
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_script_is_sound() {
        assert_eq!(found("", ""), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_found() {
        for (old, new, finding) in [
            ("#!/bin/bash", "#!/bin/sh", "another shell"),
            ("${lines}", "eA==", "`lines` is not in"),
            ("${lines}", "${line}", "nobody gives `line`"),
            ("<<<'${lines}'", "<<<${lines}", "outside of a file"),
            ("$${HOME}", "${HOME}", "nobody gives `HOME`"),
            ("$${HOME}", "${lines}", "neither plain text"),
            ("[Service]\nEND\n", "[Service]\n END\n", "has no end"),
            ("[Service]\n", "", "neither plain text"),
            ("config.yaml <<'END'", "config.yaml <lines", "has no end"),
            ("put 0600", "put 600", "permissions"),
            ("/etc/config.yaml", "/etc/a.env", "there twice"),
            ("put 0644 /etc", "put 0644 etc", "is no path"),
            ("persist_path", "persist", "persist_path"),
            ("enable a.service", "enable b.service", "starts no service"),
            ("systemctl", "# systemctl", "starts no service"),
        ] {
            let found = found(old, new);
            assert!(
                found.iter().any(|one| one.contains(finding)),
                "{old} -> {new}: {found:?}"
            );
        }
    }
}
