//! How a command ends: the exit statuses and their order.

use std::process::ExitCode;

/// An exit status, from the lightest to the gravest.
///
/// The numbers are those of `sysexits.h` where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Every name is as wanted; the daemon was stopped as asked.
    Ok,
    /// `plan --detailed-exit-code` found changes to make.
    Pending,
    /// Whatever a command that was run for the user ended with.
    Command(u8),
    /// Anything not named here.
    Failure,
    /// The address is unknown, the network is down, Route 53 throttles or isn't in sync in time: try again.
    TryAgain,
    /// Route 53 or a guard of ours refused a change.
    Refused,
    /// There are no credentials, they were refused, or lack a permission.
    NotPermitted,
    /// The configuration is wrong.
    Misconfigured,
    /// The command line is wrong.
    Usage,
}

impl Exit {
    /// The gravest of many, [`Exit::Ok`] of none.
    #[must_use]
    pub fn gravest(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().max().unwrap_or(Self::Ok)
    }

    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Pending => 2,
            Self::Usage => 64,
            Self::Refused => 65,
            Self::TryAgain => 75,
            Self::NotPermitted => 77,
            Self::Misconfigured => 78,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From the gravest to the lightest, as it is promised for several names.
    const PROMISED: [u8; 6] = [78, 77, 65, 75, 1, 0];

    fn of_a_name() -> impl Strategy<Value = Exit> {
        prop::sample::select(vec![
            Exit::Ok,
            Exit::Failure,
            Exit::TryAgain,
            Exit::Refused,
            Exit::NotPermitted,
            Exit::Misconfigured,
        ])
    }

    proptest! {
        #[test]
        fn the_gravest_is_the_first_in_the_promised_order(all in prop::collection::vec(of_a_name(), 1..6)) {
            let rank = |code: u8| PROMISED.iter().position(|&c| c == code).unwrap();
            let expected = all.iter().map(|exit| exit.code()).min_by_key(|&code| rank(code)).unwrap();
            prop_assert_eq!(Exit::gravest(all).code(), expected);
        }
    }

    #[test]
    fn nothing_to_weigh_is_no_failure() {
        assert_eq!(Exit::gravest([]), Exit::Ok);
    }

    #[test]
    fn pending_changes_give_way_to_every_failure() {
        assert_eq!(Exit::gravest([Exit::Pending, Exit::Ok]), Exit::Pending);
        assert_eq!(Exit::gravest([Exit::Pending, Exit::Failure]), Exit::Failure);
    }
}
