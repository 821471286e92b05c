//! curl's options, and what each means for the request that is signed.
//!
//! Those of curl 7.88, and later ones that leave the request alone. An option that isn't here is
//! refused, so that none is guessed at.

/// How data is read from an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// `@FILE` without its line ends.
    Text,
    /// `@FILE` as it is.
    Binary,
    /// Never a file.
    Raw,
    /// Percent-encoded by curl.
    UrlEncoded,
    /// As binary, with the headers of JSON.
    Json,
}

/// What an option does to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Method,
    Header,
    Data(Data),
    Get,
    Head,
    Upload,
    Url,
    GlobOff,
    PathAsIs,
    /// Has curl connect to another place than the URL's, with a value that says where.
    Elsewhere,
    /// Nothing, with or without a value.
    None {
        value: bool,
    },
    Refused(&'static str),
}

impl Effect {
    pub(super) fn takes_value(self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::Header
                | Self::Data(_)
                | Self::Upload
                | Self::Url
                | Self::Elsewhere
                | Self::None { value: true }
        )
    }
}

const UNSEEN: &str = "what it adds isn't in the arguments";
const CREDENTIALS: &str = "it puts other credentials beside the signature";
const REDIRECTS: &str = "a signature is good for one URL, and would travel to another host";
const ONE: &str = "one request is signed at a time";
const BODY: &str = "what it makes of the body can't be told beforehand";
const HEADER: &str = "write the header out with -H in its place";
const QUERY: &str = "write the query into the URL in its place";

/// Options by their long names, with their letters.
const WITH_EFFECT: &[(&str, Option<u8>, Effect)] = &[
    ("request", Some(b'X'), Effect::Method),
    ("header", Some(b'H'), Effect::Header),
    ("data", Some(b'd'), Effect::Data(Data::Text)),
    ("data-ascii", None, Effect::Data(Data::Text)),
    ("data-binary", None, Effect::Data(Data::Binary)),
    ("data-raw", None, Effect::Data(Data::Raw)),
    ("data-urlencode", None, Effect::Data(Data::UrlEncoded)),
    ("json", None, Effect::Data(Data::Json)),
    ("get", Some(b'G'), Effect::Get),
    ("head", Some(b'I'), Effect::Head),
    ("upload-file", Some(b'T'), Effect::Upload),
    ("url", None, Effect::Url),
    ("globoff", Some(b'g'), Effect::GlobOff),
    ("path-as-is", None, Effect::PathAsIs),
    ("abstract-unix-socket", None, Effect::Elsewhere),
    ("connect-to", None, Effect::Elsewhere),
    ("doh-url", None, Effect::Elsewhere),
    ("preproxy", None, Effect::Elsewhere),
    ("proxy", Some(b'x'), Effect::Elsewhere),
    ("proxy1.0", None, Effect::Elsewhere),
    ("resolve", None, Effect::Elsewhere),
    ("socks4", None, Effect::Elsewhere),
    ("socks4a", None, Effect::Elsewhere),
    ("socks5", None, Effect::Elsewhere),
    ("socks5-hostname", None, Effect::Elsewhere),
    ("unix-socket", None, Effect::Elsewhere),
    ("dns-servers", None, Effect::Elsewhere),
    ("config", Some(b'K'), Effect::Refused(UNSEEN)),
    ("variable", None, Effect::Refused(UNSEEN)),
    ("form", Some(b'F'), Effect::Refused(BODY)),
    ("form-string", None, Effect::Refused(BODY)),
    ("form-escape", None, Effect::Refused(BODY)),
    ("crlf", None, Effect::Refused(BODY)),
    ("use-ascii", Some(b'B'), Effect::Refused(BODY)),
    ("append", Some(b'a'), Effect::Refused(BODY)),
    ("next", Some(b':'), Effect::Refused(ONE)),
    ("parallel", Some(b'Z'), Effect::Refused(ONE)),
    ("aws-sigv4", None, Effect::Refused(CREDENTIALS)),
    ("user", Some(b'u'), Effect::Refused(CREDENTIALS)),
    ("basic", None, Effect::Refused(CREDENTIALS)),
    ("digest", None, Effect::Refused(CREDENTIALS)),
    ("ntlm", None, Effect::Refused(CREDENTIALS)),
    ("ntlm-wb", None, Effect::Refused(CREDENTIALS)),
    ("negotiate", None, Effect::Refused(CREDENTIALS)),
    ("anyauth", None, Effect::Refused(CREDENTIALS)),
    ("oauth2-bearer", None, Effect::Refused(CREDENTIALS)),
    ("netrc", Some(b'n'), Effect::Refused(CREDENTIALS)),
    ("netrc-file", None, Effect::Refused(CREDENTIALS)),
    ("netrc-optional", None, Effect::Refused(CREDENTIALS)),
    ("location", Some(b'L'), Effect::Refused(REDIRECTS)),
    ("location-trusted", None, Effect::Refused(REDIRECTS)),
    ("follow", None, Effect::Refused(REDIRECTS)),
    ("range", Some(b'r'), Effect::Refused(HEADER)),
    ("time-cond", Some(b'z'), Effect::Refused(HEADER)),
    ("etag-compare", None, Effect::Refused(HEADER)),
    ("continue-at", Some(b'C'), Effect::Refused(HEADER)),
    ("request-target", None, Effect::Refused("it asks for another path than the URL's")),
    ("proto-default", None, Effect::Refused("write the scheme into the URL in its place")),
    ("url-query", None, Effect::Refused(QUERY)),
];

