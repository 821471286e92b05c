//! Questions as messages, and messages as answers, if they are any.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as WireName, Record};

use super::value::{self, known_type, wire_type};
use super::{Answer, Code, Question, Row};

/// The largest answer over UDP that gets through everywhere (DNS flag day 2020).
const MAX_UDP: u16 = 1232;

/// An answer as it came.
pub(super) enum Read {
    Whole(Answer),
    /// It didn't fit.
    Cut,
}

/// The message for a question; `None` for a name that has no form on the wire.
pub(super) fn write(id: u16, question: &Question) -> Option<Vec<u8>> {
    let labels: Vec<Vec<u8>> = question.name.wire_labels().collect();
    let mut name = WireName::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    name.set_fqdn(true);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = question.recursive;
    message.add_query(Query::query(name, wire_type(question.rtype)));
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_UDP);
    message.set_edns(edns);
    message.to_vec().ok()
}

/// Reads the answer to a question; `None` for what is none.
pub(super) fn read(bytes: &[u8], id: u16, question: &Question) -> Option<Read> {
    let message = Message::from_vec(bytes).ok()?;
    let head = &message.metadata;
    if head.id != id || head.message_type != MessageType::Response || head.op_code != OpCode::Query {
        return None;
    }
    let [asked] = message.queries.as_slice() else { return None };
    let same = asked.query_class() == DNSClass::IN
        && asked.query_type() == wire_type(question.rtype)
        && value::name(asked.name()).is_some_and(|name| name == question.name);
    if !same {
        return None;
    }
    if head.truncation {
        return Some(Read::Cut);
    }
    let code = match head.response_code {
        ResponseCode::NoError => Code::NoError,
        ResponseCode::NXDomain => Code::NxDomain,
        ResponseCode::Refused => Code::Refused,
        other => Code::Other(other.into()),
    };
    Some(Read::Whole(Answer {
        code,
        authoritative: head.authoritative,
        answers: rows(&message.answers)?,
        authority: rows(&message.authorities)?,
    }))
}

/// The rows of a section; `None` where one of a known type can't be put into words, so that what is there
/// is never taken for less than it is.
fn rows(records: &[Record]) -> Option<Vec<Row>> {
    let known = records.iter().filter(|record| record.dns_class == DNSClass::IN);
    let rows = known.filter_map(|record| {
        let rtype = known_type(record.record_type())?;
        let row = || {
            let name = value::name(&record.name)?;
            Some(Row { name, rtype, ttl: record.ttl, value: value::text(&record.data)? })
        };
        Some(row())
    });
    rows.collect()
}
