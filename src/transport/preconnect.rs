//! Opens a connection before there is a request for it.
//!
//! The HTTP client connects only when it has something to send. This layer sits around its
//! connector: a request sent within [`Preconnect::open`] has its connection put aside and ends
//! before anything is sent; the next one that asks for a connection gets that one, waiting for
//! it if it is still being opened.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::Cause;

/// How long a connection may wait for its request. Servers close idle ones, Route 53 after
/// some twenty seconds, and a request sent into a closed one looks like a lost answer.
const KEEP: Duration = Duration::from_secs(10);

tokio::task_local! {
    static OPENING: ();
}

/// Where an early connection waits for its request.
#[derive(Clone, Default)]
pub(super) struct Preconnect {
    waiting: Arc<Mutex<Option<Waiting>>>,
}

struct Waiting {
    since: Instant,
    connection: Box<dyn Any + Send>,
}

/// What a request ends with when its connection was put aside.
#[derive(Debug, thiserror::Error)]
#[error("connection opened ahead of its request")]
struct PutAside;

impl Preconnect {
    /// Lets a connection go that waits, or is being opened: its host turned out to be another one.
    pub(super) async fn discard(&self) {
        self.waiting.lock().await.take();
    }

    /// Runs `request` so that the connection it opens is put aside.
    pub(super) async fn open<T>(request: impl Future<Output = T>) -> T {
        OPENING.scope((), request).await
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
    S: Service<R, Error = Cause> + Clone + Send + 'static,
    S::Response: Send + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let waiting = Arc::clone(&self.state.waiting);
        if OPENING.try_with(|()| ()).is_ok() {
            let slot = waiting.try_lock_owned();
            let connecting = self.inner.call(destination);
            return Box::pin(async move {
                let connection = connecting.await?;
                if let Ok(mut slot) = slot {
                    *slot = Some(Waiting { since: Instant::now(), connection: Box::new(connection) });
                }
                Err(PutAside.into())
            });
        }
        // The service that was polled ready is the one to call; its clone stays for the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let early = waiting.lock().await.take().filter(|early| early.since.elapsed() < KEEP);
            match early.map(|early| early.connection.downcast::<S::Response>()) {
                Some(Ok(connection)) => Ok(*connection),
                _ => inner.call(destination).await,
            }
        })
    }
}
