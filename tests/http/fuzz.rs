//! Does the server keep to its own OpenAPI document when somebody else reads it? Schemathesis, with a fixed seed.

use crate::harness::server::{Server, cast};
use crate::harness::skip;
use std::ffi::OsString;
use std::process::{Command, Stdio};

fn python() -> OsString {
    std::env::var_os("CHANCERY_PYTHON").unwrap_or_else(|| "python3".into())
}

#[test]
fn what_is_declared_is_what_is_answered() {
    let asked = Command::new(python()).args(["-c", "import schemathesis.cli"]).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        return skip("what_is_declared_is_what_is_answered", "pip install 'schemathesis>=4.32,<5'");
    }
    let cast = cast();
    let server = Server::start(&cast.site, &["--failures-per-minute", "1000000"]);
    let home = cast.site.home.path("");
    // A no for the moment is none of our failures: it is declared, and says when to come again.
    let settings = "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", 503]\n";
    std::fs::write(home.join("schemathesis.toml"), settings).expect("written");
    // An endless answer is not for a client that waits for its end.
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance,unsupported_method,missing_required_header,use_after_free";
    let run = Command::new(python())
        .args(["-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"])
        .args(["run", &format!("{}/openapi.json", server.url()), "--exclude-path", "/v1/events"])
        .args(["--header", &format!("Authorization: Bearer {}", cast.founder)])
        .args([
            "--checks",
            checks,
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "15",
            "--seed",
            "1",
        ])
        .args([
            "--suppress-health-check",
            "all",
            "--generation-database",
            "none",
            "--no-color",
            "--workers",
            "1",
        ])
        .env_remove("CHANCERY_TOKEN")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(home)
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    let tested = said.lines().find_map(|line| line.trim().split_once(" generated, "));
    let tested = tested.and_then(|(count, _)| count.parse::<u64>().ok()).unwrap_or_default();
    assert!(tested > 1000, "{tested} cases: {said}");
    // Whatever was answered, the ledger is whole, and nothing of ours failed.
    let figures = server.get("/metrics", &cast.founder).body;
    assert!(!figures.contains("status=\"500\""), "{figures}");
    assert_eq!(server.stop(), Some(0));
    assert_eq!(cast.site.verdict(), (0, "authentic".to_owned()));
}
