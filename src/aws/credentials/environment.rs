//! Credentials from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.

use super::Error;
use crate::env::Env;
use crate::secret::Credentials;

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Settings that name another source of credentials, which this version doesn't read: going on
/// without them would sign requests as somebody else.
const OTHERS: &[&str] = &[
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// `None` when the environment says nothing about credentials.
///
/// # Errors
/// When only half of a pair is set, or another source is asked for.
pub(super) fn load(env: &Env) -> Result<Option<Credentials>, Error> {
    let broken = |what: &str, fault: String| Error::Broken { what: what.to_owned(), fault };
    match (env.get(KEY_ID), env.get(SECRET)) {
        (Some(id), Some(secret)) => {
            if !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
                return Err(broken(KEY_ID, "expected an access key id without spaces or commas".to_owned()));
            }
            let credentials = Credentials::new(id, secret);
            Ok(Some(match env.get(TOKEN) {
                Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    return Err(broken(TOKEN, "expected a session token without spaces".to_owned()));
                }
                Some(token) => credentials.with_token(token),
                None => credentials,
            }))
        }
        (Some(_), None) => Err(broken(SECRET, format!("expected beside {KEY_ID}, found nothing"))),
        (None, Some(_)) => Err(broken(KEY_ID, format!("expected beside {SECRET}, found nothing"))),
        (None, None) => match OTHERS.iter().find(|name| env.get(name).is_some()) {
            Some(name) => Err(broken(
                name,
                "this version reads credentials from the environment and from the instance role only"
                    .to_owned(),
            )),
            None => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret;

    fn from(variables: &[(&str, &str)]) -> Result<Option<Credentials>, Error> {
        load(&Env::from_iter(variables.iter().copied()))
    }

    #[test]
    fn a_pair_is_taken_with_its_token() {
        let found = from(&[(KEY_ID, "AKID"), (SECRET, "s"), (TOKEN, "t")]).unwrap().unwrap();
        assert_eq!(found.key_id, "AKID");
        assert_eq!(found.secret.expose_secret(), "s");
        assert_eq!(found.session_token.unwrap().expose_secret(), "t");
    }

    #[test]
    fn nothing_is_nothing_and_half_a_pair_is_broken() {
        assert!(from(&[(KEY_ID, " ")]).unwrap().is_none());
        assert!(from(&[(KEY_ID, "AKID")]).unwrap_err().to_string().starts_with("AWS_SECRET_ACCESS_KEY: "));
        assert!(from(&[(SECRET, "s")]).unwrap_err().to_string().starts_with("AWS_ACCESS_KEY_ID: "));
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_told_by_its_variable_and_not_by_its_value() {
        let pair = [(KEY_ID, "AKID"), (SECRET, "s")];
        for (variable, value) in [(KEY_ID, "AK ID"), (KEY_ID, "AK,ID"), (TOKEN, "t\nt"), (TOKEN, "tök")] {
            let told = from(&[&pair[..], &[(variable, value)]].concat()).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{variable}: expected ")) && !told.contains(value), "{told}");
        }
    }

    #[test]
    fn another_identity_that_was_asked_for_is_not_passed_over() {
        assert!(from(&[("AWS_PROFILE", "prod")]).unwrap_err().to_string().starts_with("AWS_PROFILE: "));
        assert!(from(&[("AWS_PROFILE", "prod"), (KEY_ID, "AKID"), (SECRET, "s")]).unwrap().is_some());
    }
}
