//! Services with a form of their own: what of an event goes where in a request.
//!
//! | preset | URL | spec |
//! |---|---|---|
//! | `slack` | of an incoming webhook | <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/> |
//! | `discord` | of a webhook | <https://docs.discord.com/developers/resources/webhook#execute-webhook> |
//! | `ntfy` | of a topic | <https://docs.ntfy.sh/publish/> |
//! | `healthchecks` | of a check, by UUID or slug | <https://healthchecks.io/docs/http_api/> |
//! | `uptime-kuma` | of a push monitor | <https://github.com/louislam/uptime-kuma/wiki/Internal-API> |
//!
//! The last two worry when they hear nothing, and so hear of every audit that finds all well.

use std::str::FromStr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri};

use super::event::{Event, Kind};
use crate::aws::query_text;

/// What each of them shows of a text without cutting it.
const LONGEST: usize = 1500;
/// More is refused, what escapes the text included.
const LONGEST_OF_DISCORD: usize = 2000;
/// What stands in a URL (Uptime Kuma keeps 250 characters).
const LONGEST_IN_QUERY: usize = 250;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Slack,
    Discord,
    Ntfy,
    Healthchecks,
    UptimeKuma,
}

/// All of them, as they are written.
pub const PRESETS: [(&str, Preset); 5] = [
    ("slack", Preset::Slack),
    ("discord", Preset::Discord),
    ("ntfy", Preset::Ntfy),
    ("healthchecks", Preset::Healthchecks),
    ("uptime-kuma", Preset::UptimeKuma),
];

impl FromStr for Preset {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        PRESETS.iter().find(|(word, _)| *word == text).map(|(_, preset)| *preset).ok_or(())
    }
}

/// The parts of a request.
pub(super) struct Parts {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Preset {
    /// Whether it wants to hear that all is well, again and again.
    #[must_use]
    pub fn listens_for_life(self) -> bool {
        matches!(self, Self::Healthchecks | Self::UptimeKuma)
    }

