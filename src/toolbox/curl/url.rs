//! The URL as curl reads it, where there is but one way to.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use http::Uri;
use http::header::HeaderValue;

use super::Error;

/// What curl takes for another scheme where none is written.
const GUESSED: [&str; 6] = ["ftp.", "dict.", "ldap.", "imap.", "smtp.", "pop3."];

/// Puts data behind a URL's query, as `-G` does.
pub(super) fn with_query(url: &OsStr, data: &[u8]) -> Result<OsString, Error> {
    let bytes = url.as_bytes();
    let refused = |why| Error::Url { url: shown(url), why };
    if bytes.contains(&b'#') {
        return Err(refused("with --get, expected no fragment"));
    }
    if bytes.ends_with(b"?") || bytes.ends_with(b"&") || data.is_empty() {
        return Err(refused("curl's versions differ over how --get goes on from here"));
    }
    let spelt = |escape: &[u8]| escape[0] == b'%' && escape[1..].iter().any(u8::is_ascii_alphabetic);
    if data.windows(3).any(spelt) {
        return Err(refused(
            "curl's versions differ over the case of escapes behind --get: write the query out",
        ));
    }
    let mut whole = bytes.to_vec();
    whole.push(if bytes.contains(&b'?') { b'&' } else { b'?' });
    whole.extend_from_slice(data);
    Ok(OsString::from_vec(whole))
}

/// Reads the URL that curl will ask for.
pub(super) fn read(url: &OsStr, glob_off: bool, path_as_is: bool, uploads: bool) -> Result<Uri, Error> {
    let refused = |why| Error::Url { url: shown(url), why };
    let text = url.to_str().filter(|text| text.is_ascii());
    let text = text.ok_or(refused("expected ASCII, with everything else percent-encoded"))?;
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None if GUESSED.iter().any(|start| text.to_ascii_lowercase().starts_with(start)) => {
            return Err(refused("curl takes it for another scheme than http"));
        }
        None => ("http".to_owned(), text),
    };
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(refused("expected http or https"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.contains('@') {
        return Err(refused("expected no user name or password in it"));
    }
    if authority.is_empty() || authority.contains('%') {
        return Err(refused("expected a host"));
    }
    if !reads_one_way(authority) {
        return Err(refused(
            "expected a host name, or an address in its usual form, and a port of 1 to 65535: curl writes others anew",
        ));
    }
    let is_literal = authority.starts_with('[');
    let globs = |part: &str| part.contains(['{', '}', '[', ']']);
    if !glob_off && (globs(target) || !is_literal && globs(authority)) {
        return Err(refused("curl expands braces and brackets: give -g, or percent-encode them"));
    }
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let is_dots = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    };
    if !path_as_is && path.split('/').any(is_dots) {
        return Err(refused(
            "curl takes dot segments out of paths: write the path out, or give --path-as-is",
        ));
    }
    if uploads && (path.is_empty() || path.ends_with('/')) {
        return Err(refused("curl appends the file's name to it: write it out"));
    }
    let path = if path.is_empty() { "/" } else { path };
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    let uri = format!("{scheme}://{authority}{path}{query}");
    uri.parse().map_err(|_| refused("expected a URL, percent-encoded"))
}

/// Whether curl says host and port in the Host header as they stand here: of an address and of a port it
/// writes the number.
fn reads_one_way(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let number = |port: &str| port.parse().is_ok_and(|number: u16| number > 0 && number.to_string() == port);
    if !port.is_none_or(number) {
        return false;
    }
    if let Some(literal) = host.strip_prefix('[') {
        let literal = literal.strip_suffix(']').unwrap_or_default();
        return literal.parse().is_ok_and(|address: Ipv6Addr| address.to_string() == literal);
    }
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit())
        && last.trim_start_matches("0x").bytes().all(|byte| byte.is_ascii_hexdigit());
    !is_number || host.parse::<Ipv4Addr>().is_ok()
}

/// The Host header that curl sends, where it isn't in lower case: without the scheme's own port.
pub(super) fn host_as_written(uri: &Uri) -> Option<HeaderValue> {
    let host = uri.host().filter(|host| host.bytes().any(|byte| byte.is_ascii_uppercase()))?;
    let own = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let port = uri.port_u16().filter(|port| *port != own);
    let text = port.map_or(host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::try_from(text).ok()
}

fn shown(url: &OsStr) -> String {
    url.to_string_lossy().escape_debug().to_string()
}
