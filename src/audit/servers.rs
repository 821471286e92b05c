//! One question, asked at several servers: two that speak for the zone have to agree.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Expected;
use crate::causes::with_causes;
use crate::dns::{RecordSet, Ttl};
use crate::dns_client::{Answer, Code, Question, ask};
use crate::transport::Datagrams;

/// So many answers are enough.
const ENOUGH: usize = 2;
/// A server that hasn't answered after this long has another one asked beside it.
const SLOW: Duration = Duration::from_millis(700);

/// What the servers said to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    AsExpected,
    Otherwise,
    /// None of them spoke for the zone, with why one of them did not.
    Nothing(String),
}

/// Asks two of the servers, and others in place of those that are silent or don't speak for the zone.
pub(super) async fn ask_several(
    datagrams: &dyn Datagrams,
    servers: &[SocketAddr],
    expected: &Expected,
    deadline: Instant,
) -> Said {
    let (name, rtype) = match expected {
        Expected::Set(set) => (&set.name, set.rtype),
        Expected::Nothing(name, rtype) => (name, *rtype),
    };
    let question = Question { name: name.clone(), rtype, recursive: false };
    let mut waiting = servers.to_vec();
    fastrand::shuffle(&mut waiting);
    let mut asked = FuturesUnordered::new();
    let (mut start, mut agreed) = (ENOUGH, 0);
    let mut why = "no name server answered in time".to_owned();
    loop {
        for server in waiting.split_off(waiting.len().saturating_sub(start)) {
            let question = &question;
            asked.push(async move { (server, ask(datagrams, server, question).await) });
        }
        start = 1;
        let next = tokio::time::timeout_at(deadline.min(Instant::now() + SLOW), asked.next()).await;
        match next {
            Ok(Some((server, Ok(answer)))) => match reading(&answer, &question, expected) {
                Some(true) => {
                    agreed += 1;
                    // The other one is still being asked.
                    start = 0;
                    if agreed == ENOUGH {
                        return Said::AsExpected;
                    }
                }
                Some(false) => return Said::Otherwise,
                None => why = format!("{server} doesn't speak for the zone ({:?})", answer.code),
            },
            Ok(Some((_, Err(error)))) => why = with_causes(&error),
            // All have been asked, and have answered or failed.
            Ok(None) => break,
            Err(_) if Instant::now() >= deadline => break,
            Err(_) => {}
        }
    }
    if agreed > 0 { Said::AsExpected } else { Said::Nothing(why) }
}

/// Whether an answer is the expected one; `None` where it isn't the zone's.
fn reading(answer: &Answer, question: &Question, expected: &Expected) -> Option<bool> {
    if !answer.authoritative {
        return None;
    }
    let rows: Vec<_> = match answer.code {
        Code::NoError => answer.of(question).collect(),
        Code::NxDomain => Vec::new(),
        Code::Refused | Code::Other(_) => return None,
    };
    match (expected, rows.first()) {
        (Expected::Nothing(..), first) => Some(first.is_none()),
        (Expected::Set(_), None) => Some(false),
        (Expected::Set(wanted), Some(first)) => {
            let ttl = Ttl::new(u64::from(first.ttl)).ok()?;
            let values = rows.iter().map(|row| row.value.clone()).collect();
            let served = RecordSet::simple(wanted.name.clone(), wanted.rtype, ttl, values);
            Some(rows.iter().all(|row| row.ttl == first.ttl) && served.is_equivalent(wanted))
        }
    }
}
