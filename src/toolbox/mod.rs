//! The signing toolbox: any request in any of the schemes, from a shell and for one.
//!
//! Here is what its commands (`sign`, `curl`, `verify`, `capture`) have in common and what each knows
//! beyond words on a terminal: schemes by name, keys from a file, requests as they stand in one, what
//! curl makes of its arguments, and the server that captures. Not here: how a scheme signs (`sign`).

pub mod aws_host;
pub mod capture;
pub mod curl;
pub mod difference;
pub mod keys;
pub mod raw;
mod scheme;
mod visible;

pub use keys::Keys;
pub use scheme::{Scheme, SchemeError, Signer, Verified, Verifier};
pub use visible::{visible, visible_lines};