    /// The request that tells of `event` in the words of `text`.
    pub(super) fn request(self, url: &Uri, event: &Event, text: &str) -> Parts {
        let text = shortened(text, LONGEST);
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        let (mut method, mut uri) = (Method::POST, url.clone());
        let bad = event.kind == Kind::Failed;
        let body = match self {
            Self::Slack => {
                headers.insert(CONTENT_TYPE, json);
                serde_json::json!({"text": for_slack(&text), "mrkdwn": false}).to_string()
            }
            Self::Discord => {
                headers.insert(CONTENT_TYPE, json);
                let nobody: [&str; 0] = [];
                let body = serde_json::json!({
                    "content": for_discord(&text), "allowed_mentions": {"parse": nobody}
                });
                body.to_string()
            }
            Self::Ntfy => {
                headers.insert(CONTENT_TYPE, plain);
                let (title, tag, priority) = match event.kind {
                    Kind::Changed => ("pin53: changed", "arrows_counterclockwise", "default"),
                    Kind::Failed => ("pin53: failed", "warning", "high"),
                    Kind::Recovered | Kind::Well => ("pin53: recovered", "white_check_mark", "default"),
                };
                headers.insert(HeaderName::from_static("title"), HeaderValue::from_static(title));
                headers.insert(HeaderName::from_static("tags"), HeaderValue::from_static(tag));
                headers.insert(HeaderName::from_static("priority"), HeaderValue::from_static(priority));
                text
            }
            Self::Healthchecks => {
                headers.insert(CONTENT_TYPE, plain);
                if bad {
                    let path = url.path().trim_end_matches('/');
                    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
                    uri = with_path(url, &format!("{path}/fail{query}"));
                }
                text
            }
            Self::UptimeKuma => {
                // Its first version takes no POST.
                method = Method::GET;
                let status = if bad { "down" } else { "up" };
                let text = shortened(&text, LONGEST_IN_QUERY);
                // The URL that it shows has a query to be filled in.
                uri = with_path(
                    url,
                    &format!("{}?status={status}&msg={}&ping=", url.path(), query_text(&text)),
                );
                String::new()
            }
        };
        Parts { method, uri, headers, body: Bytes::from(body) }
    }
}

fn with_path(url: &Uri, path: &str) -> Uri {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = path.parse::<PathAndQuery>().ok().or(parts.path_and_query);
    Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// Slack's three control characters.
///
/// Spec: <https://docs.slack.dev/messaging/formatting-message-text/#escaping>
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A text without Markdown: a wildcard's star is a star.
fn for_discord(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '#' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    shortened(&out, LONGEST_OF_DISCORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://hooks.example/services/T0/B0?token=x";

    fn request(preset: Preset, kind: Kind, text: &str) -> Parts {
        let events = Event::samples();
        let event = events.iter().find(|event| event.kind == kind).unwrap();
        preset.request(&URL.parse().unwrap(), event, text)
    }

    fn json(parts: &Parts) -> serde_json::Value {
        assert_eq!(parts.headers[CONTENT_TYPE], "application/json");
        serde_json::from_slice(&parts.body).unwrap()
    }

    #[test]
    fn slack_gets_a_text_in_which_nothing_is_markup() {
        let parts = request(Preset::Slack, Kind::Changed, "*.example.com <!channel> & more");
        assert_eq!((&parts.method, parts.uri.to_string().as_str()), (&Method::POST, URL));
        let expected =
            serde_json::json!({"text": "*.example.com &lt;!channel&gt; &amp; more", "mrkdwn": false});
        assert_eq!(json(&parts), expected);
    }

    #[test]
    fn discord_gets_content_that_pings_nobody_and_stays_below_its_limit() {
        let body = json(&request(Preset::Discord, Kind::Failed, "*.example.com: @everyone"));
        let expected = serde_json::json!({
            "content": "\\*.example.com: @everyone", "allowed_mentions": {"parse": []}
        });
        assert_eq!(body, expected);
        let long = json(&request(Preset::Discord, Kind::Failed, &"*".repeat(9000)));
        assert!(long["content"].as_str().unwrap().chars().count() <= 2000);
    }

    #[test]
    fn ntfy_gets_the_text_as_it_is_and_a_failure_is_louder() {
        let parts = request(Preset::Ntfy, Kind::Failed, "left vpn.example.com: silent");
        assert_eq!(parts.body, "left vpn.example.com: silent");
        assert_eq!(
            (&parts.headers["title"], &parts.headers["priority"]),
            (&HeaderValue::from_static("pin53: failed"), &HeaderValue::from_static("high"))
        );
        assert_eq!(request(Preset::Ntfy, Kind::Changed, "x").headers["priority"], "default");
    }

    #[test]
    fn healthchecks_is_pinged_and_told_of_failures_beside() {
        let url = |kind| request(Preset::Healthchecks, kind, "x").uri.to_string();
        assert_eq!(url(Kind::Well), URL);
        assert_eq!(url(Kind::Recovered), URL);
        assert_eq!(url(Kind::Failed), "https://hooks.example/services/T0/B0/fail?token=x");
    }

    #[test]
    fn uptime_kuma_is_pushed_up_or_down_whatever_query_its_url_had() {
        let parts = request(Preset::UptimeKuma, Kind::Failed, "left a: b & c");
        assert_eq!(parts.method, Method::GET);
        assert_eq!(
            parts.uri.to_string(),
            "https://hooks.example/services/T0/B0?status=down&msg=left%20a%3A%20b%20%26%20c&ping="
        );
        assert!(request(Preset::UptimeKuma, Kind::Well, "x").uri.to_string().contains("status=up&"));
    }

    #[test]
    fn each_is_found_by_its_word() {
        for (word, preset) in PRESETS {
            assert_eq!(word.parse(), Ok(preset));
        }
        assert!("Slack".parse::<Preset>().is_err());
    }
}
