//! How is a step taken over HTTP? Requests of SPEC 20 to a server that stays up, each answer with the status of its code.

use super::super::checks::{Said, plain};
use super::super::parse::Asked;
use super::super::{Journey, paths};
use super::cli::said;
use super::key_of;
use crate::harness::server::{Server, Told, WAIT, request};
use crate::spec::{plain as unquoted, section, table};
use chancery_ledger::format::encoding::{base64, hex};
use chancery_ledger::store::{Anchor, read_secret};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The class of each code, as SPEC 15 has it.
static CLASSES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let rows = table(&section("15"), "code");
    rows.iter().map(|row| (unquoted(&row[0]).to_owned(), row[1].clone())).collect()
});

/// The status of a code in answer to an action, as SPEC 20 has it, and the exit code that stands for it.
fn status_of(code: &str) -> (u16, i32) {
    let class = CLASSES.get(code).unwrap_or_else(|| panic!("SPEC 15 has no code `{code}`"));
    match (code, class.as_str()) {
        ("unauthenticated", _) => (401, 1),
        ("not_found", _) => (404, 1),
        ("over_quota", _) => (429, 1),
        (_, "denial" | "hold") => (403, 1),
        (_, "conflict" | "refusal") => (409, 1),
        (_, "invalid") => (422, 2),
        _ => panic!("no step of a journey ends with `{code}`"),
    }
}

/// What a journey reads has everything that was answered before.
const FOLDED: [&str; 6] =
    ["/v1/me/attention", "/v1/queues", "/v1/views", "/v1/transcripts", "/v1/governance", "/v1/entities"];

impl Journey {
    /// The server; started when there is none.
    pub(in super::super) fn server(&mut self) -> &Server {
        let clock = self.site.path("clock");
        let clock = clock.to_str().expect("a path");
        self.server.get_or_insert_with(|| Server::start(&self.site, &["--clock", clock]))
    }

    fn send(&mut self, method: &str, path: &str, headers: &[String], body: Option<&str>) -> Told {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let server = self.server();
        let mut path = path.to_owned();
        if FOLDED.iter().any(|folded| path.starts_with(folded)) {
            let position = server.ask("GET", "/healthz", &[], None).headers["chancery-position"].clone();
            let joint = if path.contains('?') { '&' } else { '?' };
            path.push_str(&format!("{joint}min_position={position}"));
        }
        let told = server.raw(&request(method, &path, &headers, body));
        let told = told.unwrap_or_else(|| panic!("no answer: {method} {path}"));
        self.printed.push(format!("{told:?}"));
        told
    }

    pub(super) fn get_as(&mut self, who: &str, path: &str) -> Told {
        let bearer = self.bearer(who);
        self.send("GET", path, &bearer, None)
    }

    fn bearer(&mut self, who: &str) -> Vec<String> {
        match who {
            "-" => Vec::new(),
            _ => vec![format!("authorization: Bearer {}", self.token(who))],
        }
    }

    /// The token of somebody, issued when it is first asked for.
    pub(in super::super) fn token(&mut self, who: &str) -> String {
        if let Some(token) = self.tokens.get(who) {
            return token.clone();
        }
        let scope = match who {
            "founder" | "ada" => "/".to_owned(),
            _ => self.names.get("S").cloned().unwrap_or_else(|| "/acme".to_owned()),
        };
        let id = format!("{who:t<12}").replace('-', "t")[..12].to_owned();
        let principal = format!("principal={who}");
        let words = ["do", "token.issue", "--scope", &scope, "--id", &id, &principal, "ttl_ms:=86400000"];
        let issued = self.asked_over_http("founder", &Asked::of(&words));
        assert_eq!(issued.exit, 0, "{}: a token for {who}: {issued:?}", self.file);
        let token = plain(&issued.object["secret"]);
        self.tokens.insert(who.to_owned(), token.clone());
        token
    }

    /// Asks for an action; who does not know the number of its next signature is told it.
    pub(super) fn asked_over_http(&mut self, who: &str, asked: &Asked) -> Said {
        let (key, verb) = (key_of(asked), if asked.preview { "preview" } else { "invoke" });
        let path = format!("/v1/actions/{}/{verb}", asked.action);
        let mut told = self.send_request(who, asked, &path, &key);
        if let Some(expected) = told.json()["expected"].as_u64() {
            self.seqs.insert(who.to_owned(), expected);
            told = self.send_request(who, asked, &path, &key);
        }
        let body = told.json();
        if told.status == 200 {
            let object = body[if asked.preview { "decision" } else { "receipt" }].clone();
            if !asked.preview {
                *self.seqs.entry(who.to_owned()).or_insert(1) += 1;
                let kinds = |of: &Value, place: &str| {
                    let found: Vec<String> =
                        super::super::checks::places(of, place).into_iter().map(plain).collect();
                    found
                };
                assert_eq!(kinds(&body, "events/*/entry/kind"), kinds(&object, "entries/*/kind"), "{body}");
            }
            let exit = i32::from(object["effect"] != "allow");
            return Said { exit, object, printed: format!("{told:?}") };
        }
        let code = body["code"].as_str().unwrap_or_else(|| panic!("no problem: {told:?}")).to_owned();
        let (status, exit) = status_of(&code);
        assert_eq!((told.status, body["status"].as_u64()), (status, Some(status.into())), "{told:?}");
        let object = if body["receipt"].is_object() { body["receipt"].clone() } else { body };
        if object["entries"].is_array() {
            *self.seqs.entry(who.to_owned()).or_insert(1) += 1;
        }
        Said { exit, object, printed: format!("{told:?}") }
    }

