//! Single calls of AWS services beside Route 53, with the credentials and the time that it gets too.
//!
//! A call is attempted once, and once more where the refusal is mended by it: Amazon's time, other
//! credentials. Not here: what is called, and when to try again.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Request, Response};

use super::credentials::{self, Chain};
use super::endpoint::{self, DEFAULT_REGION, Endpoint};
use super::route53::{Kind, ServiceError};
use super::shared::{Service, Shared};
use super::sts::said;
use crate::clock::{Authority, Clock, ServerClock};
use crate::imds::Imds;
use crate::sign::{self, sigv4};
use crate::state::State;
use crate::transport::{self, Transport};

/// What calls are made with.
pub struct Caller {
    pub shared: Arc<Shared>,
    pub imds: Arc<Imds>,
    pub state: Arc<State>,
    pub credentials: Arc<Chain>,
    pub clock: Arc<ServerClock>,
    /// Asked only while no answer has told the time; what it says wrong is corrected by the refusal.
    pub machine: Arc<dyn Clock>,
    pub over_tls: Arc<dyn Transport>,
    /// Never through a proxy, which would see everything.
    pub plain: Arc<dyn Transport>,
}

/// What is called.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub service: Service,
    /// Where it is; left out, the region that is set, or the instance's own.
    pub region: Option<&'a str>,
    pub path: &'a str,
    pub content_type: &'static str,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Credentials(credentials::Error),
    #[error(transparent)]
    Endpoint(endpoint::Error),
    #[error("{service} can't be reached")]
    Transport {
        service: &'static str,
        #[source]
        source: transport::Error,
    },
    #[error("{service} answered {}", said(.refusal))]
    Service { service: &'static str, refusal: ServiceError },
    #[error("the request can't be signed")]
    Sign(#[source] sign::Error),
    #[error("the request can't be made")]
    Request(#[source] http::Error),
}

impl Error {
    /// Whether another time it may well work, by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Credentials(credentials::Error::Metadata(_) | credentials::Error::Unanswered { .. }) => {
                true
            }
            Self::Transport { source, .. } => source.is_transient(),
            Self::Service { refusal, .. } => {
                matches!(refusal.kind(), Kind::Throttled | Kind::Busy | Kind::Unavailable | Kind::ClockSkew)
            }
            Self::Credentials(_) | Self::Endpoint(_) | Self::Sign(_) | Self::Request(_) => false,
        }
    }
}

impl Caller {
    /// The answer to a call that was accepted.
    ///
    /// # Errors
    /// When it can't be made, or isn't accepted.
    pub async fn call(&self, call: &Call<'_>) -> Result<Response<Bytes>, Error> {
        let mut again = true;
        let (name, service) = names_of(call.service);
        loop {
            let credentials = self.credentials.get().await.map_err(Error::Credentials)?;
            let endpoint = self.endpoint(call).await.map_err(Error::Endpoint)?;
            let request = Request::post(format!("{}{}", endpoint.url, call.path));
            let mut request = request
                .header(CONTENT_TYPE, call.content_type)
                .body(call.body.clone())
                .map_err(Error::Request)?;
            request.headers_mut().extend(call.headers.clone());
            let time = self.clock.now().unwrap_or_else(|| self.machine.now());
            let scope = sigv4::Scope::new(endpoint.signing_region.clone(), name);
            let signed = sigv4::Signer::new(scope).sign(&request, &credentials, time).map_err(Error::Sign)?;
            signed.apply(request.headers_mut());
            let transport = if endpoint.is_tls() { &self.over_tls } else { &self.plain };
            let answer = transport.send(request).await;
            let answer = answer.map_err(|source| Error::Transport { service, source })?;
            // What Route 53 itself says about time outweighs it.
            self.clock.observe(answer.headers(), Authority::Metadata);
            if answer.status().is_success() {
                return Ok(answer);
            }
            let refusal = refusal(&answer);
            let mended = match refusal.kind() {
                Kind::ClockSkew => true,
                Kind::CredentialsRefused => {
                    self.credentials.refused(&credentials).await;
                    true
                }
                _ => false,
            };
            if !mended || !std::mem::take(&mut again) {
                return Err(Error::Service { service, refusal });
            }
        }
    }

    async fn endpoint(&self, call: &Call<'_>) -> Result<Endpoint, endpoint::Error> {
        let of = if self.imds.is_without_ipv4() { Endpoint::without_ipv4 } else { Endpoint::of };
        let known = call.region.map(str::to_owned).or_else(|| self.shared.region().map(|said| said.value));
        let known = known.or_else(|| self.imds.seen_region()).or_else(|| self.state.region());
        let region = match known {
            Some(region) => region,
            None => self.imds.region().await.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        };
        of(call.service, &self.shared, &region)
    }
}

/// Its name in a signature, and its name for people.
fn names_of(service: Service) -> (&'static str, &'static str) {
    match service {
        Service::Route53 => ("route53", "Route 53"),
        Service::Sts => ("sts", "STS"),
        Service::Sso | Service::SsoOidc => ("sso", "IAM Identity Center"),
        Service::Lambda => ("lambda", "Lambda"),
        Service::Sns => ("sns", "SNS"),
    }
}

/// A refusal in XML, or in the JSON of newer services, whose code stands in a header.
fn refusal(answer: &Response<Bytes>) -> ServiceError {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let mut refusal = ServiceError::read(answer);
    if let Some(code) = answer.headers().get("x-amzn-errortype").and_then(|code| code.to_str().ok()) {
        code.split(':').next().unwrap_or_default().clone_into(&mut refusal.code);
        let said: Option<Said> = serde_json::from_slice(answer.body()).ok();
        // Below the first line of a mismatch AWS quotes the canonical request, session token included.
        let line = said.and_then(|said| Some(said.message?.trim().lines().next()?.to_owned()));
        refusal.messages = line.into_iter().collect();
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_in_json_is_known_by_its_header_and_quotes_one_line() {
        let answer =
            Response::builder().status(403).header("x-amzn-ErrorType", "InvalidSignatureException:http://a/");
        let body = "{\"message\":\"The signature does not match.\\n\\nx-amz-security-token:sentinel\"}";
        let refusal = refusal(&answer.body(Bytes::from(body)).unwrap());
        assert_eq!(
            (refusal.kind(), refusal.messages.as_slice()),
            (Kind::SignatureRefused, &["The signature does not match.".to_owned()][..])
        );
        let error = Error::Service { service: "Lambda", refusal };
        assert_eq!(
            error.to_string(),
            "Lambda answered InvalidSignatureException (403): The signature does not match."
        );
    }
}
