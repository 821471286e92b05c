//! Notices of the instance's end, as its metadata gives them.
//!
//! Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html>,
//! <https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html>,
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html>

use std::fmt;

use serde::Deserialize;

use super::Sources;

const SPOT: &str = "spot/instance-action";
const LIFECYCLE: &str = "autoscaling/target-lifecycle-state";
const REBALANCE: &str = "events/recommendations/rebalance";

/// What is about to happen to the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// It is terminated, for want of spot capacity.
    SpotTermination,
    /// Its Auto Scaling group takes it away.
    Terminated,
    /// It is at risk, and better replaced.
    Rebalance,
}

impl Notice {
    /// Whether the instance's end is certain.
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::Rebalance
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SpotTermination => "EC2 is about to terminate this spot instance",
            Self::Terminated => "Auto Scaling is terminating this instance",
            Self::Rebalance => "EC2 recommends to replace this instance",
        })
    }
}

/// Which notices are looked for: each costs a request to the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoticesWanted {
    pub end: bool,
    pub rebalance: bool,
}

#[derive(Deserialize)]
struct SpotAction {
    action: String,
}

impl Sources {
    /// The gravest of the notices there are. What can't be read is no notice: it is looked for again.
    pub async fn notice(&self, wanted: NoticesWanted) -> Option<Notice> {
        let item = |path: &'static str, wanted: bool| async move {
            if wanted { self.metadata().item(path).await.ok().flatten() } else { None }
        };
        let (spot, lifecycle, rebalance) = tokio::join!(
            item(SPOT, wanted.end),
            item(LIFECYCLE, wanted.end),
            item(REBALANCE, wanted.rebalance)
        );
        if spot.is_some_and(|text| terminates(&text)) {
            Some(Notice::SpotTermination)
        } else if lifecycle.is_some_and(|state| state.trim() == "Terminated") {
            Some(Notice::Terminated)
        } else {
            rebalance.map(|_| Notice::Rebalance)
        }
    }
}

/// A stopped or hibernated instance comes back.
fn terminates(text: &str) -> bool {
    serde_json::from_str::<SpotAction>(text).is_ok_and(|spot| spot.action == "terminate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_termination_is_the_end() {
        assert!(terminates(r#"{"action": "terminate", "time": "2026-11-21T10:02:00Z"}"#));
        for other in
            [r#"{"action":"stop","time":"2026-11-21T10:02:00Z"}"#, r#"{"action":"hibernate"}"#, "", "<html>"]
        {
            assert!(!terminates(other), "{other}");
        }
    }
}
