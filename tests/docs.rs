//! Does each page of `docs` run as it is shown? Its commands are run in their order by one shell, and what they print is
//! held to what the page says.

use crate::harness::{Home, binary, root, site::has, skip};
use std::process::{Command, Stdio};

/// A command as it is shown, with the lines that it should print.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The steps of the console blocks of a page: `$` begins a command, `>` goes on with it, all else is printed.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => {
                let last = steps.last_mut();
                match (line.strip_prefix("$ "), line.strip_prefix("> "), last) {
                    (Some(command), _, _) => {
                        steps.push(Step { command: command.to_owned(), shown: Vec::new() })
                    }
                    (None, Some(more), Some(step)) if step.shown.is_empty() => {
                        step.command.push('\n');
                        step.command.push_str(more);
                    }
                    (None, _, Some(step)) => step.shown.push(line.trim().to_owned()),
                    _ => panic!("`{line}` stands before any command"),
                }
            }
        }
    }
    steps
}

/// The steps as a script that marks where each ends, and with what. A server takes a free port and says which.
fn script(steps: &[Step]) -> String {
    let mut script = "exec 2>&1\n".to_owned();
    for step in steps {
        match step.command.strip_suffix(" &") {
            Some(server) => script.push_str(&format!(
                "mkfifo up; exec 9<>up; {server} --listen 127.0.0.1:0 >up 9>&- &\nread -r -t 60 URL <&9\n"
            )),
            None if step.command.starts_with("URL=") => script.push_str("true\n"),
            None => {
                script.push_str(&step.command);
                script.push('\n');
            }
        }
        script.push_str("printf '\\n@@ %s\\n' $?\n");
    }
    script + "for job in $(jobs -p); do kill $job; done; wait\n"
}

/// Whether a printed line is what was shown; `…` stands for anything.
fn same(shown: &str, printed: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let Some(mut rest) = printed.trim().strip_prefix(first) else { return false };
    if parts.len() == 1 {
        return rest.is_empty();
    }
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn walk(page: &str) {
    if !has("bash", "--version") || !has("curl", "--version") {
        return skip(&format!("docs::{page}"), "install bash and curl");
    }
    let text = std::fs::read_to_string(root().join("docs").join(page)).expect("a page");
    let steps = steps(&text);
    assert!(steps.len() >= 8, "{page} has a session");
    let home = Home::new();
    let path = std::env::var("PATH").unwrap_or_default();
    let here = std::path::Path::new(binary()).parent().expect("a directory");
    let ran = Command::new("bash")
        .args(["-c", &script(&steps)])
        .current_dir(home.path(""))
        .env_clear()
        .env("HOME", home.path(""))
        .env("PATH", format!("{}:{path}", here.display()))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let mut lines = text.lines();
    for step in &steps {
        let mut printed = Vec::new();
        let exit = loop {
            let line =
                lines.next().unwrap_or_else(|| panic!("{page}: `{}` never ended:\n{text}", step.command));
            match line.strip_prefix("@@ ") {
                Some(exit) => break exit,
                None => printed.push(line),
            }
        };
        let all = format!("{page}: `{}`, exit {exit}, printed\n{}", step.command, printed.join("\n"));
        let no = |line: &String| {
            line.starts_with("error[") || line.starts_with("verify: ") && line != "verify: authentic"
        };
        assert_eq!(exit != "0", step.shown.iter().any(no), "{all}");
        let mut printed = printed.into_iter();
        for shown in step.shown.iter().filter(|line| *line != "…") {
            assert!(printed.any(|line| same(shown, line)), "no line `{shown}`, in its order\n{all}");
        }
    }
}

#[test]
fn agents_and_workers() {
    walk("agents.md");
}

#[test]
fn reviews() {
    walk("reviews.md");
}

#[test]
fn auditing() {
    walk("auditing.md");
}

#[test]
fn operating() {
    walk("operating.md");
}

#[test]
fn every_page_is_walked_and_linked() {
    let mut pages: Vec<String> = std::fs::read_dir(root().join("docs"))
        .expect("pages")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".md"))
        .collect();
    pages.sort();
    assert_eq!(pages, ["agents.md", "auditing.md", "operating.md", "reviews.md"]);
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for page in pages {
        assert!(readme.contains(&format!("](docs/{page})")), "README links {page}");
    }
}

#[test]
fn what_was_shown_is_told_from_what_was_not() {
    for (shown, printed) in
        [("a", "a"), ("a…", "a b"), ("…b", "a b"), ("a…b…c", "a 1 b 2 c"), ("…", ""), ("x … y", "x 1 y")]
    {
        assert!(same(shown, printed), "{shown} {printed}");
    }
    for (shown, printed) in [("a", "ab"), ("a…", "b"), ("…b", "b a"), ("a…b…c", "a c b"), ("a…a", "a")]
    {
        assert!(!same(shown, printed), "{shown} {printed}");
    }
}
