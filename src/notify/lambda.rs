//! AWS Lambda: a function is invoked with the event, and nobody waits for what it does.
//!
//! Spec: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::event::Event;
use super::{Failure, Outside};
use crate::aws::caller::Call;
use crate::aws::query_text;
use crate::aws::shared::Service;

/// The longest name of a function, as an ARN with a qualifier.
const LONGEST: usize = 256;

/// A function by its name, its ARN, or a part of that, with or without a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function(String);

/// A text names no function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a function's name or ARN, found '{0}'")]
pub struct NoFunction(String);

impl FromStr for Function {
    type Err = NoFunction;

    fn from_str(text: &str) -> Result<Self, NoFunction> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '$');
        let parts: Vec<&str> = text.split(':').collect();
        let is_arn = parts.len() >= 7 && parts[2] == "lambda" && !parts[3].is_empty();
        let fits = (1..=LONGEST).contains(&text.len())
            && text.chars().all(is_word)
            && !parts.last().is_none_or(|last| last.is_empty())
            && (is_arn || parts[0] != "arn");
        if fits { Ok(Self(text.to_owned())) } else { Err(NoFunction(text.to_owned())) }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Function {
    /// The region that its ARN names.
    fn region(&self) -> Option<&str> {
        let mut parts = self.0.split(':');
        (parts.next() == Some("arn")).then(|| parts.nth(2)).flatten()
    }

    /// Its ARN, with stars for what isn't said of it.
    pub(super) fn arn(&self, partition: &str) -> String {
        if self.0.starts_with("arn:") {
            return self.0.clone();
        }
        match self.0.split_once(":function:") {
            Some((account, name)) => format!("arn:{partition}:lambda:*:{account}:function:{name}"),
            None => format!("arn:{partition}:lambda:*:*:function:{}", self.0),
        }
    }

    pub(super) async fn invoke(
        &self,
        event: &Event,
        rendered: Option<String>,
        outside: &Outside,
    ) -> Result<(), Failure> {
        let kind = HeaderName::from_static("x-amz-invocation-type");
        let call = Call {
            service: Service::Lambda,
            region: self.region(),
            path: &format!("/2015-03-31/functions/{}/invocations", query_text(&self.0)),
            content_type: "application/json",
            headers: HeaderMap::from_iter([(kind, HeaderValue::from_static("Event"))]),
            body: Bytes::from(rendered.unwrap_or_else(|| event.json())),
        };
        outside.aws.call(&call).await.map(drop).map_err(|error| Failure::of_call(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_in_any_of_lambdas_ways() {
        for (text, region) in [
            ("told", None),
            ("told:live", None),
            ("123456789012:function:told", None),
            ("arn:aws:lambda:eu-west-1:123456789012:function:told", Some("eu-west-1")),
            ("arn:aws-cn:lambda:cn-north-1:123456789012:function:told:$LATEST", Some("cn-north-1")),
        ] {
            let function: Function = text.parse().unwrap();
            assert_eq!((function.region(), function.to_string().as_str()), (region, text));
        }
        let arn = |text: &str| text.parse::<Function>().unwrap().arn("aws");
        assert_eq!(arn("told:live"), "arn:aws:lambda:*:*:function:told:live");
        assert_eq!(arn("123456789012:function:told"), "arn:aws:lambda:*:123456789012:function:told");
        assert_eq!(arn("arn:aws-cn:lambda:a:1:function:told"), "arn:aws-cn:lambda:a:1:function:told");
        for wrong in ["", "a b", "told:", "arn:aws:sns:eu-west-1:123456789012:told", "arn:aws:lambda", "a/b"]
        {
            assert!(wrong.parse::<Function>().is_err(), "{wrong}");
        }
    }
}
