//! What a profile's properties add up to: where its credentials come from, and which roles are assumed
//! with them. Decides, and asks nobody.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>

use std::path::PathBuf;

use super::{Error, Part, pair};
use crate::aws::profile::{Kind, Section, expand};
use crate::aws::shared::{Choice, Said, Shared};
use crate::aws::sts::Role;
use crate::secret::Credentials;

/// Where credentials come from, and the roles to assume with them, the first one first.
#[derive(Debug)]
pub(super) struct Plan {
    pub base: Base,
    pub roles: Vec<Assumed>,
}

/// A role with who wants it to be assumed, for messages.
#[derive(Debug, Clone)]
pub(super) struct Assumed {
    pub by: String,
    pub role: Role,
}

#[derive(Debug)]
pub(super) enum Base {
    Keys(Credentials),
    Named { by: String, source: NamedSource },
    WebIdentity(WebIdentity),
    Sso(Sso),
    Process { by: String, command: String },
}

/// The values of `credential_source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedSource {
    Environment,
    Ec2InstanceMetadata,
    EcsContainer,
}

/// A role that a token of somebody else's permits to assume.
#[derive(Debug)]
pub(super) struct WebIdentity {
    /// Who names the token's file.
    pub by: String,
    pub file: PathBuf,
    pub role: Role,
}

/// A role of IAM Identity Center.
#[derive(Debug)]
pub(super) struct Sso {
    pub by: String,
    pub region: String,
    /// What the cached token is filed under: the session's name, or the start URL.
    pub filed_under: String,
    /// An `sso-session` is named, whose tokens can be renewed.
    pub has_session: bool,
    /// What `aws sso login` is to be told.
    pub login: String,
    pub account_id: String,
    pub role_name: String,
}

/// What the chosen profile, and the variables of web identity, add up to; `None` where they say nothing
/// about credentials.
///
/// # Errors
/// [`Error::Broken`] when they don't add up.
pub(super) fn of(shared: &Shared) -> Result<Option<Plan>, Error> {
    let (name, choice) = shared.chosen();
    if shared.profiles().profile(name).is_none() && choice != Choice::Default {
        let files = shared.profiles().files().unwrap_or_else(|| "a profile file".to_owned());
        let fault = format!("expected profile '{name}' in {files}, found none");
        return Err(Error::broken(choice.name(), fault));
    }
    // Somebody who chose a profile in our own configuration means it, and no variable.
    let with_variables = choice != Choice::Setting;
    let mut walk = Walk { shared, visited: vec![name.to_owned()], roles: Vec::new() };
    let base = walk.profile(name, with_variables)?;
    // The walk goes from the wanted role to what it begins with.
    walk.roles.reverse();
    Ok(base.map(|base| Plan { base, roles: walk.roles }))
}

struct Walk<'a> {
    shared: &'a Shared,
    visited: Vec<String>,
    roles: Vec<Assumed>,
}

impl<'a> Walk<'a> {
    fn place(&self, name: &str, key: &str) -> String {
        format!("{}: {key}", self.shared.profiles().place_of(name))
    }

