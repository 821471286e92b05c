//! The canonical request: one form of a request that signer and service arrive at separately.
//!
//! Written in one go into one buffer. Where AWS's own signers differ, this follows botocore. Not here:
//! which headers are covered, beyond those that never are.

use std::ops::Range;

use http::header::{HeaderName, HeaderValue};

use super::Settings;
use crate::sign::RawPath;
use crate::sign::percent::push_encoded;

/// Headers that proxies and clients change on the way, in alphabetical order (botocore, `auth.py`).
/// `authorization` is where the signature itself goes.
const NEVER_SIGNED: [&str; 15] = [
    "authorization",
    "baggage",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

pub(super) fn is_never_signed(name: &str) -> bool {
    NEVER_SIGNED.binary_search(&name).is_ok()
}

/// One value of a header that is covered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// In lower case.
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
}

impl<'a> Field<'a> {
    pub(super) fn of_request((name, value): (&'a HeaderName, &'a HeaderValue)) -> Self {
        Self { name: name.as_str(), value: value.as_bytes() }
    }
}

/// A canonical request.
pub(super) struct Canonical {
    /// Bytes, since header values needn't be text.
    text: Vec<u8>,
    signed_headers: Range<usize>,
}

impl Canonical {
    /// Writes it over `query` in place of the request's own, and `fields`, in any order but that of the
    /// values of one header.
    pub(super) fn write<B>(
        request: &http::Request<B>,
        query: &str,
        mut fields: Vec<Field<'_>>,
        settings: Settings,
        payload: &[u8],
    ) -> Self {
        // Stable, so that the values of a header stay in the order in which they came.
        fields.sort_by_key(|field| field.name);
        let uri = request.uri();
        let size = fields.iter().map(|f| 2 * f.name.len() + f.value.len() + 4).sum::<usize>();
        let path_and_query = uri.path().len() + query.len() + 2;
        // A path grows where it is encoded again, which is rare enough to let the buffer grow with it.
        let mut out = Vec::with_capacity(size + path_and_query + payload.len() + 32);

        out.extend_from_slice(request.method().as_str().as_bytes());
        out.push(b'\n');
        let raw = request.extensions().get::<RawPath>();
        push_path(&mut out, raw.map_or(uri.path(), |path| &path.0), settings);
        out.push(b'\n');
        push_query(&mut out, query);
        out.push(b'\n');
        let mut previous = None;
        for field in &fields {
            if previous == Some(field.name) {
                // In place of the line's end.
                out.pop();
                out.push(b',');
            } else {
                out.extend_from_slice(field.name.as_bytes());
                out.push(b':');
            }
            push_folded(&mut out, field.value);
            out.push(b'\n');
            previous = Some(field.name);
        }
        out.push(b'\n');
        let start = out.len();
        fields.dedup_by_key(|field| field.name);
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                out.push(b';');
            }
            out.extend_from_slice(field.name.as_bytes());
        }
        let signed_headers = start..out.len();
        out.push(b'\n');
        out.extend_from_slice(payload);
        Self { text: out, signed_headers }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// The names of the covered headers, `host;x-amz-date`.
    pub(super) fn signed_headers(&self) -> &str {
        // Header names are ASCII.
        std::str::from_utf8(&self.text[self.signed_headers.clone()]).unwrap_or_default()
    }

    /// The whole as text, with replacement characters for what isn't.
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

fn push_path(out: &mut Vec<u8>, path: &str, settings: Settings) {
    let push = if settings.double_encode_path { push_path_encoded } else { push_as_it_is };
    if path.is_empty() {
        out.push(b'/');
    } else if settings.normalize_path && (path.contains("//") || path.contains("/.")) {
        push_normalized(out, path, push);
    } else {
        push(out, path);
    }
}

/// Resolves dot segments and merges slashes. Other than in RFC 3986 section 5.2.4, no slash is left at the end for a
/// final `.` or `..`.
fn push_normalized(out: &mut Vec<u8>, path: &str, push: fn(&mut Vec<u8>, &str)) {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    if kept.is_empty() {
        out.push(b'/');
    }
    for segment in &kept {
        out.push(b'/');
        push(out, segment);
    }
    if path.ends_with('/') && !kept.is_empty() {
        out.push(b'/');
    }
}

fn push_as_it_is(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn push_path_encoded(out: &mut Vec<u8>, text: &str) {
    push_encoded(out, text.as_bytes(), b"/");
}

/// Sorts the parameters as pairs and gives each its `=`. Their text is taken as it stands: one that is
/// sent in another encoding than the canonical is signed in that.
fn push_query(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    // As pairs and not as joined text: `a-b=1` comes behind `a=2`, although `-` comes before `=`.
    let mut pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
}

/// Trims, and makes every run of white space one space, inside quotes too.
fn push_folded(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_list_of_headers_never_signed_is_in_order_to_be_searched() {
        assert!(NEVER_SIGNED.is_sorted());
        assert!(is_never_signed("proxy-authorization") && is_never_signed("user-agent"));
        assert!(!is_never_signed("content-type") && !is_never_signed("x-amz-date"));
    }

    #[test]
    fn dot_segments_are_resolved_and_slashes_merged_where_the_service_does() {
        let aws = |path| written(|out| push_path(out, path, Settings::for_service("route53")));
        for (path, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/.", "/"),
            ("/./", "/"),
            ("/..", "/"),
            ("/../..", "/"),
            ("/a/../b", "/b"),
            ("/a/./b/", "/a/b/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a"),
            ("/a//b", "/a/b"),
            ("/.hidden/..a", "/.hidden/..a"),
            ("*", "%2A"),
            ("/a%20b/~x-_.", "/a%2520b/~x-_."),
            ("/ü:$", "/%C3%BC%3A%24"),
        ] {
            assert_eq!(aws(path), canonical, "{path:?}");
        }
        let s3 = |path| written(|out| push_path(out, path, Settings::for_service("s3")));
        for path in ["/", "//", "/a/../b", "/a%20b", "/a//b/."] {
            assert_eq!(s3(path), path);
        }
    }

    #[test]
    fn parameters_sort_as_pairs_and_keep_their_duplicates() {
        for (query, canonical) in [
            ("", ""),
            ("a", "a="),
            ("a-b=1&a%20b=3&a=2", "a=2&a%20b=3&a-b=1"),
            ("b=2&a=3&a=1&a=", "a=&a=1&a=3&b=2"),
            ("a=b=c", "a=b=c"),
            ("a=1&&b=2", "=&a=1&b=2"),
            ("z=%7E&y=%2a", "y=%2a&z=%7E"),
        ] {
            assert_eq!(written(|out| push_query(out, query)), canonical, "{query:?}");
        }
    }

    #[test]
    fn white_space_in_values_is_folded_even_in_quotes() {
        let folded = |value: &str| written(|out| push_folded(out, value.as_bytes()));
        assert_eq!(folded("  a\t \tb  "), "a b");
        assert_eq!(folded("\"a   b\""), "\"a b\"");
        assert_eq!(folded(" \t"), "");
    }
}
