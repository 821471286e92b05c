//! Texts of others on a terminal: none of them moves the cursor, or turns what stands around it.

/// A text with its control characters escaped, in one line. Tabs stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\t' && c.is_control() || turns(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The same of a text that has lines.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Whether a character changes the direction in which others are written (Unicode TR 9, section 2).
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_and_not_sent() {
        assert_eq!(visible("a\u{1b}[31m\n\u{fc}\tb\r"), "a\\u{1b}[31m\\n\u{fc}\tb\\r");
        assert_eq!(visible("\u{9b}31m\u{202e}x"), "\\u{9b}31m\\u{202e}x");
        assert_eq!(visible_lines("a\nb\u{7}"), "a\nb\\u{7}");
    }
}
