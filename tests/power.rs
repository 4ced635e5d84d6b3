//! Does a power loss take anything that was acknowledged, at whatever moment it comes?
//!
//! A disk image is mounted and shut down without flushing its journal: what was not synced is gone. CI has 24 losses
//! and more at named points; the long run: `CHANCERY_FULL=1 cargo test --test main power -- --nocapture`.

use crate::harness::site::{Ack, Site, acks, finish, full, has, known_hosts, say};
use crate::harness::{Seeded, ran, skip};
use chancery_ledger::Point;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `EXT4_IOC_SHUTDOWN` without flushing the log: the ioctl needs no unsafe code of ours this way.
const SHUTDOWN: &str = "
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))
";

/// A writer that says a commit is done before any of it was synced: the test must catch it.
const CARELESS: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('PRAGMA journal_mode=WAL'); db.execute('PRAGMA synchronous=' + sys.argv[2])
db.execute('CREATE TABLE entry (position INTEGER PRIMARY KEY, leaf BLOB)')
for position in range(200000):
    db.execute('INSERT INTO entry VALUES (?, ?)', (position, b'x' * 1000))
    print(position, flush=True)
";

/// A disk of 64 MiB in a file; unmounted whatever happens, and with it the loop device goes.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    /// `None` when this machine cannot mount one.
    fn make(site: &Site, test: &str) -> Option<Self> {
        for (tool, arg) in [("mkfs.ext4", "-V"), ("mount", "--version"), ("python3", "--version")] {
            if !has(tool, arg) {
                skip(test, &format!("install {tool} (e2fsprogs, util-linux, python3)"));
                return None;
            }
        }
        let disk = Self { image: site.home.path("image"), at: site.home.path("disk") };
        fs::File::create(&disk.image).expect("an image").set_len(64 << 20).expect("its size");
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image).status();
        assert!(made.expect("mkfs.ext4").success());
        if !disk.mount() {
            skip(test, "run as root with loop devices and ext4");
            return None;
        }
        Some(disk)
    }

    fn mount(&self) -> bool {
        let run =
            Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(&self.image).arg(&self.at).output();
        run.is_ok_and(|output| output.status.success())
    }

    /// The power goes.
    fn lose(&self) {
        let run = Command::new("python3").args(["-c", SHUTDOWN]).arg(&self.at).output().expect("python3");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }

    /// The power comes back.
    fn restore(&self) {
        let run = Command::new("umount").arg(&self.at).output().expect("umount");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        assert!(self.mount(), "the disk does not mount again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let quiet = |args: &[&str]| {
            Command::new("umount")
                .args(args)
                .arg(&self.at)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        };
        let _ = quiet(&[]) || quiet(&["-l"]);
    }
}

/// A writer whose lines are read as they come.
struct Writer {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    said: Vec<String>,
}

impl Writer {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the writer starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        Self { child, lines, said: Vec::new() }
    }

    /// Reads until `count` more lines are there, or the writer ends.
    fn hear(&mut self, count: usize) {
        self.said.extend(self.lines.by_ref().take(count).map(|line| line.expect("a line")));
    }

    /// Stops it where it stands, every thread of it: nothing runs on a machine that has no power. Without this the
    /// writer would go on for a while on a disk that is gone, and do what no machine ever did.
    fn freeze(&self) {
        let pid = self.child.id();
        let _ = Command::new("kill").args(["-STOP", &pid.to_string()]).status();
        let stopped = |task: &Path| {
            let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            state.is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
        };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let tasks = fs::read_dir(format!("/proc/{pid}/task"));
            if tasks.into_iter().flatten().flatten().all(|task| stopped(&task.path())) {
                return;
            }
            std::hint::spin_loop();
        }
        panic!("the writer does not stop");
    }

    /// Ends it and gives every line that it said.
    fn end(mut self) -> Vec<String> {
        let _ = self.child.kill();
        self.said.extend(self.lines.by_ref().map_while(Result::ok));
        self.child.wait().expect("a status");
        self.said
    }
}

/// Lets a part of a commit pass, so that losses come at any moment of it.
fn drift(random: &mut Seeded) {
    let (begun, until) = (Instant::now(), Duration::from_micros(random.below(4000) as u64));
    while begun.elapsed() < until {
        std::hint::spin_loop();
    }
}

fn found(lines: &[String]) -> Vec<Ack> {
    lines.iter().flat_map(|line| acks(&format!("{line}\n"))).collect()
}

/// One process with many commits, until the power goes.
fn import(site: &Site, disk: &Disk, random: &mut Seeded) -> Vec<Ack> {
    let hosts = site.home.path("hosts").display().to_string();
    let mut writer = Writer::start(site.command(&["import", "known-hosts", &hosts]));
    writer.hear(1 + random.below(40));
    drift(random);
    writer.freeze();
    disk.lose();
    found(&writer.end())
}

