//! Opens a connection before there is a request for it.
//!
//! The HTTP client connects only when it has something to send. This layer sits around its
//! connector: a request that is marked as the opener has its connection put aside and fails
//! before anything is sent; the next connection that is asked for is that one, already open.

use std::any::Any;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::Cause;

/// Where an early connection waits for its request.
#[derive(Clone, Default)]
pub(super) struct Preconnect {
    armed: Arc<AtomicBool>,
    waiting: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

/// What the opener's request ends with when its connection was put aside.
#[derive(Debug, thiserror::Error)]
#[error("connection opened ahead of its request")]
struct PutAside;

impl Preconnect {
    /// Makes the next connection one that is put aside.
    pub(super) fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }
}

impl<S> Layer<S> for Preconnect {
    type Service = Preconnecting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Preconnecting { inner, state: self.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Preconnecting<S> {
    inner: S,
    state: Preconnect,
}

impl<S, R> Service<R> for Preconnecting<S>
where
    S: Service<R, Error = Cause>,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let waiting = Arc::clone(&self.state.waiting);
        let lock = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.armed.swap(false, Ordering::Relaxed) {
            let connecting = self.inner.call(destination);
            return Box::pin(async move {
                let connection = connecting.await?;
                *waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(connection));
                Err(PutAside.into())
            });
        }
        if let Some(Ok(connection)) = lock().take().map(<Box<dyn Any + Send>>::downcast::<S::Response>) {
            return Box::pin(async move { Ok(*connection) });
        }
        Box::pin(self.inner.call(destination))
    }
}
