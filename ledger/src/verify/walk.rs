//! Do the entries follow each other, and do the heads stand over them? One state, one entry or head at a time,
//! in order; the first thing that is wrong ends it. SPEC 14.1 steps 2 to 5.

use super::authors::{Authors, Signer, Use};
use super::prepare::{Prepared, Signed};
use super::recompute::Recompute;
use super::{Finding, FindingCode, Trust};
use crate::format::checkpoint::{Checkpoint, Note, Signed as NoteSigned};
use crate::format::hash::Digest;
use crate::format::ids::{KeyId, Origin};
use crate::format::key::{LogVerifier, PublicKey};
use crate::format::tree::{Frontier, Hash};
use std::collections::BTreeMap;

/// Why the walk ends before the bytes do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Something is wrong.
    Finding(Finding),
    /// A signed head stands over bytes that contradict another.
    Forked(Finding),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Finding(finding)
    }
}

/// An author's signature that is still to be checked.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) position: u64,
    pub(super) public: PublicKey,
    pub(super) purpose: Use,
    pub(super) leaf: Vec<u8>,
}

/// The state of a verification.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) origin: Origin,
    pub(super) key: Option<LogVerifier>,
    pub(super) from: u64,
    /// First position of which what is said here is known: `from`, or 0 when it went on from a pin's state.
    pub(super) since: u64,
    pub(super) position: u64,
    pub(super) address: Option<Digest>,
    pub(super) time: i64,
    pub(super) counts: BTreeMap<Box<str>, u64>,
    /// Set when counts of earlier entries are not known: the first of each scope is taken as found.
    pub(super) open_counts: bool,
    pub(super) authors: Authors,
    pub(super) frontier: Frontier,
    /// Size of the last head that verified under the pinned key.
    pub(super) good: u64,
    /// Whether a head did.
    pub(super) any_good: bool,
    /// Trusted heads, ascending by size, that the walk has not come to.
    trusted: Vec<(u64, Hash)>,
    /// Smallest size at which a trusted head differs from the bytes.
    pub(super) contradicted: Option<u64>,
    last_head: u64,
    pub(super) heads: u64,
    pub(super) attested: u64,
    pub(super) unchecked: u64,
    pub(super) max_silence_ms: Option<u64>,
    pub(super) longest_silence: i64,
    /// Last position signed by each key, which may still be suspected later.
    pub(super) signed_by: BTreeMap<KeyId, u64>,
    pub(super) jobs: Vec<Job>,
    /// Decides every answer again, where that is asked for.
    pub(super) recompute: Option<Box<Recompute>>,
}

impl Walk {
    /// A walk that starts at the frontier of what came before.
    pub(super) fn new(origin: Origin, frontier: Frontier, trust: &Trust) -> Self {
        let from = frontier.size();
        let mut trusted = trust.heads.clone();
        trusted.extend(trust.pin.as_ref().map(|pin| (pin.size, pin.root)));
        trusted.sort_unstable_by_key(|head| std::cmp::Reverse(head.0));
        let mut walk = Self {
            origin,
            key: trust.key.clone(),
            from,
            since: from,
            position: from,
            address: (from == 0).then_some(Digest::ZERO),
            time: 0,
            counts: BTreeMap::new(),
            open_counts: from > 0,
            authors: Authors { partial: from > 0, ..Authors::default() },
            frontier,
            good: from,
            any_good: false,
            trusted,
            contradicted: None,
            last_head: from,
            heads: 0,
            attested: 0,
            unchecked: 0,
            max_silence_ms: None,
            longest_silence: 0,
            signed_by: BTreeMap::new(),
            jobs: Vec::new(),
            recompute: None,
        };
        while walk.trusted.last().is_some_and(|head| head.0 < from) {
            walk.trusted.pop();
        }
        walk.compare_trusted();
        walk
    }

    /// Largest size among the trusted heads that the walk has not come to.
    pub(super) fn beyond(&self) -> Option<u64> {
        self.trusted.first().map(|head| head.0)
    }

    fn compare_trusted(&mut self) {
        while let Some((size, root)) = self.trusted.last().copied().filter(|head| head.0 == self.position) {
            self.trusted.pop();
            if self.frontier.root() != root {
                self.contradicted = self.contradicted.or(Some(size));
            }
        }
    }

    /// Takes the next entry.
    pub(super) fn entry(&mut self, entry: &mut Prepared) -> Result<(), Finding> {
        self.check_order(entry)?;
        if let Some(code) = entry.parts {
            return Err(Finding::at(code, self.position, "a private part does not fit its commitment"));
        }
        if let Some(super::authors::KeyEvent::Opened(opened)) = &entry.event {
            if !opened.fits(&self.origin) {
                let text = "`ledger.opened` names another ledger";
                return Err(Finding::at(FindingCode::GenesisInvalid, self.position, text));
            }
            self.authors.open(opened);
            self.max_silence_ms = opened.max_silence_ms;
        }
        match entry.signed.take() {
            Some(signed) => self.check_author(*signed, entry.has_by)?,
            None if self.authors.attest_all => {
                let text = "every entry of this ledger is signed, this one is not";
                return Err(Finding::at(FindingCode::AuthorMissing, self.position, text));
            }
            None => {}
        }
        if let Some(event) = &entry.event
            && !self.authors.follow(self.position, event)
        {
            let text = "a key is enrolled a second time";
            return Err(Finding::at(FindingCode::LeafInvalid, self.position, text));
        }
        if self.position > self.since {
            self.longest_silence = self.longest_silence.max(entry.time - self.time);
        }
        self.address = Some(entry.address);
        self.time = entry.time;
        self.frontier.push(entry.hash);
        self.position += 1;
        self.compare_trusted();
        if let Some(recompute) = &mut self.recompute {
            recompute.take(entry.has_by, entry.recorded.take());
        }
        Ok(())
    }

