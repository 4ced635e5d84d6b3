//! Is what was asked recorded, durable, in order, and verified as it was signed?

use crate::harness::Home;
use crate::harness::story::Story;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::verify::{How, Trust, Verdict, verify_export, verify_live};
use chancery_ledger::{Bounds, Ledger, Options, Tracer};

fn trust(story: &Story) -> Trust {
    let pin = story.pin();
    Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) }
}

fn whole_story(form: Form) {
    story_told(form, Story::everything);
    story_told(form, Story::governed_everything);
}

fn story_told(form: Form, tell: fn(&mut Story)) {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), form);
    tell(&mut story);
    for how in [
        How { threads: 1, screen: false, columns: true, recompute: false },
        How { threads: 2, screen: false, columns: true, recompute: false },
        How { threads: 2, screen: true, columns: true, recompute: false },
    ] {
        for parts in [false, true] {
            let bytes = story.export(parts);
            let report = verify_export(&mut &bytes[..], &trust(&story), how, &mut |_| ()).expect("an export");
            assert_eq!(report.verdict, Verdict::Authentic, "{:?}", report.finding);
            assert_eq!(report.signed, report.entries);
        }
    }
    let story = story.reopen();
    let report = verify_live(&story.paths, &trust(&story), How::default(), &mut |_, _| ()).expect("a ledger");
    assert_eq!(report.verdict, Verdict::Authentic, "{:?}", report.finding);
    assert_eq!(report.dimensions.columns, "ok");
}

#[test]
fn every_kind_of_event_is_recorded_and_authentic_with_signed_heads() {
    whole_story(Form::Heads);
}

#[test]
fn every_kind_of_event_is_recorded_and_authentic_with_signed_entries() {
    whole_story(Form::Entries);
}

#[test]
fn a_start_goes_on_from_a_recorded_snapshot_and_in_doubt_folds_everything() {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), Form::Heads);
    story.cast();
    story.observations(0, 65_600, 1024);
    story.ledger.snapshot_if_due(true).expect("a snapshot");
    story.observations(0, 5, 1);
    let reader = story.ledger.reader().expect("a reader");
    let size = reader.size().expect("a size");
    let leaf = reader.leaf(size - 6).expect("a row").expect("an entry");
    assert!(
        String::from_utf8_lossy(&leaf).contains("\"kind\":\"ledger.snapshotted\""),
        "the snapshot is recorded"
    );
    drop(reader);
    let folded_from = |story: Story| {
        let Story { ledger, paths, clock, .. } = story;
        let world = ledger.look(|world| serde_json::to_string(world).expect("a world"));
        ledger.close().expect("a clean end");
        let mut first = None;
        let options =
            Options { paths: paths.clone(), clock, trace: Tracer::default(), bounds: Bounds::default() };
        let ledger =
            Ledger::open(options, &mut |position, _| first = first.or(Some(position))).expect("it opens");
        let again = ledger.look(|world| serde_json::to_string(world).expect("a world"));
        assert_eq!(world, again, "a start gives the world that there was");
        ledger.close().expect("a clean end");
        (paths, first)
    };
    let story = story.reopen();
    let clock = story.clock.clone();
    let (paths, first) = folded_from(story);
    assert_eq!(first, None, "the tail after the snapshot is short: no progress is told");
    let mut bytes = std::fs::read(paths.snapshot()).expect("a snapshot");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(paths.snapshot(), bytes).expect("written");
    let mut first = None;
    let options =
        Options { paths: paths.clone(), clock, trace: Tracer::default(), bounds: Bounds::default() };
    let ledger =
        Ledger::open(options, &mut |position, _| first = first.or(Some(position))).expect("it opens");
    assert_eq!(first, Some(0), "a damaged snapshot is not believed: everything is folded");
    ledger.close().expect("a clean end");
}
