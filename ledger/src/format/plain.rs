//! What of a text could a terminal obey, or a reader be deceived by? It is escaped before a person sees it.

/// What shows nothing, or something else than it is, by code point: Unicode's default ignorables, marks of direction,
/// separators of lines, letters that are drawn blank, annotations, and what everybody draws as they like.
const HIDDEN: [(u32, u32); 25] = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x2029),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xE000, 0xF8FF),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x13430, 0x1343F),
    (0x16FE4, 0x16FE4),
    (0x1BCA0, 0x1BCA3),
    (0x1D159, 0x1D159),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
    (0xF0000, 0xFFFFD),
    (0x10_0000, 0x10_FFFD),
];

fn is_hidden(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() && c != '\n'
        || code >= 0xAD && HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> String {
    if !text.chars().any(&hidden) {
        return text.to_owned();
    }
    let escape = |c: char| if hidden(c) { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// `text` with controls and whatever else is not seen for what it is as `\u{..}`; lines stay lines.
pub fn printable(text: &str) -> String {
    escaped(text, is_hidden)
}

/// The same in one line: a line feed is escaped too, so that no text of others begins a line of ours.
pub fn one_line(text: &str) -> String {
    escaped(text, |c| c == '\n' || is_hidden(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_for_what_it_is_is_escaped_and_letters_are_not() {
        for c in "\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{202e}\u{200b}\u{2800}\u{3164}\u{fe0f}\u{ffa0}\u{fff9}\u{e000}\u{1d173}\u{e0041}\u{f0000}".chars() {
            assert_eq!(one_line(&c.to_string()), format!("\\u{{{:x}}}", u32::from(c)));
        }
        assert_eq!(printable("Zoë, 한국어 日本\n§"), "Zoë, 한국어 日本\n§");
    }
}
