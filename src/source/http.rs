//! `http:URL`: what a server answers to a GET.
//!
//! Of a URL only scheme and host are ever shown: the rest may hold a key.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{Request, StatusCode, Uri};

use crate::causes::with_causes;
use crate::dns::RecordType;
use crate::transport::{self, Transport};

use super::look::Observation;
use super::{Error, values};

/// Bounds of the requests: a server that tells an address is somewhere on the Internet, and its answer short.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(3),
    body_limit: 64 * 1024,
    proxy: true,
};

/// An answer that broke off on its way may come at the second attempt.
const ATTEMPTS: u32 = 2;

/// Where to ask.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url(Uri);

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // A user's name and password in front of the host, or what may be meant as such.
        let host = text.split(['?', '#']).next().unwrap_or_default();
        let authority =
            host.split_once("://").map_or(host, |(_, rest)| rest.split('/').next().unwrap_or_default());
        if authority.contains('@') {
            return Err(Error::Secret {
                expected: "an http or https URL without a user in it, found one with",
            });
        }
        let bad = || Error::Form {
            expected: "an http or https URL, like https://checkip.amazonaws.com",
            found: text.to_owned(),
        };
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_http || uri.host().is_none_or(str::is_empty) {
            return Err(bad());
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.0.scheme_str().unwrap_or("http"))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(super) async fn read(http: &dyn Transport, url: &Url, rtype: RecordType) -> Observation {
    let mut attempt = 1;
    loop {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.0.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/plain, */*;q=0.5"));
        match http.send(request).await {
            Ok(answer) => return understand(url, rtype, answer.status(), answer.body()),
            Err(error) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Observation::Unknown(with_causes(&error)),
        }
    }
}

fn understand(url: &Url, rtype: RecordType, status: StatusCode, body: &Bytes) -> Observation {
    match (status, std::str::from_utf8(body)) {
        (StatusCode::OK, Ok(text)) => values::read(rtype, &url.to_string(), text),
        (StatusCode::OK, Err(_)) => {
            Observation::Unknown(format!("{url}: expected text, found something else"))
        }
        (status, _) if status.is_redirection() => Observation::Unknown(format!(
            "{url} points elsewhere (status {}), and pin53 follows nobody: name that place itself",
            status.as_u16()
        )),
        (status, _) => Observation::Unknown(format!("{url} answered with status {}", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Observation {
        let url = "https://a.example/ip?key=sentinel".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        understand(&url, RecordType::A, status, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn the_body_is_trimmed() {
        assert!(
            matches!(answered(200, " 198.51.100.7\r\n"), Observation::Known(values) if values.len() == 1)
        );
    }

    #[test]
    fn an_answer_of_another_kind_is_unknown_and_shows_nothing_of_the_url_but_its_host() {
        for (status, body) in [(200, "<html>"), (301, ""), (204, ""), (404, "198.51.100.7"), (500, "")] {
            let Observation::Unknown(why) = answered(status, body) else { panic!("{status} {body}") };
            assert!(why.starts_with("https://a.example"), "{why}");
            assert!(!why.contains("sentinel"), "{why}");
        }
        assert!(matches!(answered(200, ""), Observation::KnownNone(_)));
    }
}