    /// Says that the bytes end here, as they should; true when no decision differs.
    pub(super) fn end(&mut self) -> bool {
        self.recompute.as_mut().is_none_or(|recompute| recompute.end())
    }

    fn check_order(&mut self, entry: &Prepared) -> Result<(), Finding> {
        let p = self.position;
        let found = |code, text: String| Err(Finding::at(code, p, text));
        if !entry.log_fits {
            return found(FindingCode::LogMismatch, "the entry is of another log".to_owned());
        }
        if entry.position != p {
            return found(
                FindingCode::PositionMismatch,
                format!("position {}, expected {p}", entry.position),
            );
        }
        if self.address.is_some_and(|address| address != entry.prev) {
            let text = "`prev` is not the address of the entry before".to_owned();
            let first = p.saturating_sub(u64::from(p > 0));
            return Err(Finding { code: FindingCode::PrevMismatch, span: Some((first, p)), message: text });
        }
        if entry.time < self.time {
            return found(FindingCode::TimeBackwards, format!("time {} after {}", entry.time, self.time));
        }
        match self.counts.get_mut(&entry.counting) {
            Some(next) if *next == entry.n => *next += 1,
            Some(next) => {
                return found(FindingCode::CountMismatch, format!("`n` is {}, expected {next}", entry.n));
            }
            None if self.open_counts || entry.n == 0 => {
                self.counts.insert(entry.counting.clone(), entry.n + 1);
            }
            None => return found(FindingCode::CountMismatch, format!("`n` is {}, expected 0", entry.n)),
        }
        if !entry.cause_fits {
            let text = "`cause` does not ascend below the entry".to_owned();
            return found(FindingCode::CauseInvalid, text);
        }
        if entry.is_opened != (p == 0) {
            let text = "`ledger.opened` stands at position 0 and nowhere else".to_owned();
            return found(FindingCode::GenesisInvalid, text);
        }
        Ok(())
    }

    fn check_author(&mut self, signed: Signed, has_by: bool) -> Result<(), Finding> {
        let p = self.position;
        match self.authors.signer(p, signed.key, signed.seq, &signed.actor, has_by)? {
            Signer::Unchecked => self.unchecked += 1,
            Signer::Known { public, purpose } => {
                self.attested += 1;
                self.jobs.push(Job { position: p, public, purpose, leaf: signed.leaf });
            }
        }
        self.signed_by.insert(signed.key, p);
        Ok(())
    }

    /// From where on a key that signed is suspected, and the last position that such a key signed.
    pub(super) fn suspect(&self) -> Option<(u64, u64)> {
        let suspected = self.authors.suspected().filter_map(|(key, from)| {
            let last = self.signed_by.get(&key).filter(|last| from <= **last)?;
            Some((from.max(self.since), *last))
        });
        suspected.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    /// Takes a head in short form, of the size that the walk has come to.
    pub(super) fn head(&mut self, size: u64, sig: &[u8; 64]) -> Result<(), Stop> {
        if size != self.position || size <= self.last_head {
            let text = format!("a head of size {size} stands after {} entries", self.position);
            let last = self.position.checked_sub(1);
            let span = last.map(|last| (last, last));
            return Err(Finding { code: FindingCode::HeadMisplaced, span, message: text }.into());
        }
        self.last_head = size;
        let Some(key) = &self.key else { return Ok(()) };
        let text = self.here().text();
        if !key.key.verifies(text.as_bytes(), sig) {
            return Err(self
                .bad_head(
                    FindingCode::HeadSignature,
                    "a head is not signed by the pinned key over these entries",
                )
                .into());
        }
        self.good_head()
    }

    /// The head over what was walked.
    pub(super) fn here(&self) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: self.position, root: self.frontier.root() }
    }

    fn bad_head(&self, code: FindingCode, text: &str) -> Finding {
        Finding::between(code, self.good, self.position.checked_sub(1), text)
    }

    fn good_head(&mut self) -> Result<(), Stop> {
        if let Some(size) = self.contradicted {
            let text = format!(
                "a signed head of {} entries stands over these bytes, a trusted one of {size} does not",
                self.position
            );
            let last = size.checked_sub(1);
            return Err(Stop::Forked(Finding::between(FindingCode::HeadContradicted, self.good, last, text)));
        }
        self.good = self.position;
        self.any_good = true;
        self.heads += 1;
        Ok(())
    }

    /// Takes the newest head in full. True when it is larger than what there is.
    pub(super) fn checkpoint(&mut self, note: &Note) -> Result<bool, Stop> {
        let head = &note.checkpoint;
        if head.origin != self.origin {
            let text = "the checkpoint is of another log";
            return Err(Finding::nowhere(FindingCode::CheckpointInvalid, text).into());
        }
        if head.size < self.position {
            let text = format!("a checkpoint of {} stands after {} entries", head.size, self.position);
            return Err(Finding::nowhere(FindingCode::CheckpointMisplaced, text).into());
        }
        let signed = self.key.as_ref().map_or(NoteSigned::Unknown, |key| note.signed_by(key));
        if signed == NoteSigned::Invalid {
            let text = "the checkpoint's signature by the pinned key does not verify";
            return Err(self.bad_head(FindingCode::HeadSignature, text).into());
        }
        if head.size > self.position {
            return Ok(true);
        }
        if head.root != self.frontier.root() {
            let text = "the checkpoint's root is not that of these entries";
            return Err(self.bad_head(FindingCode::RootMismatch, text).into());
        }
        if signed == NoteSigned::Valid {
            self.good_head()?;
        }
        Ok(false)
    }
}
