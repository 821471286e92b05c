//! Bodies for people: form fields, JSON, text, or bytes in hexadecimal.

use std::fmt::Write;

use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;

/// The parameters of a query or form, decoded.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (decoded(n), decoded(v)))
        .collect()
}

/// A body as text, where all of it can be shown as such.
pub(super) fn as_text(body: &[u8]) -> Option<&str> {
    let shown = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    std::str::from_utf8(body).ok().filter(|text| text.chars().all(shown))
}

/// JSON with an item a line, its names and numbers as they came; `None` for what isn't JSON.
pub(super) fn pretty_json(text: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth: usize = 0;
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    let (mut quoted, mut escaped) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                quoted = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    Some(out)
}

/// Sixteen bytes a line: their place, their values, and what of them is visible.
pub(super) fn hex_dump(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 5);
    for (index, line) in bytes.chunks(16).enumerate() {
        // Writing to a string can't fail.
        let _ = write!(out, "{:08x} ", index * 16);
        for place in 0..16 {
            let gap = if place == 8 { "  " } else { " " };
            let _ = match line.get(place) {
                Some(byte) => write!(out, "{gap}{byte:02x}"),
                None => write!(out, "{gap}  "),
            };
        }
        let seen = line.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '.' });
        let _ = writeln!(out, "  |{}|", seen.collect::<String>());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_keeps_its_names_numbers_and_order() {
        let text = r#"{"b":1.50,"a":[1,{"x":"{,:\"}"}],"empty":{},"none":[ ],"big":12345678901234567890123}"#;
        insta::assert_snapshot!(pretty_json(text).unwrap(), @r#"
        {
          "b": 1.50,
          "a": [
            1,
            {
              "x": "{,:\"}"
            }
          ],
          "empty": {},
          "none": [],
          "big": 12345678901234567890123
        }
        "#);
        assert_eq!(pretty_json("{\"a\":}"), None);
    }

    #[test]
    fn a_hex_dump_is_that_of_hexdump() {
        insta::assert_snapshot!(hex_dump(b"\x00\x01binary\xff\x1b[31m bytes"), @r"
        00000000  00 01 62 69 6e 61 72 79  ff 1b 5b 33 31 6d 20 62  |..binary..[31m b|
        00000010  79 74 65 73                                       |ytes|
        ");
    }

    #[test]
    fn a_body_is_text_as_long_as_all_of_it_can_be_shown() {
        assert_eq!(as_text(b"a\tb\r\n"), Some("a\tb\r\n"));
        assert_eq!(as_text(b"a\x1b[2J"), None);
        assert_eq!(as_text(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn pretty_json_means_the_same(text in r#"[\[\]{}:,"a1 ]{0,20}"#) {
            if let Some(pretty) = pretty_json(&text) {
                let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                prop_assert_eq!(read(&pretty), read(&text));
            }
        }
    }
}
