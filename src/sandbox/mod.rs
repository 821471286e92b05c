//! A local AWS: the metadata service of an instance (IMDSv2), the Route 53 API, STS for its roles, and a DNS server
//! on its zones. For people to try things on, and for tests.
//!
//! Its heart is a [`World`]: a function from request to [`Answer`], with a state that can be looked at
//! and changed from outside. [`InProcess`] makes a [`Transport`](crate::transport::Transport) of it, without
//! sockets; [`start`] serves it on ports. It is strict where AWS is strict, and what it refuses, it
//! refuses in AWS's words. [`Fault`]s make it misbehave on purpose.
//!
//! It shares no code with the client side, not even the XML: a misunderstanding would hide if it were
//! made twice. Only the nouns (`dns`, `secret`) and the checking of signatures (`sign`) are common.
//!
//! Not here: health checks, traffic policies, reusable delegation sets, DNSSEC, and who pays.

mod answer;
mod authenticate;
mod batch;
mod change_request;
mod control;
mod dns_server;
mod dns_zone;
mod error;
mod fault;
mod imds;
mod in_process;
mod instance;
mod keys;
mod latency;
mod limits;
mod listing;
mod log;
mod operation;
mod record_xml;
mod resolver;
mod route53;
mod serve;
mod sts;
mod tls;
mod value;
mod world;
mod xml;
mod zones;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use fault::{Extent, Fault, Script, UnknownFault};
pub use in_process::InProcess;
pub use instance::{Instance, Placement};
pub use latency::{Latency, LatencyError};
pub use limits::Calls;
pub use log::{Logged, Side};
pub use operation::{Operation, UnknownOperation};
pub use serve::{Options, Running, SHADOWING, StartError, start};
pub use tls::TlsError;
pub use world::{EditError, World};
