//! Credentials from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html>

use super::{Error, Loaded, Origin, pair};
use crate::env::Env;

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
/// What the token was called before.
const OLD_TOKEN: &str = "AWS_SECURITY_TOKEN";
const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

/// What is said where there is nothing.
pub(super) const ABSENT: &str = "the environment: AWS_ACCESS_KEY_ID is not set";

/// `None` when the environment says nothing about credentials.
///
/// # Errors
/// When only half of a pair is set, or a value can't be one.
pub(super) fn load(env: &Env) -> Result<Option<Loaded>, Error> {
    let (id, secret) = match (env.get(KEY_ID), env.get(SECRET)) {
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => {
            return Err(Error::broken(SECRET, format!("expected beside {KEY_ID}, found nothing")));
        }
        (None, Some(_)) => {
            return Err(Error::broken(KEY_ID, format!("expected beside {SECRET}, found nothing")));
        }
        (None, None) => return Ok(None),
    };
    let token_by = if env.get(TOKEN).is_some() { TOKEN } else { OLD_TOKEN };
    let credentials = pair(id, secret, env.get(token_by), |part| match part {
        super::Part::KeyId => KEY_ID.to_owned(),
        super::Part::Secret => SECRET.to_owned(),
        super::Part::Token => token_by.to_owned(),
    })?;
    let expires = env.get(EXPIRATION).map(|text| {
        let expected = "expected a time like 2026-11-21T16:00:00Z";
        text.parse().map_err(|_| Error::broken(EXPIRATION, format!("{expected}, found '{text}'")))
    });
    Ok(Some(Loaded { credentials, expires: expires.transpose()?, origin: Origin::Environment }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret;

    fn from(variables: &[(&str, &str)]) -> Result<Option<Loaded>, Error> {
        load(&Env::from_iter(variables.iter().copied()))
    }

    #[test]
    fn a_pair_is_taken_with_its_token_and_its_end() {
        let found = from(&[
            (KEY_ID, "AKID"),
            (SECRET, "s"),
            (TOKEN, "t"),
            (OLD_TOKEN, "old"),
            (EXPIRATION, "2026-11-21T16:00:00Z"),
        ]);
        let found = found.unwrap().unwrap();
        assert_eq!(found.credentials.key_id, "AKID");
        assert_eq!(found.credentials.secret.expose_secret(), "s");
        assert_eq!(found.credentials.session_token.unwrap().expose_secret(), "t");
        assert_eq!(found.expires.unwrap().to_string(), "2026-11-21T16:00:00Z");
        let old = from(&[(KEY_ID, "AKID"), (SECRET, "s"), (OLD_TOKEN, "old")]).unwrap().unwrap();
        assert_eq!(old.credentials.session_token.unwrap().expose_secret(), "old");
    }

    #[test]
    fn nothing_is_nothing_and_half_a_pair_is_broken() {
        assert!(from(&[(KEY_ID, " ")]).unwrap().is_none());
        let told = |variables: &[(&str, &str)]| from(variables).unwrap_err().to_string();
        assert!(told(&[(KEY_ID, "AKID")]).starts_with("AWS_SECRET_ACCESS_KEY: "));
        assert!(told(&[(SECRET, "s")]).starts_with("AWS_ACCESS_KEY_ID: "));
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_told_by_its_variable_and_not_by_its_value() {
        let pair = [(KEY_ID, "AKID"), (SECRET, "s")];
        let wrong = [(KEY_ID, "AK ID"), (KEY_ID, "AK,ID"), (TOKEN, "t\nt"), (TOKEN, "tök")];
        for (variable, value) in wrong {
            let told = from(&[&pair[..], &[(variable, value)]].concat()).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{variable}: expected ")) && !told.contains(value), "{told}");
        }
    }
}
