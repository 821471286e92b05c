//! The process's environment, read once: the only place that asks the operating system for it.
//!
//! Everything else is handed an [`Env`], so that no test touches the process's own.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables. Blank ones count as unset, as they do to AWS's own tools.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process. Names or values that aren't Unicode are read with
    /// replacement characters in place of what can't be.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// The value of `name`, without the spaces around it; `None` when unset or blank.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value of `name` as it stands; `None` when unset or blank.
    #[must_use]
    pub fn untrimmed(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Whether `name` is set to `true`, in any case, which is how AWS's switches are written.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The variables whose name begins with `prefix`, blank ones left out.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.trim()))
            .filter(|(_, value)| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Names only: the environment is where credentials live.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_is_unset() {
        let env = Env::from_iter([("A", ""), ("B", "  "), ("C", " x ")]);
        assert_eq!(env.get("A"), None);
        assert_eq!(env.get("B"), None);
        assert_eq!(env.get("C"), Some("x"));
        assert_eq!(env.get("D"), None);
        assert_eq!((env.untrimmed("B"), env.untrimmed("C")), (None, Some(" x ")));
    }

    #[test]
    fn a_prefix_finds_its_own_variables_only() {
        let env = Env::from_iter([("PIN5", "0"), ("PIN53_A", "1"), ("PIN53_B", ""), ("PIN54_A", "2")]);
        assert_eq!(env.with_prefix("PIN53_").collect::<Vec<_>>(), [("PIN53_A", "1")]);
    }

    #[test]
    fn values_never_show_in_debug_output() {
        let env = Env::from_iter([("AWS_SECRET_ACCESS_KEY", "sentinel")]);
        assert!(!format!("{env:?}").contains("sentinel"));
    }
}
