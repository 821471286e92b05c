//! The integration tests: one binary, a module for each subject.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod daemon;
mod floors;
mod house;
mod once;
