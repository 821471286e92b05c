//! The credentials that the sandbox knows: long-lived ones, and those of the instance's role, which
//! are renewed before they expire.
//!
//! Not here: how a request proves that it has them (`authenticate`), and what they permit (the world's).

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::secret::Credentials;

use super::operation::Operation;

/// How long credentials of a role last; EC2 gives about six hours.
const SESSION: SignedDuration = SignedDuration::from_hours(6);
/// New ones appear this long before the old expire; EC2 promises five minutes at least.
const RENEWAL: SignedDuration = SignedDuration::from_mins(30);

/// The pair that AWS's documentation uses for examples, which secret scanners know as such.
const LONG_LIVED: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

pub(super) struct KeyRing {
    keys: Vec<Key>,
    /// Index of the role's newest credentials.
    session: Option<usize>,
    sessions: u64,
    /// The role's credentials aren't renewed any more, and are taken after their end.
    pub(super) stale: bool,
}

/// Credentials with what the world knows about them.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) credentials: Credentials,
    pub(super) issued: Timestamp,
    /// `None` for long-lived ones.
    pub(super) expires: Option<Timestamp>,
    /// Who it is, as error messages say it.
    pub(super) principal: String,
    pub(super) denied: Vec<Operation>,
}

impl KeyRing {
    pub(super) fn new() -> Self {
        let mut ring = Self { keys: Vec::new(), session: None, sessions: 0, stale: false };
        let (id, secret) = LONG_LIVED;
        ring.add(Credentials::new(id, secret), None, "arn:aws:iam::123456789012:user/pin53".to_owned());
        ring
    }

    pub(super) fn add(&mut self, credentials: Credentials, expires: Option<Timestamp>, principal: String) {
        self.remove(&credentials.key_id);
        self.keys.push(Key { credentials, issued: Timestamp::MIN, expires, principal, denied: Vec::new() });
    }

    pub(super) fn remove(&mut self, key_id: &str) {
        // The entry stays, so that the session's index does.
        for key in self.keys.iter_mut().filter(|k| k.credentials.key_id == key_id) {
            key.credentials.key_id.clear();
        }
    }

    pub(super) fn long_lived() -> Credentials {
        Credentials::new(LONG_LIVED.0, LONG_LIVED.1)
    }

    pub(super) fn find(&self, key_id: &str) -> Option<&Key> {
        self.keys.iter().find(|k| !key_id.is_empty() && k.credentials.key_id == key_id)
    }

    /// Denies an operation to credentials, or to everyone.
    pub(super) fn deny(&mut self, key_id: Option<&str>, operation: Operation) {
        for key in &mut self.keys {
            if key_id.is_none_or(|id| id == key.credentials.key_id) {
                key.denied.push(operation);
            }
        }
    }

    /// The role's credentials at `now`, renewed when they are about to expire.
    pub(super) fn of_role(&mut self, role: &str, instance: &str, now: Timestamp) -> Key {
        if let Some(current) = self.session.and_then(|i| self.keys.get(i)) {
            let left = current.expires.map_or(SignedDuration::MAX, |end| end.duration_since(now));
            // A world whose clock was turned back would otherwise give them for ever.
            if self.stale || (left > RENEWAL && left <= SESSION) {
                return current.clone();
            }
        }
        self.sessions += 1;
        let seed = format!("session {}", self.sessions);
        // A role keeps its permissions when its credentials are renewed.
        let denied = self.session.and_then(|i| self.keys.get(i)).map(|k| k.denied.clone());
        let key = Key {
            credentials: Credentials::new(format!("ASIA{}", letters(&seed, 16)), secret(&seed))
                .with_token(format!("IQoJb3JpZ2luX2VjE{}{}", secret(&format!("{seed} a")), secret(&seed))),
            issued: now,
            expires: now.checked_add(SESSION).ok(),
            principal: format!("arn:aws:sts::123456789012:assumed-role/{role}/{instance}"),
            denied: denied.unwrap_or_default(),
        };
        self.session = Some(self.keys.len());
        self.keys.push(key.clone());
        key
    }

    /// New credentials of a role that was assumed.
    pub(super) fn of_assumed(
        &mut self,
        seed: &str,
        principal: String,
        now: Timestamp,
        lasts: SignedDuration,
    ) -> Key {
        let key = Key {
            credentials: Credentials::new(format!("ASIA{}", letters(seed, 16)), secret(seed))
                .with_token(format!("FwoGZXIvYXdzE{}", secret(&format!("{seed} a")))),
            issued: now,
            expires: now.checked_add(lasts).ok(),
            principal,
            denied: Vec::new(),
        };
        self.keys.push(key.clone());
        key
    }

    /// Has the role's credentials expire now; the next that are asked for are new.
    pub(super) fn expire_role(&mut self, now: Timestamp) {
        if let Some(current) = self.session.and_then(|i| self.keys.get_mut(i)) {
            current.expires = Some(now);
        }
    }
}

/// Capital letters and digits that depend on `seed` alone: ids of a world are the same in every run.
pub(super) fn letters(seed: &str, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    Sha256::digest(seed)
        .iter()
        .cycle()
        .take(length)
        .map(|b| char::from(ALPHABET[usize::from(b % 32)]))
        .collect()
}

fn secret(seed: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(&Sha256::digest(seed)[..30])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_roles_credentials_are_the_same_until_shortly_before_they_expire() {
        let mut ring = KeyRing::new();
        let first = ring.of_role("r", "i-1", time("2026-01-01T00:00:00Z"));
        let same = ring.of_role("r", "i-1", time("2026-01-01T05:29:00Z"));
        let next = ring.of_role("r", "i-1", time("2026-01-01T05:30:00Z"));
        assert_eq!(first.credentials.key_id, same.credentials.key_id);
        assert_ne!(first.credentials.key_id, next.credentials.key_id);
        assert_eq!(first.expires, Some(time("2026-01-01T06:00:00Z")));
        assert!(ring.find(&first.credentials.key_id).is_some(), "the old ones still hold");
        ring.expire_role(time("2026-01-01T05:31:00Z"));
        let forced = ring.of_role("r", "i-1", time("2026-01-01T05:31:00Z"));
        assert_ne!(next.credentials.key_id, forced.credentials.key_id);
    }

    #[test]
    fn what_a_role_may_not_do_it_may_not_do_with_new_credentials_either() {
        let mut ring = KeyRing::new();
        let now = time("2026-01-01T00:00:00Z");
        let first = ring.of_role("r", "i-1", now);
        ring.deny(Some(&first.credentials.key_id), Operation::GetChange);
        ring.expire_role(now);
        assert_eq!(ring.of_role("r", "i-1", now).denied, [Operation::GetChange]);
        assert!(ring.find(LONG_LIVED.0).unwrap().denied.is_empty());
    }

    #[test]
    fn a_removed_key_is_unknown() {
        let mut ring = KeyRing::new();
        ring.remove(LONG_LIVED.0);
        assert!(ring.find(LONG_LIVED.0).is_none());
        assert!(ring.find("").is_none());
    }
}
