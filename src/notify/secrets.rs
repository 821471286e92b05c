//! Secrets that stand in files of their own: read each time they are needed, so that they can be replaced.
//!
//! Spec: <https://systemd.io/CREDENTIALS/>

use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::secret::SecretString;

/// More than any key or URL has.
const LONGEST: u64 = 64 * 1024;

/// What stands in a file, without the space around it. A path that isn't absolute is one of the credentials
/// that systemd has loaded for the unit.
pub(super) fn read(path: &Path, env: &Env) -> Result<SecretString, String> {
    let found = place(path, env)?;
    let shown = found.display();
    let length = std::fs::metadata(&found).map_err(|error| format!("{shown} can't be read: {error}"))?.len();
    if length > LONGEST {
        return Err(format!("{shown} holds more than {LONGEST} bytes"));
    }
    let text = std::fs::read_to_string(&found).map_err(|error| format!("{shown} can't be read: {error}"))?;
    let text = SecretString::from(text.trim().to_owned());
    if crate::secret::ExposeSecret::expose_secret(&text).is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(text)
}

fn place(path: &Path, env: &Env) -> Result<PathBuf, String> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    match env.get("CREDENTIALS_DIRECTORY") {
        Some(directory) => Ok(Path::new(directory).join(path)),
        None => Err(format!(
            "{} is looked for among the credentials of the unit, and $CREDENTIALS_DIRECTORY isn't set",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret;

    #[test]
    fn a_credential_of_the_unit_is_found_by_its_name_and_any_file_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hook");
        std::fs::write(&file, " sentinel\n").unwrap();
        let env = Env::from_iter([("CREDENTIALS_DIRECTORY", directory.path().to_str().unwrap())]);
        for path in [Path::new("hook"), &file] {
            assert_eq!(read(path, &env).unwrap().expose_secret(), "sentinel");
        }
        assert!(read(Path::new("hook"), &Env::default()).unwrap_err().contains("CREDENTIALS_DIRECTORY"));
        assert!(read(Path::new("nothing"), &env).unwrap_err().contains("can't be read"));
        std::fs::write(&file, "\n").unwrap();
        assert!(read(&file, &env).unwrap_err().ends_with("is empty"));
    }
}
