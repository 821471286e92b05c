//! The integration tests: one binary, a module for each subject.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod audit;
mod binary;
mod clocks;
mod daemon;
mod dns_client;
mod doctor;
mod documents;
mod fleet;
mod floors;
mod fuzz;
mod house;
mod killed;
mod leaving;
mod names;
mod notify;
mod once;
mod owned;
mod policy;
mod quiet;
mod races;
mod records;
mod renewal;
mod sources;
mod systemd;
mod watching;
mod worlds;
mod zones;
