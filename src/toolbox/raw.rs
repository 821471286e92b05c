//! A request as it stands in a file: read as a server would read it from the wire.
//!
//! Kinder than a server where nothing is lost by it: lines may end in LF alone, a blank line at the end
//! may be missing, header lines may be folded, and the target may hold spaces and other bytes that a
//! URI can't. Not here: whether the request makes sense, or who signed it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::sign::RawPath;

/// What [`Uri`] doesn't take in a path or query.
const NOT_IN_A_URI: &AsciiSet = &CONTROLS.add(b' ').add(b'<').add(b'>').add(b'`').add(b'^');

/// A text is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("line 1: expected a request line like 'GET /path HTTP/1.1'")]
    RequestLine,
    #[error("line 1: expected a method like GET, found '{0}'")]
    Method(String),
    #[error("line 1: expected a path like /hostedzone?a=1, without a fragment, found '{0}'")]
    Target(String),
    #[error("expected the same host in line 1 and in the Host header")]
    Host,
    #[error("line {line}: expected a header like 'Name: value'")]
    Header { line: usize },
    #[error("expected one Content-Length of digits")]
    Length,
    #[error("expected a body of {expected} bytes, as Content-Length says, found {found}")]
    Cut { expected: u64, found: u64 },
    #[error("expected nothing behind the {expected} bytes that Content-Length says, found {surplus} more")]
    Surplus { expected: u64, surplus: u64 },
    #[error("expected a chunked body as RFC 9112 section 7.1 has it, to its last chunk")]
    Chunks,
    #[error("expected no Transfer-Encoding, or chunked and no Content-Length beside it")]
    Encoding,
}

/// Reads one request.
///
/// Without Content-Length and Transfer-Encoding, everything behind the headers is the body.
///
/// # Errors
/// When it is none, with the line where that shows.
pub fn read(bytes: &[u8]) -> Result<Request<Bytes>, Error> {
    let mut lines = Lines { rest: bytes, number: 0 };
    let first = lines.next().ok_or(Error::RequestLine)?;
    let mut request = request_line(first)?;
    *request.headers_mut() = headers(&mut lines)?;
    // Servers differ over which of two counts.
    let mut hosts = request.headers().get_all(HOST).iter();
    if let (Some(target), Some(host)) = (request.uri().authority(), hosts.next())
        && !target.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
    {
        return Err(Error::Host);
    }
    let body = body(request.headers(), lines.rest)?;
    *request.body_mut() = body;
    Ok(request)
}

/// Lines without their ends.
struct Lines<'a> {
    rest: &'a [u8],
    /// Of the line given last, from 1.
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// The target is what stands between the first space and the last.
fn request_line(line: &[u8]) -> Result<Request<Bytes>, Error> {
    let line = std::str::from_utf8(line).map_err(|_| Error::RequestLine)?;
    let (method, rest) = line.split_once(' ').ok_or(Error::RequestLine)?;
    let (target, version) = rest.rsplit_once(' ').ok_or(Error::RequestLine)?;
    let number = version.get(..5).filter(|start| start.eq_ignore_ascii_case("HTTP/")).map(|_| &version[5..]);
    if !number.is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit()) && number.parse::<f32>().is_ok()
    }) {
        return Err(Error::RequestLine);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Error::Method(shown(method)))?;
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    let refused = || Error::Target(shown(target));
    // A URI would drop what stands behind it.
    if target.contains('#') {
        return Err(refused());
    }
    let uri = if let Ok(uri) = target.parse::<Uri>() {
        uri
    } else {
        let path = target.split('?').next().unwrap_or_default();
        request.extensions_mut().insert(RawPath(path.to_owned()));
        utf8_percent_encode(target, NOT_IN_A_URI).to_string().parse().map_err(|_| refused())?
    };
    if !uri.path().starts_with('/') && uri.path() != "*" {
        return Err(refused());
    }
    *request.uri_mut() = uri;
    Ok(request)
}

fn shown(text: &str) -> String {
    text.escape_default().to_string()
}

