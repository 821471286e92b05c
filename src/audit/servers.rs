//! One record, asked for at several servers: two that speak for the zone have to agree.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::causes::with_causes;
use crate::dns::{RecordSet, Ttl};
use crate::dns_client::{Answer, Code, Question, ask};
use crate::transport::Datagrams;

/// So many answers are enough.
const ENOUGH: usize = 2;
/// A server that hasn't answered after this long has another one asked beside it.
const SLOW: Duration = Duration::from_millis(700);

/// What the servers said about a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    AsWanted,
    Otherwise,
    /// None of them spoke for the zone, with why one of them did not.
    Nothing(String),
}

/// Asks two of the servers, and others in place of those that are silent or don't speak for the zone.
pub(super) async fn ask_several(
    datagrams: &dyn Datagrams,
    servers: &[SocketAddr],
    wanted: &RecordSet,
    deadline: Instant,
) -> Said {
    let question = Question { name: wanted.name.clone(), rtype: wanted.rtype, recursive: false };
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
            Ok(Some((server, Ok(answer)))) => match reading(&answer, &question, wanted) {
                Some(true) => {
                    agreed += 1;
                    // The other one is still being asked.
                    start = 0;
                    if agreed == ENOUGH {
                        return Said::AsWanted;
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
    if agreed > 0 { Said::AsWanted } else { Said::Nothing(why) }
}

/// Whether an answer has the record as wanted; `None` where it isn't the zone's.
fn reading(answer: &Answer, question: &Question, wanted: &RecordSet) -> Option<bool> {
    if !answer.authoritative {
        return None;
    }
    match answer.code {
        Code::NxDomain => Some(false),
        Code::NoError => {
            let rows: Vec<_> = answer.of(question).collect();
            let Some(first) = rows.first() else { return Some(false) };
            let ttl = Ttl::new(u64::from(first.ttl)).ok()?;
            let values = rows.iter().map(|row| row.value.clone()).collect();
            let served = RecordSet::simple(wanted.name.clone(), wanted.rtype, ttl, values);
            Some(rows.iter().all(|row| row.ttl == first.ttl) && served.is_equivalent(wanted))
        }
        Code::Refused | Code::Other(_) => None,
    }
}
