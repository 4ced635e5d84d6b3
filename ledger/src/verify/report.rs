//! What is an auditor told? The verdict, what was found where, and each dimension by itself. SPEC 14.3.

use super::pin::Pin;
use super::recompute::Decisions;
use super::walk::{Stop, Walk};
use super::{Finding, FindingCode, Verdict};
use serde::Serialize;

/// The outcome of a verification.
#[derive(Debug)]
pub struct Report {
    /// What the bytes are found to be.
    pub verdict: Verdict,
    /// What led to it, when something is wrong.
    pub finding: Option<Finding>,
    /// First position that was looked at.
    pub from: u64,
    /// Position after the last.
    pub size: u64,
    /// Entries that were looked at.
    pub entries: u64,
    /// Entries under a log signature that verified.
    pub signed: u64,
    /// Entries whose author's signature verified.
    pub attested: u64,
    /// Author signatures whose key was enrolled before the first position.
    pub unchecked: u64,
    /// Log signatures that verified.
    pub heads: u64,
    /// How many answers were decided again, when that was asked for.
    pub decisions: Option<Decisions>,
    /// Each dimension by itself.
    pub dimensions: Dimensions,
    /// Where an authentic verification ended: the next one goes on from there.
    pub pin: Option<Pin>,
}

/// Each dimension in a few words: `ok`, or what is wrong or was not looked at.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Dimensions {
    /// Whether each entry names the one before.
    pub chain: String,
    /// Whether the recomputed root is the signed one.
    pub tree: String,
    /// Whether the log key signed.
    pub heads: String,
    /// Whether authors signed.
    pub authors: String,
    /// Whether private parts fit their commitments.
    pub parts: String,
    /// Whether what a live store keeps beside the leaves can be derived from them.
    pub columns: String,
    /// Whether positions, counts, causes and times are in order.
    pub order: String,
    /// Whether each answer is what the rules give.
    pub decisions: String,
    /// The longest time without an entry.
    pub silence: String,
}

/// How the bytes ended, when nothing was found in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// Before their own header, checkpoint or trailer says.
    Early(&'static str),
    /// A live ledger behind its anchor, which names so many entries.
    BehindAnchor(u64),
    /// Nothing was read: the pinned key is another log's.
    OtherLog,
}

/// What the report has to say beside the walk.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    pub(super) parts: bool,
    pub(super) columns: Option<String>,
    /// A trusted head lies before the first position, so nothing links the two.
    pub(super) unlinked: bool,
    /// A live ledger has no anchor that can be compared.
    pub(super) no_anchor: bool,
}

impl Report {
    pub(super) fn new(walk: &Walk, stop: Option<Stop>, ending: Ending, beside: Beside) -> Self {
        let (verdict, finding) = judge(walk, stop, ending, &beside);
        let authentic = verdict == Verdict::Authentic;
        Self {
            dimensions: dimensions(walk, finding.as_ref(), &beside),
            verdict,
            finding,
            from: walk.from,
            size: walk.position,
            entries: walk.position - walk.from,
            signed: if walk.any_good { walk.good - walk.from } else { 0 },
            attested: walk.attested,
            unchecked: walk.unchecked,
            heads: walk.heads,
            decisions: walk.recompute.as_ref().map(|recompute| recompute.counts),
            pin: if authentic { Pin::at(walk) } else { None },
        }
    }

    /// The verdict in sentences.
    pub fn explain(&self) -> Vec<String> {
        let mut lines = vec![match self.verdict {
            Verdict::Forked => "Two signed heads contradict each other: the log showed two histories.".to_owned(),
            Verdict::Tampered if self.finding.as_ref().is_some_and(|f| f.code == FindingCode::DecisionMismatch) => {
                "Everything is as signed, but a recorded answer is not what the rules give: whoever holds the log key edited it, \
                 or broke the rules."
                    .to_owned()
            }
            Verdict::Tampered => "The bytes contradict each other or a signed head: something was changed.".to_owned(),
            Verdict::Truncated => "The bytes end before they say they do: entries are missing at the end.".to_owned(),
            Verdict::RolledBack => "The ledger is older than its own anchor: an older copy was put back.".to_owned(),
            Verdict::Suspect => "Everything is as signed, but a key that signed was later suspected.".to_owned(),
            Verdict::Stale => "Everything is as signed, but you know of a newer head.".to_owned(),
            Verdict::Unverifiable => "Nothing contradicts, but not everything could be checked that you asked for, or is under a signature that you trust.".to_owned(),
            Verdict::IntegrityOnly => {
                "Nothing contradicts, but without a pinned key nobody can say who made it: use --pin or --key."
                    .to_owned()
            }
            Verdict::Authentic => "Everything is what the pinned log key signed.".to_owned(),
        }];
        if let Some(finding) = &self.finding {
            lines.push(match finding.span {
                Some((first, last)) if first == last => {
                    format!("At entry {first}: {} ({}).", finding.message, finding.code.as_str())
                }
                Some((first, last)) => {
                    format!(
                        "Between entries {first} and {last}: {} ({}).",
                        finding.message,
                        finding.code.as_str()
                    )
                }
                None => format!("{} ({}).", capitalise(&finding.message), finding.code.as_str()),
            });
        }
        lines.push(format!(
            "{} entries, {} under a log signature, {} signed by their author.",
            self.entries, self.signed, self.attested
        ));
        if let Some(decisions) = self.decisions {
            lines.push(format!(
                "{} decisions recomputed; {} could not be: {} without their arguments, {} without what came before.",
                decisions.recomputed,
                decisions.left_out(),
                decisions.without_arguments,
                decisions.without_past
            ));
        }
        lines
    }
}

