//! What curl will send: the request, understood from curl's own arguments.
//!
//! Whatever can't be known from them is refused with its name and a reason. Not here: signing the
//! request, and starting curl.

mod options;
#[cfg(test)]
mod tests;
mod url;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use options::{Data, Effect};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What curl's own encoding leaves as it is, beside letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where the signature stands or what curl counts itself: not to be given by hand.
const NOT_BY_HAND: [&str; 5] =
    ["authorization", "x-amzn-authorization", "x-amz-security-token", "content-length", "transfer-encoding"];

/// What the arguments come to.
#[derive(Debug)]
pub struct Understood {
    /// As curl sends it: the headers that are given, and curl's own Content-Type.
    pub request: Request<Bytes>,
    /// The arguments without the URL, and without the data that `-G` has curl put behind its query.
    pub without_url: Vec<OsString>,
    /// Standard input, where an argument had it read: curl has to be given it again.
    pub stdin: Option<Bytes>,
    /// Whether curl says how long the body is.
    pub length: Length,
    /// An option that has curl connect to another place than the URL's.
    pub elsewhere: Option<String>,
}

/// What curl says of a body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is no body.
    Unsaid,
    /// `Content-Length`, for an empty body too.
    Sent,
    /// The body comes in chunks.
    Chunked,
}

