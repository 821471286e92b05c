//! Amazon SNS: the event as a message to a topic.
//!
//! Spec: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use bytes::Bytes;
use http::header::HeaderMap;

use super::event::Event;
use super::{Failure, Outside};
use crate::aws::caller::Call;
use crate::aws::query_text;
use crate::aws::shared::Service;

/// A subject is ASCII and shorter than this.
const LONGEST_SUBJECT: usize = 99;

/// A topic by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic(String);

/// A text names no topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a topic's ARN like arn:aws:sns:eu-west-1:123456789012:NAME, found '{0}'")]
pub struct NoTopic(String);

impl FromStr for Topic {
    type Err = NoTopic;

    fn from_str(text: &str) -> Result<Self, NoTopic> {
        let is_word = |text: &&str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        let parts: Vec<&str> = text.split(':').collect();
        let fits = parts.len() == 6 && parts[0] == "arn" && parts[2] == "sns" && parts.iter().all(is_word);
        if fits { Ok(Self(text.to_owned())) } else { Err(NoTopic(text.to_owned())) }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Topic {
    fn region(&self) -> Option<&str> {
        self.0.split(':').nth(3)
    }

    pub(super) async fn publish(
        &self,
        event: &Event,
        rendered: Option<String>,
        outside: &Outside,
    ) -> Result<(), Failure> {
        let message = rendered.unwrap_or_else(|| event.json());
        let call = Call {
            service: Service::Sns,
            region: self.region(),
            path: "/",
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            headers: HeaderMap::new(),
            body: Bytes::from(self.form(event, &message)),
        };
        outside.aws.call(&call).await.map(drop).map_err(|error| Failure::of_call(&error))
    }

    fn form(&self, event: &Event, message: &str) -> String {
        let subject = format!("pin53: {} {}", event.kind.word(), event.entry.name);
        let subject: String =
            subject.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(LONGEST_SUBJECT).collect();
        let mut form = format!(
            "Action=Publish&Version=2010-03-31&TopicArn={}&Subject={}&Message={}",
            query_text(&self.0),
            query_text(&subject),
            query_text(message)
        );
        // A topic that keeps the order wants to know of what, and what is the same message again.
        if self.0.ends_with(".fifo") {
            let again = format!("{}-{}", event.kind.word(), event.at.as_microsecond());
            let _ = write!(form, "&MessageGroupId=pin53&MessageDeduplicationId={}", query_text(&again));
        }
        form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_by_its_arn() {
        let topic: Topic = "arn:aws:sns:eu-west-1:123456789012:told".parse().unwrap();
        assert_eq!(topic.region(), Some("eu-west-1"));
        for wrong in
            ["told", "arn:aws:sns:eu-west-1:123456789012:", "arn:aws:sqs:eu-west-1:123456789012:told", ""]
        {
            assert!(wrong.parse::<Topic>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_is_a_form_and_one_in_order_tells_its_group() {
        let event = &Event::samples()[0];
        let topic: Topic = "arn:aws:sns:eu-west-1:123456789012:told".parse().unwrap();
        assert_eq!(
            topic.form(event, "a b&c"),
            "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Atold\
             &Subject=pin53%3A%20changed%20%5C052.example.com&Message=a%20b%26c"
        );
        let fifo: Topic = "arn:aws:sns:eu-west-1:123456789012:told.fifo".parse().unwrap();
        assert!(fifo.form(event, "x").ends_with("&MessageGroupId=pin53&MessageDeduplicationId=changed-0"));
    }
}
