//! Counts the requests that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};

use super::{BoxFuture, Error, Transport};

/// A transport that counts what it is given to send, answered or not.
#[derive(Clone)]
pub struct Meter {
    inner: Arc<dyn Transport>,
    count: Arc<AtomicU64>,
}

impl Meter {
    /// Counts into `count`, which several meters may share.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>, count: Arc<AtomicU64>) -> Self {
        Self { inner, count }
    }
}

impl Transport for Meter {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request)
    }
}