/// Reads what arguments name.
pub trait Files {
    /// What a regular file holds: anything else gives curl something else than it gave us.
    ///
    /// # Errors
    /// The operating system's own, or that it is no regular file.
    fn file(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// # Errors
    /// The operating system's own.
    fn stdin(&mut self) -> io::Result<Vec<u8>>;
}

/// What curl will send can't be known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("curl's {option} can't be signed for: {why}")]
    Refused { option: String, why: &'static str },
    #[error("curl's {0} isn't known here, nor what it does to the request")]
    Unknown(String),
    #[error("curl's {0} wants a value")]
    NoValue(String),
    #[error("expected a URL among curl's arguments, found none")]
    NoUrl,
    #[error("expected one URL among curl's arguments, found several")]
    SeveralUrls,
    #[error("curl's URL '{url}' can't be signed for: {why}")]
    Url { url: String, why: &'static str },
    #[error("curl's header '{0}' can't be signed for: expected 'Name: value', of visible characters")]
    Header(String),
    #[error("curl's header {name} can't be signed for: {why}")]
    Forbidden { name: String, why: &'static str },
    #[error("curl's method '{0}' is none")]
    Method(String),
    #[error("could not read {what} for curl")]
    Read {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("standard input can't be read twice")]
    StdinTwice,
    #[error("curl takes only one of --data, --upload-file and --head")]
    Several,
}

/// Understands arguments.
///
/// # Errors
/// When what curl will send can't be known from them. Nothing is read before each of them is known.
pub fn understand(arguments: &[OsString], files: &mut dyn Files) -> Result<Understood, Error> {
    let parts = parts(arguments)?;
    let mut reader = Reader { files, stdin: None, found: Found::default() };
    for part in &parts {
        reader.take(part)?;
    }
    reader.finish(&parts)
}

/// One option, or the URL, as a part of the command line.
struct Part {
    effect: Effect,
    /// As it was spelt.
    option: String,
    value: OsString,
    /// What says the same by itself.
    words: Vec<OsString>,
}

/// Takes a command line apart.
fn parts(arguments: &[OsString]) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::with_capacity(arguments.len());
    let mut rest = arguments.iter();
    let mut options_end = false;
    while let Some(argument) = rest.next() {
        let bytes = argument.as_bytes();
        if options_end || !bytes.starts_with(b"-") || bytes == b"-" {
            let (option, words) = ("--url".to_owned(), Vec::new());
            parts.push(Part { effect: Effect::Url, option, value: argument.clone(), words });
            continue;
        }
        if bytes == b"--" {
            options_end = true;
            continue;
        }
        let mut take = |effect: Effect, option: String, attached: Option<&OsStr>| -> Result<(), Error> {
            if let Effect::Refused(why) = effect {
                return Err(Error::Refused { option, why });
            }
            let mut words = vec![OsString::from(&option)];
            let mut value = OsString::new();
            if effect.takes_value() {
                value = match attached {
                    Some(attached) => attached.to_owned(),
                    None => rest.next().ok_or_else(|| Error::NoValue(option.clone()))?.clone(),
                };
                words.push(value.clone());
            }
            parts.push(Part { effect, option, value, words });
            Ok(())
        };
        if let Some(name) = bytes.strip_prefix(b"--") {
            let name = String::from_utf8_lossy(name);
            let effect = options::long(&name).ok_or_else(|| Error::Unknown(format!("--{name}")))?;
            take(effect, format!("--{name}"), None)?;
            continue;
        }
        for (at, &letter) in bytes.iter().enumerate().skip(1) {
            let shown = format!("-{}", char::from(letter).escape_default());
            let effect = options::short(letter).ok_or_else(|| Error::Unknown(shown.clone()))?;
            let attached = Some(&bytes[at + 1..]).filter(|attached| !attached.is_empty());
            take(effect, shown, attached.map(OsStr::from_bytes))?;
            if effect.takes_value() {
                break;
            }
        }
    }
    Ok(parts)
}

struct Reader<'a> {
    files: &'a mut dyn Files,
    stdin: Option<Bytes>,
    found: Found,
}

/// What the arguments said so far.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of curl's")]
struct Found {
    url: Option<OsString>,
    method: Option<Method>,
    headers: HeaderMap,
    /// Names that curl is told not to send, in lower case.
    removed: Vec<String>,
    data: Option<Vec<u8>>,
    json: bool,
    get: bool,
    head: bool,
    upload: Option<Bytes>,
    streams: bool,
    glob_off: bool,
    path_as_is: bool,
    elsewhere: Option<String>,
}

impl Found {
    fn url(&mut self, url: &OsStr) -> Result<(), Error> {
        if self.url.replace(url.to_owned()).is_some() {
            return Err(Error::SeveralUrls);
        }
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Error> {
        let wrong = || Error::Header(String::from_utf8_lossy(line).escape_debug().to_string());
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = match (colon, line.strip_suffix(b";")) {
            (Some(colon), _) => (&line[..colon], line[colon + 1..].trim_ascii()),
            (None, Some(name)) => (name, &b""[..]),
            (None, None) => return Err(wrong()),
        };
        let removes = colon.is_some() && value.is_empty();
        let name = HeaderName::from_bytes(name).map_err(|_| wrong())?;
        let forbidden = |why| Error::Forbidden { name: name.to_string(), why };
        if name == HOST && self.headers.contains_key(HOST) {
            return Err(forbidden("it is given twice, and curl sends one of them"));
        }
        if NOT_BY_HAND.contains(&name.as_str()) {
            return Err(forbidden("it is the signature's or curl's own to give"));
        }
        if removes && name == HOST {
            return Err(forbidden("every request has to name its host"));
        }
        if removes {
            self.removed.push(name.to_string());
            return Ok(());
        }
        let value = HeaderValue::from_bytes(value).map_err(|_| wrong())?;
        self.headers.append(name, value);
        Ok(())
    }

    /// Whether a header of curl's own is sent beside those that are given.
    fn sends_own(&self, name: &HeaderName) -> bool {
        !self.headers.contains_key(name) && !self.removed.iter().any(|removed| removed == name.as_str())
    }
}

impl Reader<'_> {
    fn take(&mut self, part: &Part) -> Result<(), Error> {
        let Part { option, value, .. } = part;
        let bytes = value.as_bytes();
        let refused = |why| Error::Refused { option: option.clone(), why };
        match part.effect {
            Effect::Method => {
                let method = Method::from_bytes(bytes);
                let wrong = || Error::Method(value.to_string_lossy().escape_debug().to_string());
                self.found.method = Some(method.map_err(|_| wrong())?);
            }
            Effect::Header => match bytes.strip_prefix(b"@") {
                Some(file) => {
                    let text = self.read(file)?;
                    for line in text.split(|&byte| byte == b'\n') {
                        let line = line.strip_suffix(b"\r").unwrap_or(line);
                        if !line.is_empty() {
                            self.found.header(line)?;
                        }
                    }
                }
                None => self.found.header(bytes)?,
            },
            Effect::Data(kind) => {
                let more = self.data(kind, bytes, option)?;
                // JSON is put together as it stands, everything else as fields are.
                match &mut self.found.data {
                    Some(data) => {
                        if kind != Data::Json && !data.is_empty() {
                            data.push(b'&');
                        } else if kind != Data::Json {
                            return Err(refused("curl's versions differ over data behind empty data"));
                        }
                        data.extend_from_slice(&more);
                    }
                    None => self.found.data = Some(more),
                }
                self.found.json |= kind == Data::Json;
            }
            Effect::Get => self.found.get = true,
            Effect::Head => self.found.head = true,
            Effect::Upload => {
                if self.found.upload.is_some() {
                    return Err(Error::Several);
                }
                if bytes.iter().any(|byte| b"{}[]".contains(byte)) || bytes.is_empty() {
                    return Err(refused("expected the name of one file"));
                }
                self.found.streams = bytes == b"-" || bytes == b".";
                let name = if self.found.streams { b"-" } else { bytes };
                self.found.upload = Some(self.read(name)?.into());
            }
            Effect::Url => self.found.url(value)?,
            Effect::GlobOff => self.found.glob_off = true,
            Effect::PathAsIs => self.found.path_as_is = true,
            Effect::Elsewhere => self.found.elsewhere = Some(option.clone()),
            Effect::None { .. } => {}
            Effect::Refused(why) => return Err(refused(why)),
        }
        Ok(())
    }

