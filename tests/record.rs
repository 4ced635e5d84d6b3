//! Is what was asked recorded, durable, in order, and verified as it was signed?

use crate::harness::Home;
use crate::harness::story::Story;
use chancery_ledger::domains::ledger::Form;
use chancery_ledger::verify::{How, Trust, Verdict, verify_export, verify_live};

fn trust(story: &Story) -> Trust {
    let pin = story.pin();
    Trust { key: Some(pin.key.clone()), heads: Vec::new(), pin: Some(pin) }
}

fn whole_story(form: Form) {
    let home = Home::new();
    let mut story = Story::begin(home.path("").as_path(), form);
    story.everything();
    for how in [
        How { threads: 1, screen: false, columns: true },
        How { threads: 2, screen: false, columns: true },
        How { threads: 2, screen: true, columns: true },
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
