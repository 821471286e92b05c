//! The Route 53 API, as far as pin53 uses it.

mod client;
mod error;
mod network;
mod request;
mod response;
mod xml;
mod zones;

pub use client::{Apex, Client, Error, LostAnswer, PATIENCE, Parts, TRANSPORT};
pub use error::{Kind, ServiceError};
pub use request::{Change, RenderError, operation, render};
pub use response::{
    ChangeInfo, NamePage, NetworkPage, RecordPage, ZonePage, change_info, name_page, network_page,
    record_page, zone_networks, zone_page,
};
pub(super) use xml::Cursor;
pub use xml::Error as XmlError;
pub use zones::{Age, Found, ZoneChoice, ZoneFinder};
