//! `pin53 check`: what is wrong with the configuration file, all of it at once. Asks nobody.

use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Exit, Failure};
use crate::config::{self, Checked, Fault, Place};
use crate::env::Env;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]
    #[arg(long, value_name = "FILE", help_heading = "What to check")]
    pub config: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

const EXAMPLE: &str = "\
Prints a line for each fault: the file, the key, what was expected there, what
was found, and the nearest key. Ends with 0 where there is none, else with 78.
What options and variables would lay over the file isn't looked at.

Example:
  pin53 check --config pin53.toml && systemctl reload pin53";

/// # Errors
/// When standard output can't be written to.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let checked = config::check(args.config.as_deref(), env);
    let printed = if args.json { writeln!(out, "{}", object(&checked)) } else { lines(&checked, out) };
    printed.map_err(Failure::output)?;
    Ok(if checked.faults.is_empty() { Exit::Ok } else { Exit::Misconfigured })
}

fn lines(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    if !checked.faults.is_empty() {
        return writeln!(out, "{}", checked.faults);
    }
    let plural = if checked.records == 1 { "" } else { "s" };
    writeln!(out, "{}: {} record{plural}, no fault", checked.file.display(), checked.records)
}

fn object(checked: &Checked) -> Value {
    let faults: Vec<Value> = checked.faults.iter().map(fault).collect();
    json!({"ok": faults.is_empty(), "file": checked.file, "records": checked.records, "faults": faults})
}

fn fault(fault: &Fault) -> Value {
    let place = match &fault.place {
        Place::Option(name) | Place::Variable(name) => Some(name.clone()),
        Place::File(path) => Some(path.display().to_string()),
        Place::Nowhere => None,
    };
    let (expected, found) = fault.problem.sides().unzip();
    json!({
        "place": place,
        "key": fault.key,
        "expected": expected,
        "found": found.map(unquoted),
        "nearest": fault.problem.nearest().map(unquoted),
        "message": fault.to_string(),
    })
}

/// A key by itself stands in quotes for people.
fn unquoted(nearest: &str) -> &str {
    nearest.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn checked(text: &str, json: bool) -> (Exit, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pin53.toml");
        fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let exit = run(&Args { config: Some(file), json }, &Env::default(), &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        (exit, said.replace(&*folder.path().to_string_lossy(), "/etc/pin53"))
    }

    const GOOD: &str = "[[record]]\nname = 'vpn.example.com'\n";
    const BAD: &str = "wach = '5s'\n[[record]]\nname = 'vpn.example.com'\nttl = -1\n";

    #[test]
    fn a_file_without_fault_is_told_in_a_line() {
        let (exit, said) = checked(GOOD, false);
        assert_eq!((exit, said.as_str()), (Exit::Ok, "/etc/pin53/pin53.toml: 1 record, no fault\n"));
        let said: Value = serde_json::from_str(&checked(GOOD, true).1).unwrap();
        let expected = json!({"ok": true, "file": "/etc/pin53/pin53.toml", "records": 1, "faults": []});
        assert_eq!(said, expected);
    }

    #[test]
    fn each_fault_is_a_line_or_an_object() {
        let (exit, said) = checked(BAD, false);
        assert_eq!(exit, Exit::Misconfigured);
        insta::assert_snapshot!(said, @"
        /etc/pin53/pin53.toml: wach: expected a setting of pin53's, found 'wach'; the nearest is 'watch'
        /etc/pin53/pin53.toml: record[0].ttl: expected a TTL of 0 to 2147483647 seconds, found '-1'
        ");
        let (exit, said) = checked(BAD, true);
        assert_eq!(exit, Exit::Misconfigured);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["ok"], false);
        assert_eq!(said["faults"][0]["nearest"], "watch");
        assert_eq!(said["faults"][0]["place"], "/etc/pin53/pin53.toml");
        assert_eq!(said["faults"][1]["key"], "record[0].ttl");
        assert_eq!(said["faults"][1]["found"], "-1");
    }
}
