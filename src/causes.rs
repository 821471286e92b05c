//! An error and what lies below it, in one line.

use std::error::Error;
use std::fmt::Write as _;

/// `error: cause: cause of the cause`. A level that only repeats the one above it is left out.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut last = line.clone();
    let mut below = error.source();
    while let Some(cause) = below {
        let said = cause.to_string();
        if !said.is_empty() && !last.ends_with(&said) {
            let _ = write!(line, ": {said}");
        }
        last = said;
        below = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Level {
        #[error("upper")]
        Upper(#[source] Box<Level>),
        #[error("middle: lower")]
        Repeating(#[source] Box<Level>),
        #[error("lower")]
        Lower,
    }

    #[test]
    fn each_level_is_said_once() {
        let error = Level::Upper(Box::new(Level::Repeating(Box::new(Level::Lower))));
        assert_eq!(with_causes(&error), "upper: middle: lower");
    }
}