/// The headers up to the blank line, or the end.
fn headers(lines: &mut Lines<'_>) -> Result<HeaderMap, Error> {
    let mut read: Vec<(usize, Vec<u8>)> = Vec::new();
    while let Some(line) = lines.next() {
        match (line.first(), read.last_mut()) {
            (None, _) => break,
            (Some(b' ' | b'\t'), Some((_, folded))) => {
                folded.push(b' ');
                folded.extend_from_slice(line.trim_ascii());
            }
            _ => read.push((lines.number, line.to_vec())),
        }
    }
    let mut headers = HeaderMap::new();
    for (line, text) in read {
        let header = || {
            let colon = text.iter().position(|&byte| byte == b':')?;
            let name = HeaderName::from_bytes(&text[..colon]).ok()?;
            Some((name, HeaderValue::from_bytes(text[colon + 1..].trim_ascii()).ok()?))
        };
        let (name, value) = header().ok_or(Error::Header { line })?;
        headers.try_append(name, value).map_err(|_| Error::Header { line })?;
    }
    Ok(headers)
}

fn body(headers: &HeaderMap, rest: &[u8]) -> Result<Bytes, Error> {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        let alone = encodings.next().is_none() && !headers.contains_key(CONTENT_LENGTH);
        let chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
        return if alone && chunked { dechunked(rest) } else { Err(Error::Encoding) };
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(Bytes::copy_from_slice(rest)) };
    let digits = std::str::from_utf8(length.as_bytes()).ok();
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let expected: u64 = digits.and_then(|text| text.parse().ok()).ok_or(Error::Length)?;
    if lengths.any(|other| other != length) {
        return Err(Error::Length);
    }
    let found = rest.len() as u64;
    let end = usize::try_from(expected).ok().filter(|end| *end <= rest.len());
    let end = end.ok_or(Error::Cut { expected, found })?;
    match &rest[end..] {
        // An editor's last line end.
        b"" | b"\n" | b"\r\n" => Ok(Bytes::copy_from_slice(&rest[..end])),
        surplus => Err(Error::Surplus { expected, surplus: surplus.len() as u64 }),
    }
}

