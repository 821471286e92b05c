//! `file:PATH`: what stands in a file, one value a line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::dns::RecordType;

use super::look::Observation;
use super::values;

/// More than any list of addresses.
const LARGEST: u64 = 64 * 1024;

pub(super) fn read(path: &Path, rtype: RecordType) -> Observation {
    let what = path.display().to_string();
    match contents(path) {
        Ok(text) => values::read(rtype, &what, &text),
        Err(error) => Observation::Unknown(format!("{what} can't be read: {error}")),
    }
}

fn contents(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for who writes into it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("expected a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(contents: impl AsRef<[u8]>) -> Observation {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), contents).unwrap();
        read(file.path(), RecordType::A)
    }

    #[test]
    fn its_lines_are_values() {
        assert!(matches!(of("198.51.100.7\n"), Observation::Known(values) if values.len() == 1));
        assert!(
            matches!(of("198.51.100.7\n198.51.100.8\n"), Observation::Known(values) if values.len() == 2)
        );
        assert!(matches!(of("\n"), Observation::KnownNone(_)));
    }

    #[test]
    fn one_that_can_not_be_read_is_unknown() {
        assert!(matches!(of(b"\xff\xfe"), Observation::Unknown(_)));
        assert!(
            matches!(of("1".repeat(70_000)), Observation::Unknown(why) if why.ends_with("larger than 65536 bytes"))
        );
        let nowhere = read(Path::new("/nowhere/address"), RecordType::A);
        assert!(
            matches!(nowhere, Observation::Unknown(why) if why.starts_with("/nowhere/address can't be read: "))
        );
        let folder = read(&std::env::temp_dir(), RecordType::A);
        assert!(matches!(folder, Observation::Unknown(why) if why.ends_with("expected a regular file")));
    }
}
