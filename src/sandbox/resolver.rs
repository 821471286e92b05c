//! The resolver of the instance's network: what it is told when it asks for names, led by the zones above them.
//!
//! A zone is delegated to its own name servers, unless [`World::delegate`] says otherwise. Not here: what the zones
//! answer (`dns_zone`).

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{Name as WireName, Record, RecordType as WireType};

use crate::dns::{Name, RecordType};

use super::dns_server::from_wire;
use super::value::rdata;
use super::world::World;

/// For how long what the zone above says may be remembered.
const TTL: u32 = 172_800;

impl World {
    /// Has the zone above `zone` point to these hosts in place of the zone's own name servers; without any, to nobody.
    pub fn delegate(&self, zone: &Name, hosts: &[&str]) {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        self.lock().parents.insert(zone.clone(), hosts);
    }

    /// Answers a question as the network's resolver does.
    pub(super) fn resolve(&self, message: &[u8]) -> Option<Vec<u8>> {
        let query = Message::from_vec(message).ok()?;
        let [question] = query.queries.as_slice() else { return None };
        if query.metadata.message_type != MessageType::Query {
            return None;
        }
        let name = from_wire(question.name());
        let elsewhere = name.as_ref().and_then(|name| self.led_elsewhere(name));
        let mut answer = match elsewhere {
            None => self.answer_message(&query),
            Some((zone, hosts)) => {
                let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
                answer.add_query(question.clone());
                let is_for_servers = name.as_ref() == Some(&zone) && question.query_type() == WireType::NS;
                // Nobody speaks at hosts that the world doesn't know.
                answer.metadata.response_code = match (hosts.is_empty(), is_for_servers) {
                    (true, _) => ResponseCode::NXDomain,
                    (false, true) => ResponseCode::NoError,
                    (false, false) => ResponseCode::ServFail,
                };
                if is_for_servers {
                    answer.add_answers(records(question.name(), &hosts));
                }
                answer
            }
        };
        let head = &mut answer.metadata;
        head.authoritative = false;
        head.recursion_desired = query.metadata.recursion_desired;
        head.recursion_available = true;
        // A server that doesn't speak for what it was asked for is no way to an answer.
        if head.response_code == ResponseCode::Refused {
            head.response_code = ResponseCode::ServFail;
        }
        answer.to_vec().ok()
    }

    /// The zone that a name lies in and that the one above leads past, with the hosts that it leads to.
    fn led_elsewhere(&self, name: &Name) -> Option<(Name, Vec<String>)> {
        let state = self.lock();
        let found = state.parents.iter().filter(|(zone, _)| name.is_within(zone));
        found.max_by_key(|(zone, _)| zone.labels().count()).map(|(zone, hosts)| (zone.clone(), hosts.clone()))
    }
}

fn records(name: &WireName, hosts: &[String]) -> Vec<Record> {
    let data = hosts.iter().filter_map(|host| rdata(RecordType::Ns, host).ok());
    data.map(|data| Record::from_rdata(name.clone(), TTL, data)).collect()
}
