//! A policy in Terraform's language.
//!
//! Spec: <https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document>

use std::fmt::Write;

use super::{PURPOSE, Policy, Statement};

pub(super) fn written(policy: &Policy) -> String {
    let mut out = String::from("data \"aws_iam_policy_document\" \"pin53\" {\n");
    for (i, statement) in policy.statement.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Memory takes everything.
        let _ = write_statement(&mut out, statement);
    }
    let _ = write!(
        out,
        "}}\n\nresource \"aws_iam_policy\" \"pin53\" {{\n  name        = \"pin53\"\n  description = {}\n  \
         policy      = data.aws_iam_policy_document.pin53.json\n}}\n",
        quoted(PURPOSE)
    );
    out
}

fn write_statement(out: &mut String, statement: &Statement) -> std::fmt::Result {
    writeln!(out, "  statement {{")?;
    writeln!(out, "    sid       = {}", quoted(&statement.sid))?;
    writeln!(out, "    actions   = {}", list(statement.action.as_slice()))?;
    writeln!(out, "    resources = {}", list(statement.resource.as_slice()))?;
    for (test, keys) in &statement.condition {
        for (variable, values) in keys {
            writeln!(out, "\n    condition {{")?;
            writeln!(out, "      test     = {}", quoted(test))?;
            writeln!(out, "      variable = {}", quoted(variable))?;
            writeln!(out, "      values   = {}", list(values))?;
            writeln!(out, "    }}")?;
        }
    }
    writeln!(out, "  }}")
}

fn list<T: AsRef<str>>(values: &[T]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| quoted(value.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${").replace("%{", "%%{");
    format!("\"{escaped}\"")
}
