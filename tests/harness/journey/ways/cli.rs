//! How is a step taken by the command line? A process of the real binary, one a step.

use super::super::checks::Said;
use super::super::parse::Thing;
use super::super::{Journey, Way};
use crate::harness::{Ran, ran, site};
use serde_json::{Value, json};
use std::process::Command;

impl Journey {
    fn command(&mut self, args: &[&str]) -> Command {
        let mut command = self.site.command(args);
        command.env("CHANCERY_TEST_CLOCK", self.site.path("clock")).env_remove("CHANCERY_TEST_TRACE");
        command.env_remove("CHANCERY_KEY_FILE");
        command
    }

    fn run(&mut self, command: Command) -> Ran {
        let ran = ran(site::finish(command));
        self.printed.extend([ran.stdout.clone(), ran.stderr.clone()]);
        ran
    }

    /// Runs the binary on the directory: one process holds the ledger, so nobody else may.
    pub(in super::super) fn binary(&mut self, args: &[&str]) -> Ran {
        self.release();
        let command = self.command(args);
        self.run(command)
    }

    /// Runs the binary on the server.
    pub(in super::super) fn binary_afar(&mut self, args: &[&str], token: &str) -> Ran {
        let url = self.server().url();
        let mut command = self.command(args);
        command.env_remove("CHANCERY_DIR").env("CHANCERY_URL", url).env("CHANCERY_TOKEN", token);
        self.run(command)
    }

    /// The object that a command prints.
    pub(in super::super) fn printed_by(&mut self, args: &[&str]) -> Value {
        let ran = self.binary(args);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{args:?}: {}{}", ran.stdout, ran.stderr))
    }

    /// What somebody does with the binary.
    pub(in super::super) fn client(&mut self, who: &str, words: &[&str]) -> Said {
        let (mut args, key) = (words.to_vec(), self.key(who));
        if who != "-" {
            args.extend(["--key-file", &key]);
        }
        said(&self.binary(&args))
    }

    /// What the command line shows of a thing to whoever reads the files; it has no word for the questions of a role.
    pub(super) fn looked_by_command(&mut self, thing: &Thing) -> Option<Value> {
        assert_eq!(self.way, Way::Cli);
        let about = |kind: &str, id: &str| format!("{kind} {id}");
        let (mut words, single): (Vec<String>, bool) = match thing.parts()[..] {
            ["queues"] => (vec!["queue".into()], false),
            ["queues", queue] => (vec!["queue".into(), queue.into()], false),
            ["views", view] => (vec!["view".into(), view.into()], false),
            ["transcripts", job] => (vec!["transcript".into(), job.into()], false),
            ["entities", kind, id] | ["entities", kind, id, "status"] => {
                (vec!["view".into(), "entities".into(), "--about".into(), about(kind, id)], true)
            }
            ["entities", kind, id, "timeline"] => {
                (vec!["view".into(), "timeline".into(), "--about".into(), about(kind, id)], false)
            }
            _ => return None,
        };
        words.extend(["--now".to_owned(), self.clock.to_string()]);
        for (name, value) in &thing.query {
            words.extend([format!("--{}", name.replace('_', "-")), value.clone()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let page = self.printed_by(&words);
        Some(if single { json!({ "as_of": page["as_of"], "item": page["items"][0] }) } else { page })
    }
}

/// What a run of the binary said.
pub fn said(ran: &Ran) -> Said {
    let first = ran.stdout.lines().next().unwrap_or("{}");
    let object = serde_json::from_str(first).unwrap_or_default();
    Said { exit: ran.code, object, printed: format!("{}{}", ran.stdout, ran.stderr) }
}