    fn section(&self, name: &str) -> Option<&'a Section> {
        self.shared.profiles().profile(name)
    }

    /// Follows a profile to where its credentials come from, noting the roles on the way.
    fn profile(&mut self, name: &str, with_variables: bool) -> Result<Option<Base>, Error> {
        let nothing = Section::default();
        let section = self.section(name).unwrap_or(&nothing);
        let assumes = |section: &Section| {
            section.get("role_arn").is_some() && section.get("web_identity_token_file").is_none()
        };
        if !assumes(section) {
            return self.without_role(name, section, with_variables);
        }
        self.note_role(name, section)?;
        let shared = self.shared;
        let key = |key: &str| format!("{}: {key}", shared.profiles().place_of(name));
        match (section.get("source_profile"), section.get("credential_source")) {
            (Some(_), Some(_)) => {
                Err(Error::broken(key("source_profile"), "expected alone, found credential_source beside it"))
            }
            (None, None) => {
                Err(Error::broken(key("role_arn"), "expected source_profile or credential_source beside it"))
            }
            (None, Some(source)) => {
                let source = match source {
                    "Environment" => NamedSource::Environment,
                    "Ec2InstanceMetadata" => NamedSource::Ec2InstanceMetadata,
                    "EcsContainer" => NamedSource::EcsContainer,
                    other => {
                        let expected = "expected Environment, Ec2InstanceMetadata or EcsContainer";
                        let fault = format!("{expected}, found '{other}'");
                        return Err(Error::broken(key("credential_source"), fault));
                    }
                };
                Ok(Some(Base::Named { by: key("credential_source"), source }))
            }
            (Some(source), None) => {
                let Some(next) = self.section(source) else {
                    let fault = format!("expected a profile, found '{source}', which isn't there");
                    return Err(Error::broken(key("source_profile"), fault));
                };
                let has_keys = has_keys(next);
                if self.visited.iter().any(|seen| seen == source) && !(source == name && has_keys) {
                    let chain = self.visited.join(" -> ");
                    let fault = format!("expected an end, found a circle: {chain} -> {source}");
                    return Err(Error::broken(key("source_profile"), fault));
                }
                self.visited.push(source.to_owned());
                // A profile that others take credentials from gives its keys, where it has some.
                let found = if has_keys || !assumes(next) {
                    self.without_role(source, next, false)?
                } else {
                    self.profile(source, false)?
                };
                let lacks = || {
                    let fault = format!("expected a profile with credentials, found none in '{source}'");
                    Error::broken(key("source_profile"), fault)
                };
                found.map(Some).ok_or_else(lacks)
            }
        }
    }

    fn note_role(&mut self, name: &str, section: &Section) -> Result<(), Error> {
        let key = |key: &str| self.place(name, key);
        if section.get("mfa_serial").is_some() {
            let fault = "expected a role without one: nobody is there to type the code of a device";
            return Err(Error::broken(key("mfa_serial"), fault));
        }
        let duration = section.get("duration_seconds").map(|text| {
            let wrong = || {
                let fault = format!("expected 900 to 43200 seconds, found '{text}'");
                Error::broken(key("duration_seconds"), fault)
            };
            text.parse().ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(wrong)
        });
        let text = |key: &str| section.get(key).map(str::to_owned);
        let role = Role {
            arn: text("role_arn").unwrap_or_default(),
            session_name: text("role_session_name"),
            external_id: text("external_id"),
            duration: duration.transpose()?,
        };
        self.roles.push(Assumed { by: key("role_arn"), role });
        Ok(())
    }

    /// What a profile gives without assuming a role by signature, in the order of AWS's tools.
    fn without_role(
        &self,
        name: &str,
        section: &Section,
        with_variables: bool,
    ) -> Result<Option<Base>, Error> {
        if let Some(identity) = self.web_identity(name, with_variables)? {
            return Ok(Some(Base::WebIdentity(identity)));
        }
        if section.get("sso_role_name").is_some() || section.get("sso_account_id").is_some() {
            return self.sso(name, section).map(|sso| Some(Base::Sso(sso)));
        }
        let keys_in = [section.kind_of("aws_access_key_id"), section.kind_of("aws_secret_access_key")];
        if has_keys(section) && keys_in.contains(&Some(Kind::Credentials)) {
            return self.keys(name, section).map(Some);
        }
        if section.get("login_session").is_some() {
            let fault = "expected other credentials: this version doesn't read those of `aws login`";
            return Err(Error::broken(self.place(name, "login_session"), fault));
        }
        if let Some(command) = section.get("credential_process") {
            let by = self.place(name, "credential_process");
            return Ok(Some(Base::Process { by, command: command.to_owned() }));
        }
        if has_keys(section) { self.keys(name, section).map(Some) } else { Ok(None) }
    }

    fn keys(&self, name: &str, section: &Section) -> Result<Base, Error> {
        let key = |part: Part| match part {
            Part::KeyId => "aws_access_key_id",
            Part::Secret => "aws_secret_access_key",
            Part::Token => "aws_session_token",
        };
        let place = |part: Part| match section.file_of(key(part)) {
            Some(file) => format!("profile '{name}' ({}): {}", file.display(), key(part)),
            None => self.place(name, key(part)),
        };
        let get = |part: Part| section.get(key(part));
        let (Some(id), Some(secret)) = (get(Part::KeyId), get(Part::Secret)) else {
            let (missing, other) = match get(Part::KeyId) {
                Some(_) => (Part::Secret, Part::KeyId),
                None => (Part::KeyId, Part::Secret),
            };
            let fault = format!("expected beside {}, found nothing", key(other));
            return Err(Error::broken(self.place(name, key(missing)), fault));
        };
        Ok(Base::Keys(pair(id, secret, get(Part::Token), place)?))
    }

    fn web_identity(&self, name: &str, with_variables: bool) -> Result<Option<WebIdentity>, Error> {
        let section = self.section(name);
        let get = |variable: &str, key: &str| {
            let by_variable = self.shared.env().get(variable).filter(|_| with_variables);
            let said = by_variable.map(|value| Said { value: value.to_owned(), by: variable.to_owned() });
            said.or_else(|| {
                let value = section?.get(key)?.to_owned();
                Some(Said { value, by: self.place(name, key) })
            })
        };
        let Some(file) = get("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file") else {
            return Ok(None);
        };
        let Some(arn) = get("AWS_ROLE_ARN", "role_arn") else {
            let fault = "expected a role beside it (AWS_ROLE_ARN, or role_arn in the profile), found none";
            return Err(Error::broken(file.by, fault));
        };
        let session_name = get("AWS_ROLE_SESSION_NAME", "role_session_name").map(|said| said.value);
        let role = Role { arn: arn.value, session_name, external_id: None, duration: None };
        let path = expand(&file.value, self.shared.env());
        Ok(Some(WebIdentity { by: file.by, file: path, role }))
    }

    fn sso(&self, name: &str, section: &Section) -> Result<Sso, Error> {
        let key = |key: &str| self.place(name, key);
        let session = section.get("sso_session").map(|session| {
            let missing = || {
                let fault = format!("expected a section [sso-session {session}], found none");
                Error::broken(key("sso_session"), fault)
            };
            let found = self.shared.profiles().sso_session(session).ok_or_else(missing)?;
            Ok::<_, Error>((session, found))
        });
        let session = session.transpose()?;
        let get = |property: &str| {
            let own = section.get(property);
            let shared = session.and_then(|(_, session)| session.get(property));
            if let (Some((session, _)), Some(own), Some(shared)) = (session, own, shared)
                && own != shared
            {
                let fault = format!("expected what [sso-session {session}] says, '{shared}', found '{own}'");
                return Err(Error::broken(key(property), fault));
            }
            let missing =
                || Error::broken(key(property), "expected beside the other sso_ properties, found none");
            shared.or(own).map(str::to_owned).ok_or_else(missing)
        };
        let start_url = get("sso_start_url")?;
        Ok(Sso {
            by: self.shared.profiles().place_of(name),
            region: get("sso_region")?,
            filed_under: session.map_or(start_url, |(session, _)| session.to_owned()),
            has_session: session.is_some(),
            login: match session {
                Some((session, _)) => format!("aws sso login --sso-session {session}"),
                None => format!("aws sso login --profile {name}"),
            },
            account_id: get("sso_account_id")?,
            role_name: get("sso_role_name")?,
        })
    }
}

fn has_keys(section: &Section) -> bool {
    section.get("aws_access_key_id").is_some() || section.get("aws_secret_access_key").is_some()
}
