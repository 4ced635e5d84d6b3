//! Which ledger do tests look at? One in process, with people, an agent, and every kind of event.

use chancery_ledger::domains::ledger::{Attest as Levels, Form, Level, Stage};
use chancery_ledger::export::{Selection, write_export};
use chancery_ledger::format::encoding::{base64, base64_unpadded, hex};
use chancery_ledger::format::ids::{IdempotencyKey, LogName, PrincipalId, Scope};
use chancery_ledger::format::json::Value;
use chancery_ledger::format::key::{LogVerifier, PrivateKey, parse_log_key_file};
use chancery_ledger::format::statement::enrolment_bytes;
use chancery_ledger::gate::{Attest, Credential, Request, new_request};
use chancery_ledger::store::{Anchor, Paths, read_secret};
use chancery_ledger::verify::Pin;
use chancery_ledger::{
    Answer, Bounds, Clock, Code, Entropy, Genesis, Ledger, Options, Receipt, Tracer, statement,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Name of every test ledger.
pub const NAME: &str = "story.example";

/// A ledger in process, and the keys of those who act in it.
pub struct Story {
    pub ledger: Ledger,
    pub paths: Paths,
    pub clock: Clock,
    pub keys: BTreeMap<String, PrivateKey>,
    entropy: Entropy,
}

/// How a ledger begins.
pub struct Setting {
    pub form: Form,
    pub stage: Stage,
    /// How strictly people must sign.
    pub people: Level,
}

impl Setting {
    pub fn of(form: Form) -> Self {
        let people = if form == Form::Entries { Level::Enforce } else { Level::Observe };
        Self { form, stage: Stage::Test, people }
    }
}

/// Arguments: text members.
pub fn args(members: &[(&str, &str)]) -> Value {
    Value::Object(members.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect())
}

/// A fingerprint that stands for a number.
pub fn fingerprint(number: u64) -> String {
    let mut digest = [7u8; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    format!("SHA256:{}", base64_unpadded(&digest))
}

pub fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

impl Story {
    /// Creates a ledger in `dir` with a founder; time stands still until it is moved.
    pub fn begin(dir: &Path, form: Form) -> Self {
        Self::begin_with(dir, form, Tracer::default())
    }

    pub fn begin_with(dir: &Path, form: Form, trace: Tracer) -> Self {
        Self::begin_as(dir, Setting::of(form), trace)
    }

    pub fn begin_as(dir: &Path, setting: Setting, trace: Tracer) -> Self {
        let Setting { form, stage, people } = setting;
        let paths = Paths::of(&dir.join("ledger"));
        let clock = Clock::manual(1_790_000_000_000);
        let mut entropy = Entropy::default();
        let founder = PrivateKey::from_seed(&entropy.take().expect("entropy"));
        let level = if form == Form::Entries { Level::Enforce } else { Level::Observe };
        let genesis = Genesis {
            name: LogName::parse(NAME).expect("a name"),
            stage,
            form,
            attest: Levels { agent: Level::Enforce, human: people, service: level, worker: level },
            max_silence_ms: None,
            administrator: (PrincipalId::parse("founder").expect("an id"), founder.public()),
            administrator_key: None,
        };
        let options =
            Options { paths: paths.clone(), clock: clock.clone(), trace, bounds: Bounds::default() };
        let ledger = Ledger::create(options, &genesis).expect("a new ledger");
        let keys = BTreeMap::from([("founder".to_owned(), founder)]);
        Self { ledger, paths, clock, keys, entropy }
    }

    /// Opens the ledger again, as after an end of the process.
    pub fn reopen(self) -> Self {
        let Self { ledger, paths, clock, keys, .. } = self;
        ledger.close().expect("a clean end");
        Self::resume(paths, keys, clock)
    }

    pub fn fresh_salt(&mut self) -> [u8; 32] {
        self.entropy.take().expect("entropy")
    }

    /// Opens a ledger that is there, with the keys of those who act in it.
    pub fn resume(paths: Paths, keys: BTreeMap<String, PrivateKey>, clock: Clock) -> Self {
        Self::resume_within(paths, keys, clock, Bounds::default())
    }

    /// The same with a ledger that lets only so much grow.
    pub fn resume_within(
        paths: Paths,
        keys: BTreeMap<String, PrivateKey>,
        clock: Clock,
        bounds: Bounds,
    ) -> Self {
        let options = Options { clock: clock.clone(), bounds, ..Options::new(paths.clone()) };
        let ledger = Ledger::open(options, &mut |_, _| ()).expect("the ledger opens");
        Self { ledger, paths, clock, keys, entropy: Entropy::default() }
    }

    pub fn fresh_key(&mut self) -> IdempotencyKey {
        IdempotencyKey::parse(&hex(&self.entropy.take::<16>().expect("entropy"))).expect("a key")
    }

    /// A request that `who` has signed, or a panic when it is malformed.
    pub fn request(&mut self, who: &str, action: &str, at: &str, id: &str, args: Value) -> Request {
        let key = self.fresh_key();
        self.request_with(who, action, at, id, args, key)
    }

    pub fn request_with(
        &mut self,
        who: &str,
        action: &str,
        at: &str,
        id: &str,
        args: Value,
        key: IdempotencyKey,
    ) -> Request {
        let salt = self.entropy.take().expect("entropy");
        let id = (!id.is_empty()).then_some(id);
        let request = new_request(action, &scope(at), id, NAME, args, key, salt);
        let mut request =
            request.unwrap_or_else(|invalid| panic!("{action}: {invalid} ({})", invalid.pointer));
        self.sign(&mut request, who, None);
        request
    }

    /// Signs a request with the key of `who`, under the next running number or the one given.
    pub fn sign(&self, request: &mut Request, who: &str, seq: Option<u64>) {
        let private = &self.keys[who];
        let id = private.public().id();
        let next = self.ledger.look(move |world| world.keys.get(id).map_or(1, |key| key.next));
        let (log, seq) = (self.ledger.origin().to_string(), seq.unwrap_or(next));
        request.credential = Credential::Key;
        request.attestation = Some(Attest { log: log.clone(), key: id, seq, sig: [0; 64] });
        let text = statement(request, &log, who, seq).expect("a statement");
        request.attestation = Some(Attest { log, key: id, seq, sig: private.sign(&text) });
    }

    pub fn ask(&mut self, who: &str, action: &str, at: &str, id: &str, members: &[(&str, &str)]) -> Answer {
        let request = self.request(who, action, at, id, args(members));
        self.ledger.submit(request)
    }

    /// Asks, and panics unless it is allowed.
    pub fn must(&mut self, who: &str, action: &str, at: &str, id: &str, members: &[(&str, &str)]) -> Receipt {
        match self.ask(who, action, at, id, members) {
            Answer::Receipt(receipt) if receipt.code.is_none() => *receipt,
            other => panic!("{who} {action} {id}: {other:?}"),
        }
    }

    /// Asks, and panics unless the answer has this code.
    pub fn no(&mut self, code: Code, who: &str, action: &str, at: &str, id: &str, members: &[(&str, &str)]) {
        let answer = self.ask(who, action, at, id, members);
        assert_eq!(code_of(&answer), Some(code), "{who} {action} {id}: {answer:?}");
    }

    /// Registers, activates and gives a key to a principal.
    pub fn enrol(&mut self, id: &str, at: &str, kind: &str, role: &str) {
        let activator = if self.keys.contains_key("ada") { "ada" } else { "founder" };
        self.must(
            "founder",
            "principal.register",
            at,
            id,
            &[("kind", kind), ("role", role), ("name", "Näme ✓")],
        );
        self.must(activator, "principal.activate", at, id, &[]);
        self.enrol_key(id, at);
    }

    /// Makes a key for a principal and enrols it.
    pub fn enrol_key(&mut self, id: &str, at: &str) -> String {
        let key = PrivateKey::from_seed(&self.entropy.take().expect("entropy"));
        let (public, proof) = self.proof(id, &key);
        let entity = key.public().id().entity();
        self.must(
            "founder",
            "key.enrol",
            at,
            &entity,
            &[("principal", id), ("public", &public), ("proof", &proof)],
        );
        self.keys.insert(id.to_owned(), key);
        entity
    }

    /// Public key and proof of possession in base64.
    pub fn proof(&self, principal: &str, key: &PrivateKey) -> (String, String) {
        let public = key.public().to_bytes();
        let text = enrolment_bytes(self.ledger.origin().as_str(), principal, &public).expect("a text");
        (base64(&public), base64(&key.sign(&text)))
    }

    pub fn fresh_private_key(&mut self) -> PrivateKey {
        PrivateKey::from_seed(&self.entropy.take().expect("entropy"))
    }

    /// Lets time pass on both clocks.
    pub fn pass(&self, ms: i64) {
        self.clock.advance(ms, ms);
    }

    /// The people and machines that most tests need: ada (administrator), otto (operator), bot-7 (agent in /acme).
    pub fn cast(&mut self) {
        self.must("founder", "scope.create", "/", "acme", &[]);
        self.enrol("ada", "/", "human", "platform_admin");
        self.enrol("otto", "/acme", "human", "msp_operator");
        self.enrol("bot-7", "/acme", "agent", "agent");
        self.pass(1000);
    }

    /// Every kind of event, and some denials and refusals.
    pub fn everything(&mut self) {
        self.cast();
        let (one, two) = (fingerprint(1), fingerprint(2));
        let id = "ssh-ed25519:host-1.example:22";
        self.must(
            "bot-7",
            "host_key.observe",
            "/acme",
            id,
            &[("fingerprint", &one), ("source", "ssh_keyscan"), ("comment", "seen \u{202e}first")],
        );
        self.no(Code::RoleInsufficient, "bot-7", "host_key.verify", "/acme", id, &[("fingerprint", &one)]);
        self.must("otto", "host_key.verify", "/acme", id, &[("fingerprint", &one)]);
        self.pass(500);
        self.must(
            "bot-7",
            "host_key.observe",
            "/acme",
            id,
            &[("fingerprint", &two), ("source", "known_hosts")],
        );
        self.no(Code::FingerprintMoved, "otto", "host_key.verify", "/acme", id, &[("fingerprint", &one)]);
        self.must("otto", "host_key.reject", "/acme", id, &[("fingerprint", &two), ("reason", "not ours")]);
        self.must("otto", "host_key.disable", "/acme", id, &[]);
        self.must("founder", "scope.create", "/acme", "lab", &[]);
        self.must("founder", "scope.close", "/acme", "lab", &[("reason", "done")]);
        self.must("founder", "principal.suspend", "/acme", "otto", &[]);
        self.must("ada", "principal.reactivate", "/acme", "otto", &[]);
        let mut token = self.request("founder", "token.issue", "/acme", "tok000000001", {
            let mut members = args(&[("principal", "otto")]);
            if let Value::Object(map) = &mut members {
                map.insert("ttl_ms".to_owned(), Value::Int(600_000));
            }
            members
        });
        self.sign(&mut token, "founder", None);
        assert!(matches!(self.ledger.submit(token), Answer::Receipt(_)));
        self.must("founder", "token.revoke", "/acme", "tok000000001", &[]);
        self.rotate("bot-7", "/acme");
        self.enrol("bot-8", "/acme", "agent", "agent");
        let key = self.keys["bot-8"].public().id().entity();
        self.must("founder", "key.revoke", "/acme", &key, &[("reason", "lost")]);
        self.must("ada", "principal.revoke", "/acme", "bot-8", &[]);
        self.must("founder", "ledger.confirm_clock", "/", "", &[]);
        let range =
            Value::Object([("from".to_owned(), Value::Int(0)), ("to".to_owned(), Value::Int(5))].into());
        let export = self.request("ada", "export.produce", "/", "", range);
        assert!(matches!(self.ledger.submit(export), Answer::Receipt(_)));
    }

    /// Rotates the key of a principal.
    pub fn rotate(&mut self, id: &str, at: &str) {
        let new = self.fresh_private_key();
        let (public, proof) = self.proof(id, &new);
        let text =
            enrolment_bytes(self.ledger.origin().as_str(), id, &new.public().to_bytes()).expect("a text");
        let old = self.keys[id].clone();
        let consent = base64(&old.sign(&text));
        let entity = old.public().id().entity();
        self.must(
            id,
            "key.rotate",
            at,
            &entity,
            &[("public", &public), ("proof", &proof), ("consent", &consent)],
        );
        self.keys.insert(id.to_owned(), new);
    }

    /// Observations of many host keys by otto, `batch` of them in flight at once.
    pub fn observations(&mut self, first: u64, count: u64, batch: u64) {
        let id = self.keys["otto"].public().id();
        let mut done = 0;
        while done < count {
            let next = self.ledger.look(move |world| world.keys.get(id).map_or(1, |key| key.next));
            let (send, receive) = std::sync::mpsc::channel();
            let n = batch.min(count - done);
            for i in 0..n {
                let number = first + done + i;
                let host = format!("ssh-ed25519:h{number}.example:22");
                let members = args(&[("fingerprint", &fingerprint(number)), ("source", "known_hosts")]);
                let mut request = self.request("otto", "host_key.observe", "/acme", &host, members);
                self.sign(&mut request, "otto", Some(next + i));
                let send = send.clone();
                let reply = Box::new(move |answer| send.send(answer).expect("the test waits"));
                self.ledger.submit_with(request, reply).expect("room");
            }
            for _ in 0..n {
                let answer = receive.recv().expect("an answer");
                assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
            }
            done += n;
        }
    }

    /// The log's verifier key.
    pub fn verifier(&self) -> LogVerifier {
        let text = read_secret(&self.paths.log_key()).expect("a key file");
        let (origin, key) = parse_log_key_file(&text).expect("a log key");
        LogVerifier { origin, key: key.public() }
    }

    /// The log's private key: tests may forge with it.
    pub fn log_key(&self) -> PrivateKey {
        let text = read_secret(&self.paths.log_key()).expect("a key file");
        parse_log_key_file(&text).expect("a log key").1
    }

    /// A pin to the newest head, without a state.
    pub fn pin(&self) -> Pin {
        let note = Anchor::read(&self.paths.anchor).expect("an anchor").expect("a head");
        Pin::of_note(self.verifier(), &note)
    }

    /// The bytes of an export of everything.
    pub fn export(&self, parts: bool) -> Vec<u8> {
        self.export_range(0, None, parts)
    }

    /// The bytes of an export of a range; `to` must be the size of a head.
    pub fn export_range(&self, from: u64, to: Option<u64>, parts: bool) -> Vec<u8> {
        let note = Anchor::read(&self.paths.anchor).expect("an anchor").expect("a head");
        let reader = self.ledger.reader().expect("a reader");
        let selection = Selection { from, to, parts };
        let mut bytes = Vec::new();
        write_export(&reader, &note, &self.verifier(), &selection, &mut bytes, &mut |_, _| ())
            .expect("an export");
        bytes
    }
}

/// The code of an answer that is not an unconditional yes.
pub fn code_of(answer: &Answer) -> Option<Code> {
    match answer {
        Answer::Receipt(receipt) => receipt.code,
        Answer::Conflict(conflict) => Some(conflict.code),
        Answer::Failed(error) => Some(error.code),
    }
}
