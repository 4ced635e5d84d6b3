//! Is the order of commit, sign, anchor, answer right, and does the writer keep to it?
//!
//! An explicit-state model is searched to the end within small bounds; wrong orders must be caught by it; and what the
//! writer wrote down of its steps, in ordinary runs and in crashes, must be a path of the same model.

use crate::harness::Home;
use crate::harness::story::{Story, args, fingerprint};
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::{Answer, Tracer};
use stateright::{Checker, Model, Property};
use std::collections::{BTreeMap, BTreeSet};

/// Entries by the label of the batch that brought them: a log, or the content under a head.
type Log = Vec<u16>;

/// In which order the writer works; all but `Right` are mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Right,
    AnswerBeforeCommit,
    AnswerBeforeAnchor,
    AnchorBeforeCommit,
    SignBeforeCommit,
    TrustAFailedCommit,
    RecoverWithoutAnchor,
}

/// The writer between two steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    Down,
    Refused,
    Idle,
    Sealed,
    Committed,
    Signed,
    Anchored,
    /// A commit failed; nobody knows whether it is durable.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// What is durable in the store.
    disk: Log,
    /// What stands under the head in the anchor.
    anchor: Log,
    /// What the writer believes, with the batch that it works on.
    view: Log,
    phase: Phase,
    /// Whether somebody waits for the batch: nobody does for a tail that is signed at start.
    asked: bool,
    signed: BTreeSet<Log>,
    acknowledged: Log,
    labels: u16,
    crashes: u8,
    ghost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    Seal(u16),
    Commit,
    /// The commit returns an error and is durable or not.
    FailCommit(bool),
    Sign,
    Anchor,
    Answer,
    /// The process ends; what was under way at that moment is durable or not.
    Crash(bool),
    Start,
}

struct Writer {
    order: Order,
    batch: u16,
    entries: usize,
    crashes: u8,
}

fn leads(prefix: &Log, log: &Log) -> bool {
    !log.starts_with(prefix)
}

impl Writer {
    /// No bounds but those of the writer itself: for the steps that it wrote down.
    fn unbounded() -> Self {
        Self { order: Order::Right, batch: 2048, entries: usize::MAX, crashes: u8::MAX }
    }

    fn crash(&self, state: &State, durable: bool) -> Option<State> {
        let mut next = State { phase: Phase::Down, view: Vec::new(), asked: false, ..state.clone() };
        next.crashes = state.crashes.saturating_add(1);
        match state.phase {
            Phase::Down | Phase::Refused => return None,
            Phase::Sealed if durable => {
                next.disk.clone_from(&state.view);
                next.ghost = true;
            }
            Phase::Signed if durable => next.anchor.clone_from(&state.view),
            _ if durable => return None,
            _ => {}
        }
        Some(next)
    }

    fn start(&self, state: &State) -> State {
        let mut next = State { view: state.disk.clone(), phase: Phase::Idle, ..state.clone() };
        if leads(&state.anchor, &state.disk) {
            next.phase = Phase::Refused;
        } else if state.anchor.len() < state.disk.len() && self.order != Order::RecoverWithoutAnchor {
            next.phase = Phase::Committed;
        } else if state.anchor.len() < state.disk.len() {
            next.signed.insert(state.disk.clone());
        }
        next
    }

