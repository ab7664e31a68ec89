//! Exit codes, reaping and the state in which the child starts, as in tini's tests.

use std::fs;

use rustix::process::{Pid, Signal};

use crate::run::{Running, code, entrypoint, eventually, finish, shell, stderr, stdout};

#[test]
fn the_exit_code_is_the_childs() {
    for expected in 0..=255 {
        let output = finish(&mut shell(&format!("exit {expected}")));
        assert_eq!(code(&output), expected, "{}", stderr(&output));
    }
}

#[test]
fn a_child_ended_by_a_signal_gives_128_and_its_number() {
    for signal in [1, 2, 3, 6, 9, 10, 11, 12, 14, 15, 34, 64] {
        let output = finish(&mut shell(&format!("kill -{signal} $$")));
        assert_eq!(code(&output), 128 + signal);
        assert!(stderr(&output).contains("`sh` was ended by"), "{signal}");
    }
}

#[test]
fn a_missing_program_gives_127() {
    for program in ["no-such-program", "/no/such/program"] {
        let output = finish(&mut entrypoint(&["--", program]));
        assert_eq!(code(&output), 127);
        assert!(stderr(&output).contains(&format!("cannot start `{program}`")));
    }
}

#[test]
fn a_program_that_cannot_run_gives_126() {
    for program in ["/etc/passwd", "/etc"] {
        let output = finish(&mut entrypoint(&["--", program]));
        assert_eq!(code(&output), 126);
        assert!(stderr(&output).contains(&format!("cannot start `{program}`")));
    }
}

