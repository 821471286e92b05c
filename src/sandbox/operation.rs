//! The operations of the Route 53 API that the sandbox serves, by their names in the API.

use std::fmt;
use std::str::FromStr;

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An operation of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation { $($name),+ }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name, as in IAM policies behind `route53:`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

operations! {
    ListHostedZones, ListHostedZonesByName, ListHostedZonesByVPC, GetHostedZone, CreateHostedZone,
    DeleteHostedZone, ListResourceRecordSets, ChangeResourceRecordSets, GetChange,
}

/// A text names no operation that the sandbox serves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an operation of the Route 53 API (ListHostedZones, ChangeResourceRecordSets, …), found '{0}'"
)]
pub struct UnknownOperation(pub String);

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        Self::ALL
            .iter()
            .copied()
            .find(|o| o.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownOperation(text.to_owned()))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
