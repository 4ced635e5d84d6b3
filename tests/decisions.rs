//! Does every decision equal that of a small model written from SPEC alone, and what does the chain that it leaves hold to?
//!
//! CI runs 200 sequences of 60 steps; a hundred times as many: `CHANCERY_FULL=1 cargo test --test main decisions`. One
//! sequence again: `CHANCERY_SEED=N`.

mod broken;

use crate::harness::Seeded;
use crate::harness::invariants;
use crate::harness::run::Template;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

const SEQUENCES: u64 = 200;
const STEPS: usize = 60;
/// Different differences that one run tells.
const DIFFERENCES: usize = 6;

/// How often each answer was given: effect, code and first kind.
type Seen = BTreeMap<String, u64>;

/// Runs a sequence; the step at which it failed, why, and everything that was told.
fn run(template: &Template, seeds: &[u64], seen: &mut Seen) -> Result<(), (usize, String, Vec<String>)> {
    let mut run = template.run();
    for (at, seed) in seeds.iter().enumerate() {
        if let Err(why) = run.step(*seed) {
            return Err((at, why, run.told));
        }
    }
    for line in &run.told {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = line.rsplit(": ").next().unwrap_or_default();
        let action = words.iter().find(|word| word.contains('.')).unwrap_or(&words[0]);
        *seen.entry(format!("{action} {answer}")).or_default() += 1;
    }
    let told = run.told.clone();
    let last = seeds.len();
    let leaves = run.end().map_err(|why| (last, why, told.clone()))?;
    for (name, check) in invariants::ALL {
        check(&leaves).map_err(|why| (last, format!("{name}: {why}"), told.clone()))?;
    }
    Ok(())
}

/// The shortest sequence found that fails as well: nothing after the failure, then without steps that it does not need.
fn shrink(template: &Template, mut seeds: Vec<u64>, first: usize) -> String {
    seeds.truncate(first + 1);
    let fails = |seeds: &[u64]| run(template, seeds, &mut Seen::new()).err();
    let (mut size, mut shortest) = (seeds.len() / 2, 0);
    while size > 0 {
        let mut at = 0;
        while at < seeds.len() {
            let mut fewer = seeds.clone();
            fewer.drain(at..(at + size).min(seeds.len()));
            match fails(&fewer) {
                Some((failed, ..)) => {
                    fewer.truncate(failed + 1);
                    seeds = fewer;
                }
                None => at += size,
            }
        }
        // At the end one by one, until none can be missed.
        let before = seeds.len();
        size = if size == 1 && shortest != before { 1 } else { size / 2 };
        shortest = before;
    }
    match fails(&seeds) {
        Some((_, why, told)) => format!("{why}\n{}", told.join("\n")),
        None => "it does not fail again".to_owned(),
    }
}

/// The steps of a sequence.
fn seeds(number: u64) -> Vec<u64> {
    let mut seeded = Seeded::new(0xDEC1_5100 + number);
    (0..STEPS).map(|_| seeded.next()).collect()
}

#[test]
fn decisions_are_those_of_the_model_and_the_chain_keeps_its_invariants() {
    let template = Template::new();
    let full = std::env::var("CHANCERY_FULL").is_ok_and(|value| value == "1");
    let only = std::env::var("CHANCERY_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let count = if full { SEQUENCES * 100 } else { SEQUENCES };
    let (from, to) = only.map_or((0, count), |only| (only, only + 1));
    let next = AtomicU64::new(from);
    let work = || {
        let (mut seen, mut wrong) = (Seen::new(), BTreeMap::new());
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= to || wrong.len() >= DIFFERENCES {
                return (seen, wrong);
            }
            let steps = seeds(number);
            if let Err((at, why, _)) = run(&template, &steps, &mut seen)
                && !wrong.contains_key(&why)
            {
                let shortest = shrink(&template, steps, at);
                wrong.insert(why, format!("sequence {number}, step {at}: {shortest}"));
            }
        }
    };
    let (mut all, mut wrong) = (Seen::new(), BTreeMap::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (seen, differences) = thread.join().expect("a sequence");
            wrong.extend(differences);
            for (answer, count) in seen {
                *all.entry(answer).or_default() += count;
            }
        }
    });
    let told: Vec<&str> = wrong.values().map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} differences\n\n{}", wrong.len(), told.join("\n\n"));
    if only.is_none() {
        enough(&all);
    }
}

/// What a run without a difference must have met, or it says little: each effect, and most of the noes.
fn enough(seen: &Seen) {
    if std::env::var("CHANCERY_SEEN").is_ok() {
        for (answer, count) in seen {
            eprintln!("{count:6} {answer}");
        }
    }
}