#[test]
fn invalid_usage_gives_64_and_a_hint() {
    for arguments in [
        &[][..],
        &["--"],
        &["--unknown", "true"],
        &["collector"],
        &["healthcheck", "x"],
    ] {
        let output = finish(&mut entrypoint(arguments));
        assert_eq!(code(&output), 64, "{arguments:?}");
        let said = stderr(&output);
        assert!(
            said.starts_with("chroma-otel-entrypoint: error: "),
            "{said}"
        );
        assert!(said.contains("`--help`"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn help_and_version_are_printed() {
    let help = finish(&mut entrypoint(&["--help"]));
    assert_eq!(code(&help), 0);
    for word in ["--strict", "collector", "healthcheck"] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    let version = finish(&mut entrypoint(&["--version"]));
    assert_eq!(
        stdout(&version),
        concat!("chroma-otel-entrypoint ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn arguments_are_passed_on_untouched() {
    let hostile = ["", " ", "$HOME", "'\"", "--strict", "a\nb", "🔎"];
    let mut arguments = vec!["--", "printf", "<%s>"];
    arguments.extend(hostile);
    let output = finish(&mut entrypoint(&arguments));
    assert_eq!(stdout(&output), format!("<{}>", hostile.join("><")));
}

#[test]
fn the_child_has_its_own_process_group() {
    let output = finish(&mut shell("echo $$; cut -d' ' -f5 /proc/$$/stat"));
    let said = stdout(&output);
    let [process, group] = said.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {said}");
    };
    assert_eq!(process, group);
}

#[test]
fn the_child_reads_standard_input() {
    let mut command = shell("cat");
    let file = fs::File::open("/etc/hostname").expect("every Linux has one");
    let output = finish(command.stdin(file));
    assert_eq!(
        stdout(&output),
        fs::read_to_string("/etc/hostname").expect("readable")
    );
}

#[test]
fn orphans_are_reaped() {
    // The inner shell ends at once; its child outlives it and becomes the entrypoint's.
    let mut running = Running::start(&mut shell(
        "sh -c 'sleep 0.1 >/dev/null & echo $!'; exec sleep 60",
    ));
    let orphan = running.line();
    let entrypoint = running.process().as_raw_nonzero().to_string();
    let parent = |process: &str| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        Some(line.trim().to_owned())
    };
    // It is either already reaped, or a child of the entrypoint.
    eventually("the orphan is adopted or gone", || {
        let parent = parent(&orphan);
        (parent.is_none() || parent.as_deref() == Some(&entrypoint)).then_some(())
    });
    eventually("the orphan is reaped", || {
        parent(&orphan).is_none().then_some(())
    });
    assert!(running.runs(), "only the child's end is the end");
    running.send(Signal::TERM);
    assert_eq!(running.end().0, 128 + 15);
}

/// Runs the script by a shell under the entrypoint as process 1; `None` if that is impossible.
fn as_process_1(script: &str) -> Option<std::process::Output> {
    let isolation = ["--pid", "--fork", "--mount-proc"];
    let possible = std::process::Command::new("unshare")
        .args(isolation)
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: process 1: `unshare --pid` fails"
        );
        return None;
    }
    let output = std::process::Command::new("timeout")
        .args(["30", "unshare"])
        .args(isolation)
        .arg(env!("CARGO_BIN_EXE_chroma-otel-entrypoint"))
        .args(["--", "sh", "-c", script])
        .output();
    Some(output.expect("unshare runs"))
}

#[test]
fn as_process_1_it_reaps_and_ends_with_the_childs_code() {
    // Waits until no orphan is left, including zombies, which keep their name; then asks process 1
    // to end. The kernel would drop this signal if process 1 did not collect it.
    let script = "
        sh -c 'sleep 0.1 & sleep 0.2 & sleep 0.3 &'
        cat /proc/1/comm
        while grep -qsx sleep /proc/[0-9]*/comm; do sleep 0.05; done
        echo reaped
        trap 'exit 7' TERM
        kill -TERM 1
        while :; do sleep 0.02; done";
    let Some(output) = as_process_1(script) else {
        return;
    };
    assert_eq!(stdout(&output), "chroma-otel-ent\nreaped\n");
    assert_eq!(code(&output), 7);
}

#[test]
fn as_process_1_it_forwards_real_time_signals_and_pipe() {
    let script = "
        trap 'seen=1; echo 37' 37
        kill -37 1
        while [ -z \"$seen\" ]; do sleep 0.02; done
        trap 'echo PIPE; exit 7' PIPE
        kill -PIPE 1
        while :; do sleep 0.02; done";
    let Some(output) = as_process_1(script) else {
        return;
    };
    assert_eq!(stdout(&output), "37\nPIPE\n");
    assert_eq!(code(&output), 7);
}

#[test]
fn hundreds_of_orphans_leave_no_zombie() {
    let mut running = Running::start(&mut shell(
        "sh -c 'i=0; while [ $i -lt 300 ]; do sleep 0 & i=$((i+1)); done'; echo ready; exec sleep 60",
    ));
    assert_eq!(running.line(), "ready");
    let child = running.only_child();
    eventually("only the child is left", || {
        (running.children() == [child]).then_some(())
    });
}

#[test]
fn a_script_without_interpreter_line_is_run_by_the_shell() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("chroma-otel-script-{}", std::process::id()));
    let script = folder.join("no-interpreter");
    fs::create_dir_all(&folder).expect("a folder");
    let mut file = fs::File::create(&script).expect("a file");
    file.write_all(b"echo \"<$1>\"; exit 5")
        .expect("it is writable");
    drop(file);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a program");
    for program in ["no-interpreter", script.to_str().expect("text")] {
        let mut command = entrypoint(&["--", program, "a b"]);
        let path = format!("/no/such:{}:/usr/bin:/bin", folder.display());
        let output = finish(command.env("PATH", path));
        assert_eq!(
            (stdout(&output), code(&output)),
            ("<a b>\n".into(), 5),
            "{program}"
        );
    }
    fs::remove_dir_all(&folder).expect("the folder exists");
}

#[test]
fn signals_are_sent_only_to_the_child_and_not_to_its_descendants() {
    let mut running = Running::start(&mut shell(
        "sh -c 'trap \"\" TERM; trap \"echo USR1; exit\" USR1; echo $$; while :; do sleep 0.02; done' & \
         wait",
    ));
    let grandchild = Pid::from_raw(running.line().parse().expect("a process id"));
    running.send(Signal::TERM);
    let mut output = running.wait_for_end(128 + 15);
    // A TERM to its group would have ended it; instead it still answers.
    rustix::process::kill_process(grandchild.expect("a process id"), Signal::USR1)
        .expect("it runs");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).expect("output is text");
    assert_eq!(line, "USR1\n");
}