    fn send_request(
        &mut self,
        who: &str,
        asked: &Asked,
        path: &str,
        key: &chancery_ledger::format::ids::IdempotencyKey,
    ) -> Told {
        let seq = self.seqs.get(who).copied().unwrap_or(1);
        let mut headers = vec!["content-type: application/json".to_owned()];
        headers.push(format!("idempotency-key: {key}"));
        let mut body = json!({ "scope": asked.scope, "args": asked.args });
        if let Some(id) = &asked.id {
            body["entity"] = json!({ "id": id });
        }
        match self.request(who, asked, key, seq) {
            Ok(request) => {
                body["salt"] = hex(&request.salt).into();
                if let Some(attest) = &request.attestation {
                    body["attestation"] = json!({
                        "key": attest.key.to_string(),
                        "log": attest.log,
                        "seq": attest.seq,
                        "sig": base64(&attest.sig),
                    });
                }
            }
            // What nobody could sign is sent all the same: the server has to say what is wrong with it.
            Err(_) => headers.extend(self.bearer(who)),
        }
        if let Some(file) = &asked.token_file {
            let token = read_secret(&self.site.path(file)).expect("a token");
            headers.push(format!("authorization: Bearer {}", token.trim()));
        }
        self.send("POST", path, &headers, Some(&body.to_string()))
    }

    /// A step that is HTTP itself: method, path and body as they stand.
    pub(in super::super) fn http(&mut self, who: &str, rest: &[&str], at: &str) {
        let end = rest.iter().position(|word| *word == "=>").unwrap_or_else(|| panic!("{at}: no `=>`"));
        let [method, path, ref body @ ..] = rest[..end] else { panic!("{at}: a method and a path") };
        let mut headers = vec!["content-type: application/json".to_owned()];
        headers.extend(self.bearer(who));
        if path.ends_with("/invoke") {
            headers.push(format!("idempotency-key: journey-http-{:08}", self.asked));
        }
        self.asked += 1;
        let told = self.send(method, path, &headers, body.first().copied());
        let expected = &rest[end + 1..];
        assert_eq!(expected[0], told.status.to_string(), "{at}\n{told:?}");
        let body: Value = serde_json::from_str(&told.body).unwrap_or_default();
        self.hold(&body, &format!("{told:?}"), &expected[1..], at);
    }

    pub(super) fn looked_over_http(&mut self, who: &str, path: &str) -> Value {
        self.get_as(who, &format!("/v1/{path}")).ok()
    }

    /// A server keeps time by itself: waits until it recorded what is expected.
    pub(super) fn swept_by_the_server(&mut self, expected: &[&str]) -> Said {
        let wanted: Vec<&str> = expected.iter().filter_map(|word| word.strip_prefix("says:")).collect();
        let token = self.token("founder");
        let mut recorded = String::new();
        self.server().until("the server sweeps", |server| {
            let page = server.get("/v1/entries?limit=1000", &token).ok();
            let entries = page["entries"].as_array().into_iter().flatten().map(|seen| &seen["entry"]);
            let own = entries.filter(|entry| entry["actor"]["principal"] == "system");
            recorded = own.map(|entry| plain(&entry["by"]["action"])).collect::<Vec<_>>().join("\n");
            wanted.iter().all(|wanted| recorded.contains(wanted))
        });
        Said::of(0, Value::String(recorded))
    }

    pub(super) fn logged_from_afar(&mut self, words: &[&str]) -> Said {
        let token = self.token("founder");
        said(&self.binary_afar(words, &token))
    }

    /// A worker elsewhere: it has its key, its token, and the key with which what was leased is known again.
    pub(super) fn worked_from_afar(&mut self, who: &str, words: &[&str]) -> Said {
        let (token, key) = (self.token(who), self.key(who));
        let prints = paths(&self.site).fingerprint_key();
        let prints = prints.to_str().expect("a path");
        let more = ["--key-file", &key, "--fingerprint-key", prints];
        said(&self.binary_afar(&[words, &more].concat(), &token))
    }

    /// From the server while there is one, from the anchor else.
    pub(super) fn size_over_http(&mut self) -> u64 {
        match &self.server {
            Some(server) => {
                let note = server.ask("GET", "/checkpoint", &[], None).body;
                note.lines().nth(1).and_then(|size| size.parse().ok()).expect("a size")
            }
            None => {
                let note = Anchor::read(&paths(&self.site).anchor).expect("an anchor").expect("a head");
                note.checkpoint.size
            }
        }
    }

    /// Verifies the live ledger under a pin, as an operation; gives its report.
    pub(in super::super) fn verified_by_the_server(&mut self, pin: &str) -> Value {
        let token = self.token("founder");
        let headers = ["content-type: application/json".to_owned(), format!("authorization: Bearer {token}")];
        let begun = self.send("POST", "/v1/verify", &headers, Some(&json!({ "pin": pin }).to_string()));
        assert_eq!(begun.status, 202, "{begun:?}");
        let path = format!("/v1/operations/{}", plain(&begun.json()["id"]));
        let mut told = Value::Null;
        self.server().until("the operation ends", |server| {
            told = server.get(&path, &token).ok();
            told["done"] == true
        });
        self.printed.push(told.to_string());
        assert!(told["report"].is_object(), "{told} within {WAIT:?}");
        told["report"].clone()
    }
}