/// Options without a value that leave the request alone.
const FLAGS: &[(&str, Option<u8>)] = &[
    ("alpn", None),
    ("buffer", None),
    ("ca-native", None),
    ("cert-status", None),
    ("clobber", None),
    ("compressed", None),
    ("create-dirs", None),
    ("disable", Some(b'q')),
    ("disallow-username-in-url", None),
    ("doh-cert-status", None),
    ("doh-insecure", None),
    ("fail", Some(b'f')),
    ("fail-early", None),
    ("fail-with-body", None),
    ("false-start", None),
    ("haproxy-protocol", None),
    ("http0.9", None),
    ("http1.0", Some(b'0')),
    ("http1.1", None),
    ("http2", None),
    ("http2-prior-knowledge", None),
    ("http3", None),
    ("http3-only", None),
    ("ignore-content-length", None),
    ("include", Some(b'i')),
    ("show-headers", None),
    ("insecure", Some(b'k')),
    ("ipv4", Some(b'4')),
    ("ipv6", Some(b'6')),
    ("junk-session-cookies", Some(b'j')),
    ("keepalive", None),
    ("no-alpn", None),
    ("no-buffer", Some(b'N')),
    ("no-clobber", None),
    ("no-keepalive", None),
    ("no-npn", None),
    ("no-progress-meter", None),
    ("no-sessionid", None),
    ("post301", None),
    ("post302", None),
    ("post303", None),
    ("progress-bar", Some(b'#')),
    ("progress-meter", None),
    ("proxy-anyauth", None),
    ("proxy-basic", None),
    ("proxy-ca-native", None),
    ("proxy-digest", None),
    ("proxy-insecure", None),
    ("proxy-negotiate", None),
    ("proxy-ntlm", None),
    ("proxy-tlsv1", None),
    ("proxytunnel", Some(b'p')),
    ("raw", None),
    ("remote-header-name", Some(b'J')),
    ("remote-name", Some(b'O')),
    ("remote-name-all", None),
    ("remote-time", Some(b'R')),
    ("remove-on-error", None),
    ("retry-all-errors", None),
    ("retry-connrefused", None),
    ("sessionid", None),
    ("show-error", Some(b'S')),
    ("silent", Some(b's')),
    ("skip-existing", None),
    ("ssl-allow-beast", None),
    ("ssl-no-revoke", None),
    ("ssl-revoke-best-effort", None),
    ("styled-output", None),
    ("suppress-connect-headers", None),
    ("tcp-fastopen", None),
    ("tcp-nodelay", None),
    ("tls-earlydata", None),
    ("tlsv1", Some(b'1')),
    ("tlsv1.0", None),
    ("tlsv1.1", None),
    ("tlsv1.2", None),
    ("tlsv1.3", None),
    ("tr-encoding", None),
    ("trace-ids", None),
    ("trace-time", None),
    ("verbose", Some(b'v')),
    ("xattr", None),
];

