//! The embedded templates: layout only, strict, unescaped.
//!
//! Must not receive anything but finished strings: what a repository can influence was escaped
//! before it came here.

use handlebars::{Handlebars, no_escape};
use serde::Serialize;

use super::ReportError;

/// The name of the comment's template.
const COMMENT: &str = "comment";

/// Every template by name; those beside the comment are its sections.
const TEMPLATES: [(&str, &str); 7] = [
    (COMMENT, include_str!("../../templates/comment.md.hbs")),
    (
        "metrics",
        include_str!("../../templates/partials/metrics.md.hbs"),
    ),
    ("rows", include_str!("../../templates/partials/rows.md.hbs")),
    (
        "bottlenecks",
        include_str!("../../templates/partials/bottlenecks.md.hbs"),
    ),
    (
        "recommendations",
        include_str!("../../templates/partials/recommendations.md.hbs"),
    ),
    (
        "quick-wins",
        include_str!("../../templates/partials/quick-wins.md.hbs"),
    ),
    (
        "footer",
        include_str!("../../templates/partials/footer.md.hbs"),
    ),
];

/// The parsed templates.
#[derive(Debug)]
pub(super) struct Templates(Handlebars<'static>);

impl Templates {
    /// Parses the embedded templates.
    pub(super) fn embedded() -> Result<Self, ReportError> {
        Self::from_sources(&TEMPLATES)
    }

    fn from_sources(sources: &[(&str, &str)]) -> Result<Self, ReportError> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(no_escape);
        for (name, source) in sources {
            registry
                .register_template_string(name, source)
                .map_err(Box::new)?;
        }
        Ok(Self(registry))
    }

    /// Renders the comment.
    pub(super) fn comment(&self, view: &impl Serialize) -> Result<String, ReportError> {
        Ok(self.0.render(COMMENT, view).map_err(Box::new)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_an_error() {
        #[derive(Serialize)]
        struct View {
            known: &'static str,
        }
        let view = View { known: "<b> & |" };
        let good = Templates::from_sources(&[(COMMENT, "{{known}}")]).expect("it parses");
        assert_eq!(good.comment(&view).expect("it renders"), "<b> & |");
        let bad = Templates::from_sources(&[(COMMENT, "{{unknown}}")]).expect("it parses");
        let error = bad.comment(&view).expect_err("the variable is unknown");
        assert!(error.to_string().contains("unknown"), "{error}");
    }
}
