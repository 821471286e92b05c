//! pin53 keeps DNS names in Amazon Route 53 pinned to a machine whose address changes.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desired;
pub mod dns;
pub mod env;
pub mod secret;
pub mod source;
pub mod template;
pub mod transport;
