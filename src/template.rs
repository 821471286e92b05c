//! What is rendered: templates of `templates/`, and those that users write; strict about what they are given.
//!
//! The former are compiled in, and escaping follows the file's ending. What is put into a user's template that
//! is JSON is escaped as JSON wants it inside of quotation marks.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, filters};
use serde::Serialize;

/// A template of `templates/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    name: &'static str,
    source: &'static str,
}

/// The body of a ChangeResourceRecordSets request.
pub const CHANGE_RESOURCE_RECORD_SETS: Template = Template {
    name: "change-resource-record-sets.xml",
    source: include_str!("../templates/route53/change-resource-record-sets.xml"),
};

/// The status page.
pub const STATUS_PAGE: Template =
    Template { name: "page.html", source: include_str!("../templates/status/page.html") };

/// A template could not be rendered: it wants something that it wasn't given.
#[derive(Debug, thiserror::Error)]
#[error("could not render {template}")]
pub struct Error {
    template: &'static str,
    #[source]
    source: minijinja::Error,
}

impl Template {
    /// Fills the template with the fields of `context`.
    ///
    /// # Errors
    /// When the template names something that `context` doesn't have.
    pub fn render(&self, context: impl Serialize) -> Result<String, Error> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".xml") || name.ends_with(".html") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        environment
            .render_named_str(self.name, self.source, minijinja::value::Serde(context))
            .map_err(|source| Error { template: self.name, source })
    }
}

/// A template that a user has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTemplate {
    source: String,
    is_json: bool,
}

/// What is wrong with a user's template.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// It is none, or names something that there isn't.
    #[error(transparent)]
    Template(minijinja::Error),
    #[error("what begins like JSON has to come out as JSON")]
    Json(#[source] serde_json::Error),
}

impl UserTemplate {
    #[must_use]
    pub fn new(source: &str) -> Self {
        let mut start = source.trim_start().chars();
        let is_json = match (start.next(), start.next()) {
            (Some('{'), next) => !matches!(next, Some('{' | '%' | '#')),
            (first, _) => first == Some('['),
        };
        Self { source: source.to_owned(), is_json }
    }

    /// Whether it begins as JSON does.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Fills the template with the fields of `context`.
    ///
    /// # Errors
    /// When it is no template, names something that `context` doesn't have, or doesn't come out as the JSON that it
    /// begins as.
    pub fn render(&self, context: impl Serialize) -> Result<String, UserError> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("default", filters::default);
        environment.add_filter("join", filters::join);
        environment.add_filter("lower", filters::lower);
        environment.add_filter("replace", filters::replace);
        environment.add_filter("upper", filters::upper);
        if self.is_json {
            environment.set_formatter(|out, _, value| {
                let text = value.to_string();
                let quoted = serde_json::Value::String(text).to_string();
                let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
                out.write_str(inner).map_err(Into::into)
            });
        }
        let context = minijinja::value::Serde(context);
        let rendered =
            environment.render_named_str("template", &self.source, context).map_err(UserError::Template)?;
        if self.is_json {
            serde_json::from_str::<serde::de::IgnoredAny>(&rendered).map_err(UserError::Json)?;
        }
        Ok(rendered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Context {
        name: &'static str,
        said: &'static str,
    }

    const CONTEXT: Context = Context { name: "vpn.example.com", said: "a \"b\"\n<c> & \\d" };

    fn rendered(source: &str) -> Result<String, String> {
        UserTemplate::new(source).render(CONTEXT).map_err(|error| error.to_string())
    }

    #[test]
    fn text_comes_out_as_it_is_and_json_as_json() {
        assert_eq!(rendered("{{ name }}: {{ said }}").unwrap(), format!("vpn.example.com: {}", CONTEXT.said));
        let json = rendered("{\"text\": \"{{ name | upper }}: {{ said }}\"}").unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["text"], format!("VPN.EXAMPLE.COM: {}", CONTEXT.said));
        assert!(UserTemplate::new(" [\"{{ name }}\"]").is_json());
        assert!(!UserTemplate::new("{% if true %}a{% endif %}").is_json());
        assert!(!UserTemplate::new("").is_json());
    }

    #[test]
    fn what_is_no_template_or_names_nothing_or_is_half_json_is_told() {
        assert!(rendered("{{ name").unwrap_err().contains("syntax error"));
        assert!(rendered("{{ nam }}").unwrap_err().contains("undefined"));
        assert!(rendered("{\"a\": \"{{ nam }}\"}").unwrap_err().contains("undefined"));
        assert!(rendered("{\"text\": {{ name }}}").unwrap_err().contains("JSON"));
    }
}
