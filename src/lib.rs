//! pin53 keeps DNS names in Amazon Route 53 pinned to a machine whose address changes.
//!
//! This page is the tour of the house. What the program promises to its users is in the README;
//! what each room owns, and what it does not, stands at the top of its file.
//!
//! # One round, left to right
//!
//! ```text
//! source ──► desired ──► plan ──► apply ──► report
//! look       what        pure     render,   words, JSON,
//! (imds …)   should be   diff     sign,     log, gravity
//!                        ▲        send,
//!                current │        follow
//!                  (aws::route53)
//! ```
//!
//! A look ends as *known*, *known none* or *unknown*, and unknown is never empty: a record whose
//! value is unknown is left alone, whatever else happens. A change of value is sent as the exact
//! DELETE of what was read and the CREATE of what is wanted, in one batch. Route 53 carries out
//! batches whole or not at all and refuses a DELETE that doesn't match, so that nobody else's edit
//! is ever overwritten unseen. [`reconcile`] is one such round over some records, [`daemon`] is
//! when rounds happen.
//!
//! # The floors
//!
//! A module imports only from floors below its own. `tests/it/floors.rs` holds this picture
//! against the code.
//!
//! ```text
//! main
//! cli          arguments in, one call, words and exit status out; alone prints to stdout
//! config       layers of raw settings in, checked settings out
//! daemon   doctor             when: start, watch, interval, stop; each step examined, nothing changed
//! reconcile   notify          one round of the stages below; who is told of it
//! status       what happened, told
//! board        what happens, for whoever tells of it
//! report
//! apply    policy           what may be done, for IAM
//! plan
//! desired      the stages: each sees only those under it
//! audit        records compared with what their name servers answer
//! source   aws   sandbox   toolbox      the edges of the world
//! imds   dns_client           the metadata service, for source and aws; questions to DNS servers
//! sign   transport   listen   how a request is signed, leaves, comes in
//! state   pattern   program   what is remembered; texts with metadata in them; programs of users
//! dns   clock   secret   env   template   causes   words   nouns; no I/O but their own
//! ```
//!
//! Three things are told apart with care. [`clock::ServerClock`] is Amazon's time and the only one
//! that signs; [`clock::Clock`] is the machine's. [`transport`] gives a failure its kind once, and
//! whoever retries reads the kind. [`sandbox`] is a local AWS with its own reading and writing of
//! XML: it imports nothing of the client that it tests.

pub mod apply;
pub mod audit;
pub mod aws;
pub mod board;
pub mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod desired;
pub mod dns;
pub mod dns_client;
pub mod doctor;
pub mod env;
pub mod imds;
pub mod listen;
pub mod notify;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod program;
pub mod reconcile;
pub mod report;
pub mod sandbox;
pub mod secret;
pub mod sign;
pub mod source;
pub mod state;
pub mod status;
pub mod template;
pub mod toolbox;
pub mod transport;
pub mod words;
