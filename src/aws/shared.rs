//! What AWS's variables and profile files say together, as AWS's own tools read them: a variable stands
//! over the chosen profile's property.
//!
//! Not here: credentials (`credentials`), and which host a setting leads to (`endpoint`).

use crate::env::Env;

use super::profile::{self, Profiles, Section};

/// An AWS service that pin53 talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Route53,
    Sts,
    Sso,
    SsoOidc,
    Lambda,
    Sns,
}

impl Service {
    fn variable(self) -> &'static str {
        match self {
            Self::Route53 => "AWS_ENDPOINT_URL_ROUTE_53",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::Sso => "AWS_ENDPOINT_URL_SSO",
            Self::SsoOidc => "AWS_ENDPOINT_URL_SSO_OIDC",
            Self::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
        }
    }

    /// Its name in a `[services NAME]` section.
    fn key(self) -> &'static str {
        match self {
            Self::Route53 => "route_53",
            Self::Sts => "sts",
            Self::Sso => "sso",
            Self::SsoOidc => "sso_oidc",
            Self::Lambda => "lambda",
            Self::Sns => "sns",
        }
    }
}

/// A setting, and who says so: a variable, or a property of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub value: String,
    pub by: String,
}

/// Who has chosen the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// `[aws] profile` of pin53's own configuration.
    Setting,
    Variable(&'static str),
    /// Nobody: it is the default one, and need not be there.
    Default,
}

impl Choice {
    /// How messages name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Setting => "[aws] profile",
            Self::Variable(name) => name,
            Self::Default => "the default profile",
        }
    }
}

/// Environment and profile files, read once.
#[derive(Debug, Clone)]
pub struct Shared {
    env: Env,
    profile: String,
    choice: Choice,
    profiles: Profiles,
}

impl Shared {
    /// Reads the profile files. `profile` is the one that pin53's configuration asks for.
    ///
    /// # Errors
    /// When a file is there and can't be read or understood.
    pub fn load(env: &Env, profile: Option<&str>) -> Result<Self, profile::Error> {
        let by_variable = || {
            let names = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
            names.into_iter().find_map(|name| Some((env.get(name)?, Choice::Variable(name))))
        };
        let (name, choice) = profile
            .map(|name| (name, Choice::Setting))
            .or_else(by_variable)
            .unwrap_or((profile::DEFAULT, Choice::Default));
        let profiles = Profiles::load(env)?;
        Ok(Self { env: env.clone(), profile: name.to_owned(), choice, profiles })
    }