    fn data(&mut self, kind: Data, value: &[u8], option: &str) -> Result<Vec<u8>, Error> {
        let refused = |why| Error::Refused { option: option.to_owned(), why };
        match (kind, value.strip_prefix(b"@")) {
            (Data::UrlEncoded, _) => self.url_encoded(value, option),
            (Data::Text, Some(file)) => {
                let text = self.read(file)?;
                if text.contains(&0) {
                    return Err(refused(
                        "curl's versions differ over zero bytes in a file: take --data-binary",
                    ));
                }
                Ok(text.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect())
            }
            (Data::Binary | Data::Json, Some(file)) => self.read(file),
            _ => Ok(value.to_vec()),
        }
    }

    /// `content`, `=content`, `name=content`, `@file` or `name@file`.
    fn url_encoded(&mut self, value: &[u8], option: &str) -> Result<Vec<u8>, Error> {
        let place = |wanted| value.iter().position(|&byte| byte == wanted);
        let (name, content) = match (place(b'='), place(b'@')) {
            (Some(at), _) => (&value[..at], value[at + 1..].to_vec()),
            (None, Some(at)) => (&value[..at], self.read(&value[at + 1..])?),
            (None, None) => (&b""[..], value.to_vec()),
        };
        if content.contains(&b' ') {
            let why = "curl's versions differ over how a space is written: encode it by hand";
            return Err(Error::Refused { option: option.to_owned(), why });
        }
        let mut out = name.to_vec();
        if !name.is_empty() {
            out.push(b'=');
        }
        out.extend(percent_encode(&content, ENCODED).to_string().into_bytes());
        Ok(out)
    }

    fn read(&mut self, name: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |source| Error::Read { what: String::from_utf8_lossy(name).into_owned(), source };
        if name != b"-" {
            return self.files.file(&PathBuf::from(OsStr::from_bytes(name))).map_err(failed);
        }
        if self.stdin.is_some() {
            return Err(Error::StdinTwice);
        }
        let read = self.files.stdin().map_err(failed)?;
        self.stdin = Some(read.clone().into());
        Ok(read)
    }

    fn finish(self, parts: &[Part]) -> Result<Understood, Error> {
        let Self { stdin, mut found, .. } = self;
        let mut given = found.url.take().ok_or(Error::NoUrl)?;
        let extends_query = found.get && found.data.is_some();
        let in_url = |part: &&Part| match part.effect {
            Effect::Url => true,
            Effect::Data(_) | Effect::Get => extends_query,
            _ => false,
        };
        let without_url =
            parts.iter().filter(|part| !in_url(part)).flat_map(|part| part.words.clone()).collect();
        let posts = found.data.is_some() && !found.get;
        if usize::from(posts) + usize::from(found.upload.is_some()) + usize::from(found.head) > 1
            || found.get && found.upload.is_some()
        {
            return Err(Error::Several);
        }
        if found.get
            && let Some(data) = found.data.take()
        {
            given = url::with_query(&given, &data)?;
        }
        // Where curl puts data behind the query, some versions take dot segments out all the same.
        let path_as_is = found.path_as_is && !extends_query;
        let uri = url::read(&given, found.glob_off, path_as_is, found.upload.is_some())?;
        let default = if found.head {
            Method::HEAD
        } else if found.upload.is_some() {
            Method::PUT
        } else if posts {
            Method::POST
        } else {
            Method::GET
        };
        if posts && found.sends_own(&CONTENT_TYPE) {
            let own = if found.json { JSON } else { FORM };
            found.headers.insert(CONTENT_TYPE, own);
        }
        if found.json && found.sends_own(&ACCEPT) {
            found.headers.insert(ACCEPT, JSON);
        }
        // curl names the host as it is written; signers would write it in lower case.
        if !found.headers.contains_key(HOST)
            && let Some(host) = url::host_as_written(&uri)
        {
            found.headers.insert(HOST, host);
        }
        let length = match (&found.upload, found.streams) {
            (Some(_), true) => Length::Chunked,
            (None, _) if !posts => Length::Unsaid,
            _ => Length::Sent,
        };
        let body = found.upload.or_else(|| found.data.map(Bytes::from)).unwrap_or_default();
        let mut request = Request::new(body);
        *request.method_mut() = found.method.unwrap_or(default);
        *request.uri_mut() = uri;
        *request.headers_mut() = found.headers;
        Ok(Understood { request, without_url, stdin, length, elsewhere: found.elsewhere })
    }
}
