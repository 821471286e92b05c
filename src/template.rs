//! What is rendered from `templates/`: one renderer, strict about what it is given.
//!
//! Templates are compiled in. Escaping follows the file's ending.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
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
