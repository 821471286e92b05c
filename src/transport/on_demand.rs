//! A client that isn't made before it is needed: most runs never talk to whom it is for.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{Request, Response};

use super::{BoxFuture, BuildError, Error, HttpClient, Settings, Transport, TrustedRoots};

/// Sends over TCP and TLS, and costs nothing until then.
pub struct OnDemand {
    settings: Settings,
    roots: TrustedRoots,
    client: OnceLock<HttpClient>,
}

impl OnDemand {
    #[must_use]
    pub fn new(settings: Settings, roots: TrustedRoots) -> Self {
        Self { settings, roots, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&HttpClient, BuildError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = HttpClient::new(self.settings.clone(), &self.roots)?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl Transport for OnDemand {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        match self.client() {
            Ok(client) => client.send(request),
            Err(error) => {
                let host = request.uri().authority().map_or_else(String::new, ToString::to_string);
                Box::pin(std::future::ready(Err(Error::Request { host, source: Some(error.into()) })))
            }
        }
    }
}
