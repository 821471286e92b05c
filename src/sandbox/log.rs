//! What the sandbox was asked: every request with its answer's status, and counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, StatusCode};
use serde_json::json;

/// How many requests are kept to look at; the counts go on.
const KEPT: usize = 10_000;

/// A service of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The metadata service.
    Metadata,
    /// The Route 53 API.
    Api,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Logged {
    pub side: Side,
    /// `ChangeResourceRecordSets` and the like, `date`, or for the metadata service the path below `/latest`.
    pub operation: String,
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub body: String,
    /// `None` until it is answered, and for ever where the answer was withheld.
    pub status: Option<StatusCode>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    kept: VecDeque<Logged>,
    dropped: usize,
    counts: BTreeMap<(Side, String), u64>,
    dns_queries: u64,
    pub(super) connections: Connections,
}

/// Connections that were accepted, over sockets.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) metadata: Arc<AtomicU64>,
    pub(super) api: Arc<AtomicU64>,
}

impl Log {
    /// Writes a request down; gives the number by which its answer is reported.
    pub(super) fn arrived(&mut self, request: Logged) -> usize {
        *self.counts.entry((request.side, request.operation.clone())).or_default() += 1;
        self.kept.push_back(request);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.dropped + self.kept.len() - 1
    }

    pub(super) fn answered(&mut self, number: usize, status: Option<StatusCode>) {
        if let Some(entry) = number.checked_sub(self.dropped).and_then(|i| self.kept.get_mut(i)) {
            entry.status = status;
        }
    }

    pub(super) fn dns_queries(&self) -> u64 {
        self.dns_queries
    }

    pub(super) fn asked_over_dns(&mut self) {
        self.dns_queries += 1;
    }

    /// How many requests arrived at a side, or of those, for an operation.
    pub(super) fn count(&self, side: Side, operation: Option<&str>) -> usize {
        let wanted =
            |key: &&(Side, String)| key.0 == side && operation.is_none_or(|operation| key.1 == operation);
        let counts = self.counts.iter().filter(|(key, _)| wanted(key));
        usize::try_from(counts.map(|(_, count)| count).sum::<u64>()).unwrap_or(usize::MAX)
    }

    pub(super) fn requests(&self) -> Vec<Logged> {
        self.kept.iter().cloned().collect()
    }

    pub(super) fn forget(&mut self) {
        self.dropped += self.kept.len();
        self.kept.clear();
        self.counts.clear();
        self.dns_queries = 0;
    }

    /// The counts as `GET /sandbox/stats` gives them.
    pub(super) fn stats(&self) -> serde_json::Value {
        let side = |side: Side, connections: &AtomicU64| {
            let operations: BTreeMap<&str, u64> =
                self.counts.iter().filter(|((s, _), _)| *s == side).map(|((_, o), n)| (&**o, *n)).collect();
            json!({
                "connections": connections.load(Ordering::Relaxed),
                "requests": operations.values().sum::<u64>(),
                "operations": operations,
            })
        };
        json!({
            "imds": side(Side::Metadata, &self.connections.metadata),
            "route53": side(Side::Api, &self.connections.api),
            "dns": { "queries": self.dns_queries },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_drops_the_oldest_and_still_finds_the_rest() {
        let mut log = Log::default();
        let entry = |n: usize| Logged {
            side: Side::Api,
            operation: "GetChange".to_owned(),
            method: Method::GET,
            target: n.to_string(),
            body: String::new(),
            status: None,
        };
        let numbers: Vec<_> = (0..KEPT + 2).map(|n| log.arrived(entry(n))).collect();
        log.answered(numbers[0], Some(StatusCode::OK));
        log.answered(numbers[KEPT + 1], Some(StatusCode::OK));
        let kept = log.requests();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].target, "2");
        assert!(kept[..KEPT - 1].iter().all(|r| r.status.is_none()));
        assert_eq!(kept[KEPT - 1].status, Some(StatusCode::OK));
        assert_eq!(log.stats()["route53"]["operations"]["GetChange"], KEPT + 2);
    }
}
