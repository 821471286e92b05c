//! The host: the directory that state is kept in, and the units of systemd. Looked at, never touched.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use tokio::process::Command;

use crate::causes::with_causes;
use crate::report::Class;
use crate::state::State;

use super::{Check, within};

const STATE: &str = "state";
const UNIT: &str = "unit";
const SERVICE: &str = "pin53.service";
const TIMER: &str = "pin53-once.timer";
/// systemd answers at once, or not at all.
const ANSWER: Duration = Duration::from_secs(3);

/// Where systemd is.
#[derive(Debug, Clone)]
pub struct Systemd {
    /// There exactly while systemd runs the machine (sd_booted(3)).
    pub booted: PathBuf,
    pub systemctl: PathBuf,
}

impl Default for Systemd {
    fn default() -> Self {
        Self { booted: PathBuf::from("/run/systemd/system"), systemctl: PathBuf::from("systemctl") }
    }
}

/// Whether state can be kept in `directory`, or in one that pin53 would make there.
pub(super) fn state(directory: Option<&Path>) -> Check {
    const COSTS: &str = "nothing is lost but what was learnt, which is then asked for at each start";
    let Some(directory) = directory else {
        return Check::warn(
            STATE,
            "no place for it",
            format!("neither state, STATE_DIRECTORY nor HOME says where: {COSTS}"),
            "set state = \"/var/lib/pin53\", or run it as a unit with StateDirectory=pin53",
        );
    };
    let shown = directory.display();
    let me = rustix::process::geteuid().as_raw();
    let fail = |found: String, why: String, mend: String| {
        Check::fail(STATE, Class::Misconfigured, found, format!("{why}: {COSTS}"), mend)
    };
    let elsewhere = "name another directory: state = \"...\" in the configuration, or STATE_DIRECTORY";
    match std::fs::metadata(directory) {
        Ok(there) if !there.is_dir() => fail(
            format!("{shown} is no directory"),
            "something else stands there".to_owned(),
            elsewhere.to_owned(),
        ),
        Ok(there) => match writable(directory) {
            Ok(()) => remembered(directory, there.uid()),
            // Whoever looks isn't who writes: that is the service's user.
            Err(_) if ![0, me].contains(&there.uid()) => Check::warn(
                STATE,
                format!("{shown} belongs to user {}", there.uid()),
                format!("user {me}, as whom this runs, may not write there; the service's own user may"),
                format!("look again as that user: sudo -u '#{}' pin53 doctor", there.uid()),
            ),
            Err(error) => fail(
                format!("{shown} can't be written to"),
                format!("{error} (user {me}, owner {}, mode {:o})", there.uid(), there.mode() & 0o7777),
                format!("chown it to the user that pin53 runs as, or {elsewhere}"),
            ),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = directory.ancestors().skip(1).find(|parent| parent.exists());
            match parent.map_or_else(|| Err(error), writable) {
                Ok(()) => Check::ok(STATE, format!("{shown} isn't there yet, and can be made")),
                Err(error) => fail(
                    format!("{shown} isn't there, and can't be made"),
                    format!("user {me} may not make it: {error}"),
                    format!("make it, owned by the user that pin53 runs as, or {elsewhere}"),
                ),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Check::warn(
            STATE,
            format!("{shown} can't be looked at"),
            format!("{error} for user {me}"),
            "look again as root, or as the user that pin53 runs as",
        ),
        Err(error) => fail(format!("{shown} can't be looked at"), error.to_string(), elsewhere.to_owned()),
    }
}

fn writable(directory: &Path) -> io::Result<()> {
    accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(Into::into)
}

/// A directory that is as it should be, with what stands in it.
fn remembered(directory: &Path, owner: u32) -> Check {
    let shown = directory.display();
    match State::load(directory).1 {
        None => Check::ok(STATE, format!("{shown} can be written to (owner {owner})")),
        Some(error) => Check::warn(
            STATE,
            format!("{shown} holds a state file that can't be used"),
            with_causes(&error),
            "nothing needs to be done: it is replaced at the next change; or remove it",
        ),
    }
}

/// Whether the service, or the timer in its place, is enabled and runs.
pub(super) async fn unit(systemd: &Systemd) -> Check {
    if !systemd.booted.is_dir() {
        return Check::skip(UNIT, "systemd doesn't run this machine");
    }
    let mut command = Command::new(&systemd.systemctl);
    command.args(["show", "--property=Id,LoadState,ActiveState,UnitFileState,Result", SERVICE, TIMER]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let shown = match within(ANSWER, command.output()).await {
        Some(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Some(Err(error)) => return Check::skip(UNIT, format!("systemctl can't be run: {error}")),
        None => return Check::skip(UNIT, format!("systemctl didn't answer within {} s", ANSWER.as_secs())),
    };
    judge(&shown)
}

/// What systemctl says of a unit.
struct Unit<'a> {
    id: &'a str,
    load: &'a str,
    active: &'a str,
    file: &'a str,
    result: &'a str,
}

impl<'a> Unit<'a> {
    fn read(block: &'a str) -> Self {
        let get = |key: &str| {
            let mut pairs = block.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
        };
        Self {
            id: get("Id"),
            load: get("LoadState"),
            active: get("ActiveState"),
            file: get("UnitFileState"),
            result: get("Result"),
        }
    }

    fn is_installed(&self) -> bool {
        !matches!(self.load, "" | "not-found")
    }

    fn is_enabled(&self) -> bool {
        matches!(self.file, "enabled" | "enabled-runtime" | "static" | "alias" | "linked" | "generated")
    }
}

/// What `systemctl show` says of the units: a block for each.
fn judge(shown: &str) -> Check {
    let units: Vec<Unit<'_>> = shown.split("\n\n").map(Unit::read).filter(Unit::is_installed).collect();
    let chosen = |unit: &&Unit<'_>| unit.is_enabled() || unit.active != "inactive";
    let Some(unit) = units.iter().find(chosen).or_else(|| units.first()) else {
        return Check::skip(UNIT, format!("neither {SERVICE} nor {TIMER} is installed"));
    };
    let Unit { id, load, active, file, result } = unit;
    let found = format!("{id} is {file} and {active}");
    if *load != "loaded" {
        return Check::fail(
            UNIT,
            Class::Misconfigured,
            found,
            format!("systemd can't use it: {load}"),
            format!(
                "systemctl status {id} says what is wrong with it; systemctl unmask {id} where it is masked"
            ),
        );
    }
    if *active == "failed" {
        return Check::fail(
            UNIT,
            Class::Other,
            found,
            format!("it ended with result {result}"),
            format!("journalctl -u {id} -n 50 says why; then systemctl restart {id}"),
        );
    }
    match (*active, unit.is_enabled()) {
        ("active" | "activating" | "reloading", true) => Check::ok(UNIT, found),
        ("active" | "activating" | "reloading", false) => Check::warn(
            UNIT,
            found,
            "it runs, and won't be started at the next boot",
            format!("systemctl enable {id}"),
        ),
        _ => Check::warn(
            UNIT,
            found,
            "it is installed, and nobody keeps the names",
            format!("systemctl enable --now {id}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::Status;

    #[test]
    fn a_directory_is_as_it_should_be_or_can_be_made() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(state(Some(directory.path())).status, Status::Ok);
        let below = state(Some(&directory.path().join("a/b")));
        assert_eq!(below.status, Status::Ok, "{below:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "it was only looked at");
        assert_eq!(state(None).status, Status::Warn);
    }

    #[test]
    fn a_place_that_can_not_hold_a_directory_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for place in [file.path().to_owned(), file.path().join("below")] {
            let check = state(Some(&place));
            assert_eq!((check.status, check.class), (Status::Fail, Class::Misconfigured), "{check:?}");
            assert!(check.found.contains(&*place.to_string_lossy()), "{check:?}");
        }
    }

    #[test]
    fn a_directory_of_ones_own_without_the_permission_fails() {
        // Root may write everywhere.
        if rustix::process::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(state(Some(directory.path())).status, Status::Fail);
    }

    #[test]
    fn a_broken_state_file_is_worth_a_word() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("state.json"), "{").unwrap();
        let check = state(Some(directory.path()));
        assert_eq!(check.status, Status::Warn);
        assert!(check.why.unwrap().contains("state.json"));
    }

    fn said(id: &str, load: &str, active: &str, file: &str) -> String {
        format!("Id={id}\nLoadState={load}\nActiveState={active}\nUnitFileState={file}\nResult=exit-code\n")
    }

    #[test]
    fn a_unit_is_enabled_and_active_or_said_not_to_be() {
        let timer = |active, file| said(TIMER, "loaded", active, file);
        let service = |active, file| said(SERVICE, "loaded", active, file);
        let absent = |id| said(id, "not-found", "inactive", "");
        let cases = [
            (service("active", "enabled"), absent(TIMER), Status::Ok),
            (service("inactive", "disabled"), timer("active", "enabled"), Status::Ok),
            (service("active", "disabled"), timer("inactive", "disabled"), Status::Warn),
            (service("inactive", "disabled"), timer("inactive", "disabled"), Status::Warn),
            (service("failed", "enabled"), absent(TIMER), Status::Fail),
            (said(SERVICE, "masked", "inactive", "masked"), absent(TIMER), Status::Fail),
            (absent(SERVICE), absent(TIMER), Status::Skip),
        ];
        for (one, other, status) in cases {
            let check = judge(&format!("{one}\n{other}"));
            assert_eq!(check.status, status, "{check:?}");
        }
    }

    #[tokio::test]
    async fn where_systemd_does_not_run_the_machine_it_is_not_asked() {
        let systemd = Systemd { booted: "/nowhere".into(), systemctl: "echo".into() };
        assert!(unit(&systemd).await.found.starts_with("systemd doesn't run"));
        let booted = Systemd { booted: "/".into(), ..systemd };
        assert!(unit(&booted).await.found.starts_with("neither pin53.service nor"));
        let lost = Systemd { systemctl: "/nowhere/systemctl".into(), ..booted };
        assert!(unit(&lost).await.found.starts_with("systemctl can't be run"));
    }
}
