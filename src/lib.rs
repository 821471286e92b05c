//! pin53 keeps DNS names in Amazon Route 53 pinned to a machine whose address changes.

pub mod aws;
pub mod clock;
pub mod desired;
pub mod dns;
pub mod env;
pub mod listen;
pub mod sandbox;
pub mod secret;
pub mod sign;
pub mod source;
pub mod template;
pub mod transport;
