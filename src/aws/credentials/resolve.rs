//! The order in which providers are asked, and what is asked of each.
//!
//! One that isn't configured goes on to the next, one that is configured but broken stops; when none is
//! left, each is named with why it had nothing.

use std::sync::Arc;

use super::plan::{self, Assumed, Base, NamedSource, Plan};
use super::{Error, Loaded, Origin, container, environment, instance_role, process, sso, web_identity};
use crate::aws::endpoint::{DEFAULT_REGION, Endpoint};
use crate::aws::shared::{Choice, Service, Shared};
use crate::aws::sts::{self, Role, Sts};
use crate::clock::{Clock, ServerClock};
use crate::imds::Imds;
use crate::state::State;
use crate::transport::Transport;

/// Who can be asked, and with what.
pub(super) struct Asking<'a> {
    /// The profile files as they are now.
    pub shared: &'a Shared,
    pub imds: &'a Imds,
    pub state: &'a State,
    pub clock: &'a Arc<ServerClock>,
    pub machine: &'a Arc<dyn Clock>,
    pub to_sts: &'a Arc<dyn Transport>,
    pub to_container: &'a Arc<dyn Transport>,
}

impl Asking<'_> {
    /// STS of the region.
    pub(super) async fn sts(&self) -> Result<(Sts, Endpoint), Error> {
        let endpoint = self.endpoint(Service::Sts, None).await?;
        let sts = Sts {
            transport: Arc::clone(self.to_sts),
            clock: Arc::clone(self.clock),
            machine: Arc::clone(self.machine),
        };
        Ok((sts, endpoint))
    }

    /// Where a service is, in a region of its own or in ours.
    pub(super) async fn endpoint(&self, service: Service, region: Option<&str>) -> Result<Endpoint, Error> {
        let region = match region {
            Some(region) => region.to_owned(),
            None => match self.shared.region() {
                Some(said) => said.value,
                None => self.imds.region().await.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            },
        };
        let of = if self.imds.is_without_ipv4() { Endpoint::without_ipv4 } else { Endpoint::of };
        of(service, self.shared, &region).map_err(|error| Error::broken("the endpoint", error.to_string()))
    }

    /// Asks the providers in their order, and assumes `role` with what they give.
    pub(super) async fn resolve(&self, role: Option<&Role>) -> Result<Loaded, Error> {
        let loaded = self.first().await?;
        let Some(role) = role else { return Ok(loaded) };
        self.assume(loaded, &Assumed { by: "[aws] assume_role".to_owned(), role: role.clone() }).await
    }

    async fn first(&self) -> Result<Loaded, Error> {
        let env = self.shared.env();
        let mut passed = Vec::new();
        let (profile, choice) = self.shared.chosen();
        if choice == Choice::Setting {
            passed.push(format!("the environment: not asked, [aws] profile is '{profile}'"));
        } else {
            match environment::load(env)? {
                Some(loaded) => return Ok(loaded),
                None => passed.push(environment::ABSENT.to_owned()),
            }
        }
        if let Some(plan) = plan::of(self.shared)? {
            return self.carry_out(plan).await;
        }
        if choice != Choice::Setting {
            passed.push("web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set".to_owned());
        }
        passed.push(self.without_plan(profile));
        match container::load(self).await? {
            Some(loaded) => return Ok(loaded),
            None => passed.push(container::ABSENT.to_owned()),
        }
        match instance_role::load(self.imds, self.state).await? {
            Ok(loaded) => Ok(loaded),
            Err(absent) => {
                passed.push(absent);
                Err(Error::NotFound(passed))
            }
        }
    }

    fn without_plan(&self, profile: &str) -> String {
        let profiles = self.shared.profiles();
        if profiles.profile(profile).is_some() {
            format!("{}: has no credentials", profiles.place_of(profile))
        } else if let Some(files) = profiles.files() {
            format!("profile '{profile}': not in {files}")
        } else {
            "the profile files: there are none".to_owned()
        }
    }

    async fn carry_out(&self, plan: Plan) -> Result<Loaded, Error> {
        let mut loaded = match plan.base {
            Base::Keys(credentials) => Loaded { credentials, expires: None, origin: Origin::Profile },
            Base::Named { by, source } => self.named(&by, source).await?,
            Base::WebIdentity(identity) => web_identity::load(&identity, self).await?,
            Base::Sso(role) => sso::load(&role, self).await?,
            Base::Process { by, command } => process::load(&by, &command).await?,
        };
        for assumed in &plan.roles {
            loaded = self.assume(loaded, assumed).await?;
        }
        Ok(loaded)
    }

    async fn named(&self, by: &str, source: NamedSource) -> Result<Loaded, Error> {
        match source {
            NamedSource::Environment => {
                let found = environment::load(self.shared.env())?;
                found.ok_or_else(|| Error::broken(by, environment::ABSENT))
            }
            NamedSource::EcsContainer => {
                let found = container::load(self).await?;
                found.ok_or_else(|| Error::broken(by, container::ABSENT))
            }
            NamedSource::Ec2InstanceMetadata => {
                let found = instance_role::load(self.imds, self.state).await?;
                found.map_err(|absent| Error::refused(by, absent))
            }
        }
    }

    async fn assume(&self, loaded: Loaded, assumed: &Assumed) -> Result<Loaded, Error> {
        let Assumed { by, role } = assumed;
        // What one partition's keys sign is nothing for another's STS to see.
        if self.shared.region().is_none() && loaded.origin == Origin::InstanceRole {
            let unread = |error| Error::unanswered("the instance's region could not be read", error);
            self.imds.needed_region().await.map_err(unread)?;
        }
        let (sts, endpoint) = self.sts().await?;
        tracing::debug!(role = role.arn, endpoint = endpoint.url, "assuming a role");
        let session = sts.assume_role(&endpoint, role, &loaded.credentials).await;
        let session = session.map_err(|error| sts_error(by, role, error))?;
        Ok(Loaded { credentials: session.credentials, expires: Some(session.expires), origin: Origin::Sts })
    }
}

/// What an error of STS means to whoever asked for the role.
pub(super) fn sts_error(by: &str, role: &Role, error: sts::Error) -> Error {
    let what = format!("{by}: role {} could not be assumed", role.arn);
    if error.is_transient() {
        Error::unanswered(what, error)
    } else {
        Error::refused(what, crate::causes::with_causes(&error))
    }
}
