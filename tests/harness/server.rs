//! How do tests speak to a server? The real binary on a free port, and a client that sees every byte.

use super::Home;
use super::site::Site;
use chancery_ledger::Code;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Longest wait for anything here.
pub const WAIT: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Kept open: to a closed one nothing can be said, which ends a command as if all were well.
    _out: BufReader<ChildStdout>,
    pub address: SocketAddr,
    /// The access log.
    pub log: PathBuf,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Told {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It is a problem with this code, under the status of the code.
    pub fn is(&self, code: Code) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status, body["code"].as_str()),
            (chancery_api::status(code), Some(code.as_str())),
            "{self:?}"
        );
        assert_eq!(body["status"], self.status, "{self:?}");
        assert_eq!(self.headers["content-type"], chancery_api::MEDIA_TYPE);
        body
    }

    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }
}

/// Reads one answer.
pub fn read_answer(from: &mut BufReader<TcpStream>) -> Option<Told> {
    let (status, headers) = read_head(from)?;
    let length = headers.get("content-length").map_or(0, |text| text.parse().expect("a length"));
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(Told { status, headers, body: String::from_utf8(body).expect("text") })
}

/// Reads the head of an answer.
pub fn read_head(from: &mut BufReader<TcpStream>) -> Option<(u16, BTreeMap<String, String>)> {
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        from.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            None => return Some((status, headers)),
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
        };
    }
}

impl Server {
    /// Serves the ledger of a site; `more` are further words of the command line.
    pub fn start(site: &Site, more: &[&str]) -> Self {
        Self::serve(&site.home, &site.path("l"), more)
    }

    /// Serves the ledger in `dir`.
    pub fn serve(home: &Home, dir: &Path, more: &[&str]) -> Self {
        Self::run(&mut Self::command(home, dir, more))
    }

    /// The command that serves the ledger in `dir`.
    pub fn command(home: &Home, dir: &Path, more: &[&str]) -> Command {
        let mut command = home.command(&["--json", "serve", "--listen", "127.0.0.1:0", "--access-log"]);
        command.arg(home.path("access.log")).arg("--dir").arg(dir).args(more);
        command
    }

    /// Starts it, and waits until it listens.
    pub fn run(command: &mut Command) -> Self {
        let log = command.get_args().skip_while(|arg| *arg != "--access-log").nth(1).expect("a file").into();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        out.read_line(&mut line).expect("a line");
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it does not listen: {line}"));
        let address = said["listen"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        Self { child, _out: out, address, log }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A line of what the kernel says of its memory, in bytes.
    pub fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a status");
        let found = status.lines().find_map(|text| text.strip_prefix(line)).expect("a line");
        let kilobytes = found.trim_matches(|c: char| !c.is_ascii_digit());
        kilobytes.parse::<u64>().expect("a number") * 1024
    }

    /// A figure of it, as somebody sees it who may.
    pub fn figure(&self, name: &str, token: &str) -> u64 {
        let text = self.get("/metrics", token).body;
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or_else(|| panic!("no figure `{name}` in {text}"))
    }

    /// Asks again and again until something holds, for as long as anything here may take.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = std::time::Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < WAIT, "it never comes to this: {what}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection to it.
    pub fn connect(&self) -> BufReader<TcpStream> {
        let socket = TcpStream::connect(self.address).expect("a connection");
        socket.set_read_timeout(Some(WAIT)).expect("a timeout");
        BufReader::new(socket)
    }

    /// Sends a request as it stands, and reads the answer.
    pub fn raw(&self, text: &str) -> Option<Told> {
        let mut connection = self.connect();
        let _ = connection.get_mut().write_all(text.as_bytes());
        read_answer(&mut connection)
    }

    /// Asks; `headers` are whole lines.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: Option<&str>) -> Told {
        self.raw(&request(method, path, headers, body))
            .unwrap_or_else(|| panic!("no answer: {method} {path}"))
    }

    pub fn get(&self, path: &str, token: &str) -> Told {
        self.ask("GET", path, &[&format!("authorization: Bearer {token}")], None)
    }

    /// Asks for an action under a key.
    pub fn invoke(&self, action: &str, token: &str, key: &str, body: &str) -> Told {
        let headers = [format!("authorization: Bearer {token}"), format!("idempotency-key: {key:0>16}")];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        self.ask("POST", &format!("/v1/actions/{action}/invoke"), &headers, Some(body))
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill");
    }

    /// Waits for its end, and gives the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("a status").code()
    }

    /// Stops it as an operator would, and gives the exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a request that ends its connection.
pub fn request(method: &str, path: &str, headers: &[&str], body: Option<&str>) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    match body {
        None => text.push_str("\r\n"),
        Some(body) => text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len())),
    }
    text
}

/// A site with people, and their tokens: a founder, an administrator of `/acme` and an agent of it.
pub struct Cast {
    pub site: Site,
    pub founder: String,
    pub ada: String,
    pub bot: String,
}

/// A site with scopes `/acme` and `/beta`, an administrator and an agent.
pub fn cast() -> Cast {
    let site = Site::begun();
    let act = |args: &[&str]| site.must(&[&["do"], args].concat());
    for scope in ["acme", "beta"] {
        act(&["scope.create", "--id", scope]);
    }
    for (id, kind, role) in [("ada", "human", "org_admin"), ("bot", "service", "service")] {
        let (kind, role) = (format!("kind={kind}"), format!("role={role}"));
        act(&["principal.register", "--scope", "/acme", "--id", id, &kind, &role]);
        act(&["principal.activate", "--scope", "/acme", "--id", id]);
    }
    let token = |scope: &str, id: &str, who: &str| {
        let who = format!("principal={who}");
        let ran = act(&["token.issue", "--scope", scope, "--id", id, &who, "ttl_ms:=3600000"]);
        let said: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        said["secret"].as_str().expect("a secret").to_owned()
    };
    let (founder, ada) = (token("/", "foundertoken", "founder"), token("/acme", "adaadaadaada", "ada"));
    let bot = token("/acme", "botbotbotbot", "bot");
    Cast { site, founder, ada, bot }
}
