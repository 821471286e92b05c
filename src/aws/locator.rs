//! Finds out which Route 53 is ours: the one of the region's partition.
//!
//! The region is the one that is set, else the one that the instance's host name or an earlier run has told,
//! else the metadata service is asked. Most runs know it before their first request, and ask nobody. An instance
//! without IPv4 is led to the endpoint of dual stack, which alone it can reach.

use std::sync::{Arc, OnceLock};

use super::endpoint::{DEFAULT_REGION, Endpoint, Error};
use super::shared::{Service, Shared};
use crate::imds::{self, Imds};
use crate::state::State;

/// The place of Route 53, found once.
pub struct Locator {
    shared: Arc<Shared>,
    imds: Arc<Imds>,
    state: Arc<State>,
    found: OnceLock<Endpoint>,
    /// And for an instance without IPv4.
    without_ipv4: OnceLock<Endpoint>,
    /// What it is for most.
    assumed: Endpoint,
}

/// The place can't be told.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    #[error(transparent)]
    Endpoint(Error),
    #[error("the instance's region could not be read")]
    Region(#[source] imds::Error),
}

impl Locator {
    /// # Errors
    /// When what is set can lead to no endpoint.
    pub fn new(shared: Arc<Shared>, imds: Arc<Imds>, state: Arc<State>) -> Result<Self, Error> {
        let set = shared.region().map(|said| said.value);
        let assumed = set.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let assumed = Endpoint::of(Service::Route53, &shared, &assumed)?;
        let found = OnceLock::new();
        if set.is_some() {
            let _ = found.set(assumed.clone());
        }
        Ok(Self { shared, imds, state, found, without_ipv4: OnceLock::new(), assumed })
    }

    /// The metadata service, which tells where this is.
    #[must_use]
    pub fn metadata(&self) -> &Imds {
        &self.imds
    }

    /// The endpoint, where it is known without asking.
    #[must_use]
    pub fn known(&self) -> Option<&Endpoint> {
        if let Some(found) = self.place().get() {
            return Some(found);
        }
        self.settle(&self.region()?).ok()
    }

    /// The region, where it is known without asking.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        let set = self.shared.region().map(|said| said.value);
        set.or_else(|| self.imds.seen_region()).or_else(|| self.state.region())
    }

    /// The endpoint if the region is one of the largest partition's. Custom ones are the same in all.
    #[must_use]
    pub fn likely(&self) -> &Endpoint {
        self.known().unwrap_or(&self.assumed)
    }

    /// The endpoint. Where the metadata is `needed` anyway it has to tell; else one attempt is made to ask it,
    /// and off EC2 the largest partition is taken.
    ///
    /// # Errors
    /// When the metadata is needed and can't be read, or the region has no such endpoint.
    pub async fn get(&self, needed: bool) -> Result<&Endpoint, LocateError> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let region = if needed {
            self.imds.needed_region().await.map_err(LocateError::Region)?
        } else {
            self.imds.region().await
        };
        self.settle(region.as_deref().unwrap_or(DEFAULT_REGION)).map_err(LocateError::Endpoint)
    }

    fn settle(&self, region: &str) -> Result<&Endpoint, Error> {
        let of = if self.imds.is_without_ipv4() { Endpoint::without_ipv4 } else { Endpoint::of };
        let endpoint = of(Service::Route53, &self.shared, region)?;
        if let Some(region) = self.imds.seen_region() {
            self.state.set_region(&region);
        }
        Ok(self.place().get_or_init(|| endpoint))
    }

    fn place(&self) -> &OnceLock<Endpoint> {
        if self.imds.is_without_ipv4() { &self.without_ipv4 } else { &self.found }
    }
}
