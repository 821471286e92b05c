//! What Route 53 says when it refuses: four shapes, one meaning each.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html>

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::xml::{self, Cursor};

/// How deep the elements of a refusal lie within each other: none of the shapes goes further.
const DEPTH: u8 = 3;

/// An answer that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    pub status: u16,
    /// The code; empty where the answer has none that can be read.
    pub code: String,
    /// What the service says about it, a text for each fault.
    pub messages: Vec<String>,
    pub request_id: Option<String>,
    /// How long the service asks to wait, in milliseconds.
    pub retry_after: Option<u64>,
}

/// The id of the request that was answered.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    text_of(headers, "x-amzn-requestid")
}

/// What a refusal means for what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Too many requests in the account: later.
    Throttled,
    /// Another change to the zone isn't finished: shortly.
    Busy,
    /// The service is not well: later.
    Unavailable,
    /// The request's date is off.
    ClockSkew,
    /// The credentials have ended, or aren't known (yet).
    CredentialsRefused,
    /// The signature doesn't fit: a wrong secret, or a scheme that the service doesn't take.
    SignatureRefused,
    /// Not permitted to these credentials.
    Denied,
    /// The hosted zone isn't there.
    NoSuchZone,
    /// The change doesn't fit what is there.
    InvalidBatch,
    /// Any other fault of the request's.
    Invalid,
    /// A refusal without a code that can be read: HTML of somebody on the way, half an answer, nothing.
    Unreadable,
    /// A refusal that none of the above covers.
    Unknown,
}

impl ServiceError {
    /// Reads the refusal in an answer whose status says that it is one.
    #[must_use]
    pub fn read(answer: &Response<Bytes>) -> Self {
        let status = answer.status();
        let header = |name: &str| text_of(answer.headers(), name);
        let mut error = Self {
            status: status.as_u16(),
            code: String::new(),
            messages: Vec::new(),
            request_id: request_id(answer.headers()),
            retry_after: header("x-amz-retry-after").and_then(|text| text.parse().ok()),
        };
        // HTML, nothing at all, or half an answer: the status has to do.
        if error.read_body(answer.body()).is_err() {
            error.code.clear();
        }
        error
    }

    fn read_body(&mut self, body: &[u8]) -> Result<(), xml::Error> {
        let (mut cursor, root) = Cursor::new(body)?;
        match root.as_str() {
            "ErrorResponse" | "Response" => {}
            "html" | "HTML" => return Ok(()),
            _ => self.code = root,
        }
        self.read_element(&mut cursor, DEPTH)
    }

