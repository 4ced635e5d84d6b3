//! How good is good enough? The targets of the measurements, one line a figure.

use crate::measure::Figure;

/// What of a figure is compared.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// Its ratio to the limit, in hundredths.
    Ratio,
    P50,
    P99,
    Kilobytes,
    Bytes,
}

/// On which side of the number it is to be.
#[derive(Debug, Clone, Copy)]
enum Side {
    AtLeast,
    AtMost,
}

use Of::{Bytes, Kilobytes, P50, P99, Ratio};
use Side::{AtLeast, AtMost};

/// Every target. Ratios are hundredths, times nanoseconds.
const TARGETS: &[(&str, Of, Side, u64)] = &[
    ("canonical.small", Ratio, AtMost, 150),
    ("canonical.large", Ratio, AtMost, 150),
    ("canonical.small.jcs", Ratio, AtMost, 11),
    ("canonical.large.jcs", Ratio, AtMost, 11),
    ("gate.evaluate", P50, AtMost, 130),
    ("gate.evaluate", P99, AtMost, 300),
    ("gate.evaluate.writing", P50, AtMost, 130),
    ("gate.evaluate.writing", P99, AtMost, 300),
    ("gate.grants.many", Ratio, AtMost, 150),
    ("record.1", Ratio, AtMost, 130),
    ("record.64", Ratio, AtLeast, 50),
    ("record.256", Ratio, AtLeast, 45),
    ("append.1024", Ratio, AtLeast, 50),
    ("stored.beyond", Bytes, AtMost, 80),
    ("verify.whole", Ratio, AtLeast, 50),
    ("verify.unattested.2", Ratio, AtLeast, 180),
    ("verify.attested", Ratio, AtLeast, 130),
    ("verify.attested.2", Ratio, AtLeast, 240),
    ("verify.screen", Ratio, AtLeast, 400),
    ("verify.screen.2", Ratio, AtLeast, 750),
    ("verify.increment", Ratio, AtMost, 120),
    ("rebuild", Ratio, AtLeast, 35),
    ("rebuild.rows", Ratio, AtLeast, 60),
    ("rebuild.memory", Kilobytes, AtMost, 65_536),
    ("restart", P50, AtMost, 1_000_000_000),
    ("visible", P99, AtMost, 20_000_000),
    ("http.row", Ratio, AtLeast, 70),
    ("http.unchanged", Ratio, AtLeast, 70),
    ("http.visible", P99, AtMost, 20_000_000),
    ("http.memory", Kilobytes, AtMost, 40_960),
    ("sse.burst", Ratio, AtLeast, 95),
    ("sse.memory", Kilobytes, AtMost, 64),
];

impl Of {
    fn number(self, figure: &Figure) -> Option<u64> {
        match self {
            Ratio => figure.hundredths(),
            P50 => figure.p50_ns,
            P99 => figure.p99_ns,
            Kilobytes => figure.kilobytes,
            Bytes => figure.bytes,
        }
    }

    fn told(self, number: u64) -> String {
        match self {
            Ratio => format!("{}.{:02}", number / 100, number % 100),
            P50 => format!("p50 {number} ns"),
            P99 => format!("p99 {number} ns"),
            Kilobytes => format!("{number} kB"),
            Bytes => format!("{number} bytes"),
        }
    }
}

/// Says of a figure what its target is, when it has one, and whether it is met.
pub(crate) fn judge(figure: &mut Figure) {
    let own = TARGETS.iter().filter(|(name, ..)| *name == figure.name);
    let judged = own.filter_map(|(_, of, side, number)| {
        let measured = of.number(figure)?;
        let (word, met) = match side {
            AtLeast => ("at least", measured >= *number),
            AtMost => ("at most", measured <= *number),
        };
        Some((format!("{word} {}", of.told(*number)), met))
    });
    let (texts, met): (Vec<String>, Vec<bool>) = judged.unzip();
    if !texts.is_empty() {
        (figure.target, figure.met) = (Some(texts.join(" and ")), Some(met.into_iter().all(|met| met)));
    }
}
