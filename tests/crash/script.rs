//! Which steps are killed? A ledger from its first command to a governed job that is done, each step with what was before.

use crate::harness::site::{Site, Step, known_hosts};
use crate::providers::private;

/// A step, and the ledger as it stands before it.
pub struct Scene {
    pub before: Site,
    pub step: Step,
}

/// Starts the job under the first lease.
pub const START: &str = "do job.start --scope /acme --id j-1 fence:=1 grant=g-1 lease=l-1 --key-file w-1.key \
                         --idempotency-key script-step-start";
/// Relays something of the job that has been started.
pub const RELAY: &str = "do transcript.append --scope /acme --id j-1 fence:=1 seq:=1 --key-file w-1.key";
/// What the provider hands out; nothing about it looks like a secret.
const MATERIAL: &str = "four brown hens under the old apple tree";

pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The words of `key prove`, as a step under an idempotency key.
fn proven(site: &Site, args: &[&str], key: &str) -> Vec<String> {
    let mut command = vec!["do".to_owned()];
    let proof: serde_json::Value = serde_json::from_str(&site.must(args).stdout).expect("JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    command.extend([text(&proof["action"]), "--id".to_owned(), text(&proof["id"])]);
    let members = proof["args"].as_object().expect("arguments");
    command.extend(members.iter().map(|(name, value)| format!("{name}={}", text(value))));
    command.extend(words(&format!("--idempotency-key {key}")));
    command
}

/// A script under way.
struct Play {
    site: Site,
    scenes: Vec<Scene>,
}

impl Play {
    /// A step that is killed later.
    fn step(&mut self, name: &'static str, args: Vec<String>, adds: Option<u64>) {
        let before = self.site.copy();
        let held = if adds.is_some() { before.entries().len() as u64 } else { 0 };
        self.quietly(&args);
        if let Some(adds) = adds {
            assert_eq!(self.site.entries().len() as u64, held + adds, "{name}");
        }
        self.scenes.push(Scene { before, step: Step { name, args, adds } });
    }

    /// A step that is not killed.
    fn quietly(&mut self, args: &[String]) {
        let borrowed: Vec<&str> = args.iter().map(String::as_str).collect();
        self.site.act(&borrowed);
    }

    /// A request under an idempotency key, by the founder or whose key file the text names.
    fn ask(&mut self, name: &'static str, text: &str, key: &str, adds: u64) {
        let args = words(&format!("do {name} {text} --idempotency-key script-step-{key}"));
        self.step(name, args, Some(adds));
    }

    /// A request that somebody else confirms: that, and asking again.
    fn confirmed(&mut self, name: &'static str, scope: &str, text: &str, key: &str) {
        let text = &format!("--scope {scope} {text}");
        let held = self.site.refused(1, "confirmation_required", &words_of(&format!("do {name} {text}")));
        let told: serde_json::Value = serde_json::from_str(held.stdout.trim()).expect("JSON");
        let hold = told["hold"].as_str().expect("a hold");
        self.ask(
            "hold.approve",
            &format!("--scope {scope} --id {hold} --key-file ada.key"),
            &format!("{key}-hold"),
            1,
        );
        self.ask(name, text, key, 1);
    }

    /// The ledger itself: its keys, its import, its export.
    fn record(&mut self) {
        self.step("init", words("init --name bad.example --stage test"), None);
        self.ask("scope.create", "--id acme", "scope", 1);
        let ada = "--id ada kind=human role=platform_admin name=Ada";
        self.ask("principal.register", ada, "register", 1);
        self.ask("principal.activate", "--id ada", "activate", 1);
        self.step("key generate", words("key generate --principal ada --out ada.key"), None);
        let prove = ["key", "prove", "ada.key", "--log", "bad.example/e1"];
        let enrol = proven(&self.site, &prove, "script-step-enrol");
        self.step("key.enrol", enrol, Some(1));
        std::fs::write(self.site.path("hosts"), known_hosts(0, 6)).expect("written");
        self.step("import", words("import known-hosts hosts --scope /acme"), None);
        self.step("export", words("export --private --out x.chancery"), None);
        self.site.must(&["key", "generate", "--principal", "founder", "--out", "new.key"]);
        let old = self.site.path("l.keys/founder.key").display().to_string();
        let prove = ["key", "prove", "new.key", "--log", "bad.example/e1", "--old", &old];
        let rotate = proven(&self.site, &prove, "script-step-rotate");
        self.step("key.rotate", rotate, None);
        std::fs::copy(self.site.path("new.key"), self.site.path("l.keys/founder.key")).expect("copied");
        self.ask("scope.create", "--id beta", "beta", 1);
    }

    /// What work is for, and who does it.
    fn workforce(&mut self) {
        self.confirmed("capability.register", "/", "--id access_test risk=low grant:=true", "capability");
        self.confirmed("capability.enable", "/acme", "--id access_test", "enable");
        self.quietly(&words("do principal.register --scope /acme --id w-1 kind=worker role=worker"));
        self.quietly(&words("do principal.activate --scope /acme --id w-1 --key-file ada.key"));
        self.quietly(&words("key generate --principal w-1 --out w-1.key"));
        let prove = ["key", "prove", "w-1.key", "--log", "bad.example/e1"];
        let mut enrol = proven(&self.site, &prove, "script-step-worker");
        enrol.extend(words("--scope /acme"));
        self.quietly(&enrol);
        let own = "--scope /acme --id w-1 --key-file w-1.key";
        let both = r#"capabilities:=["access_test"]"#;
        self.ask("worker.promote", "--scope /acme --id w-1 trust=standard", "promote", 1);
        self.ask("worker.declare", &format!("{own} {both} locality=onsite redaction:=true"), "declare", 1);
        let to = format!("--scope /acme --id w-1 {both} to=/acme");
        self.ask("worker.assign", &to, "assign", 1);
        self.ask("worker.report", &format!("{own} health=healthy ttl_ms:=86400000"), "healthy", 1);
    }

    /// A job from the request to its result.
    fn job(&mut self) {
        let submit =
            "--scope /acme --id j-1 capability=access_test mode=worker_stub_execution ttl_ms:=86400000";
        self.ask("job.submit", submit, "submit", 2);
        let grant = "--scope /acme --id g-1 job=j-1 worker=w-1 reference=test://canary use=access_test";
        self.ask("grant.issue", &format!("{grant} ttl_ms:=86400000"), "issue", 1);
        let job = "--scope /acme --id j-1 --key-file w-1.key";
        self.ask("claim.acquire", &format!("{job} ttl_ms:=3600000"), "acquire", 1);
        let lease = "--scope /acme --id l-1 --key-file w-1.key";
        let under = "fence:=1 grant=g-1 job=j-1 reference=test://canary use=access_test ttl_ms:=3600000";
        self.ask("lease.open", &format!("{lease} {under}"), "open", 1);
        let print = format!(r#"fingerprints:=["f:12:{}"]"#, "0".repeat(40));
        self.ask("lease.resolve", &format!("{lease} {print}"), "resolve", 1);
        private(&self.site.path("values"), &format!("canary={MATERIAL}\n"));
        private(&self.site.path("providers"), r#"{"enabled":["test"],"test":{"file":"values"}}"#);
        let fetch = "lease resolve --scope /acme --id l-2 --job j-1 --grant g-1 --use access_test \
                     --reference test://canary --fence 1 --config providers --out material --key-file w-1.key";
        self.step("lease resolve", words(fetch), None);
        assert_eq!(std::fs::read_to_string(self.site.path("material")).expect("material"), MATERIAL);
        self.step("job.start", words(START), Some(1));
        let (job, lease) = (format!("{job} fence:=1"), format!("{lease} --idempotency-key"));
        self.ask("transcript.append", &format!("{job} seq:=1 operator=began technical=one"), "first", 1);
        self.ask("transcript.append", &format!("{job} seq:=2 operator=ended final:=true"), "last", 2);
        self.step("lease.close", words(&format!("do lease.close {lease} script-step-close")), Some(1));
        self.quietly(&words("do lease.close --scope /acme --id l-2 --key-file w-1.key"));
        let evidence = r#"evidence={"capability":"access_test","mode":"worker_stub_execution","network_opened":false,"stopped_at":"before_execution"}"#;
        self.ask("job.report", &format!("{job} grant=g-1 outcome=succeeded {evidence}"), "report", 3);
    }
}

fn words_of(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The reference script: each step with the ledger before it.
pub fn script() -> Vec<Scene> {
    let mut play = Play { site: Site::new(), scenes: Vec::new() };
    play.record();
    play.workforce();
    play.job();
    play.site.check("the script without a fault");
    play.scenes
}