/// Options with a value that leave the request alone.
const VALUED: &[(&str, Option<u8>)] = &[
    ("alt-svc", None),
    ("cacert", None),
    ("capath", None),
    ("cert", Some(b'E')),
    ("cert-type", None),
    ("ciphers", None),
    ("connect-timeout", None),
    ("cookie", Some(b'b')),
    ("cookie-jar", Some(b'c')),
    ("create-file-mode", None),
    ("crlfile", None),
    ("curves", None),
    ("dns-interface", None),
    ("dns-ipv4-addr", None),
    ("dns-ipv6-addr", None),
    ("dump-header", Some(b'D')),
    ("ech", None),
    ("engine", None),
    ("etag-save", None),
    ("expect100-timeout", None),
    ("happy-eyeballs-timeout-ms", None),
    ("hsts", None),
    ("interface", None),
    ("ip-tos", None),
    ("keepalive-cnt", None),
    ("keepalive-time", None),
    ("key", None),
    ("key-type", None),
    ("limit-rate", None),
    ("local-port", None),
    ("max-filesize", None),
    ("max-time", Some(b'm')),
    ("noproxy", None),
    ("output", Some(b'o')),
    ("output-dir", None),
    ("pass", None),
    ("pinnedpubkey", None),
    ("proto", None),
    ("proxy-cacert", None),
    ("proxy-capath", None),
    ("proxy-cert", None),
    ("proxy-cert-type", None),
    ("proxy-ciphers", None),
    ("proxy-crlfile", None),
    ("proxy-header", None),
    ("proxy-key", None),
    ("proxy-key-type", None),
    ("proxy-pass", None),
    ("proxy-pinnedpubkey", None),
    ("proxy-tls13-ciphers", None),
    ("proxy-user", Some(b'U')),
    ("rate", None),
    ("referer", Some(b'e')),
    ("retry", None),
    ("retry-delay", None),
    ("retry-max-time", None),
    ("speed-limit", Some(b'Y')),
    ("speed-time", Some(b'y')),
    ("stderr", None),
    ("tls-max", None),
    ("tls13-ciphers", None),
    ("trace", None),
    ("trace-ascii", None),
    ("trace-config", None),
    ("user-agent", Some(b'A')),
    ("write-out", Some(b'w')),
];

/// What an option named in full means.
pub(super) fn long(name: &str) -> Option<Effect> {
    let with_effect = WITH_EFFECT.iter().find(|(known, ..)| *known == name).map(|(.., effect)| *effect);
    let is = |list: &[(&str, Option<u8>)], name: &str| list.iter().any(|(known, _)| *known == name);
    with_effect
        .or_else(|| is(VALUED, name).then_some(Effect::None { value: true }))
        .or_else(|| is(FLAGS, name).then_some(Effect::None { value: false }))
        .or_else(|| {
            let bare = name.strip_prefix("no-")?;
            is(FLAGS, bare).then_some(Effect::None { value: false })
        })
}

/// What a letter means.
pub(super) fn short(letter: u8) -> Option<Effect> {
    let with_effect =
        WITH_EFFECT.iter().find(|(_, known, _)| *known == Some(letter)).map(|(.., effect)| *effect);
    let is = |list: &[(&str, Option<u8>)]| list.iter().any(|(_, known)| *known == Some(letter));
    with_effect
        .or_else(|| is(VALUED).then_some(Effect::None { value: true }))
        .or_else(|| is(FLAGS).then_some(Effect::None { value: false }))
}