    /// The transition relation.
    fn step(&self, state: &State, action: Action) -> Option<State> {
        use Phase::{Anchored, Committed, Down, Failed, Idle, Sealed, Signed};
        let mut next = state.clone();
        match (action, &state.phase) {
            (Action::Seal(n), Idle) if (1..=self.batch).contains(&n) => {
                next.view.extend(std::iter::repeat_n(state.labels, usize::from(n)));
                next.labels += 1;
                next.phase = Sealed;
                // Nobody asks for the opening entry: the ledger is there when its creation has returned.
                next.asked = state.labels > 0;
                match self.order {
                    Order::AnswerBeforeCommit => next.acknowledged.clone_from(&next.view),
                    Order::SignBeforeCommit => drop(next.signed.insert(next.view.clone())),
                    Order::AnchorBeforeCommit => next.anchor.clone_from(&next.view),
                    _ => {}
                }
            }
            (Action::Commit, Sealed) => {
                next.disk.clone_from(&state.view);
                next.phase = Committed;
            }
            (Action::FailCommit(durable), Sealed) => {
                if durable {
                    next.disk.clone_from(&state.view);
                    next.ghost = true;
                }
                next.phase = Failed;
                if self.order == Order::TrustAFailedCommit {
                    next.phase = Committed;
                }
            }
            (Action::Sign, Committed) => {
                next.signed.insert(state.view.clone());
                next.phase = Signed;
                if self.order == Order::AnswerBeforeAnchor && state.asked {
                    next.acknowledged.clone_from(&state.view);
                }
            }
            (Action::Anchor, Signed) => {
                next.anchor.clone_from(&state.view);
                next.phase = if state.asked { Anchored } else { Idle };
            }
            (Action::Answer, Anchored) => {
                next.acknowledged.clone_from(&state.view);
                next.phase = Idle;
                next.asked = false;
            }
            // A batch that left no entry: what it names is the head in the anchor.
            (Action::Answer, Idle)
                if state.anchor == state.view || self.order == Order::RecoverWithoutAnchor =>
            {
                next.acknowledged.clone_from(&state.view);
            }
            (Action::Crash(durable), _) => return self.crash(state, durable),
            (Action::Start, Down) => next = self.start(state),
            _ => return None,
        }
        Some(next)
    }

    fn begin() -> State {
        State {
            disk: Vec::new(),
            anchor: Vec::new(),
            view: Vec::new(),
            phase: Phase::Idle,
            asked: false,
            signed: BTreeSet::new(),
            acknowledged: Vec::new(),
            labels: 0,
            crashes: 0,
            ghost: false,
        }
    }
}

impl Model for Writer {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![Self::begin()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let room = self.entries.saturating_sub(state.view.len()).min(usize::from(self.batch));
        actions.extend((1..=u16::try_from(room).unwrap_or(0)).map(Action::Seal));
        actions.extend([Action::Commit, Action::Sign, Action::Anchor, Action::Answer, Action::Start]);
        if state.crashes < self.crashes {
            let ends = [false, true].into_iter();
            actions.extend(ends.flat_map(|durable| [Action::FailCommit(durable), Action::Crash(durable)]));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no size is signed twice with different content", |_, s: &State| {
                let sizes: BTreeSet<usize> = s.signed.iter().map(Vec::len).collect();
                sizes.len() == s.signed.len()
            }),
            Property::always("what is signed is durable", |_, s: &State| {
                s.signed.iter().all(|signed| !leads(signed, &s.disk))
            }),
            Property::always("what is acknowledged is durable", |_, s: &State| {
                !leads(&s.acknowledged, &s.disk)
            }),
            Property::always("the anchor never leads the store", |_, s: &State| !leads(&s.anchor, &s.disk)),
            Property::always("the anchor never lags an acknowledged head", |_, s: &State| {
                !leads(&s.acknowledged, &s.anchor)
            }),
            Property::always("a crash never ends in a refusal", |_, s: &State| s.phase != Phase::Refused),
            Property::sometimes("a ghost is signed", |_, s: &State| s.ghost && s.signed.contains(&s.disk)),
            Property::sometimes("a batch is lost that nobody was told of", |_, s: &State| {
                s.labels > 1 && s.disk.is_empty() && s.phase == Phase::Idle
            }),
            Property::sometimes("a start finds a tail that is not signed", |_, s: &State| {
                s.phase == Phase::Committed && !s.asked && !s.signed.contains(&s.disk)
            }),
            Property::sometimes("after three crashes everything is acknowledged", |model, s: &State| {
                s.crashes == model.crashes && s.acknowledged.len() == model.entries
            }),
        ]
    }
}

fn bounded(order: Order) -> Writer {
    Writer { order, batch: 2, entries: 4, crashes: 3 }
}

#[test]
fn the_order_of_the_writer_keeps_every_promise() {
    let checker = bounded(Order::Right).checker().threads(2).spawn_bfs().join();
    crate::harness::site::say(&format!("model: {} states, all of them", checker.unique_state_count()));
    assert!(checker.is_done());
    assert!(checker.unique_state_count() > 500, "{} states", checker.unique_state_count());
    checker.assert_properties();
}

