//! Command lines as people write them into settings, split into words.

/// The words of a command as a POSIX shell splits them, with nothing expanded; `None` when a quote or an
/// escape has no end.
#[must_use]
pub fn split(command: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_splits_words() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors/aws_config_files.json")).unwrap();
        for case in vectors["credential_process_split_posix"].as_array().unwrap() {
            let words: Vec<String> = serde_json::from_value(case[1].clone()).unwrap();
            assert_eq!(split(case[0].as_str().unwrap()), Some(words));
        }
        assert_eq!(split(r#"a "b\"c\d" # 'e'f"#).unwrap(), ["a", r#"b"c\d"#, "#", "ef"]);
        assert_eq!(split("a 'b"), None);
        assert_eq!(split("a \\"), None);
        assert_eq!(split("  ").unwrap(), Vec::<String>::new());
    }
}