    /// The same with the files as they are now.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn reload(&self) -> Result<Self, profile::Error> {
        let profiles = Profiles::load(&self.env)?;
        Ok(Self { profiles, ..self.clone() })
    }

    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    #[must_use]
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The chosen profile's name, and who has chosen it.
    #[must_use]
    pub fn chosen(&self) -> (&str, Choice) {
        (&self.profile, self.choice)
    }

    fn section(&self) -> Option<&Section> {
        self.profiles.profile(&self.profile)
    }

    /// What a property of the chosen profile says.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<Said> {
        let value = self.section()?.get(key)?.to_owned();
        Some(Said { value, by: format!("{key} of {}", self.profiles.place_of(&self.profile)) })
    }

    /// What a variable says, or else the chosen profile.
    #[must_use]
    pub fn setting(&self, variable: &str, key: &str) -> Option<Said> {
        let by_variable = self.env.get(variable);
        let said = by_variable.map(|value| Said { value: value.to_owned(), by: variable.to_owned() });
        said.or_else(|| self.property(key))
    }

    fn switch(&self, variable: &str, key: &str) -> Option<Said> {
        self.setting(variable, key).filter(|said| said.value.eq_ignore_ascii_case("true"))
    }

    /// The region, as far as anybody has set it.
    #[must_use]
    pub fn region(&self) -> Option<Said> {
        let variable = if self.env.get("AWS_REGION").is_some() { "AWS_REGION" } else { "AWS_DEFAULT_REGION" };
        self.setting(variable, "region")
    }

    /// Who asks for endpoints validated under FIPS.
    #[must_use]
    pub fn fips(&self) -> Option<Said> {
        self.switch("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint")
    }

    /// Who asks for endpoints that IPv6 reaches too.
    #[must_use]
    pub fn dual_stack(&self) -> Option<Said> {
        self.switch("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
    }

    /// The file of certificate authorities to trust in place of those compiled in.
    #[must_use]
    pub fn ca_bundle(&self) -> Option<Said> {
        let mut said = self.setting("AWS_CA_BUNDLE", "ca_bundle")?;
        said.value = profile::expand(&said.value, &self.env).display().to_string();
        Some(said)
    }

    /// An endpoint of one's own for a service.
    ///
    /// # Errors
    /// With what is wrong in words, when the profile names a `[services]` section that isn't there.
    pub fn endpoint_url(&self, service: Service) -> Result<Option<Said>, Said> {
        let ignored =
            self.switch("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls").is_some();
        if ignored {
            return Ok(None);
        }
        let by_variable = |variable: &str| {
            let value = self.env.get(variable)?.to_owned();
            Some(Said { value, by: variable.to_owned() })
        };
        if let Some(said) = by_variable(service.variable()).or_else(|| by_variable("AWS_ENDPOINT_URL")) {
            return Ok(Some(said));
        }
        if let Some(name) = self.property("services") {
            let Some(section) = self.profiles.services(&name.value) else { return Err(name) };
            if let Some(url) = section.nested(service.key(), "endpoint_url") {
                let by = format!("endpoint_url in {} of [services {}]", service.key(), name.value);
                return Ok(Some(Said { value: url.to_owned(), by }));
            }
        }
        Ok(self.property("endpoint_url"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const CONFIG: &str = "\
[default]
region = eu-west-1
use_fips_endpoint = true
[profile own]
region = eu-north-1
endpoint_url = http://general
services = local
ca_bundle = ~/ca.pem
[profile broken]
services = nowhere
[services local]
route_53 =
  endpoint_url = http://route53
";

    fn shared(env: &[(&str, &str)], profile: Option<&str>) -> Shared {
        let mut shared = Shared::load(&Env::from_iter(env.iter().copied()), profile).unwrap();
        shared.profiles.add(profile::Kind::Config, PathBuf::from("config"), CONFIG).unwrap();
        shared
    }

    #[test]
    fn a_profile_is_chosen_by_our_setting_then_by_a_variable() {
        let both = [("AWS_PROFILE", "a"), ("AWS_DEFAULT_PROFILE", "b")];
        assert_eq!(shared(&both, Some("own")).chosen(), ("own", Choice::Setting));
        assert_eq!(shared(&both, None).chosen(), ("a", Choice::Variable("AWS_PROFILE")));
        assert_eq!(shared(&both[1..], None).chosen(), ("b", Choice::Variable("AWS_DEFAULT_PROFILE")));
        assert_eq!(shared(&[("AWS_PROFILE", " ")], None).chosen(), ("default", Choice::Default));
    }

    #[test]
    fn a_variable_stands_over_the_profile() {
        let region = |env: &[(&str, &str)]| shared(env, None).region().unwrap().value;
        assert_eq!(region(&[]), "eu-west-1");
        assert_eq!(region(&[("AWS_DEFAULT_REGION", "b")]), "b");
        assert_eq!(region(&[("AWS_DEFAULT_REGION", "b"), ("AWS_REGION", "a")]), "a");
        assert!(shared(&[], None).fips().is_some());
        assert!(shared(&[("AWS_USE_FIPS_ENDPOINT", "false")], None).fips().is_none());
        assert!(shared(&[], Some("own")).fips().is_none());
    }

    #[test]
    fn an_endpoint_is_looked_for_from_the_special_to_the_general() {
        let url = |env: &[(&str, &str)], service| {
            shared(env, Some("own")).endpoint_url(service).unwrap().map(|said| said.value)
        };
        let (special, general) =
            (("AWS_ENDPOINT_URL_ROUTE_53", "http://a"), ("AWS_ENDPOINT_URL", "http://b"));
        let found = |env: &[(&str, &str)]| url(env, Service::Route53).unwrap_or_default();
        assert_eq!(found(&[special, general]), "http://a");
        assert_eq!(found(&[general]), "http://b");
        assert_eq!(found(&[]), "http://route53");
        assert_eq!(url(&[special], Service::Sts).as_deref(), Some("http://general"));
        assert_eq!(url(&[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), general], Service::Sts), None);
        assert!(shared(&[], Some("broken")).endpoint_url(Service::Sts).is_err());
    }

    #[test]
    fn a_bundle_may_be_in_the_home() {
        let bundle = shared(&[("HOME", "/home/user")], Some("own")).ca_bundle().unwrap();
        assert_eq!(bundle.value, "/home/user/ca.pem");
    }
}