#[test]
fn every_other_order_breaks_a_promise() {
    for (order, broken) in [
        (Order::AnswerBeforeCommit, "what is acknowledged is durable"),
        (Order::AnswerBeforeAnchor, "the anchor never lags an acknowledged head"),
        (Order::AnchorBeforeCommit, "the anchor never leads the store"),
        (Order::SignBeforeCommit, "no size is signed twice with different content"),
        (Order::TrustAFailedCommit, "no size is signed twice with different content"),
        (Order::RecoverWithoutAnchor, "the anchor never lags an acknowledged head"),
    ] {
        let checker = bounded(order).checker().spawn_bfs().join();
        assert!(checker.discovery(broken).is_some(), "{order:?} does not break: {broken}");
    }
}

/// A state, with the root that each signed content was seen to have.
type Seen = (State, BTreeMap<usize, String>);

/// States after one step that was written down.
fn after(model: &Writer, (state, roots): &Seen, words: &[&str]) -> Vec<Seen> {
    let number = |text: &str| text.parse::<usize>().ok();
    let mut roots = roots.clone();
    let run = |from: &State, actions: &[Action]| {
        actions.iter().try_fold(from.clone(), |state, action| model.step(&state, *action))
    };
    let missing = |size: usize| size.checked_sub(state.view.len()).and_then(|n| u16::try_from(n).ok());
    let next: Vec<State> = match words {
        ["committed", size] => {
            let n = number(size).and_then(missing).filter(|n| *n > 0);
            n.and_then(|n| run(state, &[Action::Seal(n), Action::Commit])).into_iter().collect()
        }
        ["signed", size, root] if number(size) == Some(state.view.len()) => {
            let known = roots.entry(state.view.len()).or_insert_with(|| (*root).to_owned());
            let same = known == root;
            run(state, &[Action::Sign]).filter(|_| same).into_iter().collect()
        }
        ["anchored", size] if number(size) == Some(state.view.len()) => {
            run(state, &[Action::Anchor]).into_iter().collect()
        }
        ["answered", size] if number(size) == Some(state.view.len()) => {
            run(state, &[Action::Answer]).into_iter().collect()
        }
        ["started", entries, anchored] => {
            // The process before was ended: at the moment of one step that it did not come to write down.
            let ghost = number(entries).and_then(missing).unwrap_or(0);
            let hidden: [&[Action]; 6] = [
                &[],
                &[Action::Seal(ghost), Action::Commit],
                &[Action::Commit],
                &[Action::Sign],
                &[Action::Anchor],
                &[Action::Answer],
            ];
            hidden
                .iter()
                .filter_map(|hidden| run(state, hidden))
                .filter_map(|ended| run(&ended, &[Action::Crash(false), Action::Start]))
                .filter(|s| Some(s.disk.len()) == number(entries) && Some(s.anchor.len()) == number(anchored))
                .collect()
        }
        _ => Vec::new(),
    };
    next.into_iter().map(|state| (State { crashes: 0, ..state }, roots.clone())).collect()
}

/// The first line that the model has no path for.
fn replay(lines: &[String]) -> Result<(), String> {
    let model = Writer::unbounded();
    let mut states: Vec<Seen> = vec![(Writer::begin(), BTreeMap::new())];
    for (number, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let mut next: Vec<Seen> = Vec::new();
        for seen in states.iter().flat_map(|seen| after(&model, seen, &words)) {
            if !next.contains(&seen) {
                next.push(seen);
            }
        }
        // The sets of signed contents are in `roots`; without them here, a long trace stays cheap.
        next.iter_mut().for_each(|(state, _)| state.signed.clear());
        if next.is_empty() {
            return Err(format!(
                "line {}: `{line}` is no step from {:?}",
                number + 1,
                states.first().map(|s| &s.0.phase)
            ));
        }
        states = next;
    }
    Ok(())
}

/// Panics unless the steps that a writer wrote down are a path of the model.
pub fn accept(lines: &[String], context: &str) {
    if let Err(why) = replay(lines) {
        panic!("{context}: {why}\n{}", lines.join("\n"));
    }
}

