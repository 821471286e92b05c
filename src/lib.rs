//! pin53 keeps DNS names in Amazon Route 53 pinned to a machine whose address changes.

pub mod apply;
pub mod aws;
pub mod causes;
pub mod clock;
pub mod daemon;
pub mod desired;
pub mod dns;
pub mod env;
pub mod imds;
pub mod plan;
pub mod reconcile;
pub mod report;
pub mod secret;
pub mod sign;
pub mod source;
pub mod state;
pub mod template;
pub mod transport;
