//! What of a text could a terminal obey, or a reader be deceived by? It is escaped before a person sees it.

fn is_hidden(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(u32::from(c), 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE0FFF
            | 0x061C | 0x180E | 0x2028 | 0x2029)
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> String {
    if !text.chars().any(&hidden) {
        return text.to_owned();
    }
    let escape = |c: char| if hidden(c) { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// `text` with controls, bidi marks, zero-width characters and tags as `\u{..}`; lines stay lines.
pub fn printable(text: &str) -> String {
    escaped(text, is_hidden)
}

/// The same in one line: a line feed is escaped too, so that no text of others begins a line of ours.
pub fn one_line(text: &str) -> String {
    escaped(text, |c| c == '\n' || is_hidden(c))
}