/// Many processes with one commit each, until the power goes.
fn one_by_one(site: &Site, disk: &Disk, random: &mut Seeded, round: usize) -> Vec<Ack> {
    let mut acked = Vec::new();
    for number in 0..random.below(5) {
        acked.extend(acks(&site.must(&["do", "scope.create", "--id", &format!("s{round}-{number}")]).stdout));
    }
    let writer = Writer::start(site.command(&["do", "scope.create", "--id", &format!("s{round}-last")]));
    drift(random);
    drift(random);
    writer.freeze();
    disk.lose();
    acked.extend(found(&writer.end()));
    acked
}

fn begun(test: &str) -> Option<(Site, Disk)> {
    let site = Site::with_disk();
    let disk = Disk::make(&site, test)?;
    fs::write(site.home.path("hosts"), known_hosts(0, 3000)).expect("written");
    site.must(&["init", "--name", "power.example", "--no-token", "--stage", "test"]);
    Some((site, disk))
}

#[test]
fn a_power_loss_takes_nothing_that_was_acknowledged() {
    let (ledgers, rounds) = if full() { (5, 40) } else { (1, 24) };
    let mut random = Seeded::new(6);
    let (mut losses, mut acked) = (0, 0);
    for ledger in 0..ledgers {
        let Some((mut site, disk)) = begun("power loss") else { return };
        for round in 0..rounds {
            let found = match round % 2 {
                0 => import(&site, &disk, &mut random),
                _ => one_by_one(&site, &disk, &mut random, round),
            };
            acked += found.len();
            site.acks.extend(found);
            disk.restore();
            let context = format!("ledger {ledger}, power loss {round}");
            site.act(&["do", "scope.create", "--id", &format!("after-{round}")]);
            site.check(&context);
            crate::model::accept(&site.trace(), &context);
            losses += 1;
        }
        assert!(site.entries().len() >= site.acks.len());
    }
    say(&format!("power: {losses} losses, {acked} acknowledged entries, none lost"));
    assert!(losses >= 20 && acked > losses * 3, "{losses} losses, {acked} acknowledged");
}

#[test]
fn a_power_loss_between_any_two_steps_keeps_every_promise() {
    let Some((mut site, disk)) = begun("power loss at named points") else { return };
    for point in Point::ALL {
        let end = |at: Point, passes: u64| {
            let hosts = site.home.path("hosts").display().to_string();
            let mut command = site.command(&["import", "known-hosts", &hosts]);
            command.env("CHANCERY_TEST_CRASH", format!("{}:{passes}", at.as_str()));
            let ended = ran(finish(command));
            assert_eq!(ended.code, -1, "{} was not reached: {}", at.as_str(), ended.stderr);
            acks(&ended.stdout)
        };
        let mut found = Vec::new();
        if *point == Point::AfterRecoverySign {
            found = end(Point::AfterCommit, 1);
        }
        found.extend(end(*point, if *point == Point::AfterRecoverySign { 0 } else { 2 }));
        disk.lose();
        disk.restore();
        site.acks.extend(found);
        site.act(&["do", "scope.create", "--id", &point.as_str().replace('_', "-")]);
        site.check(&format!("power lost {}", point.as_str()));
        crate::model::accept(&site.trace(), point.as_str());
    }
}

#[test]
fn a_ledger_that_was_just_created_survives_a_power_loss() {
    let Some((mut site, disk)) = begun("power loss after init") else { return };
    disk.lose();
    disk.restore();
    site.act(&["do", "scope.create", "--id", "acme"]);
    site.check("power lost after init");
}

/// Rows that a writer which does not sync loses at one power loss, of those that it acknowledged.
fn careless(synchronous: &str, random: &mut Seeded) -> Option<(u64, u64)> {
    let site = Site::with_disk();
    let disk = Disk::make(&site, "control of power loss")?;
    let store = disk.at.join("careless.db");
    let mut command = Command::new("python3");
    command.args(["-c", CARELESS]).arg(&store).arg(synchronous);
    let mut writer = Writer::start(command);
    writer.hear(200 + random.below(200));
    disk.lose();
    let said = writer.end();
    let acked = said.iter().filter_map(|line| line.parse::<u64>().ok()).max().expect("a row") + 1;
    disk.restore();
    let there = rows(&store);
    Some((acked, acked.saturating_sub(there)))
}

fn rows(store: &Path) -> u64 {
    let Ok(conn) = rusqlite::Connection::open(store) else { return 0 };
    conn.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0)).unwrap_or(0).cast_unsigned()
}

#[test]
fn a_writer_that_does_not_sync_loses_or_this_test_is_worth_nothing() {
    let mut random = Seeded::new(7);
    for run in 0..3 {
        let Some((acked, lost)) = careless("OFF", &mut random) else { return };
        say(&format!("power: control without sync: {lost} of {acked} acknowledged rows lost"));
        assert!(lost > 0, "run {run}: nothing was lost of {acked}: is the power lost at all?");
    }
}