/// Puts a chunked body together. Trailers are passed over, as nothing signs them; behind them nothing may
/// stand but an editor's last line end.
fn dechunked(rest: &[u8]) -> Result<Bytes, Error> {
    let mut lines = Lines { rest, number: 0 };
    let mut body = Vec::new();
    loop {
        let line = std::str::from_utf8(lines.next().ok_or(Error::Chunks)?).map_err(|_| Error::Chunks)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        if size.starts_with('+') {
            return Err(Error::Chunks);
        }
        let size = usize::from_str_radix(size, 16).map_err(|_| Error::Chunks)?;
        if size == 0 {
            let blank = |line: &&[u8]| line.is_empty();
            while let Some(trailer) = lines.next().filter(|line| !blank(line)) {
                if !trailer.contains(&b':') {
                    return Err(Error::Chunks);
                }
            }
            let is_end = matches!(lines.rest, b"" | b"\n" | b"\r\n");
            return if is_end { Ok(body.into()) } else { Err(Error::Chunks) };
        }
        let chunk = lines.rest.get(..size).ok_or(Error::Chunks)?;
        body.extend_from_slice(chunk);
        lines.rest = &lines.rest[size..];
        if lines.next() != Some(b"") {
            return Err(Error::Chunks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(request: &Request<Bytes>) -> &str {
        std::str::from_utf8(request.body()).unwrap()
    }

    #[test]
    fn a_request_is_read_with_either_line_end() {
        let crlf = "POST /a?b=1 HTTP/1.1\r\nHost: example.com\r\nX-A:  1 \r\nx-a: 2\r\n\r\none\r\ntwo";
        for (raw, body) in [(crlf.to_owned(), "one\r\ntwo"), (crlf.replace('\r', ""), "one\ntwo")] {
            let request = read(raw.as_bytes()).unwrap();
            assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", "/a?b=1".to_owned()));
            assert_eq!(request.headers()["host"], "example.com");
            assert_eq!(request.headers().get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(text(&request), body);
        }
    }

    #[test]
    fn the_end_of_the_text_ends_the_headers() {
        let request = read(b"GET / HTTP/1.1\nHost:example.com\nX-Amz-Date:20150830T123600Z").unwrap();
        assert_eq!(request.headers().len(), 2);
        assert_eq!(text(&request), "");
    }

    #[test]
    fn folded_lines_are_one_header() {
        let request = read(b"GET / HTTP/1.1\nX-A: one\n  two\n\tthree\nHost: h\n\n").unwrap();
        assert_eq!(request.headers()["x-a"], "one two three");
    }

    #[test]
    fn a_target_that_a_uri_cannot_hold_keeps_its_raw_path() {
        let request = read("GET /example space/ü?a=b c HTTP/1.1\n\n".as_bytes()).unwrap();
        assert_eq!(request.uri().path(), "/example%20space/%C3%BC");
        assert_eq!(request.uri().query(), Some("a=b%20c"));
        assert_eq!(request.extensions().get(), Some(&RawPath("/example space/ü".to_owned())));
        assert!(read(b"GET /plain HTTP/1.1\n\n").unwrap().extensions().get::<RawPath>().is_none());
        assert_eq!(read(b"GET http://h:1/x HTTP/1.1\n\n").unwrap().uri().to_string(), "http://h:1/x");
    }

    #[test]
    fn a_body_is_as_long_as_its_length_says() {
        let sized = |length: &str, body: &str| {
            read(format!("PUT / HTTP/1.1\nContent-Length: {length}\n\n{body}").as_bytes())
        };
        assert_eq!(text(&sized("3", "abc").unwrap()), "abc");
        assert_eq!(text(&sized("3", "abc\n").unwrap()), "abc");
        assert_eq!(sized("4", "abc").unwrap_err(), Error::Cut { expected: 4, found: 3 });
        assert_eq!(sized("2", "abc").unwrap_err(), Error::Surplus { expected: 2, surplus: 1 });
        for wrong in ["", "+3", "-1", "x", "99999999999999999999999"] {
            assert_eq!(sized(wrong, "abc").unwrap_err(), Error::Length, "{wrong:?}");
        }
        assert_eq!(sized("3\nContent-Length: 4", "abc").unwrap_err(), Error::Length);
    }

    #[test]
    fn chunks_are_put_together() {
        let chunked =
            |body: &str| read(format!("PUT / HTTP/1.1\nTransfer-Encoding: chunked\n\n{body}").as_bytes());
        assert_eq!(text(&chunked("0\r\nTrailer: x\r\n\r\n").unwrap()), "");
        assert_eq!(text(&chunked("3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n").unwrap()), "abc0123456789");
        for cut in [
            "",
            "3\r\nab",
            "3\r\nabcd\r\n0\r\n",
            "g\r\n",
            "3\r\nabc\r\n",
            "+3\r\nabc\r\n0\r\n",
            "0\r\n\r\nGET / HTTP/1.1\r\n",
            "0\r\nrubbish\r\n\r\n",
        ] {
            assert_eq!(chunked(cut).unwrap_err(), Error::Chunks, "{cut:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_by_its_line() {
        for (raw, expected) in [
            ("", Error::RequestLine),
            ("GET", Error::RequestLine),
            ("GET / FTP/1.1", Error::RequestLine),
            ("G(T / HTTP/1.1", Error::Method("G(T".into())),
            ("GET nowhere HTTP/1.1", Error::Target("nowhere".into())),
            ("GET / HTTP/1.1\nHost: h\nno header\n", Error::Header { line: 3 }),
            ("GET / HTTP/1.1\n folded: first\n", Error::Header { line: 2 }),
            ("GET / HTTP/1.1\nTransfer-Encoding: gzip\n\n", Error::Encoding),
            (
                "GET / HTTP/1.1\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n",
                Error::Encoding,
            ),
            ("GET / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n", Error::Encoding),
            ("GET /a?b=1#c HTTP/1.1\n\n", Error::Target("/a?b=1#c".into())),
            ("GET / HTTP/zzz\n\n", Error::RequestLine),
            ("GET http://h/ HTTP/1.1\nHost: i\n\n", Error::Host),
        ] {
            assert_eq!(read(raw.as_bytes()).unwrap_err(), expected, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_near_request_makes_it_panic(
            text in "(GET|POST) [!-~ ü]{0,9} HTTP/1.1\r?\n((Host|Content-Length|Transfer-Encoding|[a-z ]{0,3}): ?(chunked|[0-9]{1,3}|[ -~]{0,5})\r?\n){0,4}\r?\n[0-9a-f;\r\n]{0,20}",
        ) {
            let _ = read(text.as_bytes());
        }
    }
}
