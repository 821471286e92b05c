//! How a request leaves: one seam for HTTP and one for DNS, and one place where a failure gets its kind.
//!
//! Not here: what a status means, and whether to try again (both are the caller's).

mod datagrams;
mod http_client;
mod meter;
mod on_demand;
mod preconnect;
mod tally;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

pub use datagrams::{Datagrams, Sockets, Way};
pub use http_client::{BuildError, HttpClient, Settings, TrustedRoots};
pub use meter::{Meter, Naming};
pub use on_demand::OnDemand;
pub use tally::{BOUNDS, Sent, Tally};

/// A future that says where it comes from no more than `dyn` allows.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one request and reads its whole answer. No redirects, no retries, bounded in time and size.
pub trait Transport: Send + Sync {
    /// # Errors
    /// When there is no complete answer; an answer of any status is not an error.
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>>;
}

/// Why there is no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not connect to {host}")]
    Connect {
        host: String,
        #[source]
        source: Option<Cause>,
    },
    /// The other side's certificate was refused. The machine's clock has a say in that.
    #[error("the certificate of {host} was refused")]
    Certificate {
        host: String,
        /// The certificate is out of its time by the machine's clock.
        out_of_time: bool,
        #[source]
        source: Option<Cause>,
    },
    #[error("no answer from {host} within {} s", .after.as_secs_f32())]
    Timeout { host: String, after: Duration },
    #[error("the answer from {host} broke off")]
    Cut {
        host: String,
        #[source]
        source: Option<Cause>,
    },
    #[error("the answer from {host} is larger than {limit} bytes")]
    TooLarge { host: String, limit: usize },
    /// The request can't be sent as it is.
    #[error("the request to {host} can't be sent")]
    Request {
        host: String,
        #[source]
        source: Option<Cause>,
    },
}

/// What lies below a transport error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// Whether the other side may have received the request and acted on it.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Certificate { .. } | Self::Request { .. } => false,
            Self::Timeout { .. } | Self::Cut { .. } | Self::TooLarge { .. } => true,
        }
    }

    /// Whether the same request may fare better a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Timeout { .. } | Self::Cut { .. } | Self::TooLarge { .. } => true,
            Self::Certificate { .. } | Self::Request { .. } => false,
        }
    }
}
