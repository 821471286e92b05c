//! Credentials, typed so that their secret parts can't be printed.

use std::fmt;

pub use secrecy::{ExposeSecret, SecretString};

/// A key id with its secret, as every scheme of `sign` takes them.
#[derive(Clone)]
pub struct Credentials {
    /// The access key id (AWS), account (Azure) or app key (SDK-HMAC): public.
    pub key_id: String,
    pub secret: SecretString,
    /// Travels with requests that temporary credentials sign.
    pub session_token: Option<SecretString>,
}

impl Credentials {
    /// Long-lived credentials, without a session token.
    #[must_use]
    pub fn new(key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key_id: key_id.into(), secret: SecretString::from(secret.into()), session_token: None }
    }

    /// The same with a session token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(SecretString::from(token.into()));
        self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_secret_nor_token_shows_in_debug_output() {
        let shown = format!("{:?}", Credentials::new("AKID", "sentinel-secret").with_token("sentinel-token"));
        assert!(shown.contains("AKID"));
        assert!(!shown.contains("sentinel"));
    }
}
