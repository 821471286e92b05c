//! `pin53 sign`: what to add to a request so that it is signed.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use serde_json::json;

use super::signing::{self, SignArgs};
use super::{Exit, Failure};
use crate::env::Env;
use crate::sign::Signed;
use crate::toolbox::Scheme;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub sign: SignArgs,
    /// Method [default: GET, or POST with --data]
    #[arg(long, value_name = "METHOD", help_heading = "What to sign")]
    pub method: Option<Method>,
    /// Header; repeatable
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, help_heading = "What to sign")]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// Body, or @FILE that holds it
    #[arg(long, value_name = "DATA|@FILE", help_heading = "What to sign")]
    pub data: Option<OsString>,
    /// Also the canonical request and string to sign, on stderr
    #[arg(long, help_heading = "Output")]
    pub explain: bool,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// What is asked for
    #[arg(value_name = "URL", value_parser = url, help_heading = "What to sign")]
    pub url: Uri,
}

const EXAMPLES: &str = "\
Prints the headers to add; with sigv4-query, the signed URL.

Examples:
  pin53 sign --scheme sigv4-query --expires 60 \\
    'https://iam.amazonaws.com/?Action=GetUser&Version=2010-05-08'
  pin53 sign --scheme azure --method DELETE https://A.blob.core.windows.net/c/b";

/// What was given as the body can't be had.
#[derive(Debug, thiserror::Error)]
#[error("--data: could not read {what}")]
struct DataError {
    what: String,
    #[source]
    source: io::Error,
}

/// # Errors
/// When there are no keys, or the request can't be signed.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let request = args.request()?;
    let way = args.sign.signer(request.uri(), env)?;
    let (credentials, time) = args.sign.identity(env)?;
    let signed = way.sign(&request, &credentials, time).map_err(signing::unsigned)?;
    if args.explain {
        explain(&signed, err).map_err(Failure::output)?;
    }
    let printed = if args.json { print_json(args, &signed, out) } else { print_text(&signed, out) };
    printed.map_err(Failure::output)?;
    if let Err(exposed) = signing::refuse_plain(args.sign.scheme, request.uri()) {
        // What is printed is good for any request: whoever uses it has to know where not to send it.
        let _ = writeln!(err, "warning: {exposed}");
    }
    if args.sign.scheme == Scheme::Azure && !request.headers().contains_key("x-ms-version") {
        // Whoever closed standard error doesn't want to know.
        let _ =
            writeln!(err, "hint: Azure Storage wants an x-ms-version: --header 'x-ms-version: 2023-11-03'");
    }
    Ok(Exit::Ok)
}

impl Args {
    fn request(&self) -> Result<Request<Bytes>, Failure> {
        let body = self.data.as_ref().map(data).transpose();
        let body = body.map_err(|error| Failure::new(Exit::Usage, error))?;
        let default = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(body.unwrap_or_default());
        *request.method_mut() = self.method.clone().unwrap_or(default);
        *request.uri_mut() = self.url.clone();
        let mut headers = HeaderMap::new();
        for (name, value) in &self.header {
            headers.append(name.clone(), value.clone());
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

fn data(argument: &OsString) -> Result<Bytes, DataError> {
    let bytes = argument.as_encoded_bytes();
    let Some(file) = bytes.strip_prefix(b"@") else { return Ok(Bytes::copy_from_slice(bytes)) };
    let read = if file == b"-" {
        let mut read = Vec::new();
        io::stdin().lock().read_to_end(&mut read).map(|_| read)
    } else {
        use std::os::unix::ffi::OsStrExt;
        std::fs::read(Path::new(std::ffi::OsStr::from_bytes(file)))
    };
    let failed = |source| DataError { what: String::from_utf8_lossy(file).into_owned(), source };
    read.map(Bytes::from).map_err(failed)
}

/// Reads `Name: value`.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = "expected a header like 'Name: value'";
    let (name, value) = text.split_once(':').ok_or(expected)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| expected)?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| expected)?;
    Ok((name, value))
}

/// Reads an absolute URL.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("expected a URL, percent-encoded: {error}"))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) {
        return Err("expected a URL like https://example.com/path".to_owned());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("expected a URL without a user name or password in it".to_owned());
    }
    Ok(uri)
}

fn print_text(signed: &Signed, out: &mut dyn Write) -> io::Result<()> {
    if let Some(url) = &signed.url {
        return writeln!(out, "{url}");
    }
    for (name, value) in &signed.headers {
        out.write_all(name.as_str().as_bytes())?;
        out.write_all(b": ")?;
        out.write_all(value.as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn print_json(args: &Args, signed: &Signed, out: &mut dyn Write) -> io::Result<()> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> =
        signed.headers.iter().map(|(name, value)| [name.to_string(), text(value)]).collect();
    let object = json!({
        "scheme": args.sign.scheme.name(),
        "headers": headers,
        "url": signed.url.clone().unwrap_or_else(|| args.url.to_string()),
        "canonical_request": signed.canonical_request,
        "string_to_sign": signed.string_to_sign,
        "signature": signed.signature,
    });
    writeln!(out, "{object}")
}

/// Writes the texts that the signature was worked out from.
///
/// # Errors
/// When `to` can't be written to.
pub(super) fn explain(signed: &Signed, to: &mut dyn Write) -> io::Result<()> {
    if let Some(canonical_request) = &signed.canonical_request {
        writeln!(to, "canonical request:\n{canonical_request}\n")?;
    }
    writeln!(to, "string to sign:\n{}", signed.string_to_sign)
}