    /// Takes in the children of any of the four shapes' elements.
    fn read_element(&mut self, cursor: &mut Cursor<'_>, depth: u8) -> Result<(), xml::Error> {
        while let Some(name) = cursor.child()? {
            match name.as_str() {
                "Error" | "Messages" if depth > 0 => self.read_element(cursor, depth - 1)?,
                "Code" => cursor.text()?.trim().clone_into(&mut self.code),
                "Message" | "message" => {
                    let text = cursor.text()?;
                    // Below the first line of a mismatch AWS quotes the canonical request, session token included.
                    let line = text.trim().lines().next().unwrap_or_default();
                    if !self.messages.iter().any(|known| known == line) {
                        self.messages.extend(split(line));
                    }
                }
                "RequestId" => self.request_id = Some(cursor.text()?.trim().to_owned()),
                _ => cursor.skip()?,
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        let says = |words: &str| self.messages.iter().any(|message| message.contains(words));
        match self.code.as_str() {
            "Throttling" | "ThrottlingException" | "TooManyRequestsException" | "RequestLimitExceeded" => {
                Kind::Throttled
            }
            "PriorRequestNotComplete" => Kind::Busy,
            "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => Kind::ClockSkew,
            _ if says("Signature expired") || says("Signature not yet current") => Kind::ClockSkew,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "UnrecognizedClient"
            | "TokenRefreshRequired" => Kind::CredentialsRefused,
            "SignatureDoesNotMatch" | "InvalidSignatureException" => Kind::SignatureRefused,
            "AccessDenied"
            | "AccessDeniedException"
            | "NotAuthorizedException"
            | "UnauthorizedOperation"
            | "OptInRequired" => Kind::Denied,
            "NoSuchHostedZone" => Kind::NoSuchZone,
            "InvalidChangeBatch" => Kind::InvalidBatch,
            "InvalidInput" | "InvalidArgument" | "InvalidDomainName" | "MalformedInput" | "NoSuchChange"
            | "NoSuchHealthCheck" | "ValidationError" => Kind::Invalid,
            "RequestTimeout" | "RequestTimeoutException" => Kind::Unavailable,
            _ if self.status == 429 => Kind::Throttled,
            _ if self.status >= 500 || self.status == 408 => Kind::Unavailable,
            "" => Kind::Unreadable,
            _ => Kind::Unknown,
        }
    }

    /// Whether a refused batch lost a race: the sets were there, or weren't, or were others than
    /// was read before.
    #[must_use]
    pub fn is_lost_race(&self) -> bool {
        const WORDS: &[&str] = &["it already exists", "it was not found", "do not match the current values"];
        self.kind() == Kind::InvalidBatch
            && self.messages.iter().any(|message| WORDS.iter().any(|words| message.contains(words)))
    }
}

/// Today's form of several messages is one text, `[first, second]`.
fn split(text: &str) -> Vec<String> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        // A message may hold brackets and commas of its own: only a comma in front of a sentence's
        // beginning parts two messages.
        Some(inner) => {
            let mut messages: Vec<String> = Vec::new();
            for part in inner.split(", ") {
                match messages.last_mut() {
                    Some(last) if !part.starts_with(|c: char| c.is_ascii_uppercase()) => {
                        last.push_str(", ");
                        last.push_str(part);
                    }
                    _ => messages.push(part.to_owned()),
                }
            }
            messages
        }
        None => vec![text.to_owned()],
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

impl std::error::Error for ServiceError {}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.code.is_empty() {
            return write!(f, "Route 53 answered with status {} and nothing that can be read", self.status);
        }
        write!(f, "Route 53 answered {} ({})", self.code, self.status)?;
        if self.messages.is_empty() { Ok(()) } else { write!(f, ": {}", self.messages.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ServiceError {
        let answer = Response::builder().status(status).header("x-amzn-requestid", "from-header");
        ServiceError::read(&answer.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
    }

    #[test]
    fn every_recorded_refusal_is_understood() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/route53_xml.json")).unwrap();
        let mut shown = Vec::new();
        for vector in vectors["responses"].as_array().unwrap() {
            let status = vector["status"].as_u64().unwrap();
            if status >= 400 {
                let error = read(u16::try_from(status).unwrap(), vector["body"].as_str().unwrap());
                shown.push(format!("{}: {:?} {error}", vector["name"].as_str().unwrap(), error.kind()));
            }
        }
        insta::assert_snapshot!(shown.join("\n"), @"
        err-throttling: Throttled Route 53 answered Throttling (400): Rate exceeded
        err-nozone: NoSuchZone Route 53 answered NoSuchHostedZone (404): No hosted zone found with ID: Z1
        err-denied: Denied Route 53 answered AccessDenied (403): User: arn:aws:sts::123456789012:assumed-role/r/i-0 is not authorized to perform: route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/Z1
        err-skew: ClockSkew Route 53 answered SignatureDoesNotMatch (403): Signature expired: 20191218T101837Z is now earlier than 20191218T102749Z (20191218T103249Z - 5 min.)
        err-token: CredentialsRefused Route 53 answered InvalidClientTokenId (403): The security token included in the request is invalid.
        err-icb-single-root: InvalidBatch Route 53 answered InvalidChangeBatch (400): Tried to create resource record set duplicate.example.com. type A, but it already exists; second
        err-icb-no-requestid: InvalidBatch Route 53 answered InvalidChangeBatch (400): Tried to delete resource record set noexist.example.com. type A,but it was not found
        err-invalid-signature-exception: SignatureRefused Route 53 answered InvalidSignatureException (403): The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.
        err-html-503: Unavailable Route 53 answered with status 503 and nothing that can be read
        ");
    }

    #[test]
    fn several_messages_in_brackets_are_told_apart() {
        let error = read(
            400,
            "<ErrorResponse><Error><Code>InvalidChangeBatch</Code><Message>[Tried to create resource record set \
            [name='a.', type='A'] but it already exists, RRSet of type CNAME with DNS name b. is not permitted at apex in zone b.]\
            </Message></Error></ErrorResponse>",
        );
        assert_eq!(error.messages.len(), 2, "{:?}", error.messages);
        assert!(error.messages[0].ends_with("but it already exists"));
        assert!(error.is_lost_race());
    }

    #[test]
    fn the_canonical_request_that_a_mismatch_quotes_is_dropped_with_the_token_in_it() {
        let error = read(
            403,
            "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does \
            not match.\n\nThe Canonical String for this request should have been\n'GET\n/2013-04-01/hostedzone\n\n\
            x-amz-security-token:sentinel\n'</Message></Error></ErrorResponse>",
        );
        assert_eq!(error.messages, ["The request signature we calculated does not match."]);
        assert!(!format!("{error} {error:?}").contains("sentinel"));
    }

    #[test]
    fn a_refusal_without_a_readable_body_is_known_by_its_status() {
        assert_eq!(read(503, "").kind(), Kind::Unavailable);
        assert_eq!(read(500, "<ErrorResponse><Err").kind(), Kind::Unavailable);
        assert_eq!(read(429, "").kind(), Kind::Throttled);
        for unreadable in ["", "<html></html>", "<ErrorResponse><Error><Code>Thro"] {
            assert_eq!(read(403, unreadable).kind(), Kind::Unreadable, "{unreadable}");
        }
    }

    #[test]
    fn elements_within_elements_without_end_are_no_refusal_and_no_crash() {
        let deep = "<Error>".repeat(100_000);
        assert_eq!(read(400, &format!("<ErrorResponse>{deep}")).kind(), Kind::Unreadable);
    }
}