/// Many requests at once, signed before the first is submitted, so that the writer takes them together.
fn in_batches(story: &mut Story) {
    let id = story.keys["otto"].public().id();
    for round in 0..4u64 {
        let next = story.ledger.look(move |world| world.keys.get(id).map_or(1, |key| key.next));
        let mut requests = Vec::new();
        for number in 0..64 {
            let host = format!("ssh-ed25519:h{round}-{number}.example:22");
            let members = args(&[("fingerprint", &fingerprint(number)), ("source", "known_hosts")]);
            let mut request = story.request("otto", "host_key.observe", "/acme", &host, members);
            story.sign(&mut request, "otto", Some(next + number));
            requests.push(request);
        }
        let (send, receive) = std::sync::mpsc::channel();
        for request in requests {
            let send = send.clone();
            story
                .ledger
                .submit_with(request, Box::new(move |answer| send.send(answer).expect("heard")))
                .expect("room");
        }
        for _ in 0..64 {
            assert!(matches!(receive.recv().expect("an answer"), Answer::Receipt(_)));
        }
    }
}

#[test]
fn an_ordinary_run_is_a_path_of_the_model() {
    let home = Home::new();
    let steps = std::fs::File::create(home.path("trace")).expect("a file");
    let mut story =
        Story::begin_with(home.path("").as_path(), Form::Heads, Tracer { steps: Some(steps), crash: None });
    story.everything();
    in_batches(&mut story);
    story.ledger.close().expect("a clean end");
    let lines: Vec<String> =
        std::fs::read_to_string(home.path("trace")).expect("steps").lines().map(str::to_owned).collect();
    let sizes: Vec<u64> =
        lines.iter().filter_map(|line| line.strip_prefix("committed ")?.parse().ok()).collect();
    let batches = sizes.len();
    assert!(batches > 20 && lines.len() > batches * 3, "{} lines, {batches} batches", lines.len());
    let largest = sizes.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(largest > Some(10), "no batch had more than {largest:?} entries");
    accept(&lines, "an ordinary run");
    // One line left out, or two exchanged, is noticed: the model looks at each.
    for at in 0..40 {
        let mut less = lines.clone();
        less.remove(at);
        let answer = lines[at].starts_with("answered");
        assert!(answer || replay(&less).is_err(), "without line {}: {}", at + 1, lines[at]);
        let mut other = lines.clone();
        other.swap(at, at + 1);
        assert!(
            lines[at] == lines[at + 1] || replay(&other).is_err(),
            "lines {} and the next exchanged",
            at + 1
        );
    }
}

#[test]
fn a_trace_of_another_order_is_no_path_of_the_model() {
    let lines = |text: &str| text.split('\n').map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let right = lines(
        "committed 1\nsigned 1 aa\nanchored 1\nstarted 1 1\ncommitted 3\nsigned 3 bb\nanchored 3\nanswered 3",
    );
    accept(&right, "the right order");
    for wrong in [
        "signed 1 aa\ncommitted 1\nanchored 1",
        "committed 1\nanchored 1\nsigned 1 aa",
        "committed 1\nsigned 1 aa\nanswered 1\nanchored 1",
        "committed 1\nanswered 1\nsigned 1 aa\nanchored 1",
        "committed 1\nsigned 2 aa",
        "committed 1\nsigned 1 aa\nanchored 2",
        "committed 1\nsigned 1 aa\nanchored 1\nstarted 0 1",
        "committed 1\nsigned 1 aa\nanchored 1\nstarted 1 0",
        "committed 1\nsigned 1 aa\nanchored 1\nanswered 1\nstarted 0 0",
        "committed 2\nsigned 2 aa\nstarted 2 0\nsigned 2 bb",
        "committed 2\nstarted 2 0\ncommitted 3",
        "committed 1\ncommitted 2",
        "committed 1\nsigned 1 aa\nanchored 1\nanswered 1\nanswered 2",
        "nonsense",
    ] {
        assert!(replay(&lines(wrong)).is_err(), "accepted:\n{wrong}");
    }
}
