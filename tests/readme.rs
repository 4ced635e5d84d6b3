//! Is what the README shows true? Its session is run, command by command, and what is asked with curl is answered.

use crate::harness::server::{Server, cast};
use crate::harness::{Home, root, skip};
use std::process::Command;

/// Commands and expected lines of the console blocks of the README.
fn session() -> Vec<(String, Vec<String>)> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.to_owned(), Vec::new())),
                None => steps.last_mut().expect("output follows a command").1.push(line.to_owned()),
            },
        }
    }
    steps
}

#[test]
fn the_session_of_the_readme_runs_as_shown() {
    let home = Home::new();
    let steps = session();
    assert!(steps.len() >= 6, "the README shows a session");
    for (command, lines) in steps {
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], "chancery");
        let ran = home.expect(0, &words[1..]);
        for line in lines {
            assert!(
                ran.stdout.lines().any(|out| out == line),
                "{command}\nno line `{line}` in\n{}",
                ran.stdout
            );
        }
    }
}

/// Commands, in the page on running a ledger, that begin with `curl`.
fn curls() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/operating.md")).expect("a page");
    page.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

#[test]
fn what_is_asked_with_curl_is_answered() {
    let Some(version) =
        Command::new("curl").arg("--version").output().ok().filter(|out| out.status.success())
    else {
        return skip("what_is_asked_with_curl_is_answered", "install curl");
    };
    assert!(version.stdout.starts_with(b"curl "));
    let cast = cast();
    let server = Server::start(&cast.site, &[]);
    let commands = curls();
    assert!(commands.len() >= 6, "the page asks with curl");
    for command in commands {
        let ran = Command::new("sh")
            .args(["-c", &command])
            .env("URL", server.url())
            .env("TOKEN", &cast.founder)
            .output()
            .expect("it runs");
        // What follows a stream is cut off after its second.
        let ends = if command.contains("--max-time") { 28 } else { 0 };
        let told = String::from_utf8_lossy(&ran.stdout);
        assert_eq!(
            ran.status.code(),
            Some(ends),
            "{command}: {told}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(
            told.contains(if ends == 28 { "event:" } else { "" }) && !told.is_empty(),
            "{command}: {told}"
        );
    }
}
