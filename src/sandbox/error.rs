//! What the Route 53 API answers when it refuses: codes, statuses, and the shapes they come in.

use http::StatusCode;

use super::xml::{Element, NAMESPACE};

/// A refusal in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// What a batch was refused for, one by one.
    reasons: Vec<String>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), reasons: Vec::new() }
    }

    /// The request makes no sense by itself, whatever the zone holds.
    pub(super) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidInput", message)
    }

    /// The body is no such request at all.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MalformedInput", message)
    }

    /// The changes can't be made; every reason is given, in brackets, as today's API does.
    pub(super) fn invalid_batch(reasons: Vec<String>) -> Self {
        let message = format!("[{}]", reasons.join(", "));
        Self { reasons, ..Self::new(StatusCode::BAD_REQUEST, "InvalidChangeBatch", message) }
    }

    pub(super) fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn no_such_zone(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchHostedZone", format!("No hosted zone found with ID: {id}"))
    }

    /// The body of the answer. `old_shape` gives a refused batch as older API versions did: a root
    /// named by the code, and a list of messages.
    pub(super) fn body(&self, request_id: &str, old_shape: bool) -> String {
        if self.code == "InvalidSignatureException" {
            return Element::new(self.code).with_text("Message", &self.message).document(None);
        }
        let root = if old_shape && !self.reasons.is_empty() {
            let messages =
                self.reasons.iter().fold(Element::new("Messages"), |list, m| list.with_text("Message", m));
            Element::new(self.code).with(messages)
        } else {
            let fault = if self.status.is_server_error() { "Receiver" } else { "Sender" };
            Element::new("ErrorResponse").with(
                Element::new("Error")
                    .with_text("Type", fault)
                    .with_text("Code", self.code)
                    .with_text("Message", &self.message),
            )
        };
        root.with_text("RequestId", request_id).document(Some(NAMESPACE))
    }
}
