//! The nouns of DNS as Route 53 uses them: names, record types, record sets, zones.
//!
//! Knows neither XML nor AWS's API, does no I/O.

mod name;
mod record;
mod value;
mod zone;

pub use name::{Name, NameError, SortKey};
pub use record::{
    Failover, Policy, RecordKey, RecordSet, RecordType, Routing, Target, Ttl, TtlError, UnknownRecordType,
};
pub use value::{Value, ValueError, strings};
pub use zone::{Zone, ZoneId, ZoneIdError};
