//! What an examination finds, a check for each step, and the two forms in which it is shown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::report::Class;

/// The steps in their order, by what the ids of their checks begin with.
const STEPS: [&str; 15] = [
    "configuration",
    "aws-settings",
    "metadata",
    "address",
    "credentials",
    "identity",
    "clock",
    "endpoint",
    "signing",
    "zone",
    "delegation",
    "record",
    "permissions",
    "state",
    "unit",
];

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It works, and not as well as it could.
    Warn,
    Fail,
    /// Not looked at: what it builds on failed, or there is nothing to look at.
    Skip,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One step of the examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The step, and behind a colon which name it is about, where there are several.
    pub id: String,
    pub status: Status,
    pub found: String,
    /// Why it is not well; there for each warning and failure.
    pub why: Option<String>,
    /// What mends it.
    pub mend: Option<String>,
    /// How grave it is.
    #[serde(skip)]
    pub class: Class,
}

impl Check {
    pub(super) fn ok(id: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            status: Status::Ok,
            found: found.into(),
            why: None,
            mend: None,
            class: Class::Fine,
        }
    }

    pub(super) fn skip(id: impl Into<String>, found: impl Into<String>) -> Self {
        Self { status: Status::Skip, ..Self::ok(id, found) }
    }

    pub(super) fn warn(
        id: impl Into<String>,
        found: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let said = |text: String, else_said: &str| if text.is_empty() { else_said.to_owned() } else { text };
        let why = Some(said(why.into(), "nothing more is known"));
        let mend = Some(said(mend.into(), "look at it closer with PIN53_LOG=debug"));
        Self { status: Status::Warn, why, mend, ..Self::ok(id, found) }
    }

    /// A failure of a class, with what was found, why, and what mends it.
    pub fn fail(
        id: impl Into<String>,
        class: Class,
        found: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { status: Status::Fail, class, ..Self::warn(id, found, why, mend) }
    }
}

/// All checks, in the order of the steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    checks: Vec<Check>,
}

impl Extend<Check> for Findings {
    fn extend<T: IntoIterator<Item = Check>>(&mut self, checks: T) {
        self.checks.extend(checks);
    }
}

impl Findings {
    /// The failure of a step that everything behind it builds on.
    #[must_use]
    pub fn ended_at(failure: &Check) -> Self {
        let at = STEPS.iter().position(|step| *step == failure.id).unwrap_or_default();
        let why = format!("not looked at: {} failed", failure.id);
        let before = STEPS[..at].iter().map(|step| Check::ok(*step, "can be read"));
        let behind = STEPS[at + 1..].iter().map(|step| Check::skip(*step, why.clone()));
        Self { checks: before.chain([failure.clone()]).chain(behind).collect() }
    }

    pub(super) fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.count(Status::Fail) == 0
    }

    /// How grave the gravest failure is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.checks.iter().map(|check| check.class).max().unwrap_or(Class::Fine)
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    /// One JSON object, in one line.
    ///
    /// # Errors
    /// Never in practice: nothing in a check is beyond JSON.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            ok: bool,
            checks: &'a [Check],
        }
        serde_json::to_string(&Shown { ok: self.is_ok(), checks: &self.checks })
    }

    /// A line a check, why and mend below it, and the sum.
    #[must_use]
    pub fn text(&self) -> String {
        let width = self.checks.iter().map(|check| check.id.chars().count()).max().unwrap_or_default();
        let mut text = String::new();
        for Check { id, status, found, why, mend, .. } in &self.checks {
            // Writing to a string doesn't fail.
            let _ = writeln!(text, "{:<4}  {id:<width$}  {}", status.word(), in_one_line(found));
            for (label, said) in [("why: ", why), ("mend:", mend)] {
                if let Some(said) = said {
                    let _ = writeln!(text, "      {label} {}", in_one_line(said));
                }
            }
        }
        let counted = [(Status::Fail, "failed"), (Status::Warn, "with a warning"), (Status::Skip, "skipped")];
        let counted = counted.into_iter().filter_map(|(status, words)| {
            let n = self.count(status);
            (n > 0).then(|| format!("{n} {words}"))
        });
        let sum = [format!("{} checks", self.checks.len())].into_iter().chain(counted);
        let _ = writeln!(text, "{}", sum.collect::<Vec<_>>().join(", "));
        text
    }
}

/// What was found may be anyone's text, and stays in its line.
fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let mut findings = Findings::default();
        findings.push(Check::ok("clock", "it shows Amazon's time"));
        findings.push(Check::warn("signing", "SigV4", "AWS3-HTTPS isn't taken", "signing = \"sigv4\""));
        findings.push(Check::fail("zone:a.example", Class::Misconfigured, "none", "two\nlines", "make one"));
        findings.push(Check::skip("record:a.example/A", "no zone"));
        findings
    }

    #[test]
    fn a_check_is_a_line_with_why_and_mend_below_it() {
        insta::assert_snapshot!(findings().text(), @r#"
        ok    clock               it shows Amazon's time
        warn  signing             SigV4
              why:  AWS3-HTTPS isn't taken
              mend: signing = "sigv4"
        fail  zone:a.example      none
              why:  two\nlines
              mend: make one
        skip  record:a.example/A  no zone
        4 checks, 1 failed, 1 with a warning, 1 skipped
        "#);
    }

    #[test]
    fn the_json_has_what_was_promised_and_nothing_else() {
        let json: serde_json::Value = serde_json::from_str(&findings().json().unwrap()).unwrap();
        assert_eq!(json["ok"], false);
        let fail = serde_json::json!({
            "id": "zone:a.example", "status": "fail", "found": "none", "why": "two\nlines", "mend": "make one"
        });
        assert_eq!(json["checks"][2], fail);
        assert_eq!(json["checks"][0]["why"], serde_json::Value::Null);
        assert_eq!(findings().class(), Class::Misconfigured);
    }

    #[test]
    fn a_failure_never_lacks_why_or_mend() {
        let check = Check::fail("zone", Class::Other, "none", "", String::new());
        assert!(!check.why.unwrap().is_empty() && !check.mend.unwrap().is_empty());
    }

    #[test]
    fn warnings_and_what_was_skipped_are_no_failure() {
        let mut findings = Findings::default();
        findings.push(Check::warn("signing", "SigV4", "why", "mend"));
        findings.push(Check::skip("unit", "no systemd"));
        assert_eq!((findings.is_ok(), findings.class()), (true, Class::Fine));
    }

    #[test]
    fn behind_a_step_that_everything_builds_on_nothing_is_looked_at() {
        let failure = Check::fail("aws-settings", Class::Misconfigured, "found", "why", "mend");
        let findings = Findings::ended_at(&failure);
        let status = |id: &str| findings.checks().iter().find(|check| check.id == id).unwrap().status;
        assert_eq!(status("configuration"), Status::Ok);
        assert_eq!(status("aws-settings"), Status::Fail);
        assert!(findings.checks()[2..].iter().all(|check| check.status == Status::Skip));
        assert_eq!(findings.checks().len(), STEPS.len());
    }
}