fn capitalise(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

fn judge(walk: &Walk, stop: Option<Stop>, ending: Ending, beside: &Beside) -> (Verdict, Option<Finding>) {
    let nowhere = |code, text: String| Some(Finding::nowhere(code, text));
    match stop {
        Some(Stop::Forked(finding)) => return (Verdict::Forked, Some(finding)),
        Some(Stop::Finding(finding)) => return (Verdict::Tampered, Some(finding)),
        None => {}
    }
    if let Some(size) = walk.contradicted {
        let text = format!("the trusted head of {size} entries is not of these bytes");
        let last = size.checked_sub(1);
        let finding = Finding::between(FindingCode::HeadContradicted, walk.good, last, text);
        return (Verdict::Tampered, Some(finding));
    }
    if let Some(finding) = walk.recompute.as_ref().and_then(|recompute| recompute.finding.clone()) {
        return (Verdict::Tampered, Some(finding));
    }
    match ending {
        Ending::Early(what) => return (Verdict::Truncated, nowhere(FindingCode::FileEnds, what.to_owned())),
        Ending::BehindAnchor(size) => {
            let text = format!("the anchor holds a head of {size} entries, the store has {}", walk.position);
            return (Verdict::RolledBack, nowhere(FindingCode::FileEnds, text));
        }
        Ending::OtherLog => {
            let text = "the pinned key is another log's".to_owned();
            return (Verdict::Unverifiable, nowhere(FindingCode::OtherLog, text));
        }
        Ending::Whole => {}
    }
    if let Some((first, last)) = walk.suspect() {
        let message = "entries are signed by a key that is suspected from there on".to_owned();
        return (
            Verdict::Suspect,
            Some(Finding { code: FindingCode::AuthorKey, span: Some((first, last)), message }),
        );
    }
    if walk.beyond().is_some() {
        return (Verdict::Stale, None);
    }
    let unsigned = walk.key.is_some() && !(walk.any_good && walk.good == walk.position);
    let left_out = walk.recompute.as_ref().map_or(0, |recompute| recompute.counts.left_out());
    if unsigned || left_out > 0 || walk.unchecked > 0 || beside.unlinked || beside.no_anchor {
        return (Verdict::Unverifiable, None);
    }
    if walk.key.is_none() { (Verdict::IntegrityOnly, None) } else { (Verdict::Authentic, None) }
}

fn dimensions(walk: &Walk, finding: Option<&Finding>, beside: &Beside) -> Dimensions {
    use FindingCode as F;
    let bad = |codes: &[F]| {
        finding.map(|f| f.code).filter(|code| codes.contains(code)).map(|c| c.as_str().to_owned())
    };
    let ok = |codes: &[F], otherwise: String| bad(codes).unwrap_or(otherwise);
    let heads = match &walk.key {
        None => "not checked: no key is pinned".to_owned(),
        Some(_) => format!("ok: {} verified", walk.heads),
    };
    let parts = if beside.parts { "ok" } else { "not in these bytes" };
    let authors = match walk.unchecked {
        0 => format!("ok: {} verified", walk.attested),
        n => format!("{n} not checked: their keys were enrolled earlier"),
    };
    let decisions = match walk.recompute.as_ref().map(|recompute| recompute.counts) {
        None => "not asked for".to_owned(),
        Some(d) if d.without_past > 0 => {
            format!("{} not recomputed: the range has no beginning", d.without_past)
        }
        Some(d) if d.without_arguments > 0 => {
            format!("{} not recomputed: their arguments are not in these bytes", d.without_arguments)
        }
        Some(d) => format!("ok: {} recomputed", d.recomputed),
    };
    let silence = match walk.max_silence_ms {
        Some(promised) if i64::try_from(promised).is_ok_and(|p| walk.longest_silence > p) => {
            format!("{} ms without an entry, {promised} ms were promised", walk.longest_silence)
        }
        _ => format!("ok: at most {} ms without an entry", walk.longest_silence),
    };
    Dimensions {
        chain: ok(&[F::PrevMismatch, F::LineInvalid, F::LeafInvalid], "ok".to_owned()),
        tree: ok(&[F::RootMismatch, F::HeadContradicted], "ok".to_owned()),
        heads: ok(&[F::HeadSignature, F::HeadMisplaced, F::CheckpointInvalid, F::CheckpointMisplaced], heads),
        authors: ok(&[F::AuthorKey, F::AuthorMissing, F::AuthorSeq, F::AuthorSignature], authors),
        parts: ok(&[F::PartMissing, F::PartMismatch, F::PartUnexpected], parts.to_owned()),
        columns: beside.columns.clone().unwrap_or_else(|| "not in these bytes".to_owned()),
        order: ok(
            &[
                F::PositionMismatch,
                F::TimeBackwards,
                F::CountMismatch,
                F::CauseInvalid,
                F::GenesisInvalid,
                F::LogMismatch,
            ],
            "ok".to_owned(),
        ),
        decisions: ok(&[F::DecisionMismatch], decisions),
        silence,
    }
}
