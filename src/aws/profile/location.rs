//! Where the profile files are, and reading them.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html>

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use crate::env::Env;

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Config,
    Credentials,
}

impl Kind {
    fn variable(self) -> &'static str {
        match self {
            Self::Config => "AWS_CONFIG_FILE",
            Self::Credentials => "AWS_SHARED_CREDENTIALS_FILE",
        }
    }

    fn default_path(self) -> &'static str {
        match self {
            Self::Config => ".aws/config",
            Self::Credentials => ".aws/credentials",
        }
    }

    /// Where the file is; `None` without a home and without a variable.
    #[must_use]
    pub fn path(self, env: &Env) -> Option<PathBuf> {
        match env.get(self.variable()) {
            Some(path) => Some(expand(path, env)),
            None => Some(home(env)?.join(self.default_path())),
        }
    }

    /// The file's text; `None` where there is none.
    ///
    /// # Errors
    /// When it is there and can't be read, or isn't UTF-8.
    pub(super) fn read(self, env: &Env) -> Result<Option<(PathBuf, String)>, Error> {
        let Some(path) = self.path(env) else { return Ok(None) };
        match fs::read(&path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Some((path, text))),
                Err(_) => Err(Error::NotText(path)),
            },
            Err(error) if is_absent(&error) => Ok(None),
            // A home that can't be looked into holds no file of ours.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && fs::metadata(&path).is_err() => {
                tracing::debug!(path = %path.display(), "not looked for: the directory is closed");
                Ok(None)
            }
            Err(source) => Err(Error::Read { path, source }),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The home directory of the environment.
#[must_use]
pub fn home(env: &Env) -> Option<&Path> {
    env.get("HOME").map(Path::new)
}

/// A path of a variable or a file, in which `~` is the home.
#[must_use]
pub fn expand(path: &str, env: &Env) -> PathBuf {
    let below_home = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match (below_home, home(env)) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_in_the_home_or_where_a_variable_says() {
        let path =
            |kind: Kind, env: &[(&str, &str)]| kind.path(&Env::from_iter(env.iter().copied())).unwrap();
        let home = ("HOME", "/home/user");
        assert_eq!(path(Kind::Config, &[home]), Path::new("/home/user/.aws/config"));
        assert_eq!(path(Kind::Credentials, &[home]), Path::new("/home/user/.aws/credentials"));
        let other = ("AWS_CONFIG_FILE", "/other/path/config");
        assert_eq!(path(Kind::Config, &[home, other]), Path::new("/other/path/config"));
        assert_eq!(path(Kind::Credentials, &[home, other]), Path::new("/home/user/.aws/credentials"));
        let other = ("AWS_SHARED_CREDENTIALS_FILE", "~/keys");
        assert_eq!(path(Kind::Credentials, &[home, other]), Path::new("/home/user/keys"));
        assert_eq!(Kind::Config.path(&Env::default()), None);
    }

    #[test]
    fn a_tilde_is_the_home_only_where_it_stands_alone() {
        let env = Env::from_iter([("HOME", "/home/user")]);
        assert_eq!(expand("~/a", &env), Path::new("/home/user/a"));
        assert_eq!(expand("~other/a", &env), Path::new("~other/a"));
        assert_eq!(expand("/a~b", &env), Path::new("/a~b"));
    }
}
