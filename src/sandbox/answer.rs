//! What comes back for a request: an answer, or what is left of one.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};

/// The sandbox's reaction to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    Whole(Response<Bytes>),
    /// Announces the whole body, and breaks off in the middle of it.
    Cut(Response<Bytes>),
    /// Sends the body again and again, without end.
    Endless(Response<Bytes>),
    /// The connection ends without an answer.
    Dropped,
    /// Nothing comes, and the connection stays.
    Silent,
}

impl Answer {
    /// The status, where one was sent.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Whole(response) | Self::Cut(response) | Self::Endless(response) => Some(response.status()),
            Self::Dropped | Self::Silent => None,
        }
    }
}

/// A response with a body of this type.
pub(super) fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sets a header, if the text can be the value of one.
pub(super) fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
