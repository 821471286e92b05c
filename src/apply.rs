//! Carrying out what was planned, and following it until the zone's name servers all answer with it.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::route53::{self, Change, ChangeInfo, Client, Kind, LostAnswer, RenderError, ServiceError};
use crate::dns::ZoneId;

/// The last look, at the end of patience, may take this long.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// How often a change's progress is looked at. Changes usually take between ten seconds and a minute, and
/// each look counts against the account's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The first look comes after this long.
    pub first: Duration,
    /// Each pause is so many times the one before,
    pub growth: u32,
    /// up to this.
    pub longest: Duration,
}

impl Pace {
    /// For who waits for it.
    pub const WAITED_FOR: Self =
        Self { first: Duration::from_secs(1), growth: 2, longest: Duration::from_secs(15) };
    /// For the record, by one of many that may all be doing so.
    pub const ASIDE: Self =
        Self { first: Duration::from_secs(5), growth: 3, longest: Duration::from_secs(300) };
}

/// What became of a batch.
#[derive(Debug)]
pub enum Applied {
    /// Carried out; the name servers follow.
    Accepted(ChangeInfo),
    /// Not carried out: what is there is no longer what was read.
    LostRace(ServiceError),
    /// Not carried out, and won't be as it is.
    Refused(ServiceError),
    /// Perhaps carried out: the answer is missing.
    Lost(LostAnswer),
    /// Not carried out.
    Failed(route53::Error),
    /// Not sent: it could not be put into words.
    Unsent(RenderError),
}

/// Sends `changes` to `zone` as one batch: all of them are carried out, or none.
pub async fn apply(client: &Client, zone: &ZoneId, changes: &[Change]) -> Applied {
    let body = match route53::render(changes) {
        Ok(body) => body,
        Err(error) => return Applied::Unsent(error),
    };
    match client.change(zone, body).await {
        Ok(info) => Applied::Accepted(info),
        Err(route53::Error::Lost(lost)) => Applied::Lost(lost),
        Err(route53::Error::Service(error)) if error.is_lost_race() => Applied::LostRace(error),
        Err(route53::Error::Service(error)) if matches!(error.kind(), Kind::InvalidBatch | Kind::Invalid) => {
            Applied::Refused(error)
        }
        Err(error) => Applied::Failed(error),
    }
}

/// How following a change ended.
#[derive(Debug)]
pub enum Followed {
    InSync,
    /// It isn't in sync yet, and patience is over.
    OutOfTime,
    /// Its state can't be read.
    Unreadable(route53::Error),
}

/// Asks for the state of change `id`, at the intervals of `pace`, until it is in sync or `patience` is over.
/// Trouble that may pass is waited out like the rest.
pub async fn follow(client: &Client, id: &str, patience: Duration, pace: Pace) -> Followed {
    let deadline = Instant::now() + patience;
    let mut pause = pace.first;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        tokio::time::sleep(pause.min(left)).await;
        let look = tokio::time::timeout(LONGEST_LOOK.max(left), client.change_status(id)).await;
        match look {
            Ok(Ok(info)) if info.in_sync => return Followed::InSync,
            Ok(Err(error)) if !is_passing(&error) => return Followed::Unreadable(error),
            Ok(_) | Err(_) if Instant::now() >= deadline => return Followed::OutOfTime,
            Ok(_) | Err(_) => {}
        }
        pause = (pause * pace.growth).min(pace.longest);
    }
}

fn is_passing(error: &route53::Error) -> bool {
    match error {
        route53::Error::Transport(error) => error.is_transient(),
        route53::Error::Unreadable(_) => true,
        route53::Error::Service(refusal) => {
            matches!(refusal.kind(), Kind::Throttled | Kind::Busy | Kind::Unavailable | Kind::Unreadable)
        }
        _ => false,
    }
}
