//! Counts the requests that leave, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;

use super::tally::word;
use super::{BoxFuture, Error, Tally, Transport};

/// Tells the operation of a request that is about to leave.
pub type Naming = fn(&Request<Bytes>) -> &'static str;

/// A transport that counts what it is given to send, answered or not.
#[derive(Clone)]
pub struct Meter {
    inner: Arc<dyn Transport>,
    count: Arc<AtomicU64>,
    tally: Option<(Arc<Tally>, Naming)>,
}

impl Meter {
    /// Counts into `count`, which several meters may share.
    #[must_use]
    pub fn new(inner: Arc<dyn Transport>, count: Arc<AtomicU64>) -> Self {
        Self { inner, count, tally: None }
    }

    /// Adds what becomes of each request to `tally`, under the name of its operation.
    #[must_use]
    pub fn tallied(self, tally: Arc<Tally>, naming: Naming) -> Self {
        Self { tally: Some((tally, naming)), ..self }
    }
}

impl Transport for Meter {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let Some((tally, naming)) = &self.tally else { return self.inner.send(request) };
        let (operation, started) = (naming(&request), Instant::now());
        Box::pin(async move {
            let answer = self.inner.send(request).await;
            let code = match &answer {
                Ok(answer) => answer.status().as_str().to_owned(),
                Err(error) => word(error).to_owned(),
            };
            tally.add(operation, code, started.elapsed());
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Answers late, or not at all.
    struct Slow;

    impl Transport for Slow {
        fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(40)).await;
                if request.uri().path() == "/silent" {
                    let host = "there".to_owned();
                    return Err(Error::Timeout { host, after: Duration::from_millis(40) });
                }
                Ok(Response::new(Bytes::new()))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_is_tallied_by_its_operation_and_how_it_ended() {
        let (count, tally) = (Arc::new(AtomicU64::new(0)), Arc::new(Tally::default()));
        let name: Naming = |request| if request.method() == http::Method::PUT { "put" } else { "get" };
        let meter = Meter::new(Arc::new(Slow), Arc::clone(&count)).tallied(Arc::clone(&tally), name);
        for (method, path) in [("GET", "/"), ("GET", "/silent"), ("PUT", "/"), ("GET", "/")] {
            let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
            let _ = meter.send(request).await;
        }
        assert_eq!(count.load(Ordering::Relaxed), 4);
        let read = tally.read();
        let codes: Vec<_> = read["get"].codes.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        assert_eq!(codes, [("200", 2), ("timeout", 1)]);
        assert_eq!((read["get"].count, read["put"].count), (3, 1));
        assert!((read["get"].seconds - 0.12).abs() < 0.01);
        assert_eq!(read["get"].classes, [0, 0, 0, 3, 0, 0, 0, 0, 0, 0], "up to 50 ms, and over 25");
    }
}
