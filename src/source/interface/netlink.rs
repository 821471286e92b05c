//! Questions to the kernel over rtnetlink, and its notices. One socket for each question, none kept.
//!
//! The kernel answers while it is asked, so nothing here waits.
//!
//! Spec: <https://man7.org/linux/man-pages/man7/rtnetlink.7.html>

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use netlink_packet_core::{
    Emitable, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
    NetlinkHeader, Parseable,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeader, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use rustix::net::netdevice::name_to_index;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use super::{Address, Interface, State};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

/// The kernel puts no more into one message of a dump.
const LARGEST: usize = 32 * 1024;
/// A dump during which something changed is asked for again.
const ATTEMPTS: u32 = 5;

/// A socket that hears of every change of links and addresses, and never blocks.
pub(super) fn listener() -> io::Result<OwnedFd> {
    socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)
}

fn socket(groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // NETLINK_ROUTE is protocol 0, the default.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    // The kernel chooses the number by which it finds us.
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Takes what has arrived. Whether a link or an address is among what it speaks of.
pub(super) fn take(listener: &OwnedFd) -> io::Result<bool> {
    let mut buffer = vec![0; LARGEST];
    let (length, _) = recv(listener, buffer.as_mut_slice(), RecvFlags::empty())?;
    let news = [RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR];
    Ok(messages(&buffer[..length]).any(|message| news.contains(&message.message_type())))
}

/// What the kernel says of an interface now.
pub(super) fn state(name: &Interface) -> io::Result<State> {
    let socket = socket(0)?;
    let index = match name_to_index(&socket, &name.0) {
        Ok(index) => index,
        Err(rustix::io::Errno::NODEV) => return Ok(State::Missing),
        Err(error) => return Err(error.into()),
    };
    let mut up = false;
    let header = LinkHeader { index, ..LinkHeader::default() };
    ask(&socket, RTM_GETLINK, 0, &header, |kind, payload| {
        if kind == RTM_NEWLINK {
            up = LinkHeader::parse(payload).map_err(io::Error::other)?.flags.contains(LinkFlags::Up);
        }
        Ok(())
    })?;
    if !up {
        return Ok(State::Down);
    }
    for _ in 0..ATTEMPTS {
        let mut addresses = Vec::new();
        let whole = ask(&socket, RTM_GETADDR, NLM_F_DUMP, &AddressHeader::default(), |kind, payload| {
            if kind == RTM_NEWADDR {
                let message = AddressMessage::parse(payload).map_err(io::Error::other)?;
                addresses.extend(address(&message).filter(|_| message.header.index == index));
            }
            Ok(())
        })?;
        if whole {
            return Ok(State::Up(addresses));
        }
    }
    Err(io::Error::other("the addresses of this machine keep changing"))
}

/// The own address in a message: on a point-to-point link, "address" is the other side's.
fn address(message: &AddressMessage) -> Option<Address> {
    let (mut own, mut any): (Option<IpAddr>, Option<IpAddr>) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => own = Some(*ip),
            AddressAttribute::Address(ip) => any = Some(*ip),
            // All of the flags; the header has room for eight.
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    own.or(any).map(|ip| Address { ip, flags })
}

/// Sends a request and hands over each message of the answer, to its last. Whether it is of one moment.
fn ask(
    socket: &OwnedFd,
    kind: u16,
    flags: u16,
    payload: &impl Emitable,
    mut each: impl FnMut(u16, &[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    let mut header = NetlinkHeader::default();
    let length = header.buffer_len() + payload.buffer_len();
    header.length = u32::try_from(length).map_err(io::Error::other)?;
    header.message_type = kind;
    header.flags = NLM_F_REQUEST | flags;
    let mut request = vec![0; length];
    header.emit(&mut request);
    payload.emit(&mut request[header.buffer_len()..]);
    send(socket, &request, SendFlags::empty())?;

    let (mut buffer, mut whole) = (vec![0; LARGEST], true);
    loop {
        let (length, _) = recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        for message in messages(&buffer[..length]) {
            whole &= message.flags() & NLM_F_DUMP_INTR == 0;
            match message.message_type() {
                NLMSG_DONE => return Ok(whole),
                NLMSG_ERROR => return Err(refused(message.payload())),
                kind => each(kind, message.payload())?,
            }
        }
        // Only a dump has an end of its own.
        if flags & NLM_F_DUMP == 0 {
            return Ok(whole);
        }
    }
}

/// An error message begins with the error's number, negated.
fn refused(payload: &[u8]) -> io::Error {
    let number = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(number.saturating_neg())
}

/// The messages in what was received. One that is cut ends them.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(bytes).ok()?;
        let length = usize::try_from(message.length()).ok()?;
        // Each begins at a multiple of four.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_a_point_to_point_link_the_own_address_counts() {
        let [own, other]: [IpAddr; 2] = ["198.51.100.7", "198.51.100.8"].map(|ip| ip.parse().unwrap());
        let mut message = AddressMessage::default();
        message.attributes = vec![AddressAttribute::Address(other), AddressAttribute::Local(own)];
        assert_eq!(address(&message).map(|address| address.ip), Some(own));
        message.attributes.truncate(1);
        assert_eq!(address(&message).map(|address| address.ip), Some(other));
        message.attributes.clear();
        assert_eq!(address(&message), None);
    }

    #[test]
    fn flags_beyond_the_header_are_read() {
        let mut message = AddressMessage::default();
        let flags = AddressFlags::StablePrivacy | AddressFlags::Tentative;
        message.attributes =
            vec![AddressAttribute::Address("2001:db8::1".parse().unwrap()), AddressAttribute::Flags(flags)];
        assert_eq!(address(&message).unwrap().flags, flags);
    }

    proptest! {
        #[test]
        fn no_notice_is_too_strange_to_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes) {
                let _ = AddressMessage::parse(message.payload()).map(|message| address(&message));
                let _ = LinkHeader::parse(message.payload());
                refused(message.payload());
            }
            let _ = AddressMessage::parse(&bytes);
        }

        #[test]
        fn messages_come_one_after_the_other_and_end(lengths in proptest::collection::vec(0u32..80, 0..6)) {
            let mut bytes = Vec::new();
            for length in &lengths {
                let mut message = length.to_ne_bytes().to_vec();
                message.resize(usize::try_from(*length).unwrap().max(16).next_multiple_of(4), 0);
                bytes.extend(message);
            }
            let whole = lengths.iter().take_while(|length| **length >= 16).count();
            prop_assert_eq!(messages(&bytes).count(), whole);
        }
    }
}
