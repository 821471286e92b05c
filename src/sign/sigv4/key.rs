//! The signing key: derived from the secret for one day, region and service, and kept for that day.
//!
//! Not here: what is signed with it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Scope, TERMINATOR};
use crate::secret::{Credentials, ExposeSecret, SecretString};
use crate::sign::mac;

/// Derives the key of a day and a scope, ready to sign.
pub(super) fn derive(secret: &SecretString, day: &str, scope: &Scope) -> Hmac<Sha256> {
    // A secret string, so that it is wiped when it goes.
    let first = SecretString::from(["AWS4", secret.expose_secret()].concat());
    let mut key = mac::keyed::<Sha256>(first.expose_secret().as_bytes());
    for part in [day, &scope.region, &scope.service, TERMINATOR] {
        key = mac::keyed::<Sha256>(&key.chain_update(part).finalize().into_bytes());
    }
    key
}

/// The key used last. A signer sees one set of credentials at a time, so one is enough.
#[derive(Default)]
pub(super) struct DayKey(Mutex<Option<Kept>>);

struct Kept {
    secret: SecretString,
    day: String,
    key: Hmac<Sha256>,
}

impl DayKey {
    /// The key for a day: the kept one, if secret and day are still the same. `scope` is the same at
    /// every call.
    pub(super) fn get(&self, credentials: &Credentials, day: &str, scope: &Scope) -> Hmac<Sha256> {
        // A kept key is written in one piece, so a panic elsewhere can't have left half of one.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = &credentials.secret;
        if let Some(kept) = kept.as_ref()
            && kept.day == day
            && kept.secret.expose_secret() == secret.expose_secret()
        {
            return kept.key.clone();
        }
        let key = derive(secret, day, scope);
        *kept = Some(Kept { secret: secret.clone(), day: day.to_owned(), key: key.clone() });
        key
    }
}

impl fmt::Debug for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DayKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::mac::Hex;

    fn said_by(key: Hmac<Sha256>) -> String {
        Hex::of(key.chain_update("x").finalize().into_bytes()).as_str().to_owned()
    }

    #[test]
    fn the_key_follows_the_chain_of_the_specification() {
        // The key of the example in AWS's own guide, as raw bytes under the same message.
        let secret = SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let published =
            mac::from_hex("c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9").unwrap();
        assert_eq!(
            said_by(derive(&secret, "20150830", &Scope::new("us-east-1", "iam"))),
            said_by(mac::keyed::<Sha256>(&published))
        );
    }

    #[test]
    fn a_new_day_or_secret_gets_a_new_key() {
        let scope = Scope::new("us-east-1", "route53");
        let (one, other) = (Credentials::new("A", "one"), Credentials::new("A", "other"));
        let keys = DayKey::default();
        for (credentials, day) in [
            (&one, "20150830"),
            (&one, "20150830"),
            (&one, "20150831"),
            (&other, "20150831"),
            (&one, "20150830"),
        ] {
            assert_eq!(
                said_by(keys.get(credentials, day, &scope)),
                said_by(derive(&credentials.secret, day, &scope))
            );
        }
        assert!(!format!("{keys:?}").contains("one"));
    }
}
