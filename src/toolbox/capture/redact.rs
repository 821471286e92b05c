//! What of a request isn't shown: whatever would let the reader sign in as its sender.

use percent_encoding::percent_decode_str;

const HIDDEN: &str = "[redacted]";

/// Headers whose value is a credential, in lower case.
const HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "x-amz-security-token",
    "x-amzn-authorization",
    "x-security-token",
];

/// Parameters of a query or form whose value is one.
const PARAMETERS: [&str; 4] = ["x-amz-signature", "x-amz-security-token", "signature", "sig"];

/// Schemes whose name alone gives nothing away.
const SCHEMES: [&str; 8] = [
    "AWS4-HMAC-SHA256",
    "AWS3-HTTPS",
    "SharedKey",
    "SharedKeyLite",
    "SDK-HMAC-SHA256",
    "Basic",
    "Bearer",
    "Digest",
];

/// The value of a header as it may be shown.
pub(super) fn header(name: &str, value: &str) -> String {
    if !HEADERS.contains(&name.trim().to_ascii_lowercase().as_str()) {
        return value.to_owned();
    }
    let scheme = value.trim().split(' ').next().unwrap_or_default();
    match SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme)) {
        Some(scheme) => format!("{scheme} {HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

/// Whether the value of a parameter is a credential.
pub(super) fn is_hidden(name: &str) -> bool {
    PARAMETERS.contains(&name.trim().to_ascii_lowercase().as_str())
}

/// The value of a parameter as it may be shown.
pub(super) fn parameter(name: &str, value: &str) -> String {
    if is_hidden(name) { HIDDEN.to_owned() } else { value.to_owned() }
}

/// A query or a form as it stands, with the values in it that may not be shown taken out.
pub(super) fn query(text: &str) -> String {
    let shown = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_hidden(&percent_decode_str(name).decode_utf8_lossy()) => {
            format!("{name}={HIDDEN}")
        }
        _ => pair.to_owned(),
    });
    shown.collect::<Vec<_>>().join("&")
}

/// A request's target, path and query.
pub(super) fn target(text: &str) -> String {
    match text.split_once('?') {
        Some((path, rest)) => format!("{path}?{}", query(rest)),
        None => text.to_owned(),
    }
}

/// A request line: method, target, version.
pub(super) fn request_line(text: &str) -> String {
    match text.rsplit_once(' ') {
        Some((start, version)) => format!("{} {version}", target(start)),
        None => target(text),
    }
}

/// A text that a verifier worked out: lines with headers, and one with the query.
pub(super) fn canonical(text: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((name, value)) if header(name, value) != value => format!("{name}:{}", header(name, value)),
        _ => query(line),
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_and_their_kind_stays() {
        for (name, value, shown) in [
            ("Authorization", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 [redacted]"),
            ("AUTHORIZATION", "basic c2VjcmV0", "Basic [redacted]"),
            ("authorization", "sentinel", "[redacted]"),
            ("authorization", "sentinel sentinel", "[redacted]"),
            ("X-Amz-Security-Token", "sentinel", "[redacted]"),
            ("X-Amz-Date", "20150830T123600Z", "20150830T123600Z"),
        ] {
            assert_eq!(header(name, value), shown, "{name}");
        }
    }

    #[test]
    fn signatures_go_out_of_queries_however_their_names_are_written() {
        assert_eq!(
            target("/a?X-Amz-Signature=s&b=1&x%2damz-signature=s&sig=s&SIGNATURE=s&signal=1"),
            "/a?X-Amz-Signature=[redacted]&b=1&x%2damz-signature=[redacted]&sig=[redacted]&SIGNATURE=[redacted]&signal=1"
        );
        assert_eq!(target("/plain"), "/plain");
        assert_eq!(request_line("GET /?a=1&sig=s HTTP/1.1"), "GET /?a=1&sig=[redacted] HTTP/1.1");
    }

    #[test]
    fn a_canonical_request_keeps_all_but_its_token() {
        let text = "GET\n/\na=1&X-Amz-Security-Token=s\nhost:h\nx-amz-security-token:s\n\nhost";
        let shown =
            "GET\n/\na=1&X-Amz-Security-Token=[redacted]\nhost:h\nx-amz-security-token:[redacted]\n\nhost";
        assert_eq!(canonical(text), shown);
    }
}
