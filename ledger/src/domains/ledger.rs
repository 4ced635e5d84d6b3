//! What is this ledger? Its genesis, its snapshots, its clock. SPEC 10.1.
//!
//! ```text
//! (nothing) --opened--> open          open --snapshotted, clock_confirmed--> open
//! ```
//!
//! 1. Entry 0 is `ledger.opened`, and no other entry is.
//! 2. What it sets never changes in an epoch.

use super::spec::{ActionSpec, Field, Flow, Risk, Shape, Subject};
use super::{Asked, Draft, Meta, Refusal, World};
use crate::format::hash::Digest;
use crate::format::ids::PrincipalId;
use crate::format::key::PublicKey;
use crate::format::limits;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Record the digest of a snapshot.
    Snapshot {
        /// Entries folded.
        at: u64,
        /// Digest of the snapshot.
        digest: Digest,
        /// Version of its layout.
        version: u64,
    },
    /// Confirm the wall clock after a jump.
    ConfirmClock {},
}

/// Stored for ever: names and fields are added to, never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The ledger begins.
    Opened(Box<Settings>),
    /// The world at a position has this digest.
    Snapshotted {
        /// Entries folded.
        at: u64,
        /// Digest of the snapshot.
        digest: Digest,
        /// Version of its layout.
        version: u64,
    },
    /// The operator confirmed the wall clock.
    ClockConfirmed {
        /// What it showed.
        wall: i64,
    },
}

/// What `ledger.opened` sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The first administrator.
    pub administrator: Option<Administrator>,
    /// How strictly each kind of principal must sign its requests.
    pub attest: Attest,
    /// Where signatures stand.
    pub form: Form,
    /// Limits that verification uses.
    pub limits: Limits,
    /// Longest time without an entry that is promised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_silence_ms: Option<i64>,
    /// Name of the log without its epoch.
    pub name: String,
    /// Version of the gate's rule table.
    pub rules: u64,
    /// Stage, fixed for ever.
    pub stage: Stage,
    /// The system's author key, when every entry is signed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub system_key: Option<PublicKey>,
    /// The log's verifier key.
    pub vkey: String,
}

/// The first administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administrator {
    /// Its id.
    pub id: PrincipalId,
    /// Its key, of use `request`.
    pub public: PublicKey,
}

/// How strictly requests must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Unsigned requests pass.
    Observe,
    /// Unsigned requests pass with a warning.
    Warn,
    /// Unsigned requests are denied.
    Enforce,
}

/// Attestation levels by kind of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// Of agents.
    pub agent: Level,
    /// Of humans.
    pub human: Level,
    /// Of services.
    pub service: Level,
    /// Of workers.
    pub worker: Level,
}

/// Where signatures stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Over the head of each commit.
    Heads,
    /// Over the head of each commit and in every entry.
    Entries,
}

/// Stage of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// For trying things out; test switches are honoured.
    Test,
    /// For hosted use by trusted testers.
    Staging,
}

impl Stage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Staging => "staging",
        }
    }
}

/// Limits that verification uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Positions that an entry may cite.
    pub cause: u64,
    /// Levels of a document.
    pub depth: u64,
    /// Bytes of a leaf.
    pub leaf: u64,
    /// Bytes of a private part.
    pub private: u64,
}

impl Limits {
    /// The limits of this build.
    pub const OURS: Self = Self {
        cause: limits::CAUSE as u64,
        depth: limits::DEPTH as u64,
        leaf: limits::LEAF as u64,
        private: limits::PART as u64,
    };
}

impl Settings {
    pub(super) const NONE: Self = Self {
        administrator: None,
        attest: Attest {
            agent: Level::Enforce,
            human: Level::Observe,
            service: Level::Observe,
            worker: Level::Observe,
        },
        form: Form::Heads,
        limits: Limits::OURS,
        max_silence_ms: None,
        name: String::new(),
        rules: 1,
        stage: Stage::Test,
        system_key: None,
        vkey: String::new(),
    };
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        id: "ledger.snapshot",
        entity: "ledger",
        subject: Subject::Ledger,
        risk: Risk::Low,
        flow: Flow::Raises,
        help: "Record the digest of the world at a position; the system's own.",
        fields: &[
            Field {
                name: "at",
                shape: Shape::Int(0, limits::INT_MAX),
                required: true,
                help: "entries folded",
            },
            Field { name: "digest", shape: Shape::Digest, required: true, help: "digest of the snapshot" },
            Field { name: "version", shape: Shape::Int(1, 1000), required: true, help: "layout version" },
        ],
    },
    ActionSpec {
        id: "ledger.confirm_clock",
        entity: "ledger",
        subject: Subject::Ledger,
        risk: Risk::Low,
        flow: Flow::Reduces,
        help: "Confirm the wall clock after a jump, so that appending goes on.",
        fields: &[],
    },
];

pub(super) fn evolve(world: &mut World, meta: &Meta<'_>, event: &Event) {
    match event {
        Event::Opened(settings) => opened(world, settings),
        // Ledger time waits for a clock that was set back: so long must a start not take it for suspect.
        Event::ClockConfirmed { wall } => world.behind = meta.time.saturating_sub(*wall).max(0),
        Event::Snapshotted { .. } => {}
    }
}

fn opened(world: &mut World, settings: &Settings) {
    assert!(world.settings.is_none(), "a ledger is opened once");
    if let Some(administrator) = &settings.administrator {
        super::principal::found(world, &administrator.id);
        super::key::found(world, administrator.id.as_str(), administrator.public, super::key::Use::Request);
    }
    if let Some(public) = settings.system_key {
        super::key::found(world, super::principal::SYSTEM, public, super::key::Use::Entry);
    }
    world.settings = Some(settings.clone());
}

pub(super) fn decide(action: &Action, asked: &Asked<'_>) -> Result<Vec<Draft>, Refusal> {
    let event = match action {
        Action::Snapshot { at, digest, version } => {
            Event::Snapshotted { at: *at, digest: *digest, version: *version }
        }
        Action::ConfirmClock {} => Event::ClockConfirmed { wall: asked.wall },
    };
    Ok(vec![Draft {
        entity_kind: "ledger",
        entity_id: asked.id.to_owned(),
        event: super::Event::Ledger(event),
        private: None,
        cause: Vec::new(),
    }])
}
